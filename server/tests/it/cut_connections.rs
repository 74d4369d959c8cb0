//! Clients whose connection is cut at the socket in the middle of a request (threat 98).

use crate::{
    oauth::{begin, browser_of, come_back, connectable, peer},
    support::{CHATS, COOKIE, TestServer, chat, status, text, transcript},
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{
    fake_oauth::{Meddle, approve, browser},
    wait::until,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// Connections of callbacks that are cut.
const CALLBACKS: usize = 50;
/// Connections of messages that are cut, and how many of them one has its whole request out.
const MESSAGES: usize = 500;
const WHOLE_ONE_OF: usize = 6;
/// A turn that nobody began waits for the lease of its message, ten seconds; one that was begun is over sooner.
const LEFT_ALONE: Duration = Duration::from_secs(8);

async fn connection(origin: &str) -> TcpStream {
    TcpStream::connect(origin.trim_start_matches("http://")).await.unwrap()
}

/// Threat 98: the browser's connection is cut while the code is exchanged, or as soon as the request is out: the grant is stored all the same,
/// and no code is lost or spent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_during_the_callback_costs_no_grant() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let person = server.user(Role::Member).await;
    let client = browser_of(&server, &person);
    let exchanges = || oauth.token_requests("authorization_code").len();
    oauth.meddle("/token", Meddle::late(Duration::from_millis(80)));
    for run in 1..=CALLBACKS {
        let callback = approve(&begin(&client, &path).await).await;
        let (origin, target) = browser::split(&callback);
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\ncookie: {COOKIE}={}\r\n\r\n",
            origin.trim_start_matches("http://"),
            person.token
        );
        let mut socket = connection(&server.origin).await;
        socket.write_all(request.as_bytes()).await.unwrap();
        if run % 5 == 0 {
            drop(socket);
            // Nobody knows whether it was read. Coming back finds the sign-in as it was, or used and done.
            let again = come_back(&client, &callback).await;
            assert!([200, 400].contains(&again.status), "{}", again.body);
        } else {
            // The provider has done its part, and its answer is under way.
            until("the code is exchanged", || async { (oauth.families().len() == run).then_some(()) }).await;
            drop(socket);
        }
        until("the grant is stored", || async {
            let seen = client.get(&path).await.expect(200).json();
            (seen["auth_status"] == "connected").then_some(())
        })
        .await;
        assert_eq!((exchanges(), oauth.families().len(), oauth.live_families()), (run, run, 1));
        let gone = client.delete(&format!("{path}/oauth2/disconnect")).await.expect(204);
        assert_eq!(gone.header("patchbay-token-revoked"), Some("true"));
    }
    assert_eq!(oauth.live_families(), 0);
}

/// Threat 98: a connection that is cut during the POST of a message: the message is in the chat whole and once, or not at all; and its turn
/// begins though nobody is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_during_a_message_leaves_it_whole_or_not_at_all() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await;
    let begun = chat(&person.client, &json!({"content": text("the first")})).await;
    let id = begun["id"].as_str().unwrap();
    let path = format!("{CHATS}/{id}/messages");
    let mut expected = vec![text("the first")];
    for run in 0..MESSAGES {
        let words = format!("message {run} {}", "and so on ".repeat(run % 50 * 20));
        let body = json!({"content": text(&words)});
        let sent = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nidempotency-key: run-{run}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            server.origin.trim_start_matches("http://"),
            person.token,
            sent.len()
        );
        let whole = format!("{head}{sent}");
        // The others in their head or body, at another place each time, up to the byte before the last.
        let partly = run % WHOLE_ONE_OF != 0;
        let until_byte = if partly { (whole.len() - 1) * (run % 100) / 99 } else { whole.len() };
        let mut socket = connection(&server.origin).await;
        socket.write_all(&whole.as_bytes()[..until_byte]).await.unwrap();
        drop(socket);
        if partly {
            continue;
        }
        // The client tries again with the same key, whatever became of the first. While the first is being taken that is a conflict.
        until("the message is taken", || async {
            let again =
                person.client.request(Method::POST, &path).header("idempotency-key", &format!("run-{run}"));
            let again = again.json(&body).send().await;
            assert!([201, 409].contains(&again.status), "{}", again.body);
            (again.status == 201).then_some(())
        })
        .await;
        let begun = Instant::now();
        status(&person.client, id, "waiting").await;
        assert!(
            begun.elapsed() < LEFT_ALONE,
            "run {run}: the turn waited {:?} for its lease",
            begun.elapsed()
        );
        expected.push(text(&words));
    }
    let messages = transcript(&person.client, id).await;
    let asked: Vec<&Value> = messages
        .iter()
        .filter(|message| message["role"] == "user")
        .map(|message| &message["content"])
        .collect();
    assert_eq!(asked, expected.iter().collect::<Vec<_>>());
    assert_eq!(asked.len(), 1 + MESSAGES.div_ceil(WHOLE_ONE_OF));
}
