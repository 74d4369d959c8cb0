//! Who takes part in the benchmark: a model that answers at once, and people.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::workload::Session;
use super::PASSWORD;
use crate::drill::model::{Call, Part, Script, offered, text_of};

/// A message that is answered by a long text in pieces.
pub(super) const LONG: &str = "Say it at length";
/// A message that is answered slowly, with the time at which each piece was sent.
pub(super) const SLOWLY: &str = "Say it slowly";
pub(super) const PIECES: usize = 10_000;
pub(super) const SLOW_PIECES: usize = 200;

/// The model: one call of the echo tool, then a word.
pub(super) struct Instant;

impl Part for Instant {
    fn answer(&self, _port: u16, request: &Value) -> (Script, u64) {
        let messages = request["messages"].as_array().cloned().unwrap_or_default();
        let after_call = messages.last().is_some_and(|message| message["role"] == "tool");
        let asked = messages.iter().rev().find(|message| message["role"] == "user").map(text_of);
        let asked = asked.unwrap_or_default();
        let mut script = Script {
            texts: vec!["Done.".to_owned()],
            calls: Vec::new(),
            pause: Default::default(),
            stamp: None,
        };
        if asked.contains(LONG) {
            script.texts = (0..PIECES).map(|at| format!("word{at} ")).collect();
        } else if asked.contains(SLOWLY) {
            script.texts = vec!["a piece ".to_owned(); SLOW_PIECES];
            script.pause = std::time::Duration::from_millis(20);
            script.stamp = Some(epoch());
        } else if let Some(name) = offered(request, "echo").filter(|_| !after_call) {
            script.texts = Vec::new();
            let arguments = json!({ "text": "hello" });
            script.calls = vec![Call { id: "call_1".to_owned(), name, arguments }];
        }
        (script, 0)
    }

    fn said(&self, _answer: u64) {}
}

/// From when the stamps count.
pub(super) fn epoch() -> std::time::Instant {
    static EPOCH: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(std::time::Instant::now)
}

/// Makes so many people and signs them in.
///
/// # Errors
/// When one is refused.
pub(super) fn people(
    owner: &mut Session,
    address: SocketAddr,
    count: usize,
    word: &str,
) -> Result<Vec<Session>> {
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let email = format!("{word}{number}@bench.example");
        let body = json!({ "email": email, "username": format!("{word}{number}"), "password": PASSWORD });
        owner.ask("POST", "/api/v2/users", Some(&body))?.json(201)?;
        people.push(Session::sign_in(address, &email, PASSWORD)?);
    }
    Ok(people)
}
