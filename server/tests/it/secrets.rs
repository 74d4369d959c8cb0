//! No secret has a way out: not in an answer, not in the database file (behaviour 3 and 26, threats "canary").

use crate::oauth::{begin, come_back};
use crate::process::{serve, set_up};
use crate::support::{
    CHATS, OWNER_PASSWORD, SERVERS, SETUP_TOKEN, TestServer, chat, over, server_body, text,
};
use api::users::Role;
use serde_json::json;
use std::collections::BTreeSet;
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    fake_oauth::{Canned, FakeOauth, Meddle, approve, browser},
    http::{Client, Proof},
    temp::TempDir,
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
            "/api/experimental/mcp/export",
            "/api/experimental/mcp/export?format=json",
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
            "/admin/audit",
            "/api/v2/audit?limit=200",
            "/api/v2/audit?format=ndjson",
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

/// A server's registration, a sign-in that fails, one that does not, a renewal, a disconnect, and a grant that ends at the provider (threat
/// 66, protocol 14.9 R2). Every secret that went over the wire meanwhile, as it is and as it was encoded.
async fn a_life_with_a_provider(client: &Client, oauth: &FakeOauth) -> Vec<String> {
    let body = json!({"auth_type": "oauth2", "enabled": true});
    let made =
        client.post(SERVERS, &over(server_body("linear", &oauth.url()), body)).await.expect(201).json();
    let path = format!("{SERVERS}/{}", made["id"].as_str().unwrap());
    let mut secrets = BTreeSet::new();
    let mut sign_in = async |expected: u16| {
        let location = begin(client, &path).await;
        secrets.insert(browser::parameters(&location)["state"].clone());
        come_back(client, &approve(&location).await).await.expect(expected);
    };
    oauth.meddle("/token", Meddle::instead(Canned::error(500, "server_error", "canary")).times(1));
    sign_in(502).await;
    sign_in(200).await;
    let check = async |outcome: &str| {
        let checked = client.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
        assert_eq!(checked["outcome"], outcome, "{checked}");
    };
    check("connected").await;
    oauth.expire_access_tokens();
    check("connected").await;
    assert_eq!(oauth.token_requests("refresh_token").len(), 1, "it was renewed");
    client.delete(&format!("{path}/oauth2/disconnect")).await.expect(204);
    sign_in(200).await;
    oauth.revoke_all();
    check("error").await;
    let seen = client.get(&path).await.expect(200).json();
    assert_eq!(seen["auth_status_reason"], "refresh_rejected", "{seen}");
    for request in oauth.requests() {
        let secret =
            |name: &str| ["code", "code_verifier", "refresh_token", "token", "client_secret"].contains(&name);
        secrets.extend(request.form().into_iter().filter(|(name, _)| secret(name)).map(|(_, value)| value));
        let credential = request.header("authorization").and_then(|value| value.split_once(' '));
        secrets.extend(credential.map(|(_, value)| value.to_owned()));
    }
    for known in oauth.clients() {
        let secret = known.secret.unwrap();
        secrets.insert(form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        secrets.extend([secret, known.registration_token.unwrap()]);
    }
    let kinds = ["code-", "at-", "rt-", "rat-", "s+3cr%t"];
    assert!(kinds.iter().all(|kind| secrets.iter().any(|secret| secret.starts_with(kind))), "{secrets:?}");
    secrets.into_iter().collect()
}

/// Threat 66: at trace level, where every library says all it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_at_any_level() {
    let keyed = FakeMcp::start(vec![FakeTool::of_text("note", "Notes a text")]).await;
    let llm = FakeLlm::start().await;
    let oauth = FakeOauth::start(vec![FakeTool::of_text("write", "Writes a text")]).await;
    let data = TempDir::new();
    let allow = format!("{},{},{}", keyed.authority(), llm.authority(), oauth.authority());
    let settings = [("PATCHBAY_LOG", "trace"), ("PATCHBAY_EGRESS_ALLOW", allow.as_str())];
    let server = serve(data.path(), &settings).await;
    let origin = server.url();
    let client = set_up(&origin).await;
    let login = json!({"email": crate::support::OWNER_EMAIL, "password": OWNER_PASSWORD});
    let token = client.post("/api/v2/users/login", &login).await.expect(201).json()["session_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_cookie = client.with(crate::support::cookie(&token));
    let api_token =
        by_cookie.post("/api/v2/users/me/keys/tokens", &json!({"token_name": "t"})).await.expect(201).json();
    let api_token = api_token["key"].as_str().unwrap().to_owned();
    let client = client.with(Proof::Bearer(api_token.clone()));
    let key = json!({
        "auth_type": "custom_headers", "custom_headers": {HEADER_NAME: HEADER_VALUE}, "enabled": true, "availability": "force_on",
    });
    let made = client.post(SERVERS, &over(server_body("keyed", &keyed.url()), key)).await.expect(201).json();
    let provider = json!({"name": "P", "type": "openai", "base_url": llm.base_url(), "api_key": MODEL_KEY});
    let provider = client.post("/api/v2/providers", &provider).await.expect(201).json();
    let model = json!({"provider_id": provider["id"], "model": "m", "display_name": "M"});
    client.post("/api/v2/models", &model).await.expect(201);
    let off = json!({"title_model": "off"});
    client.put("/api/experimental/chats/config/title-model", &off).await.expect(200);
    llm.push(Reply::call(Call::new("c1", "keyed__note", &json!({"text": "canary-argument-of-a-tool"}))));
    let chat = chat(&client, &json!({"content": text("canary-message-of-a-person")})).await;
    assert_eq!((chat["status"].as_str(), keyed.effects().len()), (Some("waiting"), 1), "{chat:#}");
    client.post(&format!("{SERVERS}/{}/check", made["id"].as_str().unwrap()), &json!({})).await.expect(200);
    by_cookie.get("/admin/servers").await.expect(200);
    client
        .patch(
            &format!("{SERVERS}/{}", made["id"].as_str().unwrap()),
            &json!({"custom_headers": {"X-A": "canary\r\n"}}),
        )
        .await
        .expect(400);
    let of_oauth = a_life_with_a_provider(&client, &oauth).await;
    let log = server.into_log().await;
    assert!(log.lines().count() > 50, "the log says something at trace: {log}");
    assert!(log.contains("a token is to be renewed"), "and of the provider: {log}");
    for secret in [
        SETUP_TOKEN,
        OWNER_PASSWORD,
        token.as_str(),
        &api_token,
        HEADER_VALUE,
        MODEL_KEY,
        "canary-argument-of-a-tool",
        "canary-message-of-a-person",
        "$argon2",
    ]
    .into_iter()
    .chain(of_oauth.iter().map(String::as_str))
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} in the log: {line:?}");
    }
}
