//! Full-text search over one's own chats, over REST.

use crate::support::{CHATS, TestServer, chat, text};
use api::users::Role;
use serde_json::{Value, json};
use testkit::http::Client;

async fn found(client: &Client, query: &str) -> Value {
    client.get(&format!("{CHATS}/search?{query}")).await.expect(200).json()
}

fn snippets(page: &Value) -> Vec<String> {
    let shown = |hit: &Value| {
        let parts = hit["snippet"].as_array().unwrap().iter();
        parts
            .map(|part| {
                let text = part["text"].as_str().unwrap();
                if part["hit"] == true { format!("[{text}]") } else { text.to_owned() }
            })
            .collect()
    };
    page["hits"].as_array().unwrap().iter().map(shown).collect()
}

async fn chats_are_searched(server: TestServer) {
    server.demo_model().await;
    let (ada, bob) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let made = chat(&ada.client, &json!({"content": text("Measure the wombat <b>population</b>")})).await;
    chat(&bob.client, &json!({"content": text("My wombat")})).await;
    let page = found(&ada.client, "q=WOMBAT%20popu").await;
    assert_eq!(page["has_more"], false);
    assert_eq!(
        snippets(&page),
        ["Measure the [wombat] <b>[population]</b>", "Measure the [wombat] <b>[population]</b>"],
        "the message and the title, and nobody else's"
    );
    assert_eq!(page["hits"][0]["chat_id"], made["id"]);
    assert!(page["hits"][0]["message_id"].is_i64() && page["hits"][1]["message_id"].is_null());
    let first = found(&ada.client, "q=wombat&limit=1").await;
    assert_eq!(first["has_more"], true);
    let rest = found(&ada.client, &format!("q=wombat&limit=1&after={}", first["hits"][0]["id"])).await;
    assert_eq!((rest["hits"].as_array().unwrap().len(), &rest["has_more"]), (1, &json!(false)));
    // Whatever is typed is words.
    for hostile in ["%22wombat%22%20OR%20x", "wombat*)", "body:wombat", "wombat%20%26%20!x", "%27%3B--wombat"]
    {
        found(&ada.client, &format!("q={hostile}")).await;
    }
    for (query, field) in [
        ("q=", "q"),
        ("q=%22%2A%22", "q"),
        ("", "q"),
        (format!("q={}", "x".repeat(129)).as_str(), "q"),
        ("q=x&limit=0", "limit"),
    ] {
        let refused = ada.client.get(&format!("{CHATS}/search?{query}")).await.expect(400);
        assert_eq!(refused.refused_fields(), [field], "{query}");
    }
    ada.client.delete(&format!("{CHATS}/{}", made["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(found(&ada.client, "q=wombat").await["hits"], json!([]));
}

#[tokio::test]
async fn chats_are_searched_on_sqlite() {
    chats_are_searched(TestServer::start().await).await;
}

#[tokio::test]
async fn chats_are_searched_on_postgres() {
    chats_are_searched(TestServer::on_postgres().await).await;
}
