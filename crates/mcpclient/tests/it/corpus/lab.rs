//! What every case stands on: a pool, a healthy server beside the hostile one, and the rules that hold for every answer.

use std::{
    cell::Cell,
    future::Future,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use egress::{AllowList, Egress, EgressConfig, Lookup, SystemLookup};
use patchbay_mcpclient::{
    CallOutcome, Catalogue, CheckResult, ClientConfig, McpClients, McpError, Target, Timeouts, ToolCall, Wire,
};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    fake::{self, Fake},
    fake_stateless,
};

/// The credential of every hostile server. It comes back in nothing that anybody reads.
pub(super) const KEY: &str = "corpus-canary-5f0c93";
/// The query of every hostile server's URL.
pub(super) const QUERY: &str = "query-canary-77aa";

/// Least time that a healthy server may take for an answer while a hostile one is at work. Generous: it is about being held
/// up, not about speed.
const HEALTHY: Duration = Duration::from_secs(2);

/// Deadlines short enough that a silent server costs a second.
pub(super) fn short() -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(1500),
        check: Duration::from_millis(1500),
        call_idle: Duration::from_millis(1500),
        call_total: Duration::from_millis(3000),
        call_queue: Duration::from_secs(10),
        control: Duration::from_millis(500),
        reinit_interval: Duration::ZERO,
        ..Timeouts::default()
    }
}

/// The eras a hostile server can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Initialized,
    Stateless,
}

pub(super) const ERAS: [Era; 2] = [Era::Initialized, Era::Stateless];

impl Era {
    pub(super) fn wire(self) -> Wire {
        match self {
            Self::Initialized => Wire::Streamable,
            Self::Stateless => Wire::Stateless,
        }
    }

    /// A server of this era; `script` first, as in [`fake::start`].
    pub(super) async fn start<F>(self, script: impl Fn(fake::Seen) -> F + Send + Sync + 'static) -> Fake
    where
        F: Future<Output = Option<testkit::axum::response::Response>> + Send + 'static,
    {
        match self {
            Self::Initialized => fake::start(script).await,
            Self::Stateless => fake_stateless::start(script).await,
        }
    }

    pub(super) fn target(self, fake: &Fake) -> Target {
        target(&format!("http://{}/mcp?key={QUERY}", fake.addr), Some(self.wire()))
    }

    /// The answer to the first request of this era.
    pub(super) fn hello(self, id: &Value) -> Value {
        let result = match self {
            Self::Initialized => fake::hello("2025-11-25"),
            Self::Stateless => fake_stateless::discovered(),
        };
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }
}

/// A server of its own at this address, of the user whose key is [`KEY`].
pub(super) fn target(url: &str, wire: Option<Wire>) -> Target {
    static SERVERS: AtomicU64 = AtomicU64::new(1000);
    Target {
        server_id: Uuid::from_u128(SERVERS.fetch_add(1, Ordering::Relaxed).into()),
        wire,
        headers: vec![("authorization".parse().unwrap(), format!("Bearer {KEY}").into())],
        ..fake::target(url)
    }
}

/// The same target as another user.
pub(super) fn of_user(target: &Target, user: u128, key: &str) -> Target {
    Target {
        user_id: Uuid::from_u128(user),
        headers: vec![("authorization".parse().unwrap(), format!("Bearer {key}").into())],
        ..target.clone()
    }
}

pub(super) struct Lab {
    pub(super) clients: McpClients,
    pub(super) timeouts: Timeouts,
    healthy: Fake,
}

impl Lab {
    /// Every port of 127.0.0.1 is open, deadlines are [`short`].
    pub(super) async fn start() -> Self {
        Self::with(short()).await
    }

    pub(super) async fn with(timeouts: Timeouts) -> Self {
        Self::build("127.0.0.1:*", Arc::new(SystemLookup), timeouts, |_| {}).await
    }

    /// Only these destinations are open, and the healthy server.
    pub(super) async fn allowing(allow: &str) -> Self {
        Self::resolving(allow, Arc::new(SystemLookup)).await
    }

    /// The same with this name server.
    pub(super) async fn resolving(allow: &str, lookup: Arc<dyn Lookup>) -> Self {
        Self::build(allow, lookup, short(), |_| {}).await
    }

    pub(super) async fn build(
        allow: &str,
        lookup: Arc<dyn Lookup>,
        timeouts: Timeouts,
        change: impl FnOnce(&mut EgressConfig),
    ) -> Self {
        count_panics();
        let healthy = fake::honest().await;
        let listed = [healthy.addr.to_string().as_str(), allow].join(",");
        let mut config = EgressConfig {
            allow: listed.trim_end_matches(',').parse::<AllowList>().unwrap(),
            own_listeners: Vec::new(),
            access_url: None,
            user_agent: "patchbay/test".into(),
        };
        change(&mut config);
        let clients = McpClients::with_timeouts(
            Egress::with_lookup(config, lookup).unwrap(),
            ClientConfig {
                version: "9.8.7".into(),
                clock: Arc::new(domain::clock::ManualClock::default()),
                observer: None,
            },
            timeouts,
        );
        Self { clients, timeouts, healthy }
    }

    /// Does the work while the healthy server of the pool is called all the time, and calls it once more after it. The work
    /// must cause no panic.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let done = Cell::new(false);
        let work = async {
            let result = work.await;
            done.set(true);
            result
        };
        let healthy = async {
            while !done.get() {
                self.healthy_call().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // On the heap: unoptimised, these futures are too large for the stack of a test.
        let (result, ()) = tokio::join!(Box::pin(work), Box::pin(healthy));
        self.healthy_call().await;
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
        result
    }

    async fn healthy_call(&self) {
        let started = Instant::now();
        let target = self.healthy.target();
        let outcome = Box::pin(self.clients.call(&target, fake::echo("well"))).await;
        assert_eq!(fake::text_of(&outcome), "well", "the server beside is affected: {outcome:?}");
        assert!(started.elapsed() < HEALTHY, "the server beside took {:?}", started.elapsed());
    }

    /// A catalogue, in time, and with nothing in it that does not belong there.
    pub(super) async fn list(&self, target: &Target) -> Result<Arc<Catalogue>, McpError> {
        let limit = self.timeouts.connect;
        let work = Box::pin(self.clients.catalogue(target, Instant::now() + limit));
        let listed = in_time(limit, work).await;
        match &listed {
            Ok(catalogue) => assert_clean(&format!("{catalogue:?}")),
            Err(error) => assert_error(error),
        }
        listed
    }

    /// The error of a listing.
    pub(super) async fn list_fails(&self, target: &Target) -> McpError {
        self.list(target).await.expect_err("the listing must fail")
    }

    /// As [`Self::list`], for the admin's test.
    pub(super) async fn check(&self, target: &Target) -> Result<CheckResult, McpError> {
        let checked = in_time(self.timeouts.check, Box::pin(self.clients.check(target))).await;
        match &checked {
            Ok(checked) => assert_clean(&format!("{checked:?}")),
            Err(error) => assert_error(error),
        }
        checked
    }

    /// A call, in time, whose words are fit to be read.
    pub(super) async fn call(&self, target: &Target, call: ToolCall) -> CallOutcome {
        let limit = self.timeouts.connect + self.timeouts.call_total;
        let outcome = in_time(limit, Box::pin(self.clients.call(target, call))).await;
        assert_outcome(&outcome);
        outcome
    }
}

/// The result of the work, which must be there by the deadline and a tenth of it.
pub(super) async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let result = work.await;
    let took = started.elapsed();
    assert!(took <= limit + limit / 10, "took {took:?}, allowed are {limit:?} and a tenth of it");
    result
}

/// One line, short, ours.
pub(super) fn assert_text(text: &str) {
    assert!(!text.is_empty() && text.len() <= 512, "{} bytes: {text}", text.len());
    assert!(!text.chars().any(char::is_control), "more than one line: {text:?}");
    assert!(!text.contains(QUERY), "the URL's query: {text}");
    assert_clean(text);
}

/// The key is nowhere in it.
pub(super) fn assert_clean(text: &str) {
    assert!(!text.contains(KEY), "the credential: {text}");
}

pub(super) fn assert_error(error: &McpError) {
    assert_text(&error.public_message());
    assert_text(error.model_message());
    assert_clean(&format!("{error:?}"));
}

pub(super) fn assert_outcome(outcome: &CallOutcome) {
    match outcome {
        CallOutcome::NotExecuted { message, .. } | CallOutcome::Unknown { message, .. } => {
            assert_text(message)
        }
        CallOutcome::Done { .. } | CallOutcome::Cancelled { .. } => assert_clean(&format!("{outcome:?}")),
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Also those that a task or a thread of its own would swallow.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(info);
        }));
    });
}

/// The most memory this process has had since the last call, bytes. From here on the peak is counted anew, where the system
/// lets a process do that.
pub(super) fn memory_peak() -> u64 {
    let peak = peak();
    match std::fs::write("/proc/self/clear_refs", "5") {
        Ok(()) => self::peak(),
        Err(_) => peak,
    }
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// Fails when the peak has risen by more than this since `before`.
#[track_caller]
pub(super) fn assert_growth(what: &str, before: u64, mebibytes: u64) {
    let grown = peak().saturating_sub(before) / (1024 * 1024);
    report(&format!("{what}: peak memory grew by {grown} MiB"));
    assert!(grown < mebibytes, "{what}: peak memory grew by {grown} MiB");
}

/// A figure for whoever reads the run (`--success-output final`).
#[expect(clippy::print_stdout, reason = "the figures of the rows are to be seen")]
pub(super) fn report(line: &str) {
    println!("{line}");
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % sides
    }
}
