//! `patchbay keys` beside running servers, keys over REST and in the panel (behaviour 26, threats F).

mod commands;
mod kills;

use crate::support::{SERVERS, TestServer, over, server_body};
use api::users::Role;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dbcrypt::Keyring;
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    fake_llm::{FakeLlm, Reply},
};

/// Base64 of a key made of one byte.
pub(super) fn encoded(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

pub(super) fn list(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| encoded(*byte)).collect::<Vec<_>>().join(",")
}

pub(super) fn ring(bytes: &[u8]) -> Keyring {
    Keyring::parse(&SecretString::from(list(bytes))).unwrap()
}

pub(super) fn id_of(byte: u8) -> String {
    ring(&[byte]).primary().to_string()
}

pub(super) fn keyed(slug: &str) -> Value {
    let key = json!({"auth_type": "api_key", "api_key_value": "canary-of-a-server-5d"});
    over(server_body(slug, "https://mcp.example.org/mcp"), key)
}

#[tokio::test]
async fn keys_are_shown_to_those_who_manage_or_audit_and_never_the_keys_themselves() {
    let server = TestServer::start().await;
    server.register(&keyed("one")).await;
    server.register(&keyed("two")).await;
    let file = std::fs::read_to_string(server.data.path().join("encryption.key")).unwrap();
    let keys = server.owner().get("/api/v2/keys").await.expect(200);
    let keys_json = keys.json();
    let key = &keys_json[0];
    assert_eq!(
        (&key["state"], &key["configured"], &key["writes"]),
        (&json!("active"), &json!(true), &json!(true))
    );
    assert_eq!(key["usage"], json!([{"table": "mcp_servers", "column": "api_key_value", "values": 2}]));
    assert_eq!((&key["replicas"], &key["readable_by"]), (&json!(1), &json!(1)));
    for role in [Role::Admin, Role::Auditor, Role::Member] {
        let person = server.user(role).await;
        let page = person.by_cookie().get("/admin/keys").await;
        if role == Role::Member {
            page.expect(403);
            continue;
        }
        let page = page.expect(200);
        assert!(page.body.contains(key["id"].as_str().unwrap()), "{}", page.body);
        assert!(
            page.body.contains("patchbay keys rotate") && page.body.contains("mcp_servers.api_key_value: 2")
        );
        assert!(!page.body.contains(file.trim()));
        assert_eq!(person.client.get("/api/v2/keys").await.expect(200).json(), keys_json);
    }
    assert!(!keys.body.contains(file.trim()));
    // There is no way to change a key over HTTP.
    for method in [http::Method::POST, http::Method::PUT, http::Method::DELETE] {
        server.owner().request(method, "/api/v2/keys").json(&json!({})).send().await.expect(405);
    }
}

/// Threat 72 on PostgreSQL: what a dump would hold, every table as text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_lies_readable_in_a_postgres_database() {
    let llm = FakeLlm::start().await;
    let server = TestServer::on_postgres().await;
    let headers = json!({"auth_type": "custom_headers", "custom_headers": {"X-Canary-Name-77": "canary-header-value-a1"}});
    server.register(&keyed("keyed")).await;
    server.register(&over(server_body("headed", "https://mcp.example.org/mcp"), headers)).await;
    server.scripted_model(&llm, "sk-canary-model-key-c3").await;
    let member = server.user(Role::Member).await;
    llm.push(Reply::text("hello"));
    crate::support::chat(&member.client, &json!({"content": crate::support::text("hello")})).await;
    let db = server.database();
    let tables = db.texts("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await;
    assert!(tables.len() > 15, "{tables:?}");
    let mut dump = String::new();
    for table in &tables {
        for row in db.texts(&format!("SELECT t::text FROM \"{table}\" t")).await {
            dump.push_str(&row);
            dump.push('\n');
        }
    }
    assert!(dump.contains("mcp.example.org"), "the dump holds what is no secret");
    for secret in [
        "canary-of-a-server-5d",
        "X-Canary-Name-77",
        "canary-header-value-a1",
        "sk-canary-model-key-c3",
        crate::support::OWNER_PASSWORD,
        &member.password,
        &member.token,
    ] {
        // Columns of bytes are written as hex digits.
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret, &hex] {
            assert!(!dump.contains(form), "{secret} lies readable in the database");
        }
    }
}

/// Two servers on one database take up a key one after the other, in different order, while a client reads and writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_take_up_a_key_and_rotate_without_a_failed_read() {
    use crate::process::{serve, set_up, sign_in};
    let db = TestDb::postgres().await;
    let store::DbConfig::Postgres { url } = db.config() else { panic!("it is PostgreSQL") };
    let (one, two) = (testkit::temp::TempDir::new(), testkit::temp::TempDir::new());
    let settings = |keys: &str| {
        [
            ("PATCHBAY_DATABASE_URL".to_owned(), url.clone()),
            ("PATCHBAY_ENCRYPTION_KEYS".to_owned(), keys.to_owned()),
        ]
    };
    let start = async |folder: &testkit::temp::TempDir, bytes: &[u8]| {
        let settings = settings(&list(bytes));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        serve(folder.path(), &settings).await
    };
    let (first, second) = (start(&one, &[1]).await, start(&two, &[1]).await);
    let client = set_up(&first.url()).await;
    for n in 0..20 {
        client.post(SERVERS, &keyed(&format!("s{n}"))).await.expect(201);
    }
    // Every stored secret opens, on both servers, and each can write one that the other opens.
    let mut made = 20;
    let mut check = async |origins: [&str; 2]| {
        for origin in origins {
            let client = sign_in(origin).await;
            client.post(SERVERS, &keyed(&format!("s{made}"))).await.expect(201);
            made += 1;
            for reader in origins {
                let servers = sign_in(reader).await.get(SERVERS).await.expect(200).json();
                let servers = servers.as_array().unwrap();
                assert_eq!(servers.len(), made);
                let unread: Vec<_> =
                    servers.iter().filter(|one| one["auth_status"] != "not_required").collect();
                assert!(unread.is_empty(), "{unread:?}");
            }
        }
    };
    check([&first.url(), &second.url()]).await;
    // The second learns the new key, in front; it must not write with it while the first cannot read it.
    second.terminate().await;
    let second = start(&two, &[2, 1]).await;
    check([&first.url(), &second.url()]).await;
    assert_eq!(db.texts("SELECT DISTINCT api_key_value_key_id FROM mcp_servers").await, [id_of(1)]);
    // The first learns it behind the old one.
    first.terminate().await;
    let first = start(&one, &[1, 2]).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    check([&first.url(), &second.url()]).await;
    let mut both = db.texts("SELECT DISTINCT api_key_value_key_id FROM mcp_servers").await;
    both.sort();
    let mut expected = [id_of(1), id_of(2)];
    expected.sort();
    assert_eq!(both, expected);
    first.terminate().await;
    let first = start(&one, &[2, 1]).await;
    let settings = settings(&list(&[2, 1]));
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("PATCHBAY_DATA_DIR", one.path().to_str().unwrap()));
    let rotating = commands::succeeded(&["keys", "rotate"], &settings);
    let (one_url, two_url) = (first.url(), second.url());
    let (said, ()) = tokio::join!(rotating, check([&one_url, &two_url]));
    assert!(said.contains("is retired"), "{said}");
    // What cannot be known is said, where there can be several processes.
    let status = commands::succeeded(&["keys", "status"], &settings).await;
    for said in [&said, &status] {
        assert!(said.contains("Not counted: replicas of a release that does not register itself"), "{said}");
    }
    check([&first.url(), &second.url()]).await;
    assert_eq!(db.texts("SELECT DISTINCT api_key_value_key_id FROM mcp_servers").await, [id_of(2)]);
}
