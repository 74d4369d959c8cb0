//! The people of a drill: each chat asks for tickets, one message after the other, through whichever replica answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::book::{Book, token};
use super::client::{CHATS, Client};
use super::random::Random;

/// Between two looks at a chat.
const LOOK: (Duration, Duration) = (Duration::from_millis(120), Duration::from_millis(300));
/// Between two messages.
const REST: (Duration, Duration) = (Duration::from_millis(0), Duration::from_millis(250));
/// Messages that do not wait for the turn before them, of 100.
const IN_A_ROW: usize = 20;
/// For the turns of one or two messages; beyond it the drill gives up.
const TURN: Duration = Duration::from_secs(180);

/// What the workers are told.
#[derive(Clone, Default)]
pub(super) struct Signals {
    pub(super) stop: Arc<AtomicBool>,
    /// When the database came back last.
    pub(super) outage_over: Arc<Mutex<Option<Instant>>>,
}

/// The chats at work.
pub(super) struct Load {
    workers: Vec<JoinHandle<Result<Option<String>>>>,
}

impl Load {
    /// Lets `chats` chats of the people begin.
    pub(super) fn start(
        people: &[Client],
        chats: usize,
        book: &Book,
        signals: &Signals,
        random: &mut Random,
    ) -> Self {
        let workers = (0..chats)
            .map(|chat| {
                let (client, book) = (people[chat % people.len()].clone(), book.clone());
                let (signals, random) = (signals.clone(), random.split());
                thread::spawn(move || work(chat, &client, &book, &signals, random))
            })
            .collect();
        Self { workers }
    }

    pub(super) fn is_over(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// The ids of the chats, in their order; `None` for one that never began.
    ///
    /// # Errors
    /// When one of them met something that no client should.
    pub(super) fn join(self) -> Result<Vec<Option<String>>> {
        let mut chats = Vec::new();
        for (number, worker) in self.workers.into_iter().enumerate() {
            let done = worker.join().map_err(|_| anyhow::anyhow!("the client of chat {number} panicked"))?;
            chats.push(done.with_context(|| format!("chat {number}"))?);
        }
        Ok(chats)
    }
}

fn work(
    chat: usize,
    client: &Client,
    book: &Book,
    signals: &Signals,
    mut random: Random,
) -> Result<Option<String>> {
    let mut id: Option<String> = None;
    while !signals.stop.load(Ordering::Relaxed) {
        let count = if id.is_some() && random.chance(IN_A_ROW) { 2 } else { 1 };
        let mut open = Vec::new();
        for at in 0..count {
            let number = book.begin(chat);
            let name = token(number);
            let body =
                json!({ "content": [{ "type": "text", "text": format!("File a ticket {name} please") }] });
            let path = id.as_ref().map_or(CHATS.to_owned(), |id| format!("{CHATS}/{id}/messages"));
            // The same key until it is acknowledged: a request whose answer was lost must not become two messages.
            let (answer, pid) = client.insist("POST", &path, Some(&name), Some(&body), &mut random)?;
            let answer = answer.json(201).with_context(|| name.clone())?;
            book.acknowledged(number, pid, at == 0 && answer["queued"] != true);
            if id.is_none() {
                let made = answer["id"].as_str().context("a new chat has no id")?;
                book.chat_begun(chat, made);
                id = Some(made.to_owned());
            }
            open.push(number);
        }
        let path = format!("{CHATS}/{}", id.as_deref().unwrap_or_default());
        let until = Instant::now() + TURN;
        loop {
            thread::sleep(random.between(LOOK.0, LOOK.1));
            let seen = client.get(&path, &mut random)?;
            let status = seen["status"].as_str().unwrap_or_default();
            if status == "waiting" || status == "error" {
                let error = seen["last_error"].as_object().map(|error| format!("{error:?}"));
                open.iter().for_each(|number| book.done(*number, error.clone()));
                break;
            }
            let outage = *signals.outage_over.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().for_each(|number| book.watch(*number, outage));
            if Instant::now() > until {
                bail!("the chat {path} is still {status} after {} s", TURN.as_secs());
            }
        }
        thread::sleep(random.between(REST.0, REST.1));
    }
    Ok(id)
}
