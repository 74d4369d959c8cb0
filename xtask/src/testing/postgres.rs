//! A PostgreSQL server that lives as long as the tests.
//!
//! Tests get its address in `PATCHBAY_TEST_POSTGRES_URL` and make a database each. A small shell process, the reaper,
//! waits on a pipe of ours and then stops the server and deletes its folder. The pipe closes when we end in whatever
//! way (return, Ctrl-C, kill -9), so no signal handler is needed and none can be forgotten.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{host, process};

/// Where tests find the server: a super-user that may create databases.
pub(crate) const URL_VARIABLE: &str = "PATCHBAY_TEST_POSTGRES_URL";

/// Many test processes at once, each with a small pool.
const MAX_CONNECTIONS: u32 = 300;
/// A port can be taken between our choice and the server's bind.
const START_ATTEMPTS: u32 = 3;
const START_SECONDS: u32 = 60;
/// The user as which the server runs when we are root, which PostgreSQL refuses.
const SERVER_USER: &str = "postgres";

/// A running server; [`Cluster::stop`] or the end of this process removes it.
pub(crate) struct Cluster {
    url: String,
    folder: PathBuf,
    reaper: Child,
    binaries: PathBuf,
    port: u16,
}

/// What may be lost when the server dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commits {
    /// Everything: nothing here outlives a crash, so nothing needs to reach the disk.
    Fast,
    /// Nothing, as in production.
    Durable,
}

impl Cluster {
    /// Makes and starts a server on a free loopback port.
    ///
    /// # Errors
    /// When the binaries are missing and cannot be installed, or the server does not start; with its log.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(Commits::Fast)
    }

    /// One that keeps what it has committed when it dies, as in production.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub(crate) fn start_durable() -> Result<Self> {
        Self::start_with(Commits::Durable)
    }

    /// Kills every process of the server at once and starts it again; how long it was until it took connections.
    ///
    /// # Errors
    /// When it does not come back, with its log.
    pub(crate) fn crash(&self, meanwhile: impl FnOnce()) -> Result<Duration> {
        let as_server = Account::choose()?;
        let data = self.folder.join("data");
        let mut command = as_server.command(&self.binaries.join("pg_ctl"));
        command
            .current_dir("/")
            .args(["--mode=immediate", "--silent", "--wait", "--pgdata"])
            .arg(&data)
            .arg("stop");
        process::run(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?;
        meanwhile();
        let began = Instant::now();
        as_server.launch(&self.binaries, &self.folder, &data, self.port, Commits::Durable)?;
        Ok(began.elapsed())
    }

    fn start_with(commits: Commits) -> Result<Self> {
        let binaries = ensure_binaries()?;
        process::timed("throw-away PostgreSQL", || {
            let as_server = Account::choose()?;
            let folder = as_server.make_folder()?;
            let data = folder.join("data");
            let password = random_hex()?;
            // Before anything runs, so that a failure below is cleaned up too.
            let reaper = start_reaper(&as_server, &binaries, &folder)?;
            let cluster = |port| Self {
                url: format!("postgres://patchbay:{password}@127.0.0.1:{port}/postgres"),
                folder: folder.clone(),
                reaper,
                binaries: binaries.clone(),
                port,
            };
            as_server.init(&binaries, &folder, &data, &password)?;
            let mut last = None;
            for _ in 0..START_ATTEMPTS {
                let port = free_port()?;
                match as_server.launch(&binaries, &folder, &data, port, commits) {
                    Ok(()) => return Ok(cluster(port)),
                    Err(error) => last = Some(error),
                }
            }
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            Err(last.context("no attempt was made")?)
                .with_context(|| format!("PostgreSQL did not start; its log:\n{log}"))
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server and waits until its folder is gone.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.reaper.stdin.take());
        let status = self.reaper.wait()?;
        ensure!(
            status.success(),
            "the throw-away PostgreSQL in {} could not be removed ({status})",
            self.folder.display()
        );
        Ok(())
    }
}

/// The account the server runs under.
struct Account {
    switch: bool,
}

impl Account {
    fn choose() -> Result<Self> {
        Ok(Self { switch: host::is_root()? })
    }

    /// A command under that account.
    fn command(&self, program: &Path) -> Command {
        if !self.switch {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        // A folder for temporary files of our own would be closed to that account.
        command.env("TMPDIR", "/tmp");
        command.args(["-u", SERVER_USER, "--"]).arg(program);
        command
    }

    /// In the system's folder for temporary files: the account may not enter the checkout.
    fn make_folder(&self) -> Result<PathBuf> {
        let mut command = self.command(Path::new("mktemp"));
        let printed =
            process::output(command.args(["--directory", "--tmpdir", "patchbay-postgres-XXXXXXXX"]))?;
        Ok(PathBuf::from(printed.trim()))
    }

    fn init(&self, binaries: &Path, folder: &Path, data: &Path, password: &str) -> Result<()> {
        // The password goes through standard input into a file of the account's own: as an argument it would be in the
        // process list, and initdb cannot open /dev/stdin when the pipe belongs to another user.
        const SCRIPT: &str = r#"umask 077; cat > "$1/password" && shift && exec "$@""#;
        let mut command = self.command(Path::new("sh"));
        command.current_dir("/").args(["-c", SCRIPT, "initdb"]).arg(folder);
        command
            .arg(binaries.join("initdb"))
            .arg("--pgdata")
            .arg(data)
            .arg("--pwfile")
            .arg(folder.join("password"));
        command.args(["--username=patchbay", "--auth=scram-sha-256", "--encoding=UTF8"]);
        command.args(["--locale=C.UTF-8", "--no-sync"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("could not start initdb")?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(format!("{password}\n").as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("initdb in {} failed:\n{}", folder.display(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn launch(&self, binaries: &Path, folder: &Path, data: &Path, port: u16, commits: Commits) -> Result<()> {
        let mut options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections={MAX_CONNECTIONS}",
            folder.display()
        );
        if commits == Commits::Fast {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let mut command = self.command(&binaries.join("pg_ctl"));
        command
            .current_dir("/")
            .args(["--wait", "--silent", &format!("--timeout={START_SECONDS}"), "--pgdata"])
            .arg(data);
        command.arg("--log").arg(folder.join("log")).args(["--options", &options]).arg("start");
        // Not `output`: the server would inherit a pipe of ours and keep it open for ever.
        process::run(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }
}

/// Starts the shell that removes the server when our end of its standard input closes.
fn start_reaper(account: &Account, binaries: &Path, folder: &Path) -> Result<Child> {
    const SCRIPT: &str = r#"
        trap '' INT TERM HUP
        cat > /dev/null
        if [ -f "$2/data/postmaster.pid" ]; then
            "$1/pg_ctl" --pgdata "$2/data" --mode=immediate --silent --wait stop
        fi
        rm -rf "$2"
    "#;
    let mut command = account.command(Path::new("sh"));
    command.args(["-c", SCRIPT, "reaper"]).arg(binaries).arg(folder).current_dir("/");
    // A group of its own: Ctrl-C in a terminal goes to our whole group.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    command.spawn().context("could not start the shell that removes PostgreSQL afterwards")
}

/// The folder with `initdb` and `pg_ctl`: `PATH` first, then where Debian keeps its versions, newest first.
fn ensure_binaries() -> Result<PathBuf> {
    if let Some(found) = find_binaries() {
        return Ok(found);
    }
    host::install(&["postgresql"], "the PostgreSQL server, on which the store is tested,")?;
    find_binaries()
        .context("PostgreSQL was installed, but neither PATH nor /usr/lib/postgresql/*/bin has initdb")
}

fn find_binaries() -> Option<PathBuf> {
    let on_path = process::find_program("initdb").and_then(|path| path.parent().map(Path::to_owned));
    on_path
        .filter(|folder| folder.join("pg_ctl").exists())
        .or_else(|| newest_version(Path::new("/usr/lib/postgresql")))
}

fn newest_version(folder: &Path) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, path)| path.join("initdb").exists() && path.join("pg_ctl").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, path)| path)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// 128 bits as hex: other users of this machine can reach the port.
fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_installed_version_wins() {
        let root = std::env::temp_dir().join(format!("patchbay-xtask-{}-versions", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (version, complete) in [("9", true), ("15", true), ("16", false)] {
            let bin = root.join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("initdb"), "").unwrap();
            if complete {
                fs::write(bin.join("pg_ctl"), "").unwrap();
            }
        }
        assert_eq!(newest_version(&root), Some(root.join("15/bin")));
        assert_eq!(newest_version(&root.join("none")), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn cluster_serves_while_it_lives_and_leaves_nothing() {
        let cluster = Cluster::start().unwrap();
        let address = cluster.url.split(['@', '/']).nth(3).unwrap().to_owned();
        let folder = cluster.folder.clone();
        assert!(folder.join("data/postmaster.pid").exists());
        // The reply to a request for TLS is one letter; "N" says that a PostgreSQL without TLS is listening.
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        let mut reply = [0_u8; 1];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"N");
        cluster.stop().unwrap();
        assert!(std::net::TcpStream::connect(&address).is_err(), "still listening on {address}");
        assert!(!folder.exists(), "{} was left behind", folder.display());
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(random_hex().unwrap(), random_hex().unwrap());
    }
}
