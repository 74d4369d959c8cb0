//! Files of chats over REST and in turns (behaviour 17).

use crate::support::{CHATS, TestServer, chat, id_of, send, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::FakeLlm,
    http::{Answer, Client},
};

const FILES: &str = "/api/experimental/chats/files";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really a picture";

async fn upload(client: &Client, name: &str, kind: &str, data: &[u8]) -> Answer {
    client.request(Method::POST, &format!("{FILES}?name={name}")).body(kind, data.to_vec()).send().await
}

async fn stored(client: &Client, name: &str, kind: &str, data: &[u8]) -> String {
    id_of(&upload(client, name, kind, data).await.expect(201))
}

fn file(id: &str) -> Value {
    json!({"type": "file", "file_id": id})
}

#[tokio::test]
async fn a_file_is_its_owners_and_never_a_document_of_ours() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user(Role::Member).await.client, server.user(Role::Admin).await.client);
    let made =
        upload(&ada, "a%2Fpage.html", "text/html", b"<script>alert(1)</script>").await.expect(201).json();
    assert_eq!(
        (&made["name"], &made["media_type"], &made["size"]),
        (&json!("page.html"), &json!("text/html"), &json!(25))
    );
    let path = format!("{FILES}/{}", made["id"].as_str().unwrap());
    let answer = ada.get(&path).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename*=UTF-8''page.html"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.body, "<script>alert(1)</script>");
    bob.get(&path).await.expect(404);
    server.anonymous().get(&path).await.expect(401);
    let body = json!({"content": [{"type": "text", "text": "hi"}, file(made["id"].as_str().unwrap())]});
    assert_eq!(bob.post(CHATS, &body).await.expect(400).refused_fields(), ["content[1].file_id"]);
    for (name, kind, sniffed, disposition) in [
        ("b.png", "image/png", "image/png", "inline; filename*=UTF-8''b.png"),
        ("c.svg", "image/svg+xml", "application/octet-stream", "attachment; filename*=UTF-8''c.svg"),
    ] {
        let data: &[u8] = if name == "b.png" { PNG } else { b"<svg onload=x/>" };
        let id = stored(&ada, name, kind, data).await;
        let answer = ada.get(&format!("{FILES}/{id}")).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(sniffed), "{name}");
        assert_eq!(answer.header("content-disposition"), Some(disposition));
    }
    upload(&ada, "e", "text/plain", b"").await.expect(400);
    upload(&ada, "big", "text/plain", &vec![b'x'; 10 * 1024 * 1024 + 1]).await.expect(413);
    upload(&ada, "full", "text/plain", &vec![b'x'; 10 * 1024 * 1024]).await.expect(201);
}

#[tokio::test]
async fn text_reaches_the_model_as_text_and_pictures_as_pictures() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "k").await;
    let ada = server.user(Role::Member).await.client;
    let (notes, picture, other) = (
        stored(&ada, "notes.txt", "text/plain", "the answer is 42".as_bytes()).await,
        stored(&ada, "p.png", "image/png", PNG).await,
        stored(&ada, "x.bin", "application/x-thing", &[0, 1, 2]).await,
    );
    let content = json!([{"type": "text", "text": "read"}, file(&notes), file(&picture), file(&other)]);
    let made = chat(&ada, &json!({"content": content})).await;
    let part = &made["messages"][0]["content"][1];
    assert_eq!(
        part,
        &json!({"type": "file", "file_id": notes, "name": "notes.txt", "media_type": "text/plain", "size": 16})
    );
    let asked = llm.requests().pop().unwrap().json();
    let said = asked["messages"].as_array().unwrap().last().unwrap().clone();
    let words = said["content"][0]["text"].as_str().unwrap();
    assert!(words.starts_with("read") && words.contains("the answer is 42"), "{words}");
    assert!(
        words.contains("File x.bin, application/x-thing, 3 B: its content cannot be shown to you"),
        "{words}"
    );
    let url = said["content"][1]["image_url"]["url"].as_str().unwrap();
    assert!(url.starts_with("data:image/png;base64,"), "{url}");

    // A file alone is a message, in the queue as well; and it is gone with its chat.
    let id = made["id"].as_str().unwrap();
    let more = stored(&ada, "more.txt", "text/plain", b"and more").await;
    send(&ada, id, &json!({"content": [file(&more)]})).await;
    assert!(llm.requests().pop().unwrap().json()["messages"].to_string().contains("and more"));
    let elsewhere = json!({"content": [{"type": "text", "text": "x"}, file(&more)]});
    assert_eq!(ada.post(CHATS, &elsewhere).await.expect(400).refused_fields(), ["content[1].file_id"]);
    ada.get(&format!("{FILES}/{more}")).await.expect(200);
    ada.delete(&format!("{CHATS}/{id}")).await.expect(204);
    for gone in [&notes, &picture, &other, &more] {
        ada.get(&format!("{FILES}/{gone}")).await.expect(404);
    }
}

#[tokio::test]
async fn fifty_files_of_a_chat_are_kept_and_the_model_is_told_of_those_that_went() {
    let llm = FakeLlm::start().await;
    let server = TestServer::start().await;
    server.scripted_model(&llm, "k").await;
    let ada = server.user(Role::Member).await.client;
    let first = stored(&ada, "first.txt", "text/plain", b"the first").await;
    let made = chat(&ada, &json!({"content": [{"type": "text", "text": "one"}, file(&first)]})).await;
    let id = made["id"].as_str().unwrap();
    let mut parts = text("many").as_array().unwrap().clone();
    for n in 0..50 {
        parts.push(file(&stored(&ada, &format!("f{n}.txt"), "text/plain", b"x").await));
    }
    send(&ada, id, &json!({"content": parts})).await;
    ada.get(&format!("{FILES}/{first}")).await.expect(404);
    let asked = llm.requests().pop().unwrap().json()["messages"].to_string();
    assert!(asked.contains("File first.txt, text/plain, 9 B: no longer stored"), "{asked}");
}
