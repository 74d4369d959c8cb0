//! `patchbay backup` and `restore` as processes.

use crate::{
    process::{Process, patchbay, refused, serve, set_up, sign_in},
    support::{CHATS, OWNER_EMAIL, OWNER_PASSWORD, chat, text, transcript},
};
use serde_json::json;
use std::path::Path;
use testkit::{
    http::{Client, Proof},
    temp::TempDir,
};

const TOKENS: &str = "/api/v2/users/me/keys/tokens";

async fn run(arguments: &[&str], data: &Path) -> String {
    let output =
        patchbay(arguments, &[("PATCHBAY_DATA_DIR", data.to_str().unwrap())]).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn api_token(client: &Client, name: &str) -> (String, String) {
    let made = client.post(TOKENS, &json!({"token_name": name})).await.expect(201).json();
    let listed = client.get(TOKENS).await.expect(200).json();
    let row = listed.as_array().unwrap().iter().find(|row| row["token_name"] == name).unwrap().clone();
    (row["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn stopped(server: Process) {
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_backup_of_a_running_server_comes_back_without_what_was_revoked_since() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let before = chat(&client, &json!({"content": text("before the backup")})).await;
    let login = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
    let session = client.post("/api/v2/users/login", &login).await.expect(201).json();
    let session = session["session_token"].as_str().unwrap().to_owned();
    let (_, kept) = api_token(&client, "kept").await;
    let (revoked_id, revoked) = api_token(&client, "revoked").await;

    let file = data.path().join("backup.sqlite");
    let file_text = file.to_str().unwrap();
    let said = run(&["backup", file_text], data.path()).await;
    assert!(said.contains("1 users") && said.contains("1 chats"), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let dir = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap())];
    assert!(refused(&["backup", file_text], &dir).await.contains("exists already"));
    let logged = client.get("/api/v2/audit?action=database.backed_up").await.expect(200).json();
    assert_eq!(logged.as_array().unwrap().len(), 1, "{logged}");

    chat(&client, &json!({"content": text("after the backup")})).await;
    client.delete(&format!("/api/v2/users/me/keys/{revoked_id}")).await.expect(204);
    assert!(refused(&["restore", file_text], &dir).await.contains("another Patchbay serves"));
    stopped(server).await;
    assert!(refused(&["restore", file_text], &dir).await.contains("--replace"));
    let said = run(&["restore", file_text, "--replace"], data.path()).await;
    assert!(said.contains("is kept as") && said.contains("1 deletions"), "{said}");

    let server = serve(data.path(), &[]).await;
    let url = server.url();
    let bearer = |key: &str| Client::new(&url).with(Proof::Bearer(key.to_owned()));
    bearer(&session).get(CHATS).await.expect(401);
    bearer(&revoked).get(CHATS).await.expect(401);
    let listed = bearer(&kept).get(CHATS).await.expect(200).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let client = sign_in(&url).await;
    let messages = transcript(&client, before["id"].as_str().unwrap()).await;
    assert_eq!(messages[0]["content"], text("before the backup"));
    let logged = client.get("/api/v2/audit?action=database.restored").await.expect(200).json();
    assert_eq!(logged[0]["user_agent"], "patchbay restore", "{logged}");
    stopped(server).await;
}

#[tokio::test]
async fn what_cannot_be_restored_changes_nothing() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    set_up(&server.url()).await;
    let file = data.path().join("backup.sqlite");
    run(&["backup", file.to_str().unwrap()], data.path()).await;
    stopped(server).await;
    let database = data.path().join("patchbay.sqlite");
    let before = std::fs::read(&database).unwrap();
    let dir = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap())];

    let text = data.path().join("notes.txt");
    std::fs::write(&text, "no database").unwrap();
    let said = refused(&["restore", text.to_str().unwrap(), "--replace"], &dir).await;
    assert!(said.contains("cannot be restored"), "{said}");
    let said = refused(&["restore", "/nowhere/at/all", "--replace"], &dir).await;
    assert!(said.contains("/nowhere/at/all"), "{said}");

    // Another installation has another key.
    let other = TempDir::new();
    let server = serve(other.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let body = crate::support::over(
        crate::support::server_body("linear", "https://mcp.example.org/mcp"),
        json!({"auth_type": "api_key", "api_key_value": "canary-key-7c"}),
    );
    client.post(crate::support::SERVERS, &body).await.expect(201);
    let theirs = data.path().join("theirs.sqlite");
    run(&["backup", theirs.to_str().unwrap()], other.path()).await;
    stopped(server).await;
    let said = refused(&["restore", theirs.to_str().unwrap(), "--replace"], &dir).await;
    assert!(said.contains("needs the encryption key"), "{said}");

    assert_eq!(std::fs::read(&database).unwrap(), before);
    let left: Vec<_> = std::fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("unfinished") || name.contains("before-restore"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let postgres = [("PATCHBAY_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")];
    assert!(refused(&["backup", "x"], &postgres).await.contains("pg_dump"));
    assert!(refused(&["restore", "x"], &postgres).await.contains("pg_restore"));
}
