//! The stream drill: readers that are cut all the time and go on at any replica have, in the end, what was stored (threats 105, 106).

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::book::{Blow, Book};
use super::client::{CHATS, Client, furnish};
use super::crash::Sample as Tickets;
use super::fleet::{Addresses, Fleet};
use super::load::{Load, Signals};
use super::model::{Model, stamp_in};
use super::random::Random;
use super::relay::Relay;
use super::screen::Screen;
use super::sse::Events;
use crate::bench::progress;
use crate::bench::statistics::Sample;

const PEOPLE: usize = 4;
const CHATS_AT_WORK: usize = 6;
/// Readers per chat that are cut, and those that are not.
const CUT_READERS: usize = 3;
const WORDS: usize = 14;
/// Events between two cuts, at most.
const EVENTS: usize = 12;
/// A reader that hears nothing for so long is cut as well.
const SILENCE: Duration = Duration::from_millis(700);
/// The same of a reader that is not cut: it looks whether the drill is over, and goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// After it has connected, a reader is up to date.
const SETTLED: Duration = Duration::from_secs(1);
/// Between two kills.
const KILL_EVERY: Duration = Duration::from_secs(6);
/// Until every reader has everything.
const END: Duration = Duration::from_secs(90);

/// What all readers share.
struct Shared {
    addresses: Addresses,
    book: Book,
    over: AtomicBool,
    cuts: AtomicUsize,
    /// Of pieces of answers, from the model to the reader: of the replica that runs the turn, and of another one.
    lags: Mutex<(Vec<Duration>, Vec<Duration>)>,
}

/// Runs the drill: `cuts` cuts in all. `kills`: replicas die meanwhile.
///
/// # Errors
/// When something fails that is no subject of the drill. Faults stand in the report.
pub(super) fn run(
    binary: &Path,
    folder: &Path,
    database: &str,
    replicas: usize,
    (cuts, kills): (usize, bool),
    seed: u64,
) -> Result<Value> {
    let mut random = Random::new(seed);
    let sample = Tickets::start(binary, &folder.join("tickets"))?;
    let relay = Relay::start(sample.address, Duration::from_millis(20), random.split())?;
    let mut fleet = Fleet::start(binary, folder, database, replicas)?;
    let book = Book::new(fleet.addresses.clone()).with_words(WORDS);
    let model = Model::start(Arc::new(book.clone()))?;
    let people = furnish(&fleet.addresses, &model.base_url(), relay.address(), PEOPLE)?;
    let signals = Signals::default();
    let load = Load::start(&people, CHATS_AT_WORK, &book, &signals, &mut random);
    let shared = Arc::new(Shared {
        addresses: fleet.addresses.clone(),
        book: book.clone(),
        over: AtomicBool::new(false),
        cuts: AtomicUsize::new(0),
        lags: Mutex::default(),
    });
    let mut readers = Vec::new();
    for chat in 0..CHATS_AT_WORK {
        let person = people[chat % people.len()].clone();
        for reader in 0..=CUT_READERS {
            let (person, shared, random) = (person.clone(), Arc::clone(&shared), random.split());
            let reading = thread::spawn(move || read(&person, chat, reader > 0, &shared, random));
            readers.push((chat, reader > 0, reading));
        }
    }
    let began = Instant::now();
    let mut next_kill = Instant::now() + KILL_EVERY;
    let mut killed = 0;
    while shared.cuts.load(Ordering::Relaxed) < cuts {
        thread::sleep(Duration::from_millis(200));
        if kills && Instant::now() >= next_kill {
            let at = random.below(fleet.len());
            if let Some(pid) = fleet.pid(at) {
                book.struck(pid, &Blow::Kill);
                fleet.kill(at)?;
                fleet.revive(at, None)?;
                killed += 1;
            }
            next_kill = Instant::now() + KILL_EVERY;
            progress(&format!("{} of {cuts} cuts, {killed} kills", shared.cuts.load(Ordering::Relaxed)));
        }
        if load.is_over() {
            break;
        }
    }
    signals.stop.store(true, Ordering::Relaxed);
    let chats = load.join()?;
    shared.over.store(true, Ordering::Relaxed);
    let mut faults = Vec::new();
    let (mut resets, mut readers_done) = (0, 0);
    for (chat, is_cut, reader) in readers {
        let screen = reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))?;
        let screen = screen.with_context(|| format!("a reader of chat {chat}"))?;
        let person = &people[chat % people.len()];
        let id = chats[chat].as_deref().context("a chat never began")?;
        let stored = person.messages(id, &mut random)?;
        let who = format!("chat {chat}, {}", if is_cut { "cut" } else { "not cut" });
        faults.extend(screen.differs_from(&stored).map(|what| format!("{who}: {what}")));
        faults.extend(screen.faults.iter().map(|what| format!("{who}: {what}")));
        resets += screen.resets;
        readers_done += 1;
    }
    for fault in faults.iter().take(20) {
        progress(&format!("FAULT {fault}"));
    }
    fleet.stop()?;
    let lags = shared.lags.lock().unwrap_or_else(PoisonError::into_inner);
    let lag = |times: &[Duration]| {
        let sample = Sample::new(times.to_vec());
        json!({ "count": times.len(), "p50_ms": sample.percentile_ms(50), "p99_ms": sample.percentile_ms(99) })
    };
    Ok(json!({
        "replicas": replicas, "cuts": shared.cuts.load(Ordering::Relaxed), "kills": killed, "readers": readers_done,
        "history_resets": resets, "seconds": began.elapsed().as_secs(),
        "lag_where_the_turn_runs": lag(&lags.0), "lag_on_another_replica": lag(&lags.1),
        "faults": { "transcripts_that_differ_or_events_out_of_place": faults.len() },
    }))
}

/// Follows a chat of this person until the drill is over and everything is there.
fn read(person: &Client, chat: usize, is_cut: bool, shared: &Shared, mut random: Random) -> Result<Screen> {
    let chat = chat_of(chat, shared)?;
    let mut screen = Screen::default();
    let mut until = None;
    loop {
        if shared.over.load(Ordering::Relaxed) {
            let until = *until.get_or_insert_with(|| Instant::now() + END);
            let rest = person.get(&format!("{CHATS}/{chat}/messages?limit=1"), &mut random)?;
            if screen.status == "waiting" && rest["messages"][0]["id"].as_i64() == Some(screen.newest()) {
                return Ok(screen);
            }
            if Instant::now() > until {
                bail!(
                    "the chat {chat} is {} on the screen, up to message {}",
                    screen.status,
                    screen.newest()
                );
            }
        }
        let Some((address, pid)) = shared.addresses.any(&mut random) else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let ending = shared.over.load(Ordering::Relaxed);
        let silence = if is_cut || ending { SILENCE } else { PATIENCE };
        // A replica that was just killed does not answer; any other one does.
        let opened = Events::open(address, &person.authorization, &chat, screen.last.as_deref(), silence);
        let Ok(mut events) = opened else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let begun = Instant::now();
        let mut left = if is_cut && !ending { 1 + random.below(EVENTS) } else { usize::MAX };
        while left > 0
            && let Some(event) = events.next()?
        {
            // What a reader is shown of before it came is old.
            if !is_cut && begun.elapsed() > SETTLED {
                measure(&event.kind, &event.data, pid, shared);
            }
            screen.take(&event);
            left -= 1;
            if !ending && shared.over.load(Ordering::Relaxed) {
                break;
            }
        }
        shared.cuts.fetch_add(usize::from(is_cut && !ending), Ordering::Relaxed);
    }
}

/// How long a piece of an answer was under way.
fn measure(kind: &str, data: &str, pid: u32, shared: &Shared) {
    if kind != "message_part" {
        return;
    }
    let Some((answer, sent)) = stamp_in(data) else { return };
    let lag = shared.book.began.elapsed().saturating_sub(sent);
    let Some(runner) = shared.book.asked_by(answer) else { return };
    let mut lags = shared.lags.lock().unwrap_or_else(PoisonError::into_inner);
    if runner == pid { lags.0.push(lag) } else { lags.1.push(lag) }
}

/// The id of a chat, once it has begun.
fn chat_of(chat: usize, shared: &Shared) -> Result<String> {
    let until = Instant::now() + END;
    loop {
        if let Some(id) = shared.book.chat(chat) {
            return Ok(id);
        }
        if Instant::now() > until {
            bail!("chat {chat} does not begin");
        }
        thread::sleep(Duration::from_millis(50));
    }
}
