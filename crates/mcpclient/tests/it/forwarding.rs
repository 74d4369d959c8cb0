//! What a server is told of who asks (behaviour 12), as it arrives.

use hmac::{Hmac, KeyInit, Mac};
use patchbay_mcpclient::{Forwarding, Identity, Target, Transport};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use testkit::axum::{http::StatusCode, response::IntoResponse};
use uuid::Uuid;

use crate::fake::{self, Seen};

const SECRET: &str = "0123456789abcdef";

fn asking(target: Target, chat: u128) -> Target {
    let identity =
        Identity { owner: target.user_id, chat: Some(Uuid::from_u128(chat)), subchat: None, workspace: None };
    let forwarding = Forwarding { identity, signing_secret: Some(SecretString::from(SECRET)) };
    Target { forwarding: Some(forwarding), ..target }
}

/// As docs/identity-headers.md tells receivers to do.
fn verifies(seen: &Seen) -> bool {
    let header = |name: &str| seen.header(name).unwrap_or_default();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = [
        "v1".to_owned(),
        header("x-coder-signature-timestamp").to_owned(),
        seen.http.to_string(),
        seen.target.clone(),
        hex(&Sha256::digest(&seen.raw)),
        format!("owner={}", header("x-coder-owner-id")),
        format!("chat={}", header("x-coder-chat-id")),
        format!("subchat={}", header("x-coder-subchat-id")),
        format!("workspace={}", header("x-coder-workspace-id")),
    ];
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(lines.join("\n").as_bytes());
    header("x-coder-signature") == format!("v1={}", hex(&mac.finalize().into_bytes()))
}

#[tokio::test]
async fn every_request_says_who_asks_and_is_signed() {
    let fake = fake::start(|_| async { None }).await;
    let clients = fake::clients();
    let target = asking(fake.target(), 1);
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    clients.call(&target, fake::echo("x")).await;
    // The same user in another chat: the same connection, another chat in the headers.
    clients.call(&asking(fake.target(), 2), fake::echo("y")).await;
    clients.shutdown().await;
    let seen = fake.seen();
    assert_eq!(fake.count("initialize"), 1, "one connection");
    for request in &seen {
        assert_eq!(request.header("x-coder-owner-id"), Some(Uuid::from_u128(2).to_string().as_str()));
        assert!(verifies(request), "{} {}: {:?}", request.http, request.method(), request.headers);
        assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
    }
    let chats: Vec<_> = seen
        .iter()
        .filter(|seen| seen.method() == "tools/call")
        .map(|seen| seen.header("x-coder-chat-id").unwrap().to_owned())
        .collect();
    assert_eq!(chats, [Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string()]);
    assert!(seen.iter().any(|seen| seen.http == "DELETE"), "the last one too");
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_signed_for_where_it_leads() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.target == "/mcp")
            .then(|| (StatusCode::TEMPORARY_REDIRECT, [("location", "/moved?to=here")]).into_response())
    })
    .await;
    let target = asking(fake.target(), 1);
    fake::clients().catalogue(&target, fake::in_(5)).await.unwrap();
    let seen = fake.seen();
    assert!(seen.iter().any(|seen| seen.target == "/moved?to=here"));
    assert!(seen.iter().all(verifies), "{seen:?}");
}

#[tokio::test]
async fn configured_headers_win_and_without_forwarding_nothing_is_told() {
    let fake = fake::honest().await;
    let mut target = asking(fake.target(), 1);
    target.headers.push(("x-coder-owner-id".parse().unwrap(), "configured".into()));
    let clients = fake::clients();
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert!(fake.seen().iter().all(|seen| seen.header("x-coder-owner-id") == Some("configured")));

    let plain = fake::honest().await;
    let target = Target { transport: Transport::StreamableHttp, ..plain.target() };
    clients.catalogue(&Target { server_id: Uuid::from_u128(5), ..target }, fake::in_(5)).await.unwrap();
    let told = |seen: &Seen| seen.headers.keys().any(|name| name.as_str().starts_with("x-coder-"));
    assert!(!plain.seen().iter().any(told));
}

#[tokio::test]
async fn a_trace_goes_along_where_it_is_wanted() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    let mut call = fake::echo("x");
    call.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into());
    clients.call(&fake.target(), call.clone()).await;
    call.traceparent = None;
    clients.call(&fake.target(), call).await;
    let seen = fake.seen();
    let calls: Vec<&Seen> = seen.iter().filter(|seen| seen.method() == "tools/call").collect();
    let value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    assert_eq!(calls[0].header("traceparent"), Some(value));
    assert_eq!(calls[0].body["params"]["_meta"]["traceparent"], value);
    assert_eq!(calls[1].header("traceparent"), None);
    assert!(calls[1].body["params"]["_meta"].get("traceparent").is_none());
}

/// A cancellation belongs to the chat whose call it ends, not to the one that opened the connection.
#[tokio::test]
async fn a_cancellation_says_whose_call_it_ends() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "tools/call" { fake::silence().await } else { None }
    })
    .await;
    let clients = fake::clients();
    clients.catalogue(&asking(fake.target(), 1), fake::in_(5)).await.unwrap();
    let call = fake::echo("x");
    let cancel = call.cancel.clone();
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), asking(fake.target(), 2));
        async move { clients.call(&target, call).await }
    });
    fake::until("the call arrived", || fake.count("tools/call") == 1).await;
    cancel.cancel();
    running.await.unwrap();
    fake::until("the server is told", || fake.count("notifications/cancelled") == 1).await;
    let seen = fake.seen();
    let told = seen.iter().find(|seen| seen.method() == "notifications/cancelled").unwrap();
    assert_eq!(told.header("x-coder-chat-id"), Some(Uuid::from_u128(2).to_string().as_str()));
    assert!(verifies(told));
}
