//! The registry benchmark: what it costs to list, read, make, change and remove servers, few of them and many.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::report::{Figure, Figures};
use super::scratch::Scratch;
use super::server::Server;
use super::statistics::{Sample, milliseconds, rounded};
use super::workload::{Session, in_parallel, server_body};
use super::{disk, machine, proc_fs, progress};
use crate::assets::Mode;
use crate::testing::postgres::Cluster;
use crate::workspace::Workspace;

const SERVERS: &str = "/api/experimental/mcp/servers";
/// Registered servers while the requests are measured; ascending, each step adds to the one before.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
const CONNECTIONS: [usize; 2] = [1, 8];
/// Requests of one figure, over all its connections.
const READS: usize = 1_600;
const WRITES: usize = 400;
/// Before the first figure of a size: statements are prepared, caches are filled.
const WARM_UP: usize = 200;
/// Connections that register the servers.
const FILLERS: usize = 8;
const COMMITS: usize = 100;

const LIST_OF_TEN_GOAL_CPU_MS: f64 = 0.3;
const GET_GOAL_CPU_MS: f64 = 0.2;
/// A page costs the same however many servers there are. Processor time comes in ticks: a fifth is within its noise.
const PAGE_GROWTH_GOAL: f64 = 1.2;

const EMAIL: &str = "owner@bench.example";
const PASSWORD: &str = "a long password for the benchmark";

/// Measures both engines and returns the report.
///
/// # Errors
/// When the binary does not do what is asked of it, or PostgreSQL cannot be started.
pub(super) fn measure(workspace: &Workspace, mode: Mode, binary: &Path) -> Result<Value> {
    let machine = machine::describe();
    let (commit, changed) = machine::commit(workspace);
    let scratch = Scratch::new(workspace, "registry")?;
    let mut figures = Figures::default();
    let mut commits = disk::commit_times(scratch.path(), COMMITS)?;
    engine("sqlite", binary, &scratch.path().join("sqlite"), None, &mut figures)?;
    let cluster = Cluster::start()?;
    let measured =
        engine("postgres", binary, &scratch.path().join("postgres"), Some(cluster.url()), &mut figures);
    cluster.stop()?;
    measured?;
    commits.extend(disk::commit_times(scratch.path(), COMMITS)?);
    let commits = Sample::new(commits);
    let figure = Figure::new(commits.percentile_ms(50), "ms").with("p99", commits.percentile_ms(99));
    figures.add("disk_commit_p50_ms", figure.with("commits", COMMITS * 2));
    let build = json!({ "profile": mode.folder(), "commit": commit, "uncommitted_changes": changed });
    Ok(figures.report("registry", build, machine))
}

fn engine(
    name: &str,
    binary: &Path,
    data: &Path,
    database: Option<&str>,
    figures: &mut Figures,
) -> Result<()> {
    fs::create_dir_all(data)?;
    let password = data.join("owner-password");
    fs::write(&password, PASSWORD)?;
    let password = password.to_str().context("the target folder's path is no text")?;
    let mut settings = vec![("PATCHBAY_ADMIN_EMAIL", EMAIL), ("PATCHBAY_ADMIN_PASSWORD_FILE", password)];
    settings.extend(database.map(|url| ("PATCHBAY_DATABASE_URL", url)));
    let server = Server::start(binary, data, &[], &settings)?;
    let owner = Session::sign_in(server.address(), EMAIL, PASSWORD)?;
    let mut registered = Vec::new();
    let mut page_cpu = Vec::new();
    for size in SIZES {
        progress(&format!("{name}: {size} servers"));
        let missing = registered.len()..size;
        registered.extend(fill(&owner, missing)?);
        let bench = Bench { name, size, server: &server, owner: &owner, registered: &registered };
        bench.reads(&mut page_cpu, figures)?;
        bench.writes(figures)?;
    }
    // With one connection, at the two larger sizes.
    if let [.., thousand, ten_thousand] = page_cpu.as_slice() {
        let growth =
            Figure::new(ten_thousand / thousand.max(f64::EPSILON), "ratio").goal_at_most(PAGE_GROWTH_GOAL);
        let growth = growth.with("cpu_ms_at_1000", rounded(*thousand));
        figures.add(format!("{name}_page_growth"), growth.with("cpu_ms_at_10000", rounded(*ten_thousand)));
    }
    server.stop()
}

/// Registers servers `numbers`; their ids.
fn fill(owner: &Session, numbers: std::ops::Range<usize>) -> Result<Vec<String>> {
    let numbers: Vec<usize> = numbers.collect();
    let share = numbers.len().div_ceil(FILLERS).max(1);
    in_parallel(owner, numbers.chunks(share), |session, numbers| {
        let make = |number: &usize| {
            let answer = session.ask("POST", SERVERS, Some(&server_body(*number)))?.json(201)?;
            answer["id"].as_str().map(str::to_owned).context("a new server has no id")
        };
        numbers.iter().map(make).collect::<Result<Vec<_>>>()
    })
    .map(|ids| ids.into_iter().flatten().collect())
}

/// One size of one engine.
struct Bench<'a> {
    name: &'a str,
    size: usize,
    server: &'a Server,
    owner: &'a Session,
    registered: &'a [String],
}

/// A request and the status that proves it was carried out.
type Ask<'a> = dyn Fn(usize) -> (&'static str, String, Option<Value>, u16) + Sync + 'a;

impl Bench<'_> {
    fn reads(&self, page_cpu: &mut Vec<f64>, figures: &mut Figures) -> Result<()> {
        let id = |number: usize| &self.registered[number % self.registered.len()];
        let get = |number: usize| ("GET", format!("{SERVERS}/{}", id(number)), None, 200);
        let all = |_: usize| ("GET", SERVERS.to_owned(), None, 200);
        // A page in the middle: what comes before it must not be read either.
        let after = &self.registered[self.registered.len() / 2];
        let page = |_: usize| ("GET", format!("{SERVERS}?limit=50&after={after}"), None, 200);
        self.measure("warm_up", 1, WARM_UP, &get)?;
        for connections in CONNECTIONS {
            let measured = self.measure("get", connections, READS, &get)?;
            let goal = (connections == 1).then_some(GET_GOAL_CPU_MS);
            figures.add(self.label("get", connections), measured.figure(goal)?);
            // Whole lists of thousands are no page that anybody shows.
            if self.size == SIZES[0] {
                let measured = self.measure("list", connections, READS, &all)?;
                let goal = (connections == 1).then_some(LIST_OF_TEN_GOAL_CPU_MS);
                figures.add(self.label("list", connections), measured.figure(goal)?);
            } else {
                let measured = self.measure("page", connections, READS, &page)?;
                if connections == 1 {
                    page_cpu.push(measured.cpu_ms());
                }
                figures.add(self.label("list_limit_50", connections), measured.figure(None)?);
            }
        }
        Ok(())
    }

    fn writes(&self, figures: &mut Figures) -> Result<()> {
        for connections in CONNECTIONS {
            // Numbers that no other server has: its slug is taken from it.
            let base = 1_000_000 * connections + self.size;
            let create =
                |number: usize| ("POST", SERVERS.to_owned(), Some(server_body(base + 100_000 + number)), 201);
            let made = self.measure("create", connections, WRITES, &create)?;
            figures.add(self.label("create", connections), made.figure(None)?);
            let ids = &made.ids;
            let patch = |number: usize| {
                let body = json!({ "description": format!("Changed by request {number}.") });
                ("PATCH", format!("{SERVERS}/{}", ids[number]), Some(body), 200)
            };
            figures.add(
                self.label("patch", connections),
                self.measure("patch", connections, WRITES, &patch)?.figure(None)?,
            );
            let delete = |number: usize| ("DELETE", format!("{SERVERS}/{}", ids[number]), None, 204);
            figures.add(
                self.label("delete", connections),
                self.measure("delete", connections, WRITES, &delete)?.figure(None)?,
            );
        }
        Ok(())
    }

    fn label(&self, operation: &str, connections: usize) -> String {
        format!("{}_{}_{operation}_c{connections}_cpu_ms", self.name, self.size)
    }

    /// Sends requests 0 to `count` over this many connections and checks every answer.
    fn measure(
        &self,
        operation: &'static str,
        connections: usize,
        count: usize,
        ask: &Ask<'_>,
    ) -> Result<Measured> {
        let numbers: Vec<usize> = (0..count).collect();
        let before = proc_fs::cpu_time(self.server.pid())?;
        let begin = Instant::now();
        let parts = in_parallel(self.owner, numbers.chunks(count.div_ceil(connections)), |session, part| {
            let mut done = Vec::with_capacity(part.len());
            for number in part {
                let (method, path, body, status) = ask(*number);
                let start = Instant::now();
                let answer = session.ask(method, &path, body.as_ref())?;
                let time = start.elapsed();
                let id = if status == 201 {
                    answer.json(201)?["id"].as_str().unwrap_or_default().to_owned()
                } else {
                    answer.expect(status)?;
                    String::new()
                };
                done.push((time, id));
            }
            Ok(done)
        })
        .with_context(|| format!("{operation} at {} servers on {}", self.size, self.name))?;
        let wall = begin.elapsed();
        let cpu = proc_fs::cpu_time(self.server.pid())?.saturating_sub(before);
        let (times, ids) = parts.into_iter().flatten().unzip::<Duration, String, Vec<_>, Vec<_>>();
        Ok(Measured { times: Sample::new(times), ids, wall, cpu, count })
    }
}

struct Measured {
    times: Sample,
    /// Of what was made, in the order of the requests.
    ids: Vec<String>,
    wall: Duration,
    cpu: Duration,
    count: usize,
}

impl Measured {
    fn cpu_ms(&self) -> f64 {
        milliseconds(self.cpu) / self.count as f64
    }

    /// The processor time of one request, the rest as details.
    fn figure(&self, goal: Option<f64>) -> Result<Figure> {
        let tick_ms = 1000.0 / proc_fs::ticks_per_second()? as f64;
        let figure = Figure::new(self.cpu_ms(), "ms");
        let figure = if let Some(goal) = goal { figure.goal_at_most(goal) } else { figure };
        Ok(figure
            .with("requests_per_second", rounded(self.count as f64 / self.wall.as_secs_f64().max(1e-9)))
            .with("p50_ms", self.times.percentile_ms(50))
            .with("p99_ms", self.times.percentile_ms(99))
            .with("requests", self.count)
            .with("resolution", rounded(tick_ms / self.count as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_processor_time_of_one_request() {
        let measured = Measured {
            times: Sample::new(vec![Duration::from_millis(2); 4]),
            ids: Vec::new(),
            wall: Duration::from_millis(10),
            cpu: Duration::from_millis(6),
            count: 4,
        };
        let figure = json!(measured.figure(Some(1.0)).unwrap());
        assert_eq!((figure["value"].as_f64(), figure["met"].as_bool()), (Some(1.5), Some(false)));
        assert_eq!(
            (figure["requests_per_second"].as_f64(), figure["p99_ms"].as_f64()),
            (Some(400.0), Some(2.0))
        );
    }
}
