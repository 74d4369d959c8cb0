//! Peers and what asks them.

use patchbay_mcpauth::{auth_method::AuthMethod, token::Client};
use serde_json::Value;
use testkit::{
    raw_peer::{Act, RawPeer, whole},
    record::Recorded,
};

/// In whatever a peer writes that must not come back to people.
pub(crate) const UPSTREAM: &str = "UPSTREAM-WORDS";
/// In whatever is secret.
pub(crate) const SECRET: &str = "hunter2";

/// May dial everything that the tests bind. One for each test, which has a thread and a runtime of its own: to read the system's
/// certificates takes longer than most of them.
pub(crate) fn egress() -> egress::Egress {
    thread_local! {
        static EGRESS: egress::Egress = egress::Egress::new(egress::EgressConfig {
            allow: "127.0.0.1:*,127.0.0.2:*,localhost:*".parse().unwrap(),
            own_listeners: Vec::new(),
            access_url: None,
            user_agent: "patchbay/test".into(),
        })
        .unwrap();
    }
    EGRESS.with(Clone::clone)
}

pub(crate) fn json(status: &str, document: &Value) -> Vec<Act> {
    whole(status, "content-type: application/json\r\n", document.to_string())
}

pub(crate) fn with_header(status: &str, header: &str, body: &str) -> Vec<Act> {
    whole(status, &format!("{header}\r\n"), body)
}

/// A peer that gives this answer to everything.
pub(crate) async fn always(answer: Vec<Act>) -> RawPeer {
    RawPeer::start(move |_| answer.clone()).await
}

pub(crate) fn client(peer: &RawPeer, auth_method: AuthMethod) -> Client {
    let secret = (auth_method != AuthMethod::None).then(|| SECRET.into());
    Client {
        client_id: "client-1".into(),
        client_secret: secret,
        auth_method,
        token_url: peer.url("/token?tenant=1"),
        resource: "https://MCP.example.com".into(),
    }
}

/// The parameters of a form, sorted.
pub(crate) fn form(request: &Recorded) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    pairs.sort();
    pairs
}

pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A text for people: short, without a peer's words and without secrets.
#[track_caller]
pub(crate) fn assert_clean(text: &str) {
    assert!(text.chars().count() <= 400, "{text}");
    assert!(!text.contains(UPSTREAM) && !text.contains(SECRET), "{text}");
}
