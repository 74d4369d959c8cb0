//! The reckoning: what was acknowledged against what is there, and what was done against what is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::book::{Blow, Book, LEAST_LEASE, Stage, Turn, number_in, tickets_of, token};
use crate::bench::statistics::Sample;

pub(super) const TAKEOVER_GOAL: Duration = Duration::from_secs(15);

/// What the drill counts; every one of `faults` must be zero.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) faults: BTreeMap<&'static str, Vec<String>>,
    acknowledged: usize,
    outcomes: BTreeMap<String, usize>,
    tickets: usize,
    landed: BTreeMap<&'static str, usize>,
    blows: BTreeMap<String, usize>,
    takeovers: Vec<Duration>,
}

const FAULTS: [&str; 9] = [
    "acknowledged_messages_lost",
    "messages_twice",
    "messages_out_of_order",
    "answers_lost_or_twice",
    "calls_without_one_result",
    "double_executions",
    "told_otherwise_than_done",
    "turns_failed",
    "chats_stuck",
];

/// The tickets that were filed, by title.
///
/// # Errors
/// When the ledger cannot be read.
pub(super) fn ledger(folder: &Path) -> Result<HashMap<String, usize>> {
    let path = folder.join("tickets.jsonl");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut filed = HashMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).context("a line of the ledger is no JSON")?;
        *filed.entry(line["title"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(filed)
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { faults: FAULTS.map(|fault| (fault, Vec::new())).into(), ..Self::default() }
    }

    pub(super) fn fault(&mut self, fault: &'static str, what: String) {
        self.faults.entry(fault).or_default().push(what);
    }

    /// Holds every chat against the book and the ledger. `outages`: when the database was away.
    pub(super) fn reckon(
        &mut self,
        book: &Book,
        chats: &[Vec<Value>],
        filed: &HashMap<String, usize>,
        outages: &[(Instant, Instant)],
    ) {
        let turns = book.turns();
        let mut results: HashMap<String, String> = HashMap::new();
        for (chat, messages) in chats.iter().enumerate() {
            self.chat(chat, messages, &turns, &mut results);
        }
        self.tickets = filed.values().sum();
        for (title, count) in filed.iter().filter(|(_, count)| **count > 1) {
            self.fault("double_executions", format!("{title} was filed {count} times"));
        }
        for (number, turn) in &turns {
            self.turn(*number, turn, filed, &results);
        }
        let blows = book.blows();
        for (_, blow) in &blows {
            *self.blows.entry(blow.name()).or_default() += 1;
        }
        for (number, turn) in &turns {
            self.hits(*number, turn, filed, &results, &blows, outages);
        }
    }

    fn chat(
        &mut self,
        chat: usize,
        messages: &[Value],
        turns: &BTreeMap<u64, Turn>,
        results: &mut HashMap<String, String>,
    ) {
        let (mut asked, mut answered): (Vec<u64>, HashMap<u64, usize>) = (Vec::new(), HashMap::new());
        let (mut calls, mut ended): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
        for message in messages {
            let text = parts(message, "text").filter_map(|part| part["text"].as_str()).collect::<String>();
            match message["role"].as_str() {
                Some("user") => asked.extend(number_in(&text)),
                Some("assistant") if text.contains("done ") => {
                    number_in(&text).into_iter().for_each(|number| *answered.entry(number).or_default() += 1);
                }
                _ => {}
            }
            let id = |part: &Value| part["tool_call_id"].as_str().unwrap_or_default().to_owned();
            parts(message, "tool-call").for_each(|part| *calls.entry(id(part)).or_default() += 1);
            for part in parts(message, "tool-result") {
                *ended.entry(id(part)).or_default() += 1;
                let outcome = part["outcome"].as_str().unwrap_or("none").to_owned();
                *self.outcomes.entry(outcome.clone()).or_default() += 1;
                results.insert(id(part), outcome);
            }
        }
        let expected: Vec<u64> = turns
            .iter()
            .filter(|(_, turn)| turn.chat == chat && turn.acknowledged)
            .map(|(n, _)| *n)
            .collect();
        self.acknowledged += expected.len();
        let there: HashSet<u64> = asked.iter().copied().collect();
        for number in expected.iter().filter(|number| !there.contains(number)) {
            self.fault("acknowledged_messages_lost", format!("{} of chat {chat}", token(*number)));
        }
        if there.len() != asked.len() {
            self.fault(
                "messages_twice",
                format!("chat {chat} has {} messages of {}", asked.len(), there.len()),
            );
        }
        if !asked.is_sorted() {
            self.fault("messages_out_of_order", format!("chat {chat}"));
        }
        for number in expected.iter().filter(|number| turns[number].error.is_none()) {
            let count = answered.get(number).copied().unwrap_or(0);
            if count != 1 {
                self.fault("answers_lost_or_twice", format!("{} has {count} answers", token(*number)));
            }
        }
        for (id, count) in &calls {
            let results = ended.get(id).copied().unwrap_or(0);
            if *count != 1 || results != 1 {
                let what = format!("{id} of chat {chat}: {count} calls, {results} results");
                self.fault("calls_without_one_result", what);
            }
        }
    }

    fn turn(
        &mut self,
        number: u64,
        turn: &Turn,
        filed: &HashMap<String, usize>,
        results: &HashMap<String, String>,
    ) {
        if let Some(error) = &turn.error {
            self.fault("turns_failed", format!("{}: {error}", token(number)));
        }
        if turn.stuck {
            self.fault("chats_stuck", format!("{} of chat {}", token(number), turn.chat));
        }
        for at in 0..tickets_of(number) {
            let count = filed.get(&title(number, at)).copied().unwrap_or(0);
            let told = results.get(&call(number, at)).map_or("nothing", String::as_str);
            let honest = match told {
                "ok" => count == 1,
                "unknown" => true,
                _ => count == 0,
            };
            if !honest {
                let what = format!("{}: told {told}, filed {count} times", title(number, at));
                self.fault("told_otherwise_than_done", what);
            }
        }
    }

    fn hits(
        &mut self,
        number: u64,
        turn: &Turn,
        filed: &HashMap<String, usize>,
        results: &HashMap<String, String>,
        blows: &[(Instant, Blow)],
        outages: &[(Instant, Instant)],
    ) {
        for hit in &turn.hits {
            let next = turn.asks.get(hit.asks);
            let ended = next.map(|ask| ask.at).or(turn.done);
            let place = match hit.stage {
                Stage::BeforeCall => "before_send",
                Stage::AfterCall => "after_the_results",
                // The model was asked for the calls again: they had not been committed.
                Stage::Call if next.is_some_and(|ask| !ask.after_call) => "before_send",
                Stage::Call => {
                    let unknown =
                        |at: &usize| results.get(&call(number, *at)).is_some_and(|told| told == "unknown");
                    let unknown: Vec<usize> = (0..tickets_of(number)).filter(unknown).collect();
                    if unknown.is_empty() {
                        "after_the_outcome"
                    } else if unknown.iter().any(|at| filed.contains_key(&title(number, *at))) {
                        "between_send_and_outcome"
                    } else {
                        "between_intent_and_send"
                    }
                }
            };
            *self.landed.entry(place).or_default() += 1;
            let Some(ended) = ended else { continue };
            // It was over and only nobody had looked.
            if next.is_none() && hit.stage == Stage::AfterCall {
                continue;
            }
            // While the database is away nobody can take anything over.
            if outages.iter().any(|(from, to)| *from < ended && *to > hit.at) {
                continue;
            }
            let mut took = ended.saturating_duration_since(hit.at);
            if took > TAKEOVER_GOAL {
                let again = blows.iter().map(|(at, _)| *at);
                let again = again.filter(|at| *at >= hit.at + LEAST_LEASE && *at < ended).max();
                took = again.map_or(took, |again| ended.saturating_duration_since(again));
            }
            self.takeovers.push(took);
        }
    }

    /// Unknown outcomes that were told.
    pub(super) fn unknown(&self) -> usize {
        self.outcomes.get("unknown").copied().unwrap_or(0)
    }

    /// Blows that fell between a call and its outcome.
    pub(super) fn between(&self) -> usize {
        self.landed.get("between_send_and_outcome").copied().unwrap_or(0)
    }

    pub(super) fn takeovers(&self) -> Sample {
        Sample::new(self.takeovers.clone())
    }

    /// As JSON, without the figures that only one engine has.
    pub(super) fn report(&self) -> Value {
        let takeovers = self.takeovers();
        let faults: BTreeMap<_, _> = self.faults.iter().map(|(fault, what)| (fault, what.len())).collect();
        json!({
            "acknowledged_messages": self.acknowledged, "tickets_filed": self.tickets, "outcomes": self.outcomes,
            "blows": self.blows, "landed": self.landed, "faults": faults,
            "takeover": {
                "count": self.takeovers.len(), "p50_ms": takeovers.percentile_ms(50),
                "p99_ms": takeovers.percentile_ms(99), "max_ms": takeovers.percentile_ms(100),
            },
        })
    }
}

fn title(number: u64, at: usize) -> String {
    format!("{}/{at}", token(number))
}

fn call(number: u64, at: usize) -> String {
    format!("call_{}_{at}", token(number))
}

fn parts<'a>(message: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    message["content"].as_array().into_iter().flatten().filter(move |part| part["type"] == kind)
}
