//! The smoke benchmark: the figures of the product's first promise, in one or two minutes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::report::{Figure, Figures};
use super::scratch::Scratch;
use super::server::Server;
use super::statistics::{Sample, milliseconds, rounded};
use super::workload::{self, Session};
use super::{disk, machine, proc_fs, progress};
use crate::assets::Mode;
use crate::workspace::Workspace;

/// Goals of the product; a figure that exceeds its goal is not met.
const START_GOAL_MS: f64 = 200.0;
const IDLE_PSS_GOAL_MIB: f64 = 40.0;
const ASSETS_GOAL_KIB: f64 = 300.0;

/// Starts of each kind; odd, so that the median is one of them.
const STARTS: usize = 7;
/// Between the ready line and the signal to end, so that a start is never measured together with an end.
const SETTLE: Duration = Duration::from_millis(100);
/// Quiet time before memory is read.
const IDLE: Duration = Duration::from_secs(3);
/// Servers registered beside the sample server, which `--demo` registers itself.
const SERVERS: usize = 20;
const LIST_WARM_UP: usize = 300;
const LIST_REQUESTS: usize = 2000;
const TURN_WARM_UP: usize = 5;
const TURNS: usize = 100;
/// Disk commits before the turns, and again after them.
const COMMITS: usize = 100;

const MIB: f64 = 1024.0 * 1024.0;

/// Measures everything, one thing after the other, and returns the report.
///
/// # Errors
/// When the binary does not do what is asked of it.
pub(super) fn measure(workspace: &Workspace, mode: Mode, binary: &Path) -> Result<Value> {
    let machine = machine::describe();
    let (commit, changed) = machine::commit(workspace);
    let scratch = Scratch::new(workspace, "smoke")?;
    let mut figures = Figures::default();
    starts(binary, scratch.path(), &mut figures)?;
    idle_memory(binary, scratch.path(), &mut figures)?;
    binary_size(binary, &mut figures)?;
    work(binary, &scratch.path().join("demo"), &mut figures)?;
    let build = json!({ "profile": mode.folder(), "commit": commit, "uncommitted_changes": changed });
    Ok(figures.report("smoke", build, machine))
}

fn starts(binary: &Path, scratch: &Path, figures: &mut Figures) -> Result<()> {
    progress(&format!("starting {STARTS} times on an empty data directory, and again on the same"));
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let data = scratch.join(format!("start-{number}"));
        for times in [&mut first, &mut again] {
            let server = Server::start(binary, &data, &[], &[])?;
            times.push(server.ready_after());
            workload::check_ready(server.address())?;
            thread::sleep(SETTLE);
            server.stop()?;
        }
    }
    for (name, times) in [("start_first_ms", first), ("start_again_ms", again)] {
        let times = Sample::new(times);
        let figure = Figure::new(times.percentile_ms(50), "ms").goal_at_most(START_GOAL_MS);
        figures.add(name, figure.with("samples", times.all_ms()));
    }
    Ok(())
}

fn idle_memory(binary: &Path, scratch: &Path, figures: &mut Figures) -> Result<()> {
    progress(&format!("idle for {} s", IDLE.as_secs()));
    // A data directory that was used before: what an installation looks like on any day but the first.
    let server = Server::start(binary, &scratch.join("start-0"), &[], &[])?;
    thread::sleep(IDLE);
    let memory = proc_fs::memory(server.pid())?;
    server.stop()?;
    figures.add("idle_pss_mib", memory_figure(memory).goal_at_most(IDLE_PSS_GOAL_MIB));
    Ok(())
}

fn memory_figure(memory: proc_fs::Memory) -> Figure {
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    Figure::new(mebibytes(memory.pss), "MiB").with("anonymous", rounded(mebibytes(memory.anonymous)))
}

fn binary_size(binary: &Path, figures: &mut Figures) -> Result<()> {
    let bytes = fs::metadata(binary)?.len();
    figures.add("binary_mib", Figure::new(bytes as f64 / MIB, "MiB").with("bytes", bytes));
    Ok(())
}

/// Everything that needs a server with people, tools and a model: one `serve --demo`.
fn work(binary: &Path, data: &Path, figures: &mut Figures) -> Result<()> {
    progress("starting with the demo model, unpaced");
    let mut server = Server::start(binary, data, &["--demo"], &[("PATCHBAY_DEMO_PACING_MS", "0")])?;
    let owner = server.demo_account("Demo owner")?;
    let user = server.demo_account("Demo user")?;

    assets(&server, figures)?;

    progress(&format!("{LIST_WARM_UP} + {LIST_REQUESTS} times GET of {} servers", SERVERS + 1));
    let mut owner = Session::sign_in(server.address(), &owner.0, &owner.1)?;
    owner.register_servers(SERVERS)?;
    list(&server, &mut owner, figures)?;

    progress(&format!("{TURN_WARM_UP} + {TURNS} turns with one tool call each"));
    let mut user = Session::sign_in(server.address(), &user.0, &user.1)?;
    let mut commits = disk::commit_times(data, COMMITS)?;
    turns(&server, &mut user, figures)?;
    commits.extend(disk::commit_times(data, COMMITS)?);
    let commits = Sample::new(commits);
    let commit = Figure::new(commits.percentile_ms(50), "ms").with("p99", commits.percentile_ms(99));
    figures.add("disk_commit_p50_ms", commit.with("commits", COMMITS * 2));

    figures.add("loaded_pss_mib", memory_figure(proc_fs::memory(server.pid())?));
    server.stop()
}

fn assets(server: &Server, figures: &mut Figures) -> Result<()> {
    let sizes = workload::asset_sizes(server.address())?;
    let kibibytes = |bytes: usize| bytes as f64 / 1024.0;
    let files: Map<String, Value> =
        sizes.iter().map(|(name, bytes)| (name.clone(), json!(rounded(kibibytes(*bytes))))).collect();
    let figure = Figure::new(kibibytes(sizes.values().sum()), "KiB").goal_at_most(ASSETS_GOAL_KIB);
    figures.add("assets_brotli_kib", figure.with("files", files));
    Ok(())
}

fn list(server: &Server, owner: &mut Session, figures: &mut Figures) -> Result<()> {
    owner.list_servers(LIST_WARM_UP, SERVERS + 1)?;
    let before = proc_fs::cpu_time(server.pid())?;
    let times = Sample::new(owner.list_servers(LIST_REQUESTS, SERVERS + 1)?);
    let cpu = proc_fs::cpu_time(server.pid())?.saturating_sub(before);
    figures.add(
        "servers_list_p50_ms",
        Figure::new(times.percentile_ms(50), "ms").with("requests", LIST_REQUESTS),
    );
    figures.add("servers_list_p99_ms", Figure::new(times.percentile_ms(99), "ms"));
    figures.add("servers_list_cpu_ms", cpu_figure(cpu, LIST_REQUESTS)?);
    Ok(())
}

fn turns(server: &Server, user: &mut Session, figures: &mut Figures) -> Result<()> {
    user.run_turns(TURN_WARM_UP)?;
    let before = proc_fs::cpu_time(server.pid())?;
    let times = Sample::new(user.run_turns(TURNS)?);
    let cpu = proc_fs::cpu_time(server.pid())?.saturating_sub(before);
    let turn = Figure::new(times.percentile_ms(50), "ms").with("p90", times.percentile_ms(90));
    figures.add("turn_p50_ms", turn.with("turns", TURNS));
    figures.add("turn_cpu_ms", cpu_figure(cpu, TURNS)?);
    Ok(())
}

/// Processor time of one operation, with the step in which it can change at all.
fn cpu_figure(total: Duration, operations: usize) -> Result<Figure> {
    let tick_ms = 1000.0 / proc_fs::ticks_per_second()? as f64;
    let each = milliseconds(total) / operations as f64;
    Ok(Figure::new(each, "ms")
        .with("total", milliseconds(total))
        .with("resolution", tick_ms / operations as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_per_operation_and_says_how_fine_it_is() {
        let figure = json!(cpu_figure(Duration::from_millis(500), 2000).unwrap());
        assert_eq!(figure["value"], 0.25);
        assert_eq!(figure["total"], 500.0);
        let tick_ms = 1000.0 / proc_fs::ticks_per_second().unwrap() as f64;
        assert_eq!(figure["resolution"], tick_ms / 2000.0);
    }

    #[test]
    fn memory_is_shown_in_mebibytes() {
        let figure =
            json!(memory_figure(proc_fs::Memory { pss: 40 * 1024, anonymous: 512 }).goal_at_most(40.0));
        assert_eq!(figure["value"], 40.0);
        assert_eq!(figure["anonymous"], 0.5);
        assert_eq!(figure["met"], true);
    }
}
