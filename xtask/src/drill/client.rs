//! Requests over REST as a client behind a balancer makes them: any replica, another one when that fails.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::fleet::{Addresses, EMAIL, PASSWORD};
use super::random::Random;
use crate::bench::http::{Answer, Connection, Request};

pub(super) const CHATS: &str = "/api/experimental/chats";
/// For one request; a replica that is stopped in the middle is left then.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a request over all replicas: the database may be away meanwhile.
const INSIST: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(100);
/// A page of messages.
const PAGE: usize = 200;

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) addresses: Addresses,
    pub(super) authorization: String,
}

/// One request to one replica.
pub(super) fn once(
    address: SocketAddr,
    authorization: &str,
    method: &'static str,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut headers = vec![("Connection", "close")];
    if !authorization.is_empty() {
        headers.push(("Authorization", authorization));
    }
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json"));
    }
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    let request = Request { method, path, headers: &headers, body: body.as_bytes(), deadline: PATIENCE };
    Connection::open(address)?.send(&request)
}

impl Client {
    /// Signs in.
    ///
    /// # Errors
    /// When no replica takes the password.
    pub(super) fn sign_in(addresses: &Addresses, email: &str, password: &str) -> Result<Self> {
        let mut client = Self { addresses: addresses.clone(), authorization: String::new() };
        let body = json!({ "email": email, "password": password });
        let (answer, _) =
            client.insist("POST", "/api/v2/users/login", None, Some(&body), &mut Random::new(1))?;
        let token = answer.json(201)?["session_token"].as_str().context("no session_token")?.to_owned();
        client.authorization = format!("Bearer {token}");
        Ok(client)
    }

    /// Asks replicas until one has answered with something else than a failure of its own; the answer and the process that gave it.
    ///
    /// # Errors
    /// When none has for [`INSIST`].
    pub(super) fn insist(
        &self,
        method: &'static str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
        random: &mut Random,
    ) -> Result<(Answer, u32)> {
        let until = Instant::now() + INSIST;
        let mut last = None;
        while Instant::now() < until {
            if let Some((address, pid)) = self.addresses.any(random) {
                match once(address, &self.authorization, method, path, key, body) {
                    Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok((answer, pid)),
                    Ok(answer) => last = Some(anyhow::anyhow!("status {}", answer.status)),
                    Err(error) => last = Some(error),
                }
            }
            std::thread::sleep(AGAIN);
        }
        let error = last.unwrap_or_else(|| anyhow::anyhow!("no replica is up"));
        Err(error.context(format!("{method} {path}: no answer for {} s", INSIST.as_secs())))
    }

    /// A GET that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn get(&self, path: &str, random: &mut Random) -> Result<Value> {
        self.insist("GET", path, None, None, random)?.0.json(200)
    }

    /// All messages of a chat, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn messages(&self, chat: &str, random: &mut Random) -> Result<Vec<Value>> {
        let mut messages: Vec<Value> = Vec::new();
        loop {
            let after = messages.last().and_then(|last| last["id"].as_i64()).unwrap_or(0);
            let path = format!("{CHATS}/{chat}/messages?after_id={after}&limit={PAGE}");
            let mut page = self.get(&path, random)?;
            let Some(more) = page["messages"].as_array_mut() else { bail!("no messages in {page}") };
            messages.append(more);
            if page["has_more"] != true {
                return Ok(messages);
            }
        }
    }
}

/// Makes the model, the tool server and `count` people; the people.
///
/// # Errors
/// When something is refused.
pub(super) fn furnish(
    addresses: &Addresses,
    model: &str,
    tools: SocketAddr,
    count: usize,
) -> Result<Vec<Client>> {
    let owner = Client::sign_in(addresses, EMAIL, PASSWORD)?;
    let mut random = Random::new(2);
    let mut make = |path: &str, body: Value| -> Result<Value> {
        owner.insist("POST", path, None, Some(&body), &mut random)?.0.json(201)
    };
    let provider = json!({ "name": "Drill", "type": "openai", "base_url": model, "api_key": "sk-drill" });
    let provider = make("/api/v2/providers", provider)?;
    let body = json!({ "provider_id": provider["id"], "model": "drill", "display_name": "Drill" });
    make("/api/v2/models", body)?;
    let server = json!({
        "display_name": "Tickets", "slug": "tickets", "url": format!("http://{tools}/mcp"),
        "transport": "streamable_http", "auth_type": "none", "availability": "force_on", "enabled": true,
    });
    let server = make("/api/experimental/mcp/servers", server)?;
    ensure!(server["id"].is_string(), "a new server has no id");
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let email = format!("person{number}@drill.example");
        let body = json!({ "email": email, "username": format!("person{number}"), "password": PASSWORD, "name": "" });
        make("/api/v2/users", body)?;
        people.push(Client::sign_in(addresses, &email, PASSWORD)?);
    }
    Ok(people)
}
