//! The pool: who may use which connection, when one is opened, and when it is closed (behaviour 13).

mod breaker;
mod contacts;
mod eras;
mod opening;
mod slot;
mod upkeep;

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::clock::Clock;
use egress::Egress;
use futures::future::join_all;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    call::{self, Attempt, CallOutcome, ToolCall},
    catalogue::{Catalogue, Tool},
    connection::Connection,
    error::{McpError, McpErrorKind, seconds},
    identity::Stamp,
    limits::{
        ARGUMENTS, CALLS_PER_SERVER, CONNECTIONS, CONNECTIONS_PER_SERVER, MEASURING, PARALLEL_DIALS,
        PARALLEL_DIALS_PER_SERVER, Timeouts,
    },
    listing,
    observer::{Contact, Contacted, Observer},
    session::{Trail, Wire, headers_altered},
    target::Target,
};
use breaker::Breakers;
use eras::Eras;
use slot::{Kept, Key, Slot};
use upkeep::{make_room, reap};

/// What the client says about itself.
#[derive(Clone)]
pub struct ClientConfig {
    /// Build version; the name is always `patchbay`.
    pub version: String,
    /// For the time in signatures.
    pub clock: Arc<dyn Clock>,
    /// Is told what servers speak, where somebody keeps it.
    pub observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("version", &self.version).finish_non_exhaustive()
    }
}

/// All connections to MCP servers of this process. Clones share them.
#[derive(Clone)]
pub struct McpClients {
    inner: Arc<Inner>,
}

struct Inner {
    egress: Egress,
    config: ClientConfig,
    timeouts: Timeouts,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    servers: Mutex<HashMap<Uuid, Arc<ServerPermits>>>,
    breakers: Breakers,
    eras: Eras,
    dials: Semaphore,
    stopped: CancellationToken,
}

/// What all users of a server share.
struct ServerPermits {
    calls: Semaphore,
    dials: Semaphore,
    /// Held while the server is asked what it speaks: one question at a time (protocol.md 2).
    asking: AsyncMutex<()>,
}

/// The right to open a connection.
struct Dial<'a> {
    _server: SemaphorePermit<'a>,
    _global: SemaphorePermit<'a>,
}

/// What `check` found.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// Tools, problems, and what the server says about itself.
    pub catalogue: Catalogue,
    /// How a connection came about, measured on one of its own.
    pub latency: egress::Latency,
    /// Milliseconds until the handshake was done.
    pub connect_ms: i64,
    /// Milliseconds of the listing.
    pub list_ms: i64,
    /// How the server is spoken to.
    pub wire: Wire,
    /// What was asked to find that out, and what came back.
    pub trail: Trail,
}

impl McpClients {
    /// An empty pool. Call it inside a tokio runtime: a small task there closes idle connections.
    pub fn new(egress: Egress, config: ClientConfig) -> Self {
        Self::with_timeouts(egress, config, Timeouts::default())
    }

    /// The same with other deadlines.
    pub fn with_timeouts(egress: Egress, config: ClientConfig, timeouts: Timeouts) -> Self {
        let inner = Arc::new(Inner {
            egress,
            config,
            timeouts,
            slots: Mutex::default(),
            servers: Mutex::default(),
            breakers: Breakers::default(),
            eras: Eras::default(),
            dials: Semaphore::new(PARALLEL_DIALS),
            stopped: CancellationToken::new(),
        });
        tokio::spawn(reap(Arc::downgrade(&inner), inner.stopped.clone(), timeouts.idle_connection));
        Self { inner }
    }

    /// Connects if needed and lists the tools. The connection and, for up to a minute, the list are those of the last
    /// time; after a connection was closed as idle, the list stands in while a new one is opened beside, so that the first
    /// turn after a pause does not wait for a handshake. A call checks the definition it was offered with in any case.
    /// A timeout is remembered for a minute and repeated failures for longer, so that a dead server costs one turn ten
    /// seconds, not every one.
    ///
    /// # Errors
    /// Whatever keeps the server from being used; see [`McpError::kind`].
    pub async fn catalogue(&self, target: &Target, deadline: Instant) -> Result<Arc<Catalogue>, McpError> {
        let inner = &self.inner;
        inner.breakers.admit(target)?;
        match inner.slot(target)?.kept(target, inner.timeouts.catalogue_kept) {
            Some(Kept::Opening(catalogue)) => return Ok(catalogue),
            Some(Kept::Open(catalogue)) => {
                let (clients, target) = (self.clone(), target.clone());
                let deadline = Instant::now() + inner.timeouts.connect;
                tokio::spawn(async move { clients.list(&target, deadline).await });
                return Ok(catalogue);
            }
            None => {}
        }
        self.list(target, deadline).await
    }

    async fn list(&self, target: &Target, deadline: Instant) -> Result<Arc<Catalogue>, McpError> {
        let started = Instant::now();
        let work = async {
            let slot = self.inner.slot(target)?;
            let mut retried = false;
            loop {
                let connection = self.inner.connected(&slot, target, deadline).await?;
                match connection
                    .catalogue(self.inner.stamp(target).as_ref(), self.inner.timeouts, deadline)
                    .await
                {
                    // A session can end between two turns, and a server can be replaced by one of another era; listing
                    // has no effect, so it is simply done again.
                    Err(error) if is_renewable(error.kind()) && !retried => {
                        retried = true;
                        self.inner.doubt_era_after(target, error.kind());
                        slot.retire(&connection).await;
                    }
                    // Whatever answers now is not what the connection was opened to.
                    Err(error) if error.is_unauthorized() || is_another_server(error.kind()) => {
                        slot.retire(&connection).await;
                        return Err(error);
                    }
                    other => return other,
                }
            }
        };
        let listed = timeout_at(deadline, work).await.unwrap_or_else(|_| {
            Err(McpError::late(
                &target.host(),
                "finish connecting and listing its tools",
                started.elapsed_rounded(),
            ))
        });
        match &listed {
            Ok((catalogue, asked)) => {
                self.inner.worked(target, asked.then(|| Contacted::Listed { took: started.elapsed() }));
                self.inner.remember_catalogue(target, catalogue, *asked);
            }
            Err(error) => self.inner.failed(target, error),
        }
        Ok(listed?.0)
    }

    /// What the server listed to this user last, in a turn or a check, while anything of the connection is kept. Contacts nobody.
    pub fn known_catalogue(&self, target: &Target) -> Option<Arc<Catalogue>> {
        let slots = self.inner.lock_slots();
        slots.get(&Key::of(target)).and_then(|slot| slot.known())
    }

    /// Calls a tool. Dropping the future cancels the call as [`ToolCall::cancel`] does.
    pub async fn call(&self, target: &Target, call: ToolCall) -> CallOutcome {
        match self.try_call(target, &call).await {
            Ok(outcome) => outcome,
            Err(_) if call.cancel.is_cancelled() => CallOutcome::Cancelled { sure: true },
            Err(error) => CallOutcome::not_executed(&error, &target.host()),
        }
    }

    /// `Err` means that nothing was sent.
    async fn try_call(&self, target: &Target, call: &ToolCall) -> Result<CallOutcome, McpError> {
        let inner = &self.inner;
        let size = serde_json::to_vec(&call.arguments).map_or(usize::MAX, |bytes| bytes.len());
        if size > ARGUMENTS {
            return Err(McpError::new(
                McpErrorKind::TooLarge,
                format!("the arguments have {size} bytes as JSON; at most {ARGUMENTS} are sent"),
            ));
        }
        let slot = inner.slot(target)?;
        let server = inner.server_permits(target.server_id);
        let queued = async {
            let own = slot.calls.acquire().await;
            let shared = server.calls.acquire().await;
            (own, shared)
        };
        // Held until the end of the call.
        let _permits = tokio::select! {
            biased;
            () = call.cancel.cancelled() => return Ok(CallOutcome::Cancelled { sure: true }),
            permits = timeout(inner.timeouts.call_queue, queued) => permits.map_err(|_| {
                McpError::new(McpErrorKind::Busy, format!(
                    "too many calls to {} are running; waited {}", target.host(), seconds(inner.timeouts.call_queue)
                ))
            })?,
        };
        let stamp = inner.stamp(target);
        let (mut renewed, mut relisted) = (false, false);
        loop {
            let deadline = Instant::now() + inner.timeouts.connect;
            let prepared = async {
                let connection = inner.connected(&slot, target, deadline).await?;
                match self.seen_definition(&connection, stamp.as_ref(), call, deadline).await {
                    Ok(tool) => Ok(Ok((connection, tool))),
                    Err(error) if is_renewable(error.kind()) => Ok(Err((connection, error.kind()))),
                    Err(error) => Err(error),
                }
            };
            let prepared = tokio::select! {
                biased;
                () = call.cancel.cancelled() => return Ok(CallOutcome::Cancelled { sure: true }),
                prepared = timeout_at(deadline, prepared) => prepared
                    .unwrap_or_else(|_| {
                        Err(McpError::late(&target.host(), "open a connection", inner.timeouts.connect))
                    })
                    .inspect_err(|error| inner.failed(target, error))?,
            };
            let (ended, why) = match prepared {
                Ok((connection, tool)) => {
                    let mut trouble = None;
                    let attempt = call::call(
                        &connection.session,
                        call,
                        tool.as_deref(),
                        stamp.clone(),
                        inner.timeouts,
                        &mut trouble,
                    )
                    .await;
                    slot.touch();
                    inner.called(target, trouble, &attempt);
                    match attempt {
                        Attempt::Ended(outcome) => return Ok(outcome),
                        Attempt::EndedForGood(outcome) => {
                            slot.retire(&connection).await;
                            return Ok(outcome);
                        }
                        Attempt::HeadersRefused if !relisted => {
                            relisted = true;
                            connection.forget_catalogue().await;
                            continue;
                        }
                        Attempt::HeadersRefused => return Err(headers_altered(&target.host())),
                        Attempt::Refused(why) => (connection, why),
                    }
                }
                Err(ended) => ended,
            };
            // The server refused the call as a whole: it goes out once more on a new session (protocol.md L5).
            slot.retire(&ended).await;
            inner.doubt_era_after(target, why);
            if renewed || !slot.may_renew(inner.timeouts.reinit_interval) {
                return Err(McpError::new(
                    why,
                    format!("{} ends its sessions as soon as they are opened", target.host()),
                ));
            }
            renewed = true;
        }
    }

    /// A call uses the definition that the model saw, or fails (behaviour 13, protocol.md T6). Stateless servers are
    /// called by their definition in any case: it says which headers go along (protocol.md X7).
    async fn seen_definition(
        &self,
        connection: &Connection,
        stamp: Option<&Arc<Stamp>>,
        call: &ToolCall,
        deadline: Instant,
    ) -> Result<Option<Arc<Tool>>, McpError> {
        if call.definition_hash.is_none() && !connection.session.channel.is_stateless() {
            return Ok(None);
        }
        let (catalogue, _) = connection.catalogue(stamp, self.inner.timeouts, deadline).await?;
        let host = connection.session.channel.host();
        match (catalogue.tool(&call.tool), &call.definition_hash) {
            (Some(tool), Some(seen)) if tool.hash != *seen => Err(McpError::new(
                McpErrorKind::DefinitionChanged,
                format!(
                    "{host} has changed the definition of this tool since it was offered. Nothing was sent; the new \
                 definition is offered in the next step"
                ),
            )),
            (Some(tool), _) => Ok(Some(Arc::clone(tool))),
            (None, Some(_)) => Err(McpError::new(
                McpErrorKind::DefinitionChanged,
                format!("{host} no longer offers this tool. Nothing was sent"),
            )),
            // A name that nobody offered is for the server to refuse.
            (None, None) => Ok(None),
        }
    }

    /// Connects anew, lists, and ends the session: for the admin's test. 30 s in all; the connection is not pooled, the list is known.
    ///
    /// # Errors
    /// As [`Self::catalogue`].
    pub async fn check(&self, target: &Target) -> Result<CheckResult, McpError> {
        self.check_and(target, false).await
    }

    /// The same, and how a connection comes about is measured beside, on one of its own.
    ///
    /// # Errors
    /// As [`Self::catalogue`].
    pub async fn check_measured(&self, target: &Target) -> Result<CheckResult, McpError> {
        self.check_and(target, true).await
    }

    async fn check_and(&self, target: &Target, measure: bool) -> Result<CheckResult, McpError> {
        let inner = &self.inner;
        let deadline = Instant::now() + inner.timeouts.check;
        let work = async {
            let server = inner.server_permits(target.server_id);
            let _dial = inner.dial(&server, target, deadline).await?;
            inner.refuse_if_stopped()?;
            let measuring = async {
                if !measure {
                    return egress::Latency::default();
                }
                timeout(MEASURING, inner.egress.measure(&target.url)).await.unwrap_or_default()
            };
            let started = Instant::now();
            let mut trail = Trail::default();
            let _one = inner.question(&server, target, deadline).await?;
            let opening = async {
                let session = inner.ask_and_open(target, &mut trail).await;
                (session, millis(started.elapsed()))
            };
            let ((session, connect_ms), latency) = tokio::join!(opening, measuring);
            let session = session?;
            let started = Instant::now();
            let catalogue = listing::list(&session, inner.stamp(target).as_ref(), deadline).await?;
            let list_ms = millis(started.elapsed());
            // Dropping the session ends it beside; the admin need not wait for that.
            Ok(CheckResult { catalogue, latency, connect_ms, list_ms, wire: session.wire(), trail })
        };
        let checked = timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| Err(McpError::late(&target.host(), "answer", inner.timeouts.check)));
        match &checked {
            Ok(CheckResult { catalogue, connect_ms, list_ms, .. }) => {
                let took = Duration::from_millis(connect_ms.saturating_add(*list_ms).unsigned_abs());
                inner.worked(target, Some(Contacted::Listed { took }));
                inner.remember_catalogue(target, &Arc::new(catalogue.clone()), true);
            }
            // The admin's own test counts for the server's health, not against the next turn.
            Err(error) => {
                if let Some(contact) = Contact::after(target, error) {
                    inner.contacted(contact);
                }
            }
        }
        checked
    }

    /// After a change of the server: no new call uses an old connection, remembered timeouts are forgotten. Calls that
    /// are running end on the connection they have, which is closed after them.
    pub fn close_server(&self, server_id: Uuid) {
        self.inner.lock_slots().retain(|key, _| key.server_id != server_id);
        self.inner.eras.forget(server_id);
        self.inner.breakers.retain(|_, server| server != server_id);
    }

    /// After a change of what one user stored for one server. As [`Self::close_server`].
    pub fn close_connection(&self, server_id: Uuid, user_id: Uuid) {
        self.inner.lock_slots().retain(|key, _| (key.server_id, key.user_id) != (server_id, user_id));
        self.inner.breakers.retain(|user, server| (user, server) != (user_id, server_id));
    }

    /// After a change of the user or of a credential. As [`Self::close_server`].
    pub fn close_user(&self, user_id: Uuid) {
        self.inner.lock_slots().retain(|key, _| key.user_id != user_id);
        self.inner.breakers.retain(|user, _| user != user_id);
    }

    /// After a change of nobody knows which servers. As [`Self::close_server`].
    pub fn close_all(&self) {
        self.inner.lock_slots().clear();
        self.inner.eras.clear();
        self.inner.breakers.retain(|_, _| false);
    }

    /// Ends every session and waits for it, 5 s at most. Running calls end as [`CallOutcome::Unknown`]; nothing can be
    /// opened afterwards.
    pub async fn shutdown(&self) {
        self.inner.stopped.cancel();
        let slots: Vec<Arc<Slot>> = self.inner.lock_slots().drain().map(|(_, slot)| slot).collect();
        join_all(slots.iter().map(|slot| slot.close(self.inner.timeouts.control))).await;
    }
}

impl Inner {
    fn slot(&self, target: &Target) -> Result<Arc<Slot>, McpError> {
        self.refuse_if_stopped()?;
        let key = Key::of(target);
        let mut slots = self.lock_slots();
        if !slots.contains_key(&key) {
            make_room(&mut slots, |_| true, CONNECTIONS).ok_or_else(|| busy(target))?;
            let same = |other: &Key| other.server_id == key.server_id;
            make_room(&mut slots, same, CONNECTIONS_PER_SERVER).ok_or_else(|| busy(target))?;
        }
        let slot = Arc::clone(slots.entry(key).or_default());
        slot.touch();
        // An older credential of the same user is of no more use (protocol.md L4).
        slots.retain(|other, _| !key.replaces(other));
        Ok(slot)
    }

    /// For [`McpClients::known_catalogue`]. After the pool has stopped, or when a newer credential came, there is nothing to remember it for.
    fn remember_catalogue(&self, target: &Target, catalogue: &Arc<Catalogue>, asked: bool) {
        if let Ok(slot) = self.slot(target) {
            slot.remember(target, catalogue, asked);
        }
    }

    fn stamp(&self, target: &Target) -> Option<Arc<Stamp>> {
        let forwarding = target.forwarding.clone()?;
        Some(Arc::new(Stamp { forwarding, clock: Arc::clone(&self.config.clock) }))
    }

    /// After the server refused something in a way that means that it is of another era.
    fn doubt_era_after(&self, target: &Target, why: McpErrorKind) {
        if why == McpErrorKind::EraChanged {
            self.eras.doubt(target);
        }
    }

    fn server_permits(&self, server_id: Uuid) -> Arc<ServerPermits> {
        let mut servers = lock(&self.servers);
        let fresh = || {
            Arc::new(ServerPermits {
                calls: Semaphore::new(CALLS_PER_SERVER),
                dials: Semaphore::new(PARALLEL_DIALS_PER_SERVER),
                asking: AsyncMutex::default(),
            })
        };
        Arc::clone(servers.entry(server_id).or_insert_with(fresh))
    }

    fn refuse_if_stopped(&self) -> Result<(), McpError> {
        if self.stopped.is_cancelled() {
            return Err(McpError::new(McpErrorKind::Closed, "Patchbay is shutting down"));
        }
        Ok(())
    }

    fn lock_slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        lock(&self.slots)
    }
}

/// A duration a fifth longer or shorter, by chance, so that many do not come back at the same moment.
pub(crate) fn jitter(of: Duration) -> Duration {
    of * 4 / 5 + by_chance(of * 2 / 5)
}

/// Anything up to `most`.
pub(crate) fn by_chance(most: Duration) -> Duration {
    // Every hasher of the standard library begins with keys of its own.
    let chance = RandomState::new().hash_one(0_u8) % 1001;
    most * u32::try_from(chance).unwrap_or(0) / 1000
}

/// What a new session can mend.
fn is_renewable(kind: McpErrorKind) -> bool {
    matches!(kind, McpErrorKind::SessionEnded | McpErrorKind::EraChanged)
}

/// What answers at the address is no MCP server any more, or not this one.
fn is_another_server(kind: McpErrorKind) -> bool {
    matches!(kind, McpErrorKind::Html | McpErrorKind::NotMcp | McpErrorKind::Refused)
}

fn busy(target: &Target) -> McpError {
    McpError::new(
        McpErrorKind::Busy,
        format!("too many connections to {} are being opened; try again in a moment", target.host()),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whole tenths of a second: the exact figure of a deadline means nothing to people.
trait Rounded {
    fn elapsed_rounded(&self) -> Duration;
}

impl Rounded for Instant {
    fn elapsed_rounded(&self) -> Duration {
        let millis = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        if millis >= 1000 {
            Duration::from_secs((millis + 500) / 1000)
        } else {
            Duration::from_millis(millis)
        }
    }
}

impl fmt::Debug for McpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpClients")
            .field("connections", &self.inner.lock_slots().len())
            .finish_non_exhaustive()
    }
}
