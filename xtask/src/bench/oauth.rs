//! The benchmark of connecting: what a sign-in costs here beside what it costs at the provider, and what it costs to say of a thousand
//! servers whether they are connected.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::connector::{PROGRAM, program::Program};
use super::http::{Connection, Request};
use super::report::{Figure, Figures};
use super::scratch::Scratch;
use super::server::Server;
use super::statistics::{Sample, milliseconds, rounded};
use super::workload::{Session, in_parallel, server_body};
use super::{machine, proc_fs, progress};
use crate::assets::Mode;
use crate::workspace::Workspace;

const SERVERS: &str = "/api/experimental/mcp/servers";
const LISTED: usize = 1_000;
const LISTS: usize = 40;
/// Sign-ins whose parts are timed.
const SIGN_INS: usize = 200;
/// Connections that register and connect the thousand.
const FILLERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);

/// What it may add to a list to tell of a thousand servers that their user is connected, over the same list without one connection.
const STATUS_GOAL_CPU_MS: f64 = 5.0;

const EMAIL: &str = "owner@bench.example";
const PASSWORD: &str = "a long password for the benchmark";

/// Measures and returns the report.
///
/// # Errors
/// When the binary does not do what is asked of it.
pub(super) fn measure(workspace: &Workspace, mode: Mode, binary: &Path) -> Result<Value> {
    let machine = machine::describe();
    let (commit, changed) = machine::commit(workspace);
    let program = workspace.target(mode.folder()).join("examples").join(PROGRAM);
    if !program.is_file() {
        bail!("{} is not there; leave out --no-build", workspace.shown(&program));
    }
    let scratch = Scratch::new(workspace, "oauth")?;
    let mut peer = Program::start(&program, &["oauth"])?;
    let line = peer.line().context("the provider does not start")?;
    let peer_address: SocketAddr =
        line.parse().with_context(|| format!("the provider names no address: {line}"))?;
    let mut figures = Figures::default();

    progress(&format!("{LISTED} servers that need nothing"));
    let (server, owner) = start(binary, &scratch.path().join("plain"), peer_address)?;
    owner.another()?.register_servers(LISTED)?;
    let plain = lists(&server, &owner)?;
    server.stop()?;

    progress(&format!("{LISTED} servers with a provider"));
    let (server, owner) = start(binary, &scratch.path().join("oauth"), peer_address)?;
    let numbers: Vec<usize> = (1..=LISTED).collect();
    let parts = in_parallel(&owner, numbers.chunks(LISTED.div_ceil(FILLERS)), |session, part| {
        part.iter()
            .map(|number| server_of_provider(session, peer_address, *number))
            .collect::<Result<Vec<_>>>()
    })?;
    let ids = parts.concat();
    let first = ids.first().context("there is no server")?.clone();
    let of_strangers = lists(&server, &owner)?;

    progress("the same, each connected");
    in_parallel(&owner, ids.chunks(LISTED.div_ceil(FILLERS)), |session, part| {
        part.iter().try_for_each(|id| connect(session, peer_address, id))
    })?;
    let requests = peer.ask("requests")?;
    let of_oauth = lists(&server, &owner)?;
    ensure!(requests == peer.ask("requests")?, "a list in which nothing has expired asked the provider");
    figures.add(
        "list_of_1000_auth_status_added_cpu_ms",
        Figure::new(of_oauth.cpu_ms - of_strangers.cpu_ms, "ms")
            .goal_at_most(STATUS_GOAL_CPU_MS)
            .with("list_of_plain_cpu_ms", rounded(plain.cpu_ms))
            .with("list_of_unconnected_cpu_ms", rounded(of_strangers.cpu_ms))
            .with("list_of_connected_cpu_ms", rounded(of_oauth.cpu_ms))
            .with("list_of_plain_p50_ms", plain.times.percentile_ms(50))
            .with("list_of_unconnected_p50_ms", of_strangers.times.percentile_ms(50))
            .with("list_of_connected_p50_ms", of_oauth.times.percentile_ms(50))
            .with("requests", LISTS),
    );

    progress(&format!("{SIGN_INS} sign-ins"));
    sign_ins(&server, &owner, peer_address, &first, &mut figures)?;
    server.stop()?;
    let build = json!({ "profile": mode.folder(), "commit": commit, "uncommitted_changes": changed });
    Ok(figures.report("oauth", build, machine))
}

fn start(binary: &Path, data: &Path, peer: SocketAddr) -> Result<(Server, Session)> {
    fs::create_dir_all(data)?;
    let password = data.join("owner-password");
    fs::write(&password, PASSWORD)?;
    let password = password.to_str().context("the target folder's path is no text")?;
    let allow = peer.to_string();
    let settings = [
        ("PATCHBAY_ADMIN_EMAIL", EMAIL),
        ("PATCHBAY_ADMIN_PASSWORD_FILE", password),
        ("PATCHBAY_EGRESS_ALLOW", &allow),
    ];
    let server = Server::start(binary, data, &[], &settings)?;
    let owner = Session::sign_in(server.address(), EMAIL, PASSWORD)?;
    Ok((server, owner))
}

/// Registers a server by its URL alone; its id.
fn server_of_provider(session: &mut Session, peer: SocketAddr, number: usize) -> Result<String> {
    let mut body = server_body(number);
    body["url"] = json!(format!("http://{peer}/mcp"));
    body["auth_type"] = json!("oauth2");
    body["enabled"] = json!(true);
    let made = session.ask("POST", SERVERS, Some(&body))?.json(201)?;
    Ok(made["id"].as_str().context("a new server has no id")?.to_owned())
}

/// Connects the owner to it.
fn connect(session: &mut Session, peer: SocketAddr, id: &str) -> Result<()> {
    let (location, _) = begin(session, id)?;
    let callback = consent(peer, &location)?;
    session.ask("GET", &callback, None)?.expect(200)
}

fn begin(session: &mut Session, id: &str) -> Result<(String, Duration)> {
    let begun = Instant::now();
    let sent = session.ask("GET", &format!("{SERVERS}/{id}/oauth2/connect"), None)?;
    let took = begun.elapsed();
    sent.expect(307)?;
    Ok((sent.header("location").context("connect names no address")?.to_owned(), took))
}

/// The person's part: the provider sends the browser back at once. Path and query of the callback.
fn consent(peer: SocketAddr, location: &str) -> Result<String> {
    let path = path_of(location)?;
    let request = Request { method: "GET", path, headers: &[], body: b"", deadline: PATIENCE };
    let answer = Connection::open(peer)?.send(&request)?;
    let back =
        answer.header("location").with_context(|| format!("the provider answers {}", answer.status))?;
    Ok(path_of(back)?.to_owned())
}

/// Path and query of an absolute address.
fn path_of(address: &str) -> Result<&str> {
    let rest = address.split_once("://").context("no absolute address")?.1;
    let at = rest.find('/').context("an address without path")?;
    Ok(&rest[at..])
}

struct Lists {
    times: Sample,
    cpu_ms: f64,
}

fn lists(server: &Server, owner: &Session) -> Result<Lists> {
    let mut session = owner.another()?;
    session.list_servers(5, LISTED)?;
    settle(server)?;
    let before = proc_fs::cpu_time(server.pid())?;
    let times = session.list_servers(LISTS, LISTED)?;
    let spent = proc_fs::cpu_time(server.pid())?.saturating_sub(before);
    Ok(Lists { times: Sample::new(times), cpu_ms: milliseconds(spent) / LISTS as f64 })
}

/// Waits until the server has nothing left to do: what follows a thousand new servers must not count for a list.
fn settle(server: &Server) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = proc_fs::cpu_time(server.pid())?;
        std::thread::sleep(LOOK);
        if proc_fs::cpu_time(server.pid())?.saturating_sub(before) <= LOOK / 50 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the server does not come to rest");
    }
}

fn sign_ins(
    server: &Server,
    owner: &Session,
    peer: SocketAddr,
    id: &str,
    figures: &mut Figures,
) -> Result<()> {
    let mut session = owner.another()?;
    let (mut connects, mut callbacks) = (Vec::new(), Vec::new());
    let before = proc_fs::cpu_time(server.pid())?;
    for _ in 0..SIGN_INS {
        let (location, took) = begin(&mut session, id)?;
        connects.push(took);
        let callback = consent(peer, &location)?;
        let begun = Instant::now();
        let answer = session.ask("GET", &callback, None)?;
        callbacks.push(begun.elapsed());
        answer.expect(200)?;
    }
    let spent = proc_fs::cpu_time(server.pid())?.saturating_sub(before);
    let (connects, callbacks) = (Sample::new(connects), Sample::new(callbacks));
    let figure = |sample: &Sample| {
        Figure::new(sample.percentile_ms(50), "ms")
            .with("p99_ms", sample.percentile_ms(99))
            .with("count", SIGN_INS)
    };
    figures.add("connect_redirect_p50_ms", figure(&connects));
    // The token request to the provider on the same machine is in it.
    figures.add("callback_p50_ms", figure(&callbacks));
    figures.add("sign_in_cpu_ms", Figure::new(milliseconds(spent) / SIGN_INS as f64, "ms"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn path_and_query_of_an_address() {
        assert_eq!(path_of("http://127.0.0.1:1/a/b?c=d").unwrap(), "/a/b?c=d");
        assert!(path_of("/a").is_err() && path_of("http://host").is_err());
    }
}
