//! What the drill knows of every turn: when it was asked for, what the model was asked for it, and what struck it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fleet::Addresses;
use super::model::{Call, Part, Script, offered, text_of};
use super::sockets;

/// Before each piece of an answer.
const PACE: Duration = Duration::from_millis(12);
const TOOL: &str = "create_ticket";
/// No turn may be silent for longer, unless something strikes it meanwhile.
const STUCK: Duration = Duration::from_secs(30);
/// A lease lasts at least so long after its runner was struck; nobody else has the turn before.
pub(super) const LEAST_LEASE: Duration = Duration::from_secs(7);

/// What ended or held up a replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    Kill,
    /// By a fail point, with its setting.
    FailPoint(String),
    Freeze,
}

impl Blow {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Kill => "kill -9".to_owned(),
            Self::FailPoint(setting) => format!("fail point {setting}"),
            Self::Freeze => "SIGSTOP".to_owned(),
        }
    }
}

/// How far a turn was, as the model saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The model had not said which tool to call.
    BeforeCall,
    /// It had, and it was not told what came of it.
    Call,
    /// It had been told.
    AfterCall,
}

/// A turn that was struck.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) at: Instant,
    pub(super) stage: Stage,
    /// How often the model had been asked before.
    pub(super) asks: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) at: Instant,
    pub(super) pid: Option<u32>,
    /// With the results of the calls.
    pub(super) after_call: bool,
    pub(super) said: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) chat: usize,
    pub(super) asked: Instant,
    /// The replica that acknowledged the message.
    pub(super) poster: Option<u32>,
    pub(super) acknowledged: bool,
    pub(super) done: Option<Instant>,
    pub(super) asks: Vec<Ask>,
    pub(super) hits: Vec<Hit>,
    pub(super) error: Option<String>,
    pub(super) stuck: bool,
}

#[derive(Default)]
struct Pages {
    turns: BTreeMap<u64, Turn>,
    chats: HashMap<usize, String>,
    /// Answers under way: which turn, which ask of it.
    answers: HashMap<u64, (u64, usize)>,
    answer: u64,
    askers: HashMap<u64, Option<u32>>,
    blows: Vec<(Instant, Blow)>,
    /// Turns in which the model was offered no tool.
    without_tool: u64,
}

/// Shared by the model, the clients and the drill.
#[derive(Clone)]
pub(super) struct Book {
    pages: Arc<Mutex<Pages>>,
    addresses: Addresses,
    /// More words per answer, each with the time at which it was sent.
    words: usize,
    pub(super) began: Instant,
}

/// The name of a turn, as messages and tickets have it.
pub(super) fn token(number: u64) -> String {
    format!("T-{number:06}")
}

/// The turn that a text is about.
pub(super) fn number_in(text: &str) -> Option<u64> {
    let at = text.find("T-")? + 2;
    text.get(at..at + 6)?.parse().ok()
}

/// How many tickets a turn files at once.
pub(super) fn tickets_of(number: u64) -> usize {
    if number.is_multiple_of(3) { 2 } else { 1 }
}

impl Book {
    pub(super) fn new(addresses: Addresses) -> Self {
        Self { pages: Arc::default(), addresses, words: 0, began: Instant::now() }
    }

    /// With answers of so many words more, which say when they were sent.
    pub(super) fn with_words(self, words: usize) -> Self {
        Self { words, ..self }
    }

    /// The process to which an answer was given.
    pub(super) fn asked_by(&self, answer: u64) -> Option<u32> {
        self.pages().askers.get(&answer).copied().flatten()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chat has begun.
    pub(super) fn chat_begun(&self, chat: usize, id: &str) {
        self.pages().chats.insert(chat, id.to_owned());
    }

    /// The id of a chat that has begun.
    pub(super) fn chat(&self, chat: usize) -> Option<String> {
        self.pages().chats.get(&chat).cloned()
    }

    /// A new turn of a chat; its number.
    pub(super) fn begin(&self, chat: usize) -> u64 {
        let mut pages = self.pages();
        let number = pages.turns.last_key_value().map_or(1, |(last, _)| last + 1);
        let turn = Turn {
            chat,
            asked: Instant::now(),
            poster: None,
            acknowledged: false,
            done: None,
            asks: Vec::new(),
            hits: Vec::new(),
            error: None,
            stuck: false,
        };
        pages.turns.insert(number, turn);
        number
    }

    pub(super) fn acknowledged(&self, number: u64, poster: u32, at_once: bool) {
        if let Some(turn) = self.pages().turns.get_mut(&number) {
            turn.acknowledged = true;
            turn.poster = at_once.then_some(poster);
        }
    }

    pub(super) fn done(&self, number: u64, error: Option<String>) {
        if let Some(turn) = self.pages().turns.get_mut(&number) {
            turn.done = Some(Instant::now());
            turn.error = error;
        }
    }

    /// A replica is about to be struck, or was: the turns that run there.
    pub(super) fn struck(&self, pid: u32, blow: &Blow) -> usize {
        let mut pages = self.pages();
        let at = Instant::now();
        pages.blows.push((at, blow.clone()));
        let mut hits = 0;
        for turn in pages.turns.values_mut().filter(|turn| turn.done.is_none()) {
            let runner = match turn.asks.last() {
                Some(ask) => ask.pid,
                None => turn.poster,
            };
            if runner != Some(pid) {
                continue;
            }
            hits += 1;
            let stage = match turn.asks.last() {
                Some(Ask { after_call: true, .. }) => Stage::AfterCall,
                Some(Ask { said: true, .. }) => Stage::Call,
                _ => Stage::BeforeCall,
            };
            let asks = turn.asks.len();
            turn.hits.push(Hit { at, stage, asks });
        }
        hits
    }

    /// Marks the turn when it was silent for too long without a blow that explains it; the time that counts.
    pub(super) fn watch(&self, number: u64, outage_over: Option<Instant>) {
        let mut pages = self.pages();
        let last_blow = pages.blows.last().map(|(at, _)| *at);
        let Some(turn) = pages.turns.get_mut(&number) else { return };
        let known = turn.asks.last().is_some_and(|ask| ask.pid.is_some());
        // Nobody knows who runs it, or who took it from the one that was struck: any later blow may have struck that one too.
        let hit = turn.hits.last().filter(|hit| hit.asks == turn.asks.len()).map(|hit| hit.at);
        let again = hit.and_then(|hit| last_blow.filter(|blow| *blow >= hit + LEAST_LEASE));
        let blow = if known { again.or(hit) } else { last_blow };
        let moved = [Some(turn.asked), turn.asks.last().map(|ask| ask.at), blow, outage_over];
        let moved = moved.into_iter().flatten().max();
        if moved.is_some_and(|moved| moved.elapsed() > STUCK) {
            turn.stuck = true;
        }
    }

    pub(super) fn turns(&self) -> BTreeMap<u64, Turn> {
        self.pages().turns.clone()
    }

    pub(super) fn blows(&self) -> Vec<(Instant, Blow)> {
        self.pages().blows.clone()
    }

    pub(super) fn without_tool(&self) -> u64 {
        self.pages().without_tool
    }
}

impl Part for Book {
    fn answer(&self, port: u16, request: &Value) -> (Script, u64) {
        let pid = sockets::holder_of(port, &self.addresses.pids());
        let empty = Vec::new();
        let messages = request["messages"].as_array().unwrap_or(&empty);
        let asked = messages.iter().rev().find(|message| message["role"] == "user").map(text_of);
        let number = asked.as_deref().and_then(number_in).unwrap_or(0);
        let after_call = messages.last().is_some_and(|message| message["role"] == "tool");
        let tool = offered(request, TOOL);
        let mut pages = self.pages();
        pages.answer += 1;
        let answer = pages.answer;
        pages.askers.insert(answer, pid);
        if let Some(turn) = pages.turns.get_mut(&number) {
            turn.asks.push(Ask { at: Instant::now(), pid, after_call, said: false });
            let ask = turn.asks.len() - 1;
            pages.answers.insert(answer, (number, ask));
        }
        let name = token(number);
        let mut script = match tool {
            Some(tool) if !after_call => Script {
                texts: ["I ", "file ", "a ", "ticket ", "about "].map(str::to_owned).into(),
                calls: (0..tickets_of(number))
                    .map(|at| Call {
                        id: format!("call_{name}_{at}"),
                        name: tool.clone(),
                        arguments: json!({ "title": format!("{name}/{at}") }),
                    })
                    .collect(),
                pause: PACE,
                stamp: None,
            },
            _ => {
                pages.without_tool += u64::from(!after_call);
                let texts = ["It ", "is ", "filed ", "now: ", "done ", name.as_str(), "."];
                Script { texts: texts.map(str::to_owned).into(), calls: Vec::new(), pause: PACE, stamp: None }
            }
        };
        if self.words > 0 {
            let words = (0..self.words).map(|at| format!("word {at} "));
            script.texts.splice(0..0, words);
            script.stamp = Some(self.began);
        }
        (script, answer)
    }

    fn said(&self, answer: u64) {
        let mut pages = self.pages();
        if let Some((number, ask)) = pages.answers.remove(&answer)
            && let Some(ask) = pages.turns.get_mut(&number).and_then(|turn| turn.asks.get_mut(ask))
        {
            ask.said = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_known_by_its_name() {
        assert_eq!(number_in(&format!("File a ticket {} now", token(17))), Some(17));
        assert_eq!(number_in("T-12"), None);
        assert_eq!(number_in("none"), None);
    }

    #[test]
    fn a_blow_strikes_the_turns_of_its_process_and_knows_how_far_they_were() {
        let book = Book::new(Addresses::default());
        let (one, two) = (book.begin(0), book.begin(1));
        book.acknowledged(one, 7, true);
        book.acknowledged(two, 8, true);
        assert_eq!(book.struck(7, &Blow::Kill), 1);
        let request = json!({ "messages": [{ "role": "user", "content": token(two) }],
            "tools": [{ "function": { "name": "tickets__create_ticket" } }] });
        let (script, answer) = book.answer(1, &request);
        assert_eq!(script.calls.len(), tickets_of(two));
        book.said(answer);
        let turns = book.turns();
        assert_eq!(turns[&one].hits[0].stage, Stage::BeforeCall);
        assert!(turns[&two].hits.is_empty() && turns[&two].asks[0].said);
    }
}
