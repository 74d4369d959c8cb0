//! The crash drill: replicas die at moments that nobody chose, and the books are compared afterwards (threats 81, 82, 85, 86, 87).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::book::{Blow, Book, number_in};
use super::client::{Client, furnish, once};
use super::fleet::Fleet;
use super::load::{Load, Signals};
use super::model::Model;
use super::random::Random;
use super::relay::Relay;
use super::tally::{TAKEOVER_GOAL, Tally, ledger};
use crate::bench::progress;
use crate::bench::statistics::milliseconds;
use crate::testing::postgres::Cluster;

const PEOPLE: usize = 6;
const CHATS: usize = 12;
const REPLICAS: usize = 3;
/// Between two blows.
const REST: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(2200));
/// Up to this long each piece of a tool's answer is under way.
const DELAY: Duration = Duration::from_millis(90);
/// Longer than a lease.
const FROZEN: Duration = Duration::from_secs(13);
/// What a replica that goes on gets to show that it acts late.
const LATE: Duration = Duration::from_secs(2);
/// The database is away for that long, beside its own start.
const OUTAGE: Duration = Duration::from_secs(2);
const RECOVERY_GOAL: Duration = Duration::from_secs(10);
/// Until every chat has ended its turn.
const END: Duration = Duration::from_secs(180);

const FAIL_POINTS: [&str; 8] = [
    "call_sent=abort@0.5",
    "intent_committed=abort@0.5",
    "outcome_committed=abort@0.7",
    "results_committed=abort@0.5",
    "message_committed=abort@0.3",
    "answer_complete=abort@0.3",
    "model_part=abort@0.05",
    "message_committed=skip@0.3",
];

/// A program of ours that prints where it listens and ends with this value.
pub(super) struct Sample {
    child: std::process::Child,
    pub(super) address: SocketAddr,
}

impl Sample {
    /// Starts the sample tool server, whose ledger is the witness.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub(super) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = fs::File::create(folder.join("sample.log"))?;
        let mut command = Command::new(binary);
        command.args(["sample-mcp", "--addr", "127.0.0.1:0", "--data-dir"]).arg(folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let lines = crate::bench::server::read_lines(child.stdout.take());
        let line = lines.recv_timeout(Duration::from_secs(30));
        let mut sample = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let (_, line) = line.context("the sample server does not start")?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.and_then(|address| address.parse().ok());
        sample.address = address.with_context(|| format!("no address in {line:?}"))?;
        Ok(sample)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// What one run of the drill does.
pub(super) struct Plan {
    pub(super) cycles: usize,
    pub(super) seed: u64,
}

/// Everything that runs during a drill.
struct Scene<'a> {
    fleet: Fleet,
    book: Book,
    signals: Signals,
    random: Random,
    tickets: &'a Path,
    late: Vec<String>,
    recoveries: Vec<Duration>,
    outages: Vec<(Instant, Instant)>,
    ready_during_outage: usize,
    armed: usize,
}

/// Runs the drill on one engine; `cluster` makes it PostgreSQL with several replicas. The report.
///
/// # Errors
/// When something fails that is no subject of the drill. Faults stand in the report.
pub(super) fn run(binary: &Path, folder: &Path, cluster: Option<&Cluster>, plan: &Plan) -> Result<Value> {
    let mut random = Random::new(plan.seed);
    let tickets = folder.join("tickets");
    let sample = Sample::start(binary, &tickets)?;
    let relay = Relay::start(sample.address, DELAY, random.split())?;
    let database = match cluster {
        Some(cluster) => cluster.url().to_owned(),
        None => format!("sqlite:{}", folder.join("drill.sqlite").display()),
    };
    let replicas = if cluster.is_some() { REPLICAS } else { 1 };
    let fleet = Fleet::start(binary, folder, &database, replicas)?;
    let book = Book::new(fleet.addresses.clone());
    let model = Model::start(std::sync::Arc::new(book.clone()))?;
    let people = furnish(&fleet.addresses, &model.base_url(), relay.address(), PEOPLE)?;
    let signals = Signals::default();
    let load = Load::start(&people, CHATS, &book, &signals, &mut random);
    let mut scene = Scene {
        fleet,
        book,
        signals,
        random,
        tickets: &tickets,
        late: Vec::new(),
        recoveries: Vec::new(),
        outages: Vec::new(),
        ready_during_outage: 0,
        armed: 0,
    };
    let began = Instant::now();
    scene.cycles(plan.cycles, cluster)?;
    let chats = scene.finish(load)?;
    let wall = began.elapsed();
    reckon(scene, &people, &chats, wall, replicas)
}

impl Scene<'_> {
    fn cycles(&mut self, cycles: usize, cluster: Option<&Cluster>) -> Result<()> {
        let mut done = 0;
        let zombies = if cluster.is_some() { (cycles / 12).max(1) } else { 0 };
        let outages = if cluster.is_some() { (cycles / 25).max(1) } else { 0 };
        let special = |at: usize, count: usize, shift: usize| {
            count > 0 && (at + shift) % (cycles / count).max(1) == cycles / (2 * count).max(1)
        };
        while done < cycles {
            thread::sleep(self.random.between(REST.0, REST.1));
            done += self.bury(true)?;
            if done >= cycles {
                break;
            }
            if let Some(cluster) = cluster
                && special(done, outages, 0)
            {
                self.outage(cluster)?;
            } else if special(done, zombies, 3) {
                self.freeze()?;
            } else {
                self.kill()?;
            }
            done += 1;
            if done.is_multiple_of(10) {
                progress(&format!("{done} of {cycles} blows"));
            }
        }
        Ok(())
    }

    /// Counts those that fell by a fail point and starts them again; how many there were.
    fn bury(&mut self, armed_before: bool) -> Result<usize> {
        let fallen = self.fleet.fallen()?;
        for (at, pid) in &fallen {
            let setting = self.fleet.armed(*at).unwrap_or("none").to_owned();
            if !armed_before || setting == "none" {
                bail!("replica {at} ended by itself; its log is {}", self.fleet.log(*at));
            }
            self.book.struck(*pid, &Blow::FailPoint(setting));
            self.fleet.revive(*at, None)?;
        }
        Ok(fallen.len())
    }

    fn kill(&mut self) -> Result<()> {
        let at = self.random.below(self.fleet.len());
        if let Some(pid) = self.fleet.pid(at) {
            self.book.struck(pid, &Blow::Kill);
            self.fleet.kill(at)?;
        }
        // Every second one comes back with a weak spot.
        self.armed += 1;
        let setting =
            self.armed.is_multiple_of(2).then(|| FAIL_POINTS[(self.armed / 2 - 1) % FAIL_POINTS.len()]);
        self.fleet.revive(at, setting)
    }

    /// A process that is stopped for longer than its leases last, and then goes on.
    fn freeze(&mut self) -> Result<()> {
        let at = self.random.below(self.fleet.len());
        let Some(pid) = self.fleet.freeze(at)? else { return Ok(()) };
        self.book.struck(pid, &Blow::Freeze);
        let until = Instant::now() + FROZEN;
        while Instant::now() < until {
            thread::sleep(Duration::from_millis(200));
            self.bury(true)?;
        }
        let before = ledger(self.tickets)?;
        let over: Vec<u64> = self
            .book
            .turns()
            .iter()
            .filter(|(_, turn)| turn.done.is_some())
            .map(|(number, _)| *number)
            .collect();
        self.fleet.thaw(at)?;
        thread::sleep(LATE);
        for (title, count) in ledger(self.tickets)? {
            let ours = number_in(&title).is_some_and(|number| over.contains(&number));
            if ours && before.get(&title).copied().unwrap_or(0) < count {
                self.late.push(title);
            }
        }
        Ok(())
    }

    /// The database dies and comes back.
    fn outage(&mut self, cluster: &Cluster) -> Result<()> {
        let from = Instant::now();
        let replicas = self.fleet.addresses.addresses();
        let ready = |address: &SocketAddr| {
            once(*address, "", "GET", "/readyz", None, None).is_ok_and(|answer| answer.status == 200)
        };
        let mut still_ready = 0;
        let start = cluster.crash(|| {
            thread::sleep(OUTAGE);
            still_ready = replicas.iter().filter(|address| ready(address)).count();
        })?;
        self.ready_during_outage += still_ready;
        let up = Instant::now();
        // A replica may fall meanwhile, by a fail point: it is not waited for.
        while self.fleet.addresses.addresses().iter().any(|address| !ready(address)) {
            self.bury(true)?;
            if up.elapsed() > RECOVERY_GOAL * 3 {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let recovered = Instant::now();
        self.recoveries.push(recovered - up);
        self.outages.push((from, recovered));
        *self.signals.outage_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(recovered);
        progress(&format!(
            "the database was killed; it started in {:.1} s, replicas were ready {:.1} s later",
            start.as_secs_f64(),
            (recovered - up).as_secs_f64()
        ));
        Ok(())
    }

    /// Lets the chats end their turns on replicas without weak spots; their ids.
    fn finish(&mut self, load: Load) -> Result<Vec<Option<String>>> {
        for at in 0..self.fleet.len() {
            if self.fleet.armed(at).is_some()
                && let Some(pid) = self.fleet.pid(at)
            {
                self.book.struck(pid, &Blow::Kill);
                self.fleet.kill(at)?;
                self.fleet.revive(at, None)?;
            }
        }
        self.signals.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + END;
        while !load.is_over() {
            self.bury(false)?;
            if Instant::now() > until {
                bail!("chats have not ended their turns after {} s", END.as_secs());
            }
            thread::sleep(Duration::from_millis(100));
        }
        load.join()
    }
}

fn reckon(
    scene: Scene<'_>,
    people: &[Client],
    chats: &[Option<String>],
    wall: Duration,
    replicas: usize,
) -> Result<Value> {
    let mut random = Random::new(3);
    let mut messages = Vec::new();
    for (number, chat) in chats.iter().enumerate() {
        messages.push(match chat {
            Some(chat) => people[number % people.len()].messages(chat, &mut random)?,
            None => Vec::new(),
        });
    }
    let mut tally = Tally::new();
    tally.reckon(&scene.book, &messages, &ledger(scene.tickets)?, &scene.outages);
    for title in &scene.late {
        tally.fault("late_dispatches", format!("{title} was filed by a process that was stopped"));
    }
    tally.faults.entry("late_dispatches").or_default();
    if replicas > 1 {
        tally.faults.entry("takeover_p99_over_15_s").or_default();
        let worst = tally.takeovers().percentile(99).unwrap_or_default();
        if worst > TAKEOVER_GOAL {
            tally.fault("takeover_p99_over_15_s", format!("{:.1} s", worst.as_secs_f64()));
        }
        tally.faults.entry("recovery_over_10_s").or_default();
        for recovery in scene.recoveries.iter().filter(|recovery| **recovery > RECOVERY_GOAL) {
            tally.fault("recovery_over_10_s", format!("{:.1} s", recovery.as_secs_f64()));
        }
        tally.faults.entry("ready_without_database").or_default();
        if scene.ready_during_outage > 0 {
            let what = format!("{} replicas said they were ready", scene.ready_during_outage);
            tally.fault("ready_without_database", what);
        }
    }
    tally.faults.entry("window_not_hit").or_default();
    if tally.between() == 0 || tally.unknown() == 0 {
        let what = format!(
            "{} blows between send and outcome, {} told as unknown",
            tally.between(),
            tally.unknown()
        );
        tally.fault("window_not_hit", what);
    }
    let mut report = tally.report();
    report["replicas"] = json!(replicas);
    report["seconds"] = json!(wall.as_secs());
    report["turns_without_tool"] = json!(scene.book.without_tool());
    report["recovery_ms"] = scene.recoveries.iter().copied().map(milliseconds).collect();
    for (fault, what) in tally.faults.iter().filter(|(_, what)| !what.is_empty()) {
        progress(&format!("FAULT {fault}: {}", what.join("; ")));
    }
    scene.fleet.stop()?;
    Ok(report)
}
