//! Starts: what is printed, and what is refused with one line and a non-zero code (issue "Bad input", behaviour 26 and 30).

use crate::{
    process::{patchbay, refused, sample, serve, set_up, sign_in},
    support::{OWNER_EMAIL, SERVERS, SETUP_TOKEN, over, server_body},
};
use serde_json::json;
use std::{collections::BTreeMap, path::Path, time::Duration};
use testkit::{fake_mcp::closed_port, http::Client, temp::TempDir};

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.insert(path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
    }
    all
}

#[tokio::test]
async fn the_first_start_prints_address_and_setup_link_and_the_link_works_once() {
    let data = TempDir::new();
    let data_dir = data.path().to_str().unwrap();
    let settings = [("PATCHBAY_DATA_DIR", data_dir), ("PATCHBAY_LISTEN", "127.0.0.1:0")];
    let mut server = serve(data.path(), &[]).await;
    let origin = server.url();
    let link = server.line().await.unwrap();
    let url = link.split_whitespace().last().unwrap().to_owned();
    assert_eq!(url, format!("{origin}/setup?token={SETUP_TOKEN}"), "{link}");
    let page = Client::new(&origin).get(url.strip_prefix(&origin).unwrap()).await.expect(200);
    assert!(page.body.contains(SETUP_TOKEN) && page.body.contains("<form"), "{}", page.body);
    set_up(&origin).await;
    server.kill().await;
    // Without a token of ours it is random; with an owner there is none.
    let other = TempDir::new();
    let mut command =
        patchbay(&["serve"], &[("PATCHBAY_DATA_DIR", other.path().to_str().unwrap()), settings[1]]);
    let mut child = command.spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    lines.next_line().await.unwrap().unwrap();
    let link = lines.next_line().await.unwrap().unwrap();
    let token = link.rsplit("token=").next().unwrap().to_owned();
    assert!(token.len() >= 43, "256 bits: {link}");
    child.kill().await.unwrap();
    let server = serve(data.path(), &[]).await;
    assert_eq!(server.printed.len(), 1, "{:?}", server.printed);
}

#[tokio::test]
async fn the_owner_of_the_environment_is_made_without_the_page() {
    let data = TempDir::new();
    let file = data.path().join("password.txt");
    std::fs::write(&file, "a long password from a file\n").unwrap();
    let settings =
        [("PATCHBAY_ADMIN_EMAIL", OWNER_EMAIL), ("PATCHBAY_ADMIN_PASSWORD_FILE", file.to_str().unwrap())];
    let server = serve(&data.path().join("d"), &settings).await;
    let body = json!({"email": OWNER_EMAIL, "password": "a long password from a file"});
    Client::new(&server.url()).post("/api/v2/users/login", &body).await.expect(201);
    Client::new(&server.url()).get("/api/v2/users/first").await.expect(200);
}

#[tokio::test]
async fn a_provider_of_the_environment_is_there() {
    let data = TempDir::new();
    let settings = [
        ("PATCHBAY_OPENAI_API_KEY", "sk-canary-environment"),
        ("PATCHBAY_OPENAI_BASE_URL", "https://models.example.org/v1"),
        ("PATCHBAY_ANTHROPIC_API_KEY", "sk-ant-canary-environment"),
    ];
    let server = serve(data.path(), &settings).await;
    let client = set_up(&server.url()).await;
    let providers = client.get("/api/v2/providers").await.expect(200);
    let made = |kind: &str| {
        let all = providers.json();
        all.as_array().unwrap().iter().find(|provider| provider["type"] == kind).unwrap().clone()
    };
    assert_eq!((&made("openai")["name"], &made("openai")["has_api_key"]), (&json!("OpenAI"), &json!(true)));
    let anthropic = made("anthropic");
    assert_eq!((&anthropic["name"], &anthropic["has_api_key"]), (&json!("Anthropic"), &json!(true)));
    assert_eq!(anthropic["base_url"], "https://api.anthropic.com/v1");
    assert!(!providers.body.contains("canary"));
    server.kill().await;
    let server = serve(data.path(), &settings).await;
    let providers = sign_in(&server.url()).await.get("/api/v2/providers").await.expect(200).json();
    assert_eq!(providers.as_array().unwrap().len(), 2, "made once");
}

#[tokio::test]
async fn a_second_serve_on_the_same_file_is_refused_and_the_first_goes_on() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let settings = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_LISTEN", "127.0.0.1:0")];
    let said = refused(&["serve"], &settings).await;
    assert!(said.contains("another Patchbay"), "{said}");
    Client::new(&server.url()).get("/readyz").await.expect(200);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = TempDir::new();
    let settings =
        [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_LISTEN", address.as_str())];
    let said = refused(&["serve"], &settings).await;
    assert!(said.contains(&address) && said.contains("PATCHBAY_LISTEN"), "{said}");
    assert!(contents(data.path()).is_empty(), "nothing was written");
    let said =
        refused(&["sample-mcp", "--addr", &address, "--data-dir", data.path().to_str().unwrap()], &[]).await;
    assert!(said.contains(&address), "{said}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let folder = TempDir::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let below = file.join("data");
    // The kernel's own tree takes no folders, not even root's.
    for data in [below.to_str().unwrap(), "/proc/patchbay-data"] {
        let said =
            refused(&["serve"], &[("PATCHBAY_DATA_DIR", data), ("PATCHBAY_LISTEN", "127.0.0.1:0")]).await;
        assert!(said.contains(data) && said.contains("PATCHBAY_DATA_DIR"), "{said}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_without_its_password() {
    let data = TempDir::new();
    let junk = data.path().join("junk.sqlite");
    std::fs::write(&junk, "this is no database ".repeat(500)).unwrap();
    let before = std::fs::read(&junk).unwrap();
    let folder = data.path().join("folder.sqlite");
    std::fs::create_dir(&folder).unwrap();
    let postgres = format!("postgres://user:canary-password@{}/x", closed_port());
    for url in [format!("sqlite:{}", junk.display()), format!("sqlite:{}", folder.display()), postgres] {
        let data_dir = data.path().join("data");
        let settings = [
            ("PATCHBAY_DATA_DIR", data_dir.to_str().unwrap()),
            ("PATCHBAY_LISTEN", "127.0.0.1:0"),
            ("PATCHBAY_DATABASE_URL", url.as_str()),
        ];
        let said = refused(&["serve"], &settings).await;
        assert!(said.contains("database"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
    assert_eq!(std::fs::read(&junk).unwrap(), before, "a foreign file is left as it is");
    for url in ["mysql://x/y", "nonsense"] {
        let settings = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_DATABASE_URL", url)];
        assert!(refused(&["serve"], &settings).await.contains("PATCHBAY_DATABASE_URL"));
    }
}

#[tokio::test]
async fn without_the_right_key_the_start_is_refused_and_nothing_is_written() {
    let data = TempDir::new();
    let data_dir = data.path().to_str().unwrap();
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let key = json!({"auth_type": "api_key", "api_key_value": "k"});
    client.post(SERVERS, &over(server_body("keyed", "https://mcp.example.org/mcp"), key)).await.expect(201);
    assert!(server.terminate().await.success(), "SIGTERM is an orderly end");
    let key_file = data.path().join("encryption.key");
    let right = std::fs::read_to_string(&key_file).unwrap();
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let base = [("PATCHBAY_DATA_DIR", data_dir), ("PATCHBAY_LISTEN", "127.0.0.1:0")];
    // What matters: the file of the database and the keys. The lock file is opened by every start.
    let kept = || {
        let mut all = contents(data.path());
        all.retain(|name, _| name == "patchbay.sqlite" || name.ends_with(".key"));
        all
    };
    let before = kept();
    for keys in [other.to_owned(), "nonsense".to_owned(), "AAAA".to_owned(), format!("{other},{other}")] {
        let settings = [base[0], base[1], ("PATCHBAY_ENCRYPTION_KEYS", keys.as_str())];
        let said = refused(&["serve"], &settings).await;
        assert!(said.contains("PATCHBAY_ENCRYPTION_KEYS") || said.contains("key"), "{said}");
        assert!(!said.contains(other) && !said.contains("nonsense"), "a key is never shown: {said}");
        assert_eq!(kept(), before, "{said}");
    }
    std::fs::remove_file(&key_file).unwrap();
    let before = kept();
    let said = refused(&["serve"], &base).await;
    assert!(said.contains("key"), "{said}");
    assert_eq!(kept(), before, "no new key is made for a database that knows one");
    // Given by environment, the right one works; with another in front, both do.
    for keys in [right.trim().to_owned(), format!("{other},{}", right.trim())] {
        let server = serve(data.path(), &[("PATCHBAY_ENCRYPTION_KEYS", &keys)]).await;
        let servers = sign_in(&server.url()).await.get(SERVERS).await.expect(200).json();
        assert_eq!(
            (&servers[0]["has_api_key"], &servers[0]["auth_status"]),
            (&json!(true), &json!("not_required"))
        );
        server.terminate().await;
    }
}

#[tokio::test]
async fn a_database_of_a_newer_build_is_refused() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    server.terminate().await;
    let path = data.path().join("patchbay.sqlite");
    let db = store::Db::open(&store::DbConfig::Sqlite { path }).await.unwrap();
    let newer = testkit::newer_schema(&db).await;
    newer.unwrap();
    db.close().await;
    let settings = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_LISTEN", "127.0.0.1:0")];
    let said = refused(&["serve"], &settings).await;
    assert!(said.contains("migration"), "{said}");
}

/// Behaviour 3: what a later build stored is not guessed at.
#[tokio::test]
async fn a_database_with_an_unknown_authentication_type_is_refused_by_name() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    server.terminate().await;
    let path = data.path().join("patchbay.sqlite");
    let db = store::Db::open(&store::DbConfig::Sqlite { path }).await.unwrap();
    let row = "PRAGMA ignore_check_constraints = ON; INSERT INTO mcp_servers (id, display_name, slug, transport, url, auth_type, \
               tool_allow_list, tool_deny_list, availability, enabled, model_intent, created_at, updated_at, version, \
               credential_version) VALUES (x'01', 'S', 'from-the-future', 'streamable_http', 'https://x.example/', 'telepathy', \
               '[]', '[]', 'default_off', 0, 0, 1, 1, 1, 1)";
    testkit::raw_sql(&db, row).await.unwrap();
    db.close().await;
    let settings = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap()), ("PATCHBAY_LISTEN", "127.0.0.1:0")];
    let said = refused(&["serve"], &settings).await;
    assert!(said.contains("from-the-future (telepathy)"), "{said}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let data = TempDir::new();
    let data_dir = data.path().to_str().unwrap();
    for (name, value) in [
        ("PATCHBAY_ACCESS_URL", "https://x.example/path"),
        ("PATCHBAY_EGRESS_ALLOW", "nonsense"),
        ("PATCHBAY_TRUSTED_PROXIES", "proxy"),
        ("PATCHBAY_LOG_FORMAT", "xml"),
        ("PATCHBAY_SETUP_TOKEN", "short"),
        ("PATCHBAY_ADMIN_EMAIL", "a@b.example"),
    ] {
        let said = refused(
            &["serve"],
            &[("PATCHBAY_DATA_DIR", data_dir), ("PATCHBAY_LISTEN", "127.0.0.1:0"), (name, value)],
        )
        .await;
        assert!(said.contains(name) || said.contains("PATCHBAY_ADMIN_PASSWORD_FILE"), "{name}: {said}");
    }
    let said =
        refused(&["serve"], &[("PATCHBAY_DATA_DIR", data_dir), ("PATCHBAY_LISTEN", "0.0.0.0:0")]).await;
    assert!(said.contains("PATCHBAY_ACCESS_URL"), "{said}");
    assert!(contents(data.path()).is_empty(), "nothing was written: {:?}", contents(data.path()).keys());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_with_an_open_stream_ends_within_five_seconds() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let chat = client
        .post("/api/experimental/chats", &json!({"content": [{"type": "text", "text": "hi"}]}))
        .await
        .expect(201)
        .json();
    let path = format!("/api/experimental/chats/{}/stream", chat["id"].as_str().unwrap());
    let mut stream = testkit::sse::SseReader::new(client.request(http::Method::GET, &path).open().await);
    stream.next().await.unwrap();
    let begun = std::time::Instant::now();
    assert!(server.terminate().await.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(stream.end_within(Duration::from_secs(1)).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_runs_a_tool_for_its_printed_user() {
    let data = TempDir::new();
    let data_dir = data.path().to_str().unwrap();
    let settings = [
        ("PATCHBAY_DATA_DIR", data_dir),
        ("PATCHBAY_LISTEN", "127.0.0.1:0"),
        ("PATCHBAY_DEMO_PACING_MS", "0"),
    ];
    let mut child = patchbay(&["serve", "--demo"], &settings).spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let mut printed = Vec::new();
    while !printed.iter().any(|line: &String| line.starts_with("Try: ")) {
        printed.push(
            tokio::time::timeout(Duration::from_secs(60), lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .expect("a line"),
        );
    }
    let origin =
        printed.iter().find_map(|line| line.strip_prefix("Patchbay is ready at ")).unwrap().to_owned();
    let user = printed.iter().find(|line| line.starts_with("Demo user: ")).unwrap();
    let words: Vec<&str> = user.split_whitespace().collect();
    let (email, password) = (words[2], words.last().unwrap());
    let login = json!({"email": email, "password": password});
    let token = Client::new(&origin).post("/api/v2/users/login", &login).await.expect(201).json();
    let client = Client::new(&origin)
        .with(testkit::http::Proof::Bearer(token["session_token"].as_str().unwrap().to_owned()));
    let made = crate::support::chat(
        &client,
        &json!({"content": crate::support::text("Search the docs for plan mode")}),
    )
    .await;
    let messages = made["messages"].as_array().unwrap();
    assert_eq!(crate::support::parts(messages, "tool-call")[0]["original_name"], "search_docs", "{made:#}");
    assert_eq!(crate::support::parts(messages, "tool-result")[0]["outcome"], "ok");
    assert!(!crate::support::answer_text(messages).is_empty());
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_sample_server_stops_on_sigterm() {
    let data = TempDir::new();
    let tools = sample(data.path()).await;
    assert!(tools.terminate().await.success());
}
