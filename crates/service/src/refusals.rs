//! Refused attempts go into the audit log as well (behaviour 27), without the refusal waiting for the database and without
//! anybody being able to flood the log: an account gets [`ENTRIES`] entries in [`WINDOW_SECONDS`], and one more that counts the
//! rest; everybody who is not signed in counts as one account. What waits to be written is bounded too.

use crate::{Caller, RequestInfo, Result};
use api::{Timestamp, Uuid};
use domain::{
    clock::{Clock, Entropy, new_id},
    text::cut_chars,
};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{Db, audit::AuditEntry};

/// Entries of one account in a window.
const ENTRIES: u32 = 20;
/// Length of a window, seconds.
const WINDOW_SECONDS: i64 = 60;
/// Entries that wait for the database; more are lost, and the server's log says how many.
const WAITING: usize = 1024;
/// Accounts with a window at once.
const ACCOUNTS: usize = 10_000;
/// Entries written in one transaction.
const BATCH: usize = 100;
/// Longest noted address of a request, and other fact about it, characters.
const TARGET_CHARS: usize = 200;
/// The account of those who are not signed in.
const NOBODY: Uuid = Uuid::nil();

/// Takes note of refused attempts. The default takes none: contexts without a request.
#[derive(Clone, Default)]
pub struct Refusals(Option<Arc<Inner>>);

struct Inner {
    db: Db,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
    /// Held while entries are written, so that a flush waits for them.
    writer: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<AuditEntry>,
    windows: HashMap<Uuid, Window>,
    writing: bool,
}

/// What an account was refused since `started`.
struct Window {
    started: Timestamp,
    entries: u32,
    /// Attempts that got no entry of their own, and the last of them.
    more: u32,
    last: Option<AuditEntry>,
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Refusals(noted)" } else { "Refusals(ignored)" })
    }
}

impl Refusals {
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let (state, writer) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Some(Arc::new(Inner { db, clock, entropy, state, writer })))
    }

    /// Notes that `caller` was refused `action`, with at most one more fact. Returns at once; the entry is written soon after.
    pub(crate) fn note(
        &self,
        caller: Option<&Caller>,
        request: &RequestInfo,
        action: &'static str,
        resource_type: &'static str,
        fact: Option<String>,
    ) {
        let Some(inner) = &self.0 else { return };
        let target = (!request.target.is_empty()).then(|| format!("request={}", request.target));
        let facts = target.into_iter().chain(fact).map(|fact| cut_chars(&fact, TARGET_CHARS).into_owned());
        let entry = AuditEntry {
            id: new_id(&*inner.clock, &*inner.entropy),
            at: inner.clock.now(),
            actor_id: caller.map(|caller| caller.user.id),
            actor_name: caller.map(|caller| caller.user.username.clone()).unwrap_or_default(),
            credential_id: caller.map(|caller| caller.credential_id),
            address: request.address.clone(),
            user_agent: request.user_agent.clone(),
            request_id: request.request_id.clone(),
            action,
            resource_type,
            resource_id: String::new(),
            resource_name: String::new(),
            outcome: "denied",
            changed_fields: facts.collect(),
        };
        let mut state = inner.state();
        state.admit(caller.map_or(NOBODY, |caller| caller.user.id), entry);
        if state.waiting.is_empty() || state.writing {
            return;
        }
        // Outside a runtime nothing can write; the next flush does.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            state.writing = true;
            let inner = Arc::clone(inner);
            runtime.spawn(async move {
                let written = inner.write_all().await;
                if let Err(error) = written {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "refused attempts are not in the audit log yet; they are tried again"
                    );
                }
            });
        }
    }

    /// Writes what waits, and the counts of windows that have ended; of all windows with `end`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; what waits goes on waiting.
    pub(crate) async fn flush(&self, end: bool) -> Result<()> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let now = inner.clock.now();
        {
            let mut state = inner.state();
            let windows = std::mem::take(&mut state.windows);
            for (account, window) in windows {
                if !end && now < window.started.plus_seconds(WINDOW_SECONDS) {
                    state.windows.insert(account, window);
                } else {
                    state.close(window);
                }
            }
            state.writing = true;
        }
        inner.write_all().await
    }
}

impl State {
    /// Gives the attempt an entry, or counts it.
    fn admit(&mut self, account: Uuid, entry: AuditEntry) {
        let now = entry.at;
        let ended = |window: &Window| now >= window.started.plus_seconds(WINDOW_SECONDS);
        if self.windows.get(&account).is_some_and(ended)
            && let Some(window) = self.windows.remove(&account)
        {
            self.close(window);
        }
        if self.windows.len() >= ACCOUNTS && !self.windows.contains_key(&account) {
            tracing::warn!(
                "a refused attempt is not in the audit log: too many accounts are refused at once"
            );
            return;
        }
        let fresh = Window { started: now, entries: 0, more: 0, last: None };
        let window = self.windows.entry(account).or_insert(fresh);
        if window.entries < ENTRIES {
            window.entries += 1;
            self.wait(entry);
        } else {
            window.more = window.more.saturating_add(1);
            window.last = Some(entry);
        }
    }

    fn close(&mut self, window: Window) {
        if let Some(mut last) = window.last {
            last.action = "access.refused";
            last.resource_type = "";
            last.changed_fields = vec![format!("further_attempts={}", window.more)];
            self.wait(last);
        }
    }

    fn wait(&mut self, entry: AuditEntry) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(entry);
        } else {
            tracing::warn!(actor = %entry.actor_name, action = entry.action, "a refused attempt is not in the audit log: too many wait");
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_all(&self) -> Result<()> {
        let _writer = self.writer.lock().await;
        loop {
            let batch: Vec<AuditEntry> = {
                let mut state = self.state();
                let some = state.waiting.len().min(BATCH);
                if some == 0 {
                    state.writing = false;
                    return Ok(());
                }
                state.waiting.drain(..some).collect()
            };
            if let Err(error) = self.write(&batch).await {
                let mut state = self.state();
                state.writing = false;
                for entry in batch.into_iter().rev() {
                    state.waiting.push_front(entry);
                }
                return Err(error);
            }
        }
    }

    async fn write(&self, batch: &[AuditEntry]) -> Result<()> {
        let mut write = self.db.write().await?;
        for entry in batch {
            store::audit::audit_append(&mut write, entry).await?;
        }
        write.commit().await?;
        Ok(())
    }
}
