//! How servers are doing: heard from every contact of this process, kept in the database for all (issue: health from real use plus a
//! light background check).

use api::{Timestamp, Uuid, fleet::HealthState};
use domain::{
    clock::Clock,
    health::{Contact, Window},
    limits::HEALTH_WINDOW_SECONDS,
};
use mcpclient::{Contacted, McpErrorKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{
    Db, StoreError,
    mcp_servers::{HealthRecord, health_put},
};

/// Least time between two writes about a server whose state stays the same.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// A server that nobody uses is checked this long after it was heard of last, seconds.
pub(crate) const CHECK_EVERY_SECONDS: i64 = 600;
/// What was last heard of longer ago than this says nothing of today, seconds.
pub(crate) const FRESH_SECONDS: i64 = 3600;
/// Servers and users of one server that are kept in mind.
const SERVERS: usize = 10_000;
const USERS: usize = 2_000;

/// Hears of contacts. One for the process.
pub struct HealthKeeper {
    db: Db,
    clock: Arc<dyn Clock>,
    servers: Mutex<HashMap<Uuid, Heard>>,
}

#[derive(Default)]
struct Heard {
    window: Window,
    written: Option<(HealthState, Instant)>,
    /// Users whose last contact failed, and when.
    failing: HashMap<Uuid, Timestamp>,
}

impl HealthKeeper {
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, servers: Mutex::default() }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<Uuid, Heard>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Users of a server whose last contact failed, as this process saw it.
    pub(crate) fn failing_users(&self, server: Uuid) -> i64 {
        let from = self.clock.now().plus_seconds(-HEALTH_WINDOW_SECONDS);
        let mut servers = self.servers();
        let failing = servers.get_mut(&server).map_or(0, |heard| {
            heard.failing.retain(|_, at| *at >= from);
            heard.failing.len()
        });
        i64::try_from(failing).unwrap_or(i64::MAX)
    }

    /// The server was edited or deleted: what was heard of it was heard of another one.
    pub(crate) fn forget(&self, server: Option<Uuid>) {
        match server {
            Some(server) => drop(self.servers().remove(&server)),
            None => self.servers().clear(),
        }
    }

    /// Notes a contact, and writes it down where that is news.
    pub(crate) fn heard(&self, contact: &mcpclient::Contact) {
        let now = self.clock.now();
        if let Some(record) = self.note(contact, now) {
            let (db, server) = (self.db.clone(), contact.server_id);
            let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
            runtime.spawn(async move {
                if let Err(error) = write(&db, server, &record).await {
                    tracing::debug!(%server, %error, "how a server is doing was not kept");
                }
            });
        }
    }

    fn note(&self, contact: &mcpclient::Contact, now: Timestamp) -> Option<HealthRecord> {
        let (seen, error) = match &contact.outcome {
            Contacted::Listed { took } => {
                (Contact::Ok { millis: Some(i64::try_from(took.as_millis()).unwrap_or(i64::MAX)) }, None)
            }
            Contacted::Called => (Contact::Ok { millis: None }, None),
            Contacted::Failed { kind: McpErrorKind::Unauthorized, message } => {
                (Contact::Refused, Some(message))
            }
            Contacted::Failed { message, .. } => (Contact::Failed, Some(message)),
        };
        let mut servers = self.servers();
        if servers.len() >= SERVERS && !servers.contains_key(&contact.server_id) {
            servers.clear();
        }
        let heard = servers.entry(contact.server_id).or_default();
        if !contact.user_id.is_nil() {
            if error.is_none() {
                heard.failing.remove(&contact.user_id);
            } else if heard.failing.len() < USERS {
                heard.failing.insert(contact.user_id, now);
            }
        }
        heard.window.push(now, seen);
        let state = heard.window.state();
        if heard.written.is_some_and(|(written, at)| written == state && at.elapsed() < WRITE_EVERY) {
            return None;
        }
        heard.written = Some((state, Instant::now()));
        Some(HealthRecord {
            state,
            since: now,
            last_error: error.cloned().unwrap_or_default(),
            last_error_at: error.map(|_| now),
            last_ok_at: error.is_none().then_some(now),
            latency_ms: heard.window.latency(),
            next_check_at: now.plus_seconds(CHECK_EVERY_SECONDS),
        })
    }
}

async fn write(db: &Db, server: Uuid, record: &HealthRecord) -> Result<(), StoreError> {
    let mut write = db.write().await?;
    health_put(&mut write, server, record).await?;
    write.commit().await
}
