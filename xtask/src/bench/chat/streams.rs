//! Many open streams in one process: what one costs, and whether those that are read are late for the others.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::super::report::{Figure, Figures};
use super::super::statistics::Sample;
use super::super::{proc_fs, progress};
use super::party::{self, SLOW_PIECES, SLOWLY, epoch};
use super::{CHATS, PATIENCE, Place, begin};
use crate::drill::model::stamp_in;
use crate::drill::sse::Events;
use crate::process;

const STREAMS: usize = 10_000;
/// Of one user at once, as the server allows.
const PER_USER: usize = 20;
/// Files that server and benchmark need beside streams.
const OTHER_FILES: usize = 200;
/// Of those streams, so many are read.
const READ: usize = PER_USER;
const STREAM_GOAL_KIB: f64 = 20.0;
const LAG_GOAL_MS: f64 = 250.0;

/// Opens as many streams as the goal or the limits on open files allow, and lets one chat of them speak.
///
/// # Errors
/// When one cannot be opened.
pub(super) fn measure(engine: &str, place: &mut Place, figures: &mut Figures) -> Result<()> {
    let files = raise_files(&[std::process::id(), place.server.pid()])?;
    let streams = STREAMS.min(files.saturating_sub(OTHER_FILES)) / PER_USER * PER_USER;
    progress(&format!("{engine}: {streams} open streams (up to {files} open files)"));
    let address = place.server.address();
    let mut people = party::people(&mut place.owner, address, streams / PER_USER, "reader")?;
    let mut chats = Vec::new();
    for person in &mut people {
        chats.push((begin(person)?, person.authorization().to_owned()));
    }
    thread::sleep(Duration::from_secs(2));
    let before = proc_fs::memory(place.server.pid())?;
    let mut open = Vec::with_capacity(streams);
    for (chat, authorization) in &chats {
        for _ in 0..PER_USER {
            let mut events = Events::open(address, authorization, chat, None, PATIENCE)?;
            events.next()?.context("a stream begins with what is there")?;
            open.push(events);
        }
    }
    thread::sleep(Duration::from_secs(2));
    let after = proc_fs::memory(place.server.pid())?;
    let kib = after.pss.saturating_sub(before.pss) as f64 / streams.max(1) as f64;
    figures.add(
        format!("{engine}_stream_kib"),
        Figure::new(kib, "KiB")
            .goal_at_most(STREAM_GOAL_KIB)
            .with("streams", streams)
            .with("wanted", STREAMS),
    );

    let (chat, _) = &chats[0];
    let begun = epoch();
    let readers: Vec<_> = open
        .drain(..READ)
        .map(|mut events| {
            thread::spawn(move || -> Result<Vec<Duration>> {
                let mut lags = Vec::new();
                while lags.len() < SLOW_PIECES {
                    let event = events.next()?.context("a stream ended before the answer")?;
                    if event.kind == "message_part"
                        && let Some((_, sent)) = stamp_in(&event.data)
                    {
                        lags.push(begun.elapsed().saturating_sub(sent));
                    }
                }
                Ok(lags)
            })
        })
        .collect();
    let cpu = proc_fs::cpu_time(place.server.pid())?;
    let body = json!({ "content": [{ "type": "text", "text": SLOWLY }] });
    people[0].ask("POST", &format!("{CHATS}/{chat}/messages"), Some(&body))?.expect(201)?;
    let mut lags = Vec::new();
    for reader in readers {
        lags.extend(reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??);
    }
    let cpu = proc_fs::cpu_time(place.server.pid())?.saturating_sub(cpu);
    let lags = Sample::new(lags);
    figures.add(
        format!("{engine}_stream_lag_p99_ms"),
        Figure::new(lags.percentile_ms(99), "ms")
            .goal_at_most(LAG_GOAL_MS)
            .with("p50", lags.percentile_ms(50))
            .with("streams", streams)
            .with("cpu_ms_per_1000_events", super::milliseconds(cpu) / (READ * SLOW_PIECES) as f64 * 1000.0),
    );
    Ok(())
}

/// Lets these processes open as many files as their hard limit says; the least of those limits.
fn raise_files(pids: &[u32]) -> Result<usize> {
    let mut least = usize::MAX;
    for pid in pids {
        // A limit that cannot be raised is used as it is.
        let hard = limit(*pid)?.1;
        let ask = format!("--nofile={hard}:{hard}");
        let _ = process::output(Command::new("prlimit").args(["--pid", &pid.to_string(), &ask]));
        least = least.min(limit(*pid)?.0);
    }
    Ok(least)
}

/// Soft and hard limit on open files.
fn limit(pid: u32) -> Result<(usize, usize)> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    parse_limit(&text).context("the kernel names no limit on open files")
}

fn parse_limit(text: &str) -> Option<(usize, usize)> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_ascii_whitespace().map(|word| word.parse().unwrap_or(1_000_000));
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 unlimited            files\n";
        assert_eq!(parse_limit(text), Some((1024, 1_000_000)));
        assert!(limit(std::process::id()).unwrap().0 > 0);
    }
}
