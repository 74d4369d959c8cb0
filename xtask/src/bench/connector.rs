//! The connector benchmark: what Patchbay adds to the call of a tool.
//!
//! Direct calls, calls through the pool and calls over REST take turns in short rounds against one echo server, so that
//! whatever else the machine does meets all of them, and only differences within a run are judged.

pub(super) mod program;
mod rest;
pub(super) mod upstream;

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::report::{Figure, Figures};
use super::scratch::Scratch;
use super::statistics::{Sample, milliseconds, rounded};
use super::{disk, machine, proc_fs, progress};
use crate::assets::Mode;
use crate::process;
use crate::testing::postgres::Cluster;
use crate::workspace::Workspace;
use program::Program;
use rest::Rest;
use upstream::Upstream;

pub(super) const PROGRAM: &str = "connector_bench";
/// As the program and the echo server's addresses name them.
const ERAS: [&str; 2] = ["stateless", "sessions"];
const IN_FLIGHT: [usize; 2] = [1, 8];
const ROUNDS: usize = 10;
/// Of one client in one round. Those over REST wait for the disk.
const CALLS: usize = 400;
const REST_CALLS: usize = 100;
const COMMITS: usize = 20;
/// Of a user without a connection, eight at a time: the calls over which connections are counted, and the warm-up.
const COLD_CALLS: usize = 1_000;
const USERS: usize = 1_000;
/// Before memory is read the first time: code is loaded, tables have their size, the era of the server is known.
const FIRST_USERS: usize = 50;
/// The pool opens at most four connections to one server at a time.
const DIALS: usize = 4;
const SETTLE: Duration = Duration::from_secs(2);

const ADDED_GOAL_MS: f64 = 0.3;
/// Intent and outcome are committed one after the other, each as an audit entry.
const COMMITS_PER_CALL: f64 = 2.0;
const SESSIONS_GOAL: f64 = 1.0;
const CONNECTION_GOAL_KIB: f64 = 30.0;

/// Builds the program that may use our crates and rmcp.
///
/// # Errors
/// When it does not compile.
pub(super) fn build(workspace: &Workspace, mode: Mode) -> Result<()> {
    progress("building the benchmark's own program");
    let mut command = process::cargo(workspace.root());
    command.args(["build", "--locked", "--package", "patchbay-testkit", "--example", PROGRAM]);
    if mode == Mode::Release {
        command.arg("--release");
    }
    process::run(command.stdin(Stdio::null()).stdout(std::io::stderr()))
}

/// Measures and returns the report.
///
/// # Errors
/// When a call fails, or does not leave its rows.
pub(super) fn measure(workspace: &Workspace, mode: Mode, binary: &Path) -> Result<Value> {
    let machine = machine::describe();
    let (commit, changed) = machine::commit(workspace);
    let program = workspace.target(mode.folder()).join("examples").join(PROGRAM);
    if !program.is_file() {
        bail!("{} is not there; leave out --no-build", workspace.shown(&program));
    }
    let scratch = Scratch::new(workspace, "connector")?;
    let mut figures = Figures::default();
    let upstream = Upstream::start(&program)?;
    for era in ERAS {
        idle_connections(&program, &upstream, era, &mut figures)?;
    }
    let cluster = Cluster::start()?;
    let measured = calls(&program, binary, &upstream, scratch.path(), cluster.url(), &mut figures);
    cluster.stop()?;
    measured?;
    let build = json!({ "profile": mode.folder(), "commit": commit, "uncommitted_changes": changed });
    Ok(figures.report("connector", build, machine))
}

/// What the pool keeps for a user who has connected, listed and called. The server is another process.
fn idle_connections(program: &Path, upstream: &Upstream, era: &str, figures: &mut Figures) -> Result<()> {
    progress(&format!("{era}: {USERS} users with a connection each"));
    let mut load = Program::start(program, &["load", &origin(upstream)])?;
    load.calls("users", era, DIALS, FIRST_USERS)?;
    thread::sleep(SETTLE);
    let counted = upstream.counts()?;
    let before = proc_fs::memory(load.pid())?;
    load.calls("users", era, DIALS, USERS)?;
    thread::sleep(SETTLE);
    let after = proc_fs::memory(load.pid())?;
    let opened = upstream.counts()?.since(counted).opened(era);
    ensure!(opened == USERS as u64, "{era}: {USERS} users opened {opened} connections");
    let each = |before: u64, after: u64| (after as f64 - before as f64) / USERS as f64;
    let figure = Figure::new(each(before.pss, after.pss), "KiB").goal_at_most(CONNECTION_GOAL_KIB);
    let figure = figure.with("anonymous", rounded(each(before.anonymous, after.anonymous)));
    figures.add(format!("{era}_idle_connection_kib"), figure.with("connections", USERS));
    Ok(())
}

/// Everything that is called, one era after the other.
fn calls(
    program: &Path,
    binary: &Path,
    upstream: &Upstream,
    scratch: &Path,
    postgres: &str,
    figures: &mut Figures,
) -> Result<()> {
    let start =
        |engine, database| Rest::start(engine, binary, scratch.join(engine), database, upstream.address());
    let mut engines = [start("sqlite", None)?, start("postgres", Some(postgres))?];
    let mut before = Vec::new();
    for engine in &engines {
        before.push(engine.rows(program)?);
    }
    let mut load = Program::start(program, &["load", &origin(upstream)])?;
    let mut commits = Vec::new();
    for era in ERAS {
        let mut bench = Bench { era, upstream, scratch, load: &mut load, engines: &mut engines };
        bench.cold(figures)?;
        bench.rounds(&mut commits, figures)?;
    }
    for (engine, before) in engines.into_iter().zip(before) {
        let left = engine.rows(program)?.since(before);
        left.expect(engine.made).context(engine.engine)?;
        let figure = Figure::new(engine.made as f64, "calls").with("intents", left.intents);
        figures.add(format!("{}_rest_calls", engine.engine), figure.with("outcomes", left.outcomes));
        engine.stop()?;
    }
    let commits = Sample::new(commits);
    let figure = Figure::new(commits.percentile_ms(50), "ms").with("p99", commits.percentile_ms(99));
    figures
        .add("disk_commit_p50_ms", figure.with("commits", COMMITS * ROUNDS * IN_FLIGHT.len() * ERAS.len()));
    Ok(())
}

fn origin(upstream: &Upstream) -> String {
    format!("http://{}", upstream.address())
}

/// Who calls.
#[derive(Clone, Copy)]
enum Way {
    Direct,
    Pool,
    /// Over REST, by the place of the engine.
    Rest(usize),
}

const WAYS: [Way; 4] = [Way::Direct, Way::Pool, Way::Rest(0), Way::Rest(1)];

/// One era.
struct Bench<'a> {
    era: &'static str,
    upstream: &'a Upstream,
    scratch: &'a Path,
    load: &'a mut Program,
    engines: &'a mut [Rest; 2],
}

impl Bench<'_> {
    /// The first calls of a user, all at once: one connection must do for all of them.
    fn cold(&mut self, figures: &mut Figures) -> Result<()> {
        let most = IN_FLIGHT[IN_FLIGHT.len() - 1];
        progress(&format!(
            "{}: {COLD_CALLS} calls of a user without a connection, {most} at a time",
            self.era
        ));
        self.run(Way::Direct, 1, CALLS)?;
        for way in [Way::Pool, Way::Rest(0), Way::Rest(1)] {
            let before = self.upstream.counts()?;
            match way {
                Way::Pool => drop(self.load.calls("fresh", self.era, most, COLD_CALLS)?),
                _ => drop(self.run(way, most, COLD_CALLS)?),
            }
            let counts = self.upstream.counts()?.since(before);
            let name = self.name(way);
            ensure!(
                counts.calls == COLD_CALLS as u64,
                "{name}: {COLD_CALLS} calls ran {} times",
                counts.calls
            );
            let per_thousand = |count: u64| count as f64 * 1000.0 / COLD_CALLS as f64;
            let figure = Figure::new(per_thousand(counts.opened(self.era)), "sessions");
            let figure = figure.goal_at_most(SESSIONS_GOAL).with("users", 1).with("calls", COLD_CALLS);
            let figure = figure.with("requests_per_1000_calls", per_thousand(counts.requests));
            figures.add(format!("{}_{name}_sessions_per_1000_calls", self.era), figure);
        }
        // The pool's usual user connects and lists.
        self.run(Way::Pool, 1, CALLS).map(drop)
    }

    fn rounds(&mut self, all_commits: &mut Vec<Duration>, figures: &mut Figures) -> Result<()> {
        for in_flight in IN_FLIGHT {
            progress(&format!("{}: {ROUNDS} rounds with {in_flight} in flight", self.era));
            let mut tallies: [Tally; WAYS.len()] = Default::default();
            let mut commits = Vec::new();
            for round in 0..ROUNDS {
                commits.extend(disk::commit_times(self.scratch, COMMITS)?);
                for turn in 0..WAYS.len() {
                    // Each comes after each of the others.
                    let place = (round + turn) % WAYS.len();
                    let way = WAYS[place];
                    let count = if let Way::Rest(_) = way { REST_CALLS } else { CALLS };
                    tallies[place].add(self.run(way, in_flight, count)?);
                }
            }
            let commit = Sample::new(commits.clone()).percentile_ms(50);
            all_commits.append(&mut commits);
            let tallies = tallies.map(Tally::done);
            for (way, tally) in WAYS.into_iter().zip(&tallies) {
                let label = format!("{}_{}_c{in_flight}", self.era, self.name(way));
                figures.add(format!("{label}_p50_ms"), tally.figure()?);
                if !matches!(way, Way::Direct) {
                    let added = tally.added_to(&tallies[0], self.goal(way, in_flight, commit));
                    figures.add(format!("{label}_added_p50_ms"), added);
                }
            }
        }
        Ok(())
    }

    /// What a way may add to the direct call. Eight calls at a time over REST wait for one another's commits, and the
    /// throw-away PostgreSQL does not wait for the disk: those are watched.
    fn goal(&self, way: Way, in_flight: usize, commit: f64) -> Option<Goal> {
        match way {
            Way::Pool => Some(Goal { at_most: ADDED_GOAL_MS, commit: None }),
            Way::Rest(engine) if in_flight == 1 && self.engines[engine].engine == "sqlite" => {
                Some(Goal { at_most: COMMITS_PER_CALL * commit + ADDED_GOAL_MS, commit: Some(commit) })
            }
            Way::Rest(_) | Way::Direct => None,
        }
    }

    fn name(&self, way: Way) -> &'static str {
        match way {
            Way::Direct => "direct",
            Way::Pool => "pool",
            Way::Rest(engine) if self.engines[engine].engine == "sqlite" => "rest_sqlite",
            Way::Rest(_) => "rest_postgres",
        }
    }

    /// Calls of one round, and the processor time of the process that made them for us.
    fn run(&mut self, way: Way, in_flight: usize, count: usize) -> Result<Tally> {
        let pid = match way {
            Way::Direct | Way::Pool => self.load.pid(),
            Way::Rest(engine) => self.engines[engine].pid(),
        };
        let before = proc_fs::cpu_time(pid)?;
        let times = match way {
            Way::Direct => self.load.calls("direct", self.era, in_flight, count)?,
            Way::Pool => self.load.calls("pool", self.era, in_flight, count)?,
            Way::Rest(engine) => self.engines[engine].calls(self.era, in_flight, count)?,
        };
        let cpu = proc_fs::cpu_time(pid)?.saturating_sub(before);
        Ok(Tally { times, cpu })
    }
}

struct Goal {
    at_most: f64,
    commit: Option<f64>,
}

/// Calls of one way.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    cpu: Duration,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.cpu += other.cpu;
    }

    fn done(self) -> Measured {
        Measured { count: self.times.len(), times: Sample::new(self.times), cpu: self.cpu }
    }
}

struct Measured {
    times: Sample,
    cpu: Duration,
    count: usize,
}

impl Measured {
    fn figure(&self) -> Result<Figure> {
        let tick_ms = 1000.0 / proc_fs::ticks_per_second()? as f64;
        Ok(Figure::new(self.times.percentile_ms(50), "ms")
            .with("p99_ms", self.times.percentile_ms(99))
            .with("cpu_ms", rounded(milliseconds(self.cpu) / self.count as f64))
            .with("cpu_resolution", rounded(tick_ms / self.count as f64))
            .with("calls", self.count))
    }

    /// How much longer the median call takes than the direct one of the same rounds.
    fn added_to(&self, direct: &Self, goal: Option<Goal>) -> Figure {
        let figure = Figure::new(self.times.percentile_ms(50) - direct.times.percentile_ms(50), "ms");
        let Some(goal) = goal else { return figure };
        let figure = figure.goal_at_most(rounded(goal.at_most));
        match goal.commit {
            Some(commit) => figure.with("disk_commit_p50_ms", commit),
            None => figure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(milliseconds: &[u64]) -> Measured {
        let times = milliseconds.iter().copied().map(Duration::from_millis).collect();
        Tally { times, cpu: Duration::ZERO }.done()
    }

    #[test]
    fn what_is_added_is_the_difference_of_the_medians() {
        let (direct, rest) = (measured(&[1, 2, 90]), measured(&[3, 6, 7]));
        let goal =
            |commit: f64| Goal { at_most: COMMITS_PER_CALL * commit + ADDED_GOAL_MS, commit: Some(commit) };
        let met = json!(rest.added_to(&direct, Some(goal(2.0))));
        assert_eq!(
            (&met["value"], &met["goal_at_most"], &met["met"]),
            (&json!(4.0), &json!(4.3), &json!(true))
        );
        assert_eq!(met["disk_commit_p50_ms"], 2.0);
        assert_eq!(json!(rest.added_to(&direct, Some(goal(1.8))))["met"], false, "4.0 is more than 3.9");
        assert!(json!(rest.added_to(&direct, None)).get("met").is_none());
    }

    #[test]
    fn rounds_add_up() {
        let mut tally = Tally::default();
        for time in [5, 1] {
            tally.add(Tally { times: vec![Duration::from_millis(time)], cpu: Duration::from_millis(time) });
        }
        let figure = json!(tally.done().figure().unwrap());
        assert_eq!((&figure["value"], &figure["p99_ms"]), (&json!(1.0), &json!(5.0)));
        assert_eq!((&figure["cpu_ms"], &figure["calls"]), (&json!(3.0), &json!(2)));
    }
}
