//! The replicas of a drill: real processes of the debug binary on one database.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};

use super::random::Random;
use crate::bench::server::Server;

pub(super) const EMAIL: &str = "owner@drill.example";
pub(super) const PASSWORD: &str = "a long password for the drill";
/// 32 bytes in base64. It protects nothing but this throw-away deployment.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where a replica answers, and its process; `None` while it is down.
type At = Option<(SocketAddr, u32)>;

/// Where replicas answer, and who they are. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<Vec<At>>>);

impl Addresses {
    fn all(&self) -> MutexGuard<'_, Vec<At>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, at: usize, to: Option<(SocketAddr, u32)>) {
        let mut all = self.all();
        if all.len() <= at {
            all.resize(at + 1, None);
        }
        all[at] = to;
    }

    /// Any replica that takes requests, with its process id: what a balancer would choose.
    pub(super) fn any(&self, random: &mut Random) -> Option<(SocketAddr, u32)> {
        let up: Vec<_> = self.all().iter().flatten().copied().collect();
        (!up.is_empty()).then(|| up[random.below(up.len())])
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.all().iter().flatten().map(|(_, pid)| *pid).collect()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.all().iter().flatten().map(|(address, _)| *address).collect()
    }
}

/// The replicas.
pub(super) struct Fleet {
    binary: PathBuf,
    folder: PathBuf,
    database: String,
    password_file: String,
    replicas: Vec<Option<Server>>,
    /// The fail point each was started with.
    armed: Vec<Option<String>>,
    /// The process of each replica, also while it takes no requests.
    pub(super) addresses: Addresses,
}

impl Fleet {
    /// Starts `count` replicas, the first one alone: it makes the schema and the owner.
    ///
    /// # Errors
    /// When one does not start.
    pub(super) fn start(binary: &Path, folder: &Path, database: &str, count: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let password = folder.join("owner-password");
        fs::write(&password, PASSWORD)?;
        let mut fleet = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            database: database.to_owned(),
            password_file: password.to_str().context("the folder's path is no text")?.to_owned(),
            replicas: Vec::new(),
            armed: vec![None; count],
            addresses: Addresses::default(),
        };
        for at in 0..count {
            fleet.replicas.push(None);
            fleet.revive(at, None)?;
        }
        Ok(fleet)
    }

    pub(super) fn len(&self) -> usize {
        self.replicas.len()
    }

    /// The fail point a replica was started with.
    pub(super) fn armed(&self, at: usize) -> Option<&str> {
        self.armed[at].as_deref()
    }

    pub(super) fn pid(&self, at: usize) -> Option<u32> {
        self.replicas[at].as_ref().map(Server::pid)
    }

    /// Where a replica writes its log.
    pub(super) fn log(&self, at: usize) -> String {
        self.folder.join(format!("replica-{at}/bench.log")).display().to_string()
    }

    /// Starts a replica that is down, with a fail point where one is wanted.
    ///
    /// # Errors
    /// When it does not start; with the end of its log.
    pub(super) fn revive(&mut self, at: usize, failpoint: Option<&str>) -> Result<()> {
        let data = self.folder.join(format!("replica-{at}"));
        let mut settings = vec![
            ("PATCHBAY_ADMIN_EMAIL", EMAIL),
            ("PATCHBAY_ADMIN_PASSWORD_FILE", &self.password_file),
            ("PATCHBAY_DATABASE_URL", &self.database),
            ("PATCHBAY_ENCRYPTION_KEYS", KEY),
            ("PATCHBAY_EGRESS_ALLOW", "127.0.0.1:*"),
            ("PATCHBAY_HEALTH_CHECKS", "false"),
        ];
        settings.extend(failpoint.map(|armed| ("PATCHBAY_FAILPOINT", armed)));
        let server = Server::start(&self.binary, &data, &[], &settings)
            .with_context(|| format!("replica {at} does not start"))?;
        self.addresses.set(at, Some((server.address(), server.pid())));
        self.replicas[at] = Some(server);
        self.armed[at] = failpoint.map(str::to_owned);
        Ok(())
    }

    /// Ends a replica as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn kill(&mut self, at: usize) -> Result<()> {
        let Some(mut server) = self.replicas[at].take() else { return Ok(()) };
        server.kill()?;
        self.addresses.set(at, None);
        Ok(())
    }

    /// The replicas that ended by themselves since the last look: place and process id.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn fallen(&mut self) -> Result<Vec<(usize, u32)>> {
        let mut fallen = Vec::new();
        for (at, place) in self.replicas.iter_mut().enumerate() {
            if let Some(server) = place
                && server.has_ended()?
            {
                fallen.push((at, server.pid()));
                *place = None;
                self.addresses.set(at, None);
            }
        }
        Ok(fallen)
    }

    /// Stops a replica where it is; no balancer sends it anything any more. Its process id.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn freeze(&mut self, at: usize) -> Result<Option<u32>> {
        let Some(server) = &self.replicas[at] else { return Ok(None) };
        server.signal("STOP")?;
        self.addresses.set(at, None);
        Ok(Some(server.pid()))
    }

    /// Lets it go on as if nothing had been.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn thaw(&mut self, at: usize) -> Result<()> {
        let Some(server) = &self.replicas[at] else { return Ok(()) };
        server.signal("CONT")?;
        self.addresses.set(at, Some((server.address(), server.pid())));
        Ok(())
    }

    /// Ends all of them in order.
    ///
    /// # Errors
    /// When one does not end as it should.
    pub(super) fn stop(self) -> Result<()> {
        for server in self.replicas.into_iter().flatten() {
            server.stop()?;
        }
        Ok(())
    }
}
