//! No secret has a way out: not in an answer, not in the database file (behaviour 3 and 26, threats "canary").

use crate::support::{CHATS, OWNER_PASSWORD, SERVERS, TestServer, chat, over, server_body, text};
use api::users::Role;
use serde_json::json;
use testkit::{
    fake_llm::FakeLlm,
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
};

const KEY: &str = "canary-api-key-7f3a91";
const NEW_KEY: &str = "canary-api-key-new-88";
const HEADER_NAME: &str = "X-Canary-Name-51c2";
const HEADER_VALUE: &str = "canary-header-value-0b";
const MODEL_KEY: &str = "sk-canary-model-key-e5";

#[tokio::test]
async fn stored_secrets_are_in_no_answer_and_in_no_file() {
    let keyed = FakeMcp::start(vec![FakeTool::of_text("echo", "Echoes text")]).await;
    let headed = FakeMcp::start(vec![FakeTool::of_text("other", "Something else")]).await;
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    let key =
        json!({"auth_type": "api_key", "api_key_value": KEY, "enabled": true, "availability": "force_on"});
    let keyed_id = server.register(&over(server_body("keyed", &keyed.url()), key)).await;
    let headers = json!({"auth_type": "custom_headers", "custom_headers": {HEADER_NAME: HEADER_VALUE}, "enabled": true, "availability": "force_on"});
    let headed_id = server.register(&over(server_body("headed", &headed.url()), headers)).await;
    server.scripted_model(&llm, MODEL_KEY).await;
    server
        .owner()
        .patch(&format!("{SERVERS}/{keyed_id}"), &json!({"api_key_value": NEW_KEY}))
        .await
        .expect(200);
    let member = server.user(Role::Member).await;
    let made = chat(&member.client, &json!({"content": text("hello")})).await;
    assert_eq!(made["status"], "waiting", "{made}");
    assert_eq!(
        llm.requests()[0].header("authorization"),
        Some(format!("Bearer {MODEL_KEY}").as_str()),
        "it is used all the same"
    );
    assert!(keyed.requests().iter().any(|request| request.header("authorization") == Some(NEW_KEY)));

    let secrets = [
        KEY,
        NEW_KEY,
        HEADER_NAME,
        HEADER_VALUE,
        MODEL_KEY,
        OWNER_PASSWORD,
        member.password.as_str(),
        "$argon2",
    ];
    let chat_path = format!("{CHATS}/{}", made["id"].as_str().unwrap());
    let mut answers = Vec::new();
    for client in [server.owner(), &server.user(Role::Auditor).await.client, &member.client] {
        for path in [
            SERVERS,
            &format!("{SERVERS}/{keyed_id}"),
            &format!("{SERVERS}/{headed_id}"),
            "/api/v2/providers",
            "/api/v2/models",
            "/api/v2/users",
            "/api/v2/users/me",
            "/api/v2/users/me/sessions",
            "/api/v2/users/me/keys/tokens",
            "/api/v2/buildinfo",
            CHATS,
            &chat_path,
            &format!("{chat_path}/messages"),
            "/admin/servers",
            &format!("/admin/servers/{keyed_id}"),
            "/admin/models",
            "/admin/users",
            "/account",
            "/",
        ] {
            answers.push((path.to_owned(), client.get(path).await.whole()));
        }
        for id in [&keyed_id, &headed_id] {
            let path = format!("{SERVERS}/{id}/check");
            answers.push((path.clone(), client.post(&path, &json!({})).await.whole()));
        }
    }
    for (path, whole) in &answers {
        for secret in secrets {
            assert!(!whole.contains(secret), "{secret} in the answer of {path}");
        }
    }
    let mut bytes_read = 0;
    for entry in std::fs::read_dir(server.data.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        bytes_read += bytes.len();
        for secret in [
            KEY,
            NEW_KEY,
            HEADER_NAME,
            HEADER_VALUE,
            MODEL_KEY,
            OWNER_PASSWORD,
            &member.password,
            &member.token,
        ] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} lies in {}", path.display());
        }
    }
    assert!(bytes_read > 50_000, "the database and its log were read: {bytes_read} bytes");
}

#[tokio::test]
async fn a_server_that_echoes_its_key_shows_it_to_nobody() {
    let fake = FakeMcp::start(vec![
        FakeTool::of_text("leak", "Leaks the key that protects it")
            .answering(|_| ToolAnswer::text(format!("my key is {KEY}!"))),
    ])
    .await;
    let server = TestServer::start().await;
    server.demo_model().await;
    let key =
        json!({"auth_type": "api_key", "api_key_value": KEY, "enabled": true, "availability": "force_on"});
    server.register(&over(server_body("leaky", &fake.url()), key)).await;
    let made = chat(server.owner(), &json!({"content": text("leak the key that protects it")})).await;
    assert_eq!(fake.effects().len(), 1, "{made:#}");
    assert!(!made.to_string().contains(KEY), "{made:#}");
    let bytes = std::fs::read(server.data.path().join("patchbay.sqlite-wal")).unwrap();
    assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
}

#[tokio::test]
async fn key_and_database_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = testkit::temp::TempDir::new();
    let data = folder.path().join("fresh");
    let _server = TestServer::with(|settings| settings.data_dir = Some(data.clone())).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("encryption.key")), 0o600);
}
