//! `kill -9` in the middle (issue "Shows", behaviour 15, threats 82).

use crate::{
    process::{Process, sample, serve, set_up, sign_in},
    support::{CHATS, SERVERS, answer_text, over, parts, server_body, status, text, transcript},
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use testkit::{TestDb, effects::read_effects, http::Client, temp::TempDir, wait::until};

/// Registers the sample server and selects the demo model.
async fn furnish(client: &Client, sample: &Process) {
    let provider =
        client.post("/api/v2/providers", &json!({"name": "Demo", "type": "demo"})).await.expect(201).json();
    let model = json!({"provider_id": provider["id"], "model": "demo", "display_name": "Demo"});
    client.post("/api/v2/models", &model).await.expect(201);
    let more = json!({"enabled": true, "availability": "force_on", "model_intent": true});
    client.post(SERVERS, &over(server_body("sample", &sample.url()), more)).await.expect(201);
}

fn authority(sample: &Process) -> String {
    sample.url().trim_start_matches("http://").trim_end_matches("/mcp").to_owned()
}

fn starts(folder: &Path) -> Vec<Value> {
    read_effects(&folder.join("slow_count.jsonl"))
        .into_iter()
        .filter(|line| line["event"] == "started")
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_call_keeps_the_message_leaves_it_unknown_and_sends_it_once_on_sqlite() {
    kill_during_a_call(None).await;
}

/// Here nobody may forget the leases of the dead: another replica could be alive. They run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_call_keeps_the_message_leaves_it_unknown_and_sends_it_once_on_postgres() {
    let db = TestDb::postgres().await;
    let store::DbConfig::Postgres { url } = db.config() else { panic!("it is PostgreSQL") };
    kill_during_a_call(Some(url)).await;
}

async fn kill_during_a_call(database: Option<&str>) {
    let (data, ledger) = (TempDir::new(), TempDir::new());
    let tools = sample(ledger.path()).await;
    let allow = authority(&tools);
    let mut settings = vec![("PATCHBAY_EGRESS_ALLOW", allow.as_str())];
    settings.extend(database.map(|url| ("PATCHBAY_DATABASE_URL", url)));
    let server = serve(data.path(), &settings).await;
    let client = set_up(&server.url()).await;
    furnish(&client, &tools).await;
    let asked = "Count slowly to 30";
    let made = client.post(CHATS, &json!({"content": text(asked)})).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    until("the tool to begin", || async { (!starts(ledger.path()).is_empty()).then_some(()) }).await;
    server.kill().await;

    let server = serve(data.path(), &settings).await;
    let client = sign_in(&server.url()).await;
    let begun = std::time::Instant::now();
    status(&client, &id, "waiting").await;
    assert!(begun.elapsed() < Duration::from_secs(15), "taken over after {:?}", begun.elapsed());
    let messages = transcript(&client, &id).await;
    assert_eq!(messages[0]["content"], text(asked));
    let results = parts(&messages, "tool-result");
    assert_eq!(results.len(), 1, "{messages:#?}");
    assert_eq!((&results[0]["outcome"], &results[0]["is_error"]), (&json!("unknown"), &json!(true)));
    assert!(
        results[0]["result"][0]["text"].as_str().unwrap().contains("may or may not have happened"),
        "{}",
        results[0]
    );
    assert!(!answer_text(&messages).is_empty(), "the turn went on to its end");
    assert_eq!(starts(ledger.path()).len(), 1, "the ledger shows one start");
    // And not later either.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(starts(ledger.path()).len(), 1);
    let path = format!("{CHATS}/{id}/messages");
    let sent = client
        .request(http::Method::POST, &path)
        .header("prefer", "wait=30")
        .json(&json!({"content": text("thank you")}));
    assert_eq!(sent.send().await.expect(201).json()["status"], "waiting", "the chat is alive");
}

/// Killed at moments that nobody chose: no acknowledged message is lost, no ticket is filed twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_no_message_and_repeat_no_effect() {
    let (data, ledger) = (TempDir::new(), TempDir::new());
    let tools = sample(ledger.path()).await;
    let allow = authority(&tools);
    let settings = [("PATCHBAY_EGRESS_ALLOW", allow.as_str())];
    let mut server = serve(data.path(), &settings).await;
    furnish(&set_up(&server.url()).await, &tools).await;
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    for round in 0..8_u64 {
        let client = sign_in(&server.url()).await;
        for n in 0..3 {
            let asked = format!("Create a ticket about issue r{round}n{n}");
            let made = client.post(CHATS, &json!({"content": text(&asked)})).await.expect(201).json();
            acknowledged.push((made["id"].as_str().unwrap().to_owned(), asked));
        }
        // From before the first token to after the last commit.
        tokio::time::sleep(Duration::from_millis(round * round * 6)).await;
        server.kill().await;
        server = serve(data.path(), &settings).await;
    }
    let client = sign_in(&server.url()).await;
    let mut unknown = 0;
    for (id, asked) in &acknowledged {
        let chat = status(&client, id, "waiting").await;
        assert_eq!(chat["last_error"], Value::Null);
        let messages = transcript(&client, id).await;
        assert_eq!(messages[0]["content"], text(asked), "an acknowledged message is there");
        for result in parts(&messages, "tool-result") {
            unknown += usize::from(result["outcome"] == "unknown");
        }
    }
    let tickets = read_effects(&ledger.path().join("tickets.jsonl"));
    let titles: Vec<String> =
        tickets.iter().map(|ticket| ticket["title"].as_str().unwrap().to_owned()).collect();
    for (_, asked) in &acknowledged {
        let name = asked.rsplit(' ').next().unwrap();
        let filed = titles.iter().filter(|title| title.contains(name)).count();
        assert!(filed <= 1, "{name} was filed {filed} times: {titles:?}");
    }
    assert!(tickets.len() + unknown > 0, "the rounds did something: {titles:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_servers_and_secrets_survive_a_kill() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let key = json!({"auth_type": "api_key", "api_key_value": "k"});
    let made = client
        .post(SERVERS, &over(server_body("keyed", "https://mcp.example.org/mcp"), key))
        .await
        .expect(201)
        .json();
    server.kill().await;
    let server = serve(data.path(), &[]).await;
    assert!(!server.printed.iter().any(|line| line.contains("/setup")), "{:?}", server.printed);
    let client = sign_in(&server.url()).await;
    let path = format!("{SERVERS}/{}", made["id"].as_str().unwrap());
    let mut after = client.get(&path).await.expect(200).json();
    // The process listens on another port, which is in the redirect address.
    after["oauth2_client"] = made["oauth2_client"].clone();
    assert_eq!(after, made);
}
