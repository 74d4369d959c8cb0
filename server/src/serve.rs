//! `patchbay serve`: bind, wire, announce, serve, drain.

use crate::{
    config::Config,
    demo, http,
    listen::serve_connections,
    providers_from_environment,
    wiring::{Pacing, Running, wire},
};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use service::{Service, SetupToken};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use url::Url;

/// threats 5, Drain: without and with tool calls in flight.
const DRAIN_CONNECTIONS: Duration = Duration::from_secs(5);
const DRAIN_TURNS: Duration = Duration::from_secs(25);
/// How often servers are looked for of which nothing was heard; a check may be late by that, and replicas do not meet.
const HEALTH_EVERY: Duration = Duration::from_secs(20);
/// How often expired rows are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// Between two deltas of the demo model: quick to read, slow enough to see.
const DEMO_PACING: Duration = Duration::from_millis(24);

/// Prints a line for the operator.
pub(crate) fn announce(line: &str) {
    #[expect(clippy::print_stdout, reason = "the address and the set-up link are the command's output")]
    {
        println!("{line}");
    }
}

fn start_log(config: &Config) {
    // rmcp prints server text and, at debug, more than it should: our client logs what matters.
    let filter = EnvFilter::new(format!("{},rmcp=off", config.log));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = if config.log_json { builder.json().try_init() } else { builder.try_init() };
}

/// Runs until a signal.
///
/// # Errors
/// One sentence for the operator.
pub async fn serve(mut config: Config, with_demo: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    start_log(&config);
    let mut signals = StopSignal::catch()?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: choose another with PATCHBAY_LISTEN, or stop what uses it",
            config.listen
        )
    })?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let access_url = match &config.access_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{bound}")).context("the listener's address is no URL")?,
    };
    let stop = CancellationToken::new();
    let sample = if with_demo { Some(demo::start_sample(&mut config, stop.clone()).await?) } else { None };
    let pacing = std::env::var("PATCHBAY_DEMO_PACING_MS")
        .ok()
        .and_then(|ms| ms.parse().ok())
        .map_or(DEMO_PACING, Duration::from_millis);
    let running = wire(&config, bound, access_url.clone(), Pacing(pacing)).await?;
    providers_from_environment::ensure(&running.service, &config).await?;
    if let Some((email, password)) = &config.admin
        && !running.service.users_exist().await?
    {
        let username = email.split('@').next().unwrap_or("owner");
        running
            .service
            .user_ensure(email, username, "", password.expose_secret(), api::users::Role::Owner)
            .await
            .context(
                "PATCHBAY_ADMIN_EMAIL and PATCHBAY_ADMIN_PASSWORD_FILE: the first owner cannot be made",
            )?;
    }
    let accounts = match sample {
        Some(sample) => demo::prepare(&running.service, sample).await?,
        None => Vec::new(),
    };
    let setup = setup_link(&running.service, &config, &access_url).await?;
    let connections = tokio::spawn(serve_connections(
        listener,
        http::router(running.state.clone()),
        stop.clone(),
        DRAIN_CONNECTIONS,
    ));
    tracing::info!(ms = started.elapsed().as_millis(), database = running.db.engine_name(), "started");
    announce(&format!("Patchbay is ready at {}", access_url.as_str().trim_end_matches('/')));
    if let Some(link) = setup {
        announce(&format!("Set up the first owner: {link}"));
    }
    for line in accounts {
        announce(&line);
    }
    let sweeper = tokio::spawn(sweep(running.service.clone(), config.audit_retention_days, stop.clone()));
    let keeper = tokio::spawn(running.service.clone().connections_keep(stop.clone()));
    let checker =
        config.health_checks.then(|| tokio::spawn(check_health(running.service.clone(), stop.clone())));
    signals.received().await;
    drain(&running).await;
    stop.cancel();
    let _ = connections.await;
    let _ = sweeper.await;
    let _ = keeper.await;
    if let Some(checker) = checker {
        let _ = checker.await;
    }
    running.follower.stop().await;
    if let Err(error) = running.service.audit_flush().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "refused attempts are missing in the audit log"
        );
    }
    running.db.close().await;
    Ok(())
}

/// Readiness first, then streams and turns, then outbound sessions. Connections and the database come after.
async fn drain(running: &Running) {
    tracing::info!("shutting down");
    running.draining.store(true, Ordering::Relaxed);
    running.chatd.hub().close();
    running.chatd.drain(DRAIN_TURNS).await;
    running.mcp.shutdown().await;
}

async fn setup_link(service: &Service, config: &Config, access_url: &Url) -> anyhow::Result<Option<String>> {
    if service.users_exist().await? {
        return Ok(None);
    }
    let token = config.setup_token.clone().unwrap_or_else(|| service.setup_token_generate());
    if !service.setup_token_store(&SetupToken(token.clone())).await? {
        return Ok(None);
    }
    let mut link = access_url.join("/setup").context("the access URL takes no path")?;
    link.query_pairs_mut().append_pair("token", &token);
    Ok(Some(link.to_string()))
}

async fn sweep(service: Service, audit_days: u32, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = service.maintenance_sweep().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "sweep failed; the next one tries again"
            );
        }
        if let Err(error) = service.audit_retention(audit_days).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old audit entries were not deleted; the next sweep tries again"
            );
        }
    }
}

/// A light check of servers that nobody uses.
async fn check_health(service: Service, stop: CancellationToken) {
    loop {
        let look = async {
            tokio::time::sleep(HEALTH_EVERY).await;
            service.health_check_due().await
        };
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look => looked,
        };
        if let Err(error) = looked {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "servers were not checked; the next round tries again"
            );
        }
    }
}

/// SIGINT and SIGTERM, caught from the moment this exists: before the ready line, or a supervisor that is quick kills us undrained.
pub(crate) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
