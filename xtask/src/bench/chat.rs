//! The chat benchmark: what a turn costs beside the model and the tool, how many streams a process holds, and whether a million messages
//! are felt.
//!
//! The model answers at once and the tool is an echo, so what is left is ours.

mod open;
mod party;
mod seed;
mod streams;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::connector::upstream::Upstream;
use super::report::{Figure, Figures};
use super::scratch::Scratch;
use super::server::Server;
use super::statistics::{Sample, milliseconds};
use super::workload::{Session, in_parallel};
use super::{disk, machine, proc_fs, progress};
use crate::assets::Mode;
use crate::drill::model::Model;
use crate::drill::sse::Events;
use crate::serve;
use crate::testing::postgres::Cluster;
use crate::workspace::Workspace;
use party::{Instant as InstantModel, LONG, PIECES};

pub(super) const EMAIL: &str = "owner@bench.example";
pub(super) const PASSWORD: &str = "a long password for the benchmark";
const CHATS: &str = "/api/experimental/chats";
const PATIENCE: Duration = Duration::from_secs(60);

const TURN_GOAL_MS: f64 = 25.0;
const TURN_WARM_UP: usize = 20;
const TURNS: usize = 200;
/// Chats in flight at once, and the turns of each. A user has at most three turns at once.
const IN_FLIGHT: usize = 64;
const ROUNDS: usize = 8;
const COMMITS: usize = 50;

/// A running Patchbay with a model that answers at once and an echo server.
struct Place {
    server: Server,
    owner: Session,
    authorization: String,
    settings: Vec<(&'static str, String)>,
}

/// Measures both engines, one thing after the other, and returns the report.
///
/// # Errors
/// When the binary does not do what is asked of it.
pub(super) fn measure(workspace: &Workspace, mode: Mode, binary: &Path) -> Result<Value> {
    let machine = machine::describe();
    let (commit, changed) = machine::commit(workspace);
    let scratch = Scratch::new(workspace, "chat")?;
    let program = serve::binary(workspace, mode).with_file_name("examples").join(super::connector::PROGRAM);
    let upstream = Upstream::start(&program)?;
    let model = Model::start(Arc::new(InstantModel))?;
    let mut figures = Figures::default();
    for engine in ["sqlite", "postgres"] {
        let cluster = if engine == "postgres" { Some(Cluster::start_durable()?) } else { None };
        let data = scratch.path().join(engine);
        fs::create_dir_all(&data)?;
        let database = match &cluster {
            Some(cluster) => cluster.url().to_owned(),
            None => format!("sqlite:{}", data.join("patchbay.sqlite").display()),
        };
        let mut place = Place::start(binary, &data, &database, &model, &upstream)?;
        turns(engine, &data, &mut place, &mut figures)?;
        at_once(engine, &mut place, &mut figures)?;
        tokens(engine, &mut place, &mut figures)?;
        streams::measure(engine, &mut place, &mut figures)?;
        open::measure(engine, binary, &data, place, &database, &mut figures)?;
        if let Some(cluster) = cluster {
            cluster.stop()?;
        }
    }
    let build = json!({ "profile": mode.folder(), "commit": commit, "uncommitted_changes": changed });
    Ok(figures.report("chat", build, machine))
}

impl Place {
    fn start(binary: &Path, data: &Path, database: &str, model: &Model, upstream: &Upstream) -> Result<Self> {
        let password = data.join("owner-password");
        fs::write(&password, PASSWORD)?;
        let settings = vec![
            ("PATCHBAY_ADMIN_EMAIL", EMAIL.to_owned()),
            ("PATCHBAY_ADMIN_PASSWORD_FILE", password.display().to_string()),
            ("PATCHBAY_DATABASE_URL", database.to_owned()),
            ("PATCHBAY_EGRESS_ALLOW", "127.0.0.1:*".to_owned()),
            ("PATCHBAY_HEALTH_CHECKS", "false".to_owned()),
            ("PATCHBAY_LOG", "warn".to_owned()),
        ];
        let server = serve_with(binary, data, &settings)?;
        let mut owner = Session::sign_in(server.address(), EMAIL, PASSWORD)?;
        let authorization = owner.authorization().to_owned();
        let mut make = |path: &str, body: Value| owner.ask("POST", path, Some(&body))?.json(201);
        let provider =
            json!({ "name": "Bench", "type": "openai", "base_url": model.base_url(), "api_key": "sk-bench" });
        let provider = make("/api/v2/providers", provider)?;
        make(
            "/api/v2/models",
            json!({ "provider_id": provider["id"], "model": "instant", "display_name": "" }),
        )?;
        let echo = json!({
            "display_name": "Echo", "slug": "echo", "url": format!("http://{}/stateless", upstream.address()),
            "transport": "streamable_http", "auth_type": "none", "availability": "force_on", "enabled": true,
        });
        make("/api/experimental/mcp/servers", echo)?;
        Ok(Self { server, owner, authorization, settings })
    }
}

fn serve_with(binary: &Path, data: &Path, settings: &[(&'static str, String)]) -> Result<Server> {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Server::start(binary, data, &[], &settings)
}

/// One whole turn with one call of a tool, one after the other.
fn turns(engine: &str, data: &Path, place: &mut Place, figures: &mut Figures) -> Result<()> {
    progress(&format!("{engine}: {TURN_WARM_UP} + {TURNS} turns with one tool call each"));
    let chat = begin(&mut place.owner)?;
    let mut commits = disk::commit_times(data, COMMITS)?;
    for _ in 0..TURN_WARM_UP {
        turn(&mut place.owner, &chat)?;
    }
    let before = proc_fs::cpu_time(place.server.pid())?;
    // A new chat now and then: the history of a turn grows with every one before it.
    let mut times = Vec::with_capacity(TURNS);
    let mut current = begin(&mut place.owner)?;
    for number in 0..TURNS {
        if number % 10 == 9 {
            current = begin(&mut place.owner)?;
        }
        times.push(turn(&mut place.owner, &current)?);
    }
    let cpu = proc_fs::cpu_time(place.server.pid())?.saturating_sub(before);
    commits.extend(disk::commit_times(data, COMMITS)?);
    let times = Sample::new(times);
    let p50 = Figure::new(times.percentile_ms(50), "ms");
    let p50 = if engine == "sqlite" { p50.goal_at_most(TURN_GOAL_MS) } else { p50 };
    figures.add(
        format!("{engine}_turn_p50_ms"),
        p50.with("p90", times.percentile_ms(90)).with("p99", times.percentile_ms(99)).with("turns", TURNS),
    );
    let made = TURNS + TURNS / 10 + 1;
    figures.add(format!("{engine}_turn_cpu_ms"), Figure::new(milliseconds(cpu) / made as f64, "ms"));
    let commits = Sample::new(commits);
    figures.add(
        format!("{engine}_disk_commit_p50_ms"),
        Figure::new(commits.percentile_ms(50), "ms").with("p99", commits.percentile_ms(99)),
    );
    Ok(())
}

/// A new chat after its first turn; its id.
fn begin(session: &mut Session) -> Result<String> {
    let body = json!({ "content": [{ "type": "text", "text": "Echo something" }] });
    let made = session.ask_waiting("POST", CHATS, &body, PATIENCE)?.json(201)?;
    Ok(made["id"].as_str().context("a new chat has no id")?.to_owned())
}

/// A turn in a chat that is there: from the first byte sent until the finished turn is here.
fn turn(session: &mut Session, chat: &str) -> Result<Duration> {
    let body = json!({ "content": [{ "type": "text", "text": "Echo something" }] });
    let start = Instant::now();
    let answer = session.ask_waiting("POST", &format!("{CHATS}/{chat}/messages"), &body, PATIENCE)?;
    let took = start.elapsed();
    let answer = answer.json(201)?;
    let parts = answer["messages"].as_array().into_iter().flatten();
    let parts = parts.filter_map(|message| message["content"].as_array()).flatten();
    let ok = parts.filter(|part| part["type"] == "tool-result" && part["outcome"] == "ok").count();
    ensure!(answer["status"] == "waiting" && ok == 1, "the turn did not run its tool: {answer}");
    Ok(took)
}

/// Turns of many chats of many people at once.
fn at_once(engine: &str, place: &mut Place, figures: &mut Figures) -> Result<()> {
    let people = party::people(&mut place.owner, place.server.address(), IN_FLIGHT.div_ceil(3), "at-once")?;
    progress(&format!("{engine}: {IN_FLIGHT} chats at once, {ROUNDS} turns each"));
    let before = proc_fs::cpu_time(place.server.pid())?;
    let start = Instant::now();
    let people = &people;
    let done = in_parallel(&place.owner, 0..IN_FLIGHT, |_, number| {
        let mut session = people[number % people.len()].another()?;
        let chat = begin(&mut session)?;
        (1..ROUNDS).map(|_| turn(&mut session, &chat)).collect::<Result<Vec<_>>>()
    })?;
    let wall = start.elapsed();
    let cpu = proc_fs::cpu_time(place.server.pid())?.saturating_sub(before);
    let times = Sample::new(done.into_iter().flatten().collect());
    let turns = (IN_FLIGHT * ROUNDS) as f64;
    figures.add(
        format!("{engine}_turns_per_second"),
        Figure::new(turns / wall.as_secs_f64(), "turns/s")
            .with("larger_is_better", true)
            .with("chats", IN_FLIGHT)
            .with("p50_ms", times.percentile_ms(50))
            .with("p99_ms", times.percentile_ms(99))
            .with("cpu_ms_per_turn", milliseconds(cpu) / turns),
    );
    Ok(())
}

/// Pieces of one long answer through one stream.
fn tokens(engine: &str, place: &mut Place, figures: &mut Figures) -> Result<()> {
    progress(&format!("{engine}: {PIECES} pieces through one stream"));
    let chat = begin(&mut place.owner)?;
    let mut events = Events::open(place.server.address(), &place.authorization, &chat, None, PATIENCE)?;
    let body = json!({ "content": [{ "type": "text", "text": LONG }] });
    place.owner.ask("POST", &format!("{CHATS}/{chat}/messages"), Some(&body))?.expect(201)?;
    let (mut first, mut pieces, mut bytes) = (None, 0_usize, 0_usize);
    loop {
        let Some(event) = events.next()? else { bail!("the stream ended before the answer") };
        match event.kind.as_str() {
            "message_part" => {
                first.get_or_insert_with(Instant::now);
                pieces += 1;
                bytes += event.data.len();
            }
            "message" if event.data.contains("\"assistant\"") && first.is_some() => break,
            _ => {}
        }
    }
    let took = first.map_or(Duration::ZERO, |first| first.elapsed());
    ensure!(pieces > 0, "no piece of the answer was shown");
    figures.add(
        format!("{engine}_stream_pieces_per_second"),
        Figure::new(pieces as f64 / took.as_secs_f64().max(1e-9), "pieces/s")
            .with("larger_is_better", true)
            .with("pieces", pieces)
            .with("bytes", bytes),
    );
    Ok(())
}
