//! "Why this tool?": the explanation is what happens, and says nothing that its reader may not know (behaviour 4).

use crate::support::{Person, SERVERS, TestServer, chat, id_of, over, send, server_body, text};
use api::users::Role;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{
    fake_llm::{FakeLlm, offered_tools},
    fake_mcp::{FakeMcp, FakeTool},
    http::Client,
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

async fn explain(client: &Client, server: &str, query: &str) -> Value {
    client.get(&format!("{SERVERS}/{server}/explain{query}")).await.expect(200).json()
}

/// The exposed names of what the explanation says is offered.
fn promised(explanation: &Value) -> BTreeSet<String> {
    let tools = explanation["tools"].as_array().unwrap().iter();
    tools
        .filter(|tool| tool["offered"] == true)
        .map(|tool| tool["exposed_name"].as_str().unwrap().to_owned())
        .collect()
}

fn verdict<'a>(explanation: &'a Value, gate: &str) -> &'a str {
    let gates = explanation["gates"].as_array().unwrap();
    gates.iter().find(|found| found["gate"] == gate).unwrap()["verdict"].as_str().unwrap()
}

/// A server in every state that a gate judges, each with each availability.
async fn servers_in_every_state(
    server: &TestServer,
    fake: &FakeMcp,
    group: &str,
) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for availability in ["force_on", "default_on", "default_off"] {
        for (state, more) in [
            ("plain", json!({})),
            ("off", json!({})),
            ("keyless", json!({"auth_type": "api_key", "api_key_value": "k"})),
            ("allow", json!({"tool_allow_list": ["get_*"]})),
            ("deny", json!({"tool_deny_list": ["get_b", "list"]})),
            ("both", json!({"tool_allow_list": ["get_*"], "tool_deny_list": ["*_a"]})),
            ("none", json!({"tool_deny_list": ["*"]})),
            ("group", json!({"allowed_group_ids": [group]})),
            ("values", json!({"auth_type": "user_header", "user_headers": [{"name": "X-Mine"}]})),
        ] {
            let slug = format!("{state}-{}", availability.replace('_', "-"));
            let body = over(
                server_body(&slug, &fake.url()),
                over(json!({"enabled": true, "availability": availability}), more),
            );
            let id = server.register(&body).await;
            ids.insert(slug, id);
        }
    }
    ids
}

/// The other half of the states: what chats could choose before and is no use now.
async fn spoil(server: &TestServer, ids: &BTreeMap<String, String>) {
    for (slug, id) in ids {
        let change = match slug.split('-').next().unwrap() {
            "off" => json!({"enabled": false}),
            // Another origin: the key is wiped and not sent again.
            "keyless" => json!({"url": "http://127.0.0.1:9/mcp"}),
            _ => continue,
        };
        server.owner().patch(&format!("{SERVERS}/{id}"), &change).await.expect(200);
    }
}

async fn explanations_are_what_turns_do(server: TestServer) {
    let tools = ["get_a", "get_b", "list"].map(|name| FakeTool::of_text(name, "x"));
    let fake = FakeMcp::start(tools.to_vec()).await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let people = [Role::Member, Role::Member, Role::Auditor, Role::Admin];
    let people: Vec<Person> = futures::future::join_all(people.map(|role| server.user(role))).await;
    let group = id_of(&server.owner().post("/api/v2/groups", &json!({"name": "insiders"})).await.expect(201));
    let members = format!("/api/v2/groups/{group}");
    let join: Vec<&String> = people.iter().map(|person| &person.id).collect();
    server.owner().patch(&members, &json!({"add_users": join})).await.expect(200);
    let ids = servers_in_every_state(&server, &fake, &group).await;
    let every: Vec<&String> = ids.values().collect();
    // The second member has entered no values, and will leave the group.
    for (slug, id) in ids.iter().filter(|(slug, _)| slug.starts_with("values")) {
        for person in [&people[0], &people[3]] {
            let values = json!({"values": {"X-Mine": slug}});
            person.client.put(&format!("{SERVERS}/{id}/user_headers"), &values).await.expect(204);
        }
    }
    let mut chats = Vec::new();
    for person in &people {
        for chosen in [Value::Null, json!([]), json!(every)] {
            let body = json!({"content": text("hi"), "mcp_server_ids": chosen});
            chats.push((person, chat(&person.client, &body).await["id"].as_str().unwrap().to_owned()));
        }
    }
    spoil(&server, &ids).await;
    let leave: Vec<&String> = people[1..].iter().map(|person| &person.id).collect();
    server.owner().patch(&members, &json!({"remove_users": leave})).await.expect(200);
    // Within a second the process hears of the people that were made, and lets their connections go: not between a turn and its
    // explanation.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let mut seen = BTreeSet::new();
    for (person, chat_id) in &chats {
        // The turn before has listed the tools of what was chosen; the rest is listed by this one, after it was explained.
        let mut before = BTreeMap::new();
        for (slug, id) in &ids {
            let query = format!("?user_id={}&chat_id={chat_id}", person.id);
            before.insert(slug, explain(server.owner(), id, &query).await);
        }
        send(&person.client, chat_id, &json!({"content": text("more")})).await;
        let offered: BTreeSet<String> = offered_tools(llm.requests().last().unwrap()).into_iter().collect();
        for (slug, id) in &ids {
            let query = format!("?user_id={}&chat_id={chat_id}", person.id);
            let after = explain(server.owner(), id, &query).await;
            let really: BTreeSet<String> =
                offered.iter().filter(|name| name.starts_with(&format!("{slug}__"))).cloned().collect();
            assert_eq!(promised(&after), really, "{slug}: {after:#}");
            assert_eq!(after["offered"], before[slug]["offered"], "{slug}");
            assert_eq!(after["gates"], before[slug]["gates"], "{slug}");
            if before[slug]["tools_known"] == true {
                assert_eq!(promised(&before[slug]), really, "{slug}");
            }
            if after["offered"] == true {
                assert_eq!(after["tools_known"], true, "the turn has listed them: {slug}");
                assert!(after.get("failed_gate").is_none());
            } else {
                assert!(really.is_empty(), "{slug}");
            }
            seen.insert(after["failed_gate"].as_str().unwrap_or("none").to_owned());
        }
    }
    let expected = ["configured", "connected", "enabled", "group", "none", "selection"].map(str::to_owned);
    assert_eq!(seen, BTreeSet::from(expected), "every gate of a server has stopped one");
    // A new chat without a list: what is explained without a chat.
    let person = &people[0];
    let offered = {
        chat(&person.client, &json!({"content": text("hi")})).await;
        offered_tools(llm.requests().last().unwrap()).into_iter().collect::<BTreeSet<_>>()
    };
    let mut all = BTreeSet::new();
    for id in ids.values() {
        all.extend(promised(&explain(server.owner(), id, &format!("?user_id={}", person.id)).await));
    }
    assert_eq!(all, offered);
    assert!(offered.contains("allow-default-on__get_a") && !offered.contains("allow-default-off__get_a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explanations_are_what_turns_do_on_sqlite() {
    explanations_are_what_turns_do(TestServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explanations_are_what_turns_do_on_postgres() {
    explanations_are_what_turns_do(TestServer::on_postgres().await).await;
}

struct Stage {
    server: TestServer,
    fake: FakeMcp,
    id: String,
    llm: FakeLlm,
}

async fn stage(more: Value) -> Stage {
    let tools = ["read", "write"].map(|name| FakeTool::of_text(name, "x"));
    let fake = FakeMcp::start(tools.to_vec()).await;
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let body = over(server_body("lab", &fake.url()), over(json!({"enabled": true}), more));
    let id = server.register(&body).await;
    Stage { server, fake, id, llm }
}

#[tokio::test]
async fn the_patterns_that_decided_are_named_and_nothing_is_dialled() {
    let lists = json!({"tool_allow_list": ["r*", "write"], "tool_deny_list": ["wr?te"]});
    let Stage { server, fake, id, llm: _llm } = stage(lists).await;
    let person = server.user(Role::Member).await;
    let unknown = explain(&person.client, &id, "").await;
    assert_eq!((&unknown["tools_known"], &unknown["tools"]), (&json!(false), &json!([])));
    assert_eq!(unknown["failed_gate"], "selection");
    assert!(fake.requests().is_empty(), "explaining contacts nobody");
    person.client.post(&format!("{SERVERS}/{id}/check"), &json!({})).await.expect(200);
    let contacts = fake.requests().len();
    let known = explain(&person.client, &id, "").await;
    assert_eq!((&known["tools_known"], fake.requests().len()), (&json!(true), contacts));
    let tools = known["tools"].as_array().unwrap();
    assert_eq!(
        tools[1],
        json!({
            "name": "write", "exposed_name": "lab__write", "title": "", "offered": false, "failed_gate": "selection",
            "gates": [
                {"gate": "allow_list", "verdict": "pass", "reason": "On the allow list by the pattern `write`.", "pattern": "write"},
                {"gate": "deny_list", "verdict": "fail", "reason": "Denied by the pattern `wr?te`.", "pattern": "wr?te"},
                {"gate": "definition", "verdict": "not_applicable", "reason": "Changed definitions are not held back on this server."},
                {"gate": "approval", "verdict": "not_applicable", "reason": "There is no approval list: calls go out at once."},
            ],
        })
    );
    assert_eq!(tools[0]["gates"][0]["pattern"], "r*");
    let made = chat(&person.client, &json!({"content": text("hi"), "mcp_server_ids": [id]})).await;
    let chosen = explain(&person.client, &id, &format!("?chat_id={}", made["id"].as_str().unwrap())).await;
    assert_eq!((&chosen["offered"], verdict(&chosen, "selection")), (&json!(true), "pass"));
    let tools = chosen["tools"].as_array().unwrap();
    assert_eq!((&tools[0]["offered"], &tools[1]["failed_gate"]), (&json!(true), &json!("deny_list")));
    // What one user was listed is not told of another.
    let other = server.user(Role::Member).await;
    assert_eq!(explain(&other.client, &id, "").await["tools_known"], false);
    assert_eq!(explain(server.owner(), &id, &format!("?user_id={}", other.id)).await["tools_known"], false);
}

#[tokio::test]
async fn who_may_ask_about_whom() {
    let Stage { server, fake: _fake, id, llm: _llm } = stage(json!({"availability": "default_on"})).await;
    let (member, other) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let made = chat(&member.client, &json!({"content": text("hi")})).await;
    let chat_id = made["id"].as_str().unwrap();
    let nobody = server.owner().get(&format!("{SERVERS}/{UNKNOWN}/explain")).await.expect(404).body;
    let asks = |person: &Person, query: String| {
        let (client, path) = (person.client.clone(), format!("{SERVERS}/{id}/explain{query}"));
        async move { client.get(&path).await }
    };
    let of_member = format!("?user_id={}", member.id);
    for role in [Role::Owner, Role::Admin, Role::Auditor] {
        let person = server.user(role).await;
        let explained = asks(&person, of_member.clone()).await.expect(200).json();
        assert_eq!((&explained["user_id"], &explained["offered"]), (&json!(member.id), &json!(true)));
        asks(&person, format!("{of_member}&chat_id={chat_id}")).await.expect(200);
        // The chat must be that of the user who is asked about.
        for query in [
            format!("?chat_id={chat_id}"),
            format!("?user_id={}&chat_id={chat_id}", other.id),
            format!("{of_member}&chat_id={UNKNOWN}"),
            format!("?user_id={UNKNOWN}"),
        ] {
            assert_eq!(asks(&person, query.clone()).await.expect(404).body, nobody, "{query}");
        }
    }
    asks(&member, format!("{of_member}&chat_id={chat_id}")).await.expect(200);
    for query in [of_member, format!("?chat_id={chat_id}"), format!("?user_id={UNKNOWN}")] {
        assert_eq!(asks(&other, query.clone()).await.expect(404).body, nobody, "{query}");
    }
    for (query, field) in [
        ("?user_id=me", "user_id"),
        ("?chat_id=x", "chat_id"),
        ("?plan_mode=plan", "plan_mode"),
        ("?plan_mode=", "plan_mode"),
    ] {
        let refused = asks(&member, query.to_owned()).await.expect(400).json();
        assert_eq!(refused["validations"][0]["field"], field, "{query}");
    }
    asks(&member, "?plan_mode=false".to_owned()).await.expect(200);
    // Disabled: concealed from members, explained to those who see every server.
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"enabled": false})).await.expect(200);
    assert_eq!(asks(&member, String::new()).await.expect(404).body, nobody);
    let explained = explain(server.owner(), &id, &format!("?user_id={}", member.id)).await;
    assert_eq!(explained["failed_gate"], "enabled");
}

#[tokio::test]
async fn a_suspended_account_is_the_first_gate() {
    let Stage { server, fake: _fake, id, llm: _llm } = stage(json!({"availability": "force_on"})).await;
    let member = server.user(Role::Member).await;
    let query = format!("?user_id={}", member.id);
    assert_eq!(explain(server.owner(), &id, &query).await["offered"], true);
    let suspended = json!({"status": "suspended"});
    server.owner().patch(&format!("/api/v2/users/{}", member.id), &suspended).await.expect(200);
    let explained = explain(server.owner(), &id, &query).await;
    assert_eq!((&explained["offered"], &explained["failed_gate"]), (&json!(false), &json!("account")));
}

#[tokio::test]
async fn members_learn_nothing_hidden_from_an_explanation() {
    let Stage { server, fake: _fake, id, llm: _llm } =
        stage(json!({"auth_type": "api_key", "api_key_value": "k", "api_key_header": "X-Hidden"})).await;
    let member = server.user(Role::Member).await;
    let moved = json!({"url": "http://127.0.0.1:9/moved"});
    server.owner().patch(&format!("{SERVERS}/{id}"), &moved).await.expect(200);
    let told = member.client.get(&format!("{SERVERS}/{id}/explain")).await.expect(200);
    for hidden in ["127.0.0.1", "moved", "X-Hidden", "secret", "editor"] {
        assert!(!told.body.contains(hidden), "{hidden}: {}", told.body);
    }
    assert_eq!(verdict(&told.json(), "configured"), "fail");
    let told = explain(server.owner(), &id, "").await;
    assert!(told.to_string().contains("editor"), "{told}");
}
