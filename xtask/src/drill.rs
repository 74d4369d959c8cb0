//! `cargo xtask drill …`: what must hold when things die, shown on real processes, real databases and a real disk.
//!
//! Everything goes through the doors that users and operators have: REST, signals, the database's own command. Words go to standard
//! error, one JSON object to standard output; any fault makes the command fail.

mod book;
mod client;
mod crash;
mod fleet;
mod load;
pub(crate) mod model;
mod random;
mod relay;
mod screen;
mod sockets;
pub(crate) mod sse;
mod stream;
mod tally;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::assets::Mode;
use crate::bench::scratch::Scratch;
use crate::bench::{machine, progress};
use crate::testing::postgres::Cluster;
use crate::workspace::Workspace;
use crate::{process, serve};

/// Replicas of the stream drill.
const STREAM_REPLICAS: usize = 3;

#[derive(Args)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// Kills replicas, freezes them and takes the database away under load, on PostgreSQL and on SQLite; two minutes by default
    Crash(CrashArgs),
    /// Cuts readers of live streams at random and lets them go on at any replica, while replicas die; their transcripts must be whole
    Stream(StreamArgs),
}

#[derive(Args)]
struct CrashArgs {
    /// Blows on PostgreSQL; SQLite gets a third of them. 200 make the long form
    #[arg(long, default_value_t = 25)]
    cycles: usize,
    /// The same seed makes the same choices; the machine makes its own on top
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this engine: postgres or sqlite
    #[arg(long)]
    engine: Option<String>,
    #[command(flatten)]
    build: BuildArgs,
}

#[derive(Args)]
struct StreamArgs {
    /// Cuts in all. 10000 make the long form
    #[arg(long, default_value_t = 2000)]
    cuts: usize,
    /// As for `crash`
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// No replica dies meanwhile
    #[arg(long)]
    no_kills: bool,
    #[command(flatten)]
    build: BuildArgs,
}

#[derive(Args)]
struct BuildArgs {
    /// Use the debug binary as it lies in the target folder instead of building first
    #[arg(long)]
    no_build: bool,
    /// Leave the working folder, with the logs of all replicas
    #[arg(long)]
    keep: bool,
}

/// Runs a drill and prints its report.
///
/// # Errors
/// When it found a fault, or could not be carried out.
pub(crate) fn run(workspace: &Workspace, args: &DrillArgs) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the drills look into /proc, which only Linux has");
    }
    process::announce_beside();
    let (name, report) = match &args.which {
        Which::Crash(args) => ("crash", crash(workspace, args)?),
        Which::Stream(args) => ("stream", stream(workspace, args)?),
    };
    let (commit, changed) = machine::commit(workspace);
    let faults = faults_in(&report);
    let whole = json!({
        "drill": name, "passed": faults.is_empty(), "commit": commit, "uncommitted_changes": changed,
        "machine": machine::describe(), "result": report,
    });
    println!("{whole:#}");
    if !faults.is_empty() {
        bail!("the drill found faults: {}", faults.join(", "));
    }
    Ok(())
}

/// The debug binary: fail points are compiled into it alone.
fn binary(workspace: &Workspace, build: &BuildArgs) -> Result<PathBuf> {
    if !build.no_build {
        process::run_beside(&mut serve::server_command(workspace, Mode::Debug))?;
    }
    let binary = serve::binary(workspace, Mode::Debug);
    if !binary.is_file() {
        bail!("{} is not there; leave out --no-build", workspace.shown(&binary));
    }
    Ok(binary)
}

/// A folder for the drill that is gone afterwards unless it is to be kept.
fn in_folder<T>(
    workspace: &Workspace,
    name: &str,
    keep: bool,
    work: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let scratch = Scratch::new(workspace, name)?;
    let done = work(scratch.path());
    if keep {
        progress(&format!("the logs are in {}", scratch.path().display()));
        std::mem::forget(scratch);
    }
    done
}

fn crash(workspace: &Workspace, args: &CrashArgs) -> Result<Value> {
    let binary = binary(workspace, &args.build)?;
    let mut report = json!({ "seed": args.seed });
    for (engine, cycles) in [("postgres", args.cycles), ("sqlite", args.cycles.div_ceil(3))] {
        if args.engine.as_deref().is_some_and(|only| only != engine) {
            continue;
        }
        let cluster = if engine == "postgres" { Some(Cluster::start_durable()?) } else { None };
        progress(&format!("crash drill on {engine}: {cycles} blows, seed {}", args.seed));
        let plan = crash::Plan { cycles, seed: args.seed };
        let done = in_folder(workspace, &format!("drill-crash-{engine}"), args.build.keep, |folder| {
            crash::run(&binary, folder, cluster.as_ref(), &plan)
        });
        if let Some(cluster) = cluster {
            cluster.stop()?;
        }
        let mut done = done?;
        done["cycles"] = json!(cycles);
        say(engine, &done);
        report[engine] = done;
    }
    Ok(report)
}

fn stream(workspace: &Workspace, args: &StreamArgs) -> Result<Value> {
    let binary = binary(workspace, &args.build)?;
    let cluster = Cluster::start()?;
    progress(&format!("stream drill: {} cuts, seed {}", args.cuts, args.seed));
    let done = in_folder(workspace, "drill-stream", args.build.keep, |folder| {
        stream::run(&binary, folder, cluster.url(), STREAM_REPLICAS, (args.cuts, !args.no_kills), args.seed)
    });
    cluster.stop()?;
    let report = done?;
    progress(&format!("{} cuts, {} readers", report["cuts"], report["readers"]));
    progress(&format!("  pieces where the turn runs: {}", report["lag_where_the_turn_runs"]));
    progress(&format!("  pieces on another replica: {}", report["lag_on_another_replica"]));
    Ok(report)
}

/// The report in words.
fn say(engine: &str, report: &Value) {
    let faults: u64 =
        report["faults"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    progress(&format!(
        "{engine}: {} messages acknowledged, {} tickets filed, {faults} faults",
        report["acknowledged_messages"], report["tickets_filed"]
    ));
    progress(&format!("  blows: {}", report["blows"]));
    progress(&format!("  where they landed: {}", report["landed"]));
    progress(&format!("  outcomes told: {}", report["outcomes"]));
    progress(&format!("  takeover: {}", report["takeover"]));
}

/// The names of all counts below a member `faults` that are not zero.
fn faults_in(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(members) = report.as_object() {
        for (name, value) in members {
            if name == "faults" {
                let counts = value.as_object().into_iter().flatten();
                found.extend(counts.filter(|(_, count)| **count != json!(0)).map(|(fault, _)| fault.clone()));
            } else {
                found.extend(faults_in(value));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_that_is_not_zero_is_a_fault() {
        let report = json!({ "postgres": { "faults": { "a": 0, "b": 2 } }, "sqlite": { "faults": { "c": 1 } }, "n": 3 });
        assert_eq!(faults_in(&report), ["b", "c"]);
        assert!(faults_in(&json!({ "faults": { "a": 0 } })).is_empty());
    }
}
