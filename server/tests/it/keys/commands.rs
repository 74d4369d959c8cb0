//! The commands as an operator types them.

use super::{encoded, id_of, keyed, list};
use crate::{
    process::{patchbay, refused, serve, set_up, sign_in},
    support::SERVERS,
};
use serde_json::{Value, json};
use testkit::{http::Client, temp::TempDir, wait::until};

/// A command that must succeed, and what it printed.
pub(super) async fn succeeded(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let output = patchbay(arguments, settings).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn status(settings: &[(&str, &str)]) -> Value {
    serde_json::from_str(&succeeded(&["keys", "status", "--json"], settings).await).unwrap()
}

fn find<'a>(keys: &'a Value, id: &str) -> &'a Value {
    keys.as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == id)
        .unwrap_or_else(|| panic!("no {id} in {keys:#}"))
}

/// Every stored secret of the registered servers opens.
async fn all_open(client: &Client) {
    let servers = client.get(SERVERS).await.expect(200).json();
    for server in servers.as_array().unwrap() {
        assert_eq!(
            (&server["has_api_key"], &server["auth_status"]),
            (&json!(true), &json!("not_required")),
            "{server:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_introduced_rotated_to_and_the_old_one_revoked_beside_a_running_server() {
    let data = TempDir::new();
    let (old, both) = (encoded(1), list(&[2, 1]));
    let with =
        |keys| [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_ENCRYPTION_KEYS", keys)];
    let server = serve(data.path(), &[("PATCHBAY_ENCRYPTION_KEYS", &old)]).await;
    let client = set_up(&server.url()).await;
    for slug in ["one", "two", "three"] {
        client.post(SERVERS, &keyed(slug)).await.expect(201);
    }
    let text = succeeded(&["keys", "status"], &with(&old)).await;
    assert!(text.contains(&id_of(1)) && text.contains("mcp_servers.api_key_value: 3"), "{text}");
    assert!(!text.contains("Not counted"), "on SQLite one process serves: {text}");
    // The running server does not know the new key: nobody may write with it.
    let said = refused(&["keys", "rotate"], &with(&both)).await;
    assert!(said.contains("not active yet") && said.contains("restart"), "{said}");
    let keys = status(&with(&both)).await;
    assert_eq!(find(&keys, &id_of(2))["state"], "introduced");
    assert!(server.terminate().await.success());
    let server = serve(data.path(), &[("PATCHBAY_ENCRYPTION_KEYS", &both)]).await;
    let client = sign_in(&server.url()).await;
    all_open(&client).await;
    let said = refused(&["keys", "revoke", &id_of(1)], &with(&both)).await;
    assert!(said.contains("mcp_servers.api_key_value (3 values)"), "{said}");
    let said = succeeded(&["keys", "rotate"], &with(&both)).await;
    assert!(
        said.contains("mcp_servers.api_key_value: 3 values moved") && said.contains("is retired"),
        "{said}"
    );
    all_open(&client).await;
    let keys = status(&with(&both)).await;
    assert_eq!(
        (&find(&keys, &id_of(1))["state"], &find(&keys, &id_of(1))["usage"]),
        (&json!("retired"), &json!([]))
    );
    assert_eq!(find(&keys, &id_of(2))["usage"][0]["values"], 3);
    succeeded(&["keys", "revoke", &id_of(1)], &with(&both)).await;
    // The server that runs follows; the next start with the revoked key is refused.
    until("the server to show it", || async {
        let keys = client.get("/api/v2/keys").await.expect(200).json();
        (find(&keys, &id_of(1))["state"] == "revoked").then_some(())
    })
    .await;
    all_open(&client).await;
    assert!(server.terminate().await.success());
    let listen = ("PATCHBAY_LISTEN", "127.0.0.1:0");
    let [dir, keys] = with(&both);
    let said = refused(&["serve"], &[dir, keys, listen]).await;
    assert!(said.contains(&id_of(1)) && said.contains("revoked"), "{said}");
    let server = serve(data.path(), &[("PATCHBAY_ENCRYPTION_KEYS", &encoded(2))]).await;
    all_open(&sign_in(&server.url()).await).await;
}

#[tokio::test]
async fn values_of_a_lost_key_are_given_up_only_when_asked_and_then_the_system_starts() {
    let data = TempDir::new();
    let fresh = encoded(7);
    let settings =
        [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_ENCRYPTION_KEYS", fresh.as_str())];
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    client.post(SERVERS, &keyed("one")).await.expect(201);
    assert!(server.terminate().await.success());
    std::fs::remove_file(data.path().join("encryption.key")).unwrap();
    let listen = ("PATCHBAY_LISTEN", "127.0.0.1:0");
    let said = refused(&["serve"], &[settings[0], settings[1], listen]).await;
    assert!(said.contains("keys purge"), "{said}");
    let said = refused(&["keys", "purge", "--yes"], &settings[..1]).await;
    assert!(said.contains("key"), "without a key to go on with: {said}");
    let said = succeeded(&["keys", "purge"], &settings).await;
    assert!(
        said.contains("Would delete 1 values of mcp_servers.api_key_value") && said.contains("--yes"),
        "{said}"
    );
    refused(&["serve"], &[settings[0], settings[1], listen]).await;
    let said = succeeded(&["keys", "purge", "--yes"], &settings).await;
    assert!(said.contains("Deleted 1 values"), "{said}");
    let server = serve(data.path(), &[("PATCHBAY_ENCRYPTION_KEYS", &fresh)]).await;
    let servers = sign_in(&server.url()).await.get(SERVERS).await.expect(200).json();
    assert_eq!(
        (&servers[0]["has_api_key"], &servers[0]["auth_status"]),
        (&json!(false), &json!("misconfigured"))
    );
    assert_eq!(servers[0]["config_problems"][0]["field"], "api_key_value");
    let said = succeeded(&["keys", "purge", "--yes"], &settings).await;
    assert!(said.contains("nothing to purge"), "{said}");
}

#[tokio::test]
async fn keys_commands_say_what_is_wrong_in_one_line() {
    let data = TempDir::new();
    let dir = ("PATCHBAY_DATA_DIR", data.path().to_str().unwrap());
    let said = refused(&["keys", "status"], &[dir]).await;
    assert!(said.contains("there is no database"), "{said}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was made");
    let server = serve(data.path(), &[]).await;
    let said = refused(&["keys", "revoke", "nonsense"], &[dir]).await;
    assert!(said.contains("no key id"), "{said}");
    let said = refused(&["keys", "rotate"], &[dir, ("PATCHBAY_ENCRYPTION_KEYS", &encoded(9))]).await;
    assert!(!said.contains(&encoded(9)), "a key is never shown: {said}");
    drop(server);
}

#[tokio::test]
async fn migrate_says_what_it_did() {
    let data = TempDir::new();
    let dir = ("PATCHBAY_DATA_DIR", data.path().to_str().unwrap());
    let said = succeeded(&["migrate"], &[dir]).await;
    assert!(said.contains("Applied migration 0001") && said.contains("Applied migration 0002"), "{said}");
    let said = succeeded(&["migrate"], &[dir]).await;
    assert!(said.contains("up to date already") && !said.contains("Applied"), "{said}");
    let server = serve(data.path(), &[]).await;
    set_up(&server.url()).await;
    let said = succeeded(&["migrate"], &[dir]).await;
    assert!(said.contains("up to date already"), "beside a server: {said}");
}

#[tokio::test]
async fn doctor_says_what_is_right_and_what_to_do() {
    let data = TempDir::new();
    let dir = ("PATCHBAY_DATA_DIR", data.path().to_str().unwrap());
    let said = succeeded(&["doctor"], &[dir]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok    ")).count(), 6, "{said}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "it made nothing");
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    client.post(SERVERS, &keyed("one")).await.expect(201);
    let said = succeeded(&["doctor"], &[dir]).await;
    assert!(said.contains("schema up to date"), "beside a server: {said}");
    let nothing = "private destinations: none by PATCHBAY_EGRESS_ALLOW; none set by owners";
    assert!(said.contains(nothing), "{said}");
    let entries = json!({"entries": ["10.1.2.3:443"]});
    client.put("/api/v2/settings/egress-allow", &entries).await.expect(200);
    let said = succeeded(&["doctor"], &[dir, ("PATCHBAY_EGRESS_ALLOW", "10.9.9.9:443")]).await;
    let both = "destinations: 10.9.9.9:443 by PATCHBAY_EGRESS_ALLOW; 10.1.2.3:443 set by owners";
    assert!(said.contains(both), "{said}");
    let said = succeeded(&["doctor"], &[dir, ("PATCHBAY_EGRESS_ALLOW_LOCKED", "true")]).await;
    assert!(
        said.contains("does not count (PATCHBAY_EGRESS_ALLOW_LOCKED)") && !said.contains("10.1.2.3"),
        "{said}"
    );
    for (setting, line) in [
        (("PATCHBAY_ENCRYPTION_KEYS", encoded(9).as_str()), "fail  keys: "),
        (("PATCHBAY_EGRESS_ALLOW", "0.0.0.0/0:*"), "fail  private destinations: 0.0.0.0/0:*"),
        (("PATCHBAY_ACCESS_URL", "ftp://x"), "fail  configuration: PATCHBAY_ACCESS_URL"),
        (("PATCHBAY_DATABASE_URL", "postgres://u:canary-password@127.0.0.1:1/x"), "fail  database: "),
    ] {
        let output = patchbay(&["doctor"], &[dir, setting]).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.lines().any(|said| said.starts_with(line)), "{line}: {printed}");
        assert!(!printed.contains("canary") && !printed.contains(&encoded(9)), "{printed}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors.trim(), "patchbay: 1 check failed");
    }
}

#[tokio::test]
async fn config_shows_what_is_in_force_and_no_secret() {
    let data = TempDir::new();
    let file = data.path().join("patchbay.toml");
    std::fs::write(&file, "log = \"warn\"\naudit_retention_days = 5\nlisten = \"127.0.0.1:1\"\nopenai_api_key = \"sk-canary-1\"\n").unwrap();
    let settings = [
        ("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()),
        ("PATCHBAY_CONFIG", file.to_str().unwrap()),
        ("PATCHBAY_DATABASE_URL", "postgres://ada:canary-2@db.internal/patchbay"),
        ("PATCHBAY_ENCRYPTION_KEYS", "canary-3"),
        ("PATCHBAY_AUDIT_RETENTION_DAYS", "7"),
    ];
    let said = succeeded(&["config", "--listen", "127.0.0.1:4000"], &settings).await;
    assert!(!said.contains("canary"), "{said}");
    let line = |name: &str| {
        said.lines()
            .find(|line| line.starts_with(&format!("{name} = ")))
            .unwrap_or_else(|| panic!("no {name}: {said}"))
    };
    assert!(line("listen").contains("127.0.0.1:4000") && line("listen").ends_with("# --listen"));
    assert!(line("data_dir").ends_with("# PATCHBAY_DATA_DIR"));
    // The environment goes before the file, and so does a flag.
    let days = line("audit_retention_days");
    assert!(days.contains('7') && days.ends_with("# PATCHBAY_AUDIT_RETENTION_DAYS"), "{days}");
    assert!(line("log").contains("warn") && line("log").ends_with("# configuration file"));
    assert!(line("log_format").ends_with("# default"));
    assert!(line("database_url").contains("ada:***@db.internal"));
    assert!(line("encryption_keys").contains("not shown"));
}
