//! The list of chats and a chat with its newest messages, when there are a million of them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::progress;
use super::super::report::{Figure, Figures};
use super::super::statistics::Sample;
use super::super::workload::Session;
use super::{CHATS, EMAIL, PASSWORD, Place, begin, seed, serve_with};

const GOAL_MS: f64 = 10.0;
const WARM_UP: usize = 50;
const REQUESTS: usize = 500;

/// Fills the database and measures on a server that has just started.
///
/// # Errors
/// When something is not as it was written.
pub(super) fn measure(
    engine: &str,
    binary: &Path,
    data: &Path,
    mut place: Place,
    database: &str,
    figures: &mut Figures,
) -> Result<()> {
    let template = begin(&mut place.owner)?;
    let Place { server, owner, settings, .. } = place;
    drop(owner);
    server.stop()?;
    progress(&format!("{engine}: writing {} messages in {} chats", seed::MESSAGES, seed::CHATS));
    seed::fill(engine, database, &template)?;
    let server = serve_with(binary, data, &settings)?;
    let mut owner = Session::sign_in(server.address(), EMAIL, PASSWORD)?;
    progress(&format!("{engine}: {REQUESTS} lists and {REQUESTS} chats opened"));
    let list = |_: usize| format!("{CHATS}?limit=50");
    let chat = |number: usize| format!("018f0000-0000-4000-8000-{:012x}", number * 7 % seed::CHATS);
    let lists = times(&mut owner, list, |answer| answer.as_array().map_or(0, Vec::len) == 50)?;
    let messages = |number: usize| format!("{CHATS}/{}/messages?limit=50&rendered=true", chat(number));
    let opened = times(&mut owner, messages, |page| page["messages"].as_array().map_or(0, Vec::len) == 50)?;
    for (name, sample) in [("chat_list", lists), ("chat_open", opened)] {
        let mut figure = Figure::new(sample.percentile_ms(50), "ms")
            .goal_at_most(GOAL_MS)
            .with("p99", sample.percentile_ms(99))
            .with("messages", seed::MESSAGES)
            .with("chats", seed::CHATS);
        if let Some(bytes) = seed::size(database) {
            figure = figure.with("database_bytes", bytes);
        }
        figures.add(format!("{engine}_{name}_p50_ms"), figure);
    }
    server.stop()
}

/// The times of so many requests, one after the other, whose answers are as they should be.
fn times(
    session: &mut Session,
    path: impl Fn(usize) -> String,
    right: impl Fn(&serde_json::Value) -> bool,
) -> Result<Sample> {
    let mut times: Vec<Duration> = Vec::with_capacity(REQUESTS);
    for number in 0..WARM_UP + REQUESTS {
        let path = path(number);
        let start = Instant::now();
        let answer = session.ask("GET", &path, None)?;
        let took = start.elapsed();
        let answer = answer.json(200)?;
        ensure!(right(&answer), "{path} does not hold what was written");
        if number >= WARM_UP {
            times.push(took);
        }
    }
    Ok(Sample::new(times))
}
