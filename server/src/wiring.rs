//! The one place where ports meet their implementations.

use crate::{
    config::Config,
    http::AppState,
    keys::keyring_or_new,
    system::{SystemClock, SystemEntropy},
};
use anyhow::{Context as _, bail};
use api::users::BuildInfo;
use chatd::{ChatDaemon, ChatdConfig};
use domain::clock::{Clock, Entropy};
use egress::{Egress, EgressConfig};
use mcpclient::{ClientConfig, McpClients};
use service::{
    ChangeFollower, Definitions, Deps, FactKeeper, HealthKeeper, Keys, OpContext, OperatorEgress, Refresher,
    Replica, Service, Sources,
};
use std::{
    fs::File,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};
use store::{Db, DbConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// Everything that runs.
pub struct Running {
    pub service: Service,
    pub state: AppState,
    pub db: Db,
    pub chatd: ChatDaemon,
    pub mcp: McpClients,
    pub draining: Arc<AtomicBool>,
    pub follower: Follower,
    /// Held while we serve: a second `serve` on the same SQLite file is refused.
    _lock: Option<File>,
}

/// The task that follows changes; it ends with this.
pub struct Follower {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Follower {
    fn spawn(follower: ChangeFollower) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(follower.run(stop.clone())), stop: stop.drop_guard() }
    }

    /// Ends it in order: the other replicas learn at once that this one is gone.
    pub async fn stop(self) {
        drop(self.stop);
        // It logs its own failures.
        let _ = self.task.await;
    }
}

/// How the demo model paces its deltas; tests and benches set zero.
#[derive(Debug, Clone, Copy)]
pub struct Pacing(pub std::time::Duration);

/// Builds the application for an address that is already bound.
///
/// # Errors
/// One sentence for the operator.
pub async fn wire(
    config: &Config,
    bound: SocketAddr,
    access_url: Url,
    pacing: Pacing,
) -> anyhow::Result<Running> {
    make_private_dir(&config.data_dir)?;
    let lock = match &config.database {
        DbConfig::Sqlite { path } => Some(lock_beside(path)?),
        DbConfig::Postgres { .. } => None,
    };
    let db = open_database(&config.database).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let keyring = Arc::new(keyring_or_new(config, &db).await?);
    // Before the migrations: a refused start writes nothing (behaviour 26).
    service::auth_types_verify(&db).await?;
    service::keyring_verify(&db, &keyring).await?;
    db.migrate().await.context("the database schema cannot be brought up to date")?;
    let keys =
        Keys { db: db.clone(), keyring: keyring.clone(), clock: clock.clone(), entropy: entropy.clone() };
    let replica = match &lock {
        Some(_) => api::Uuid::nil(),
        None => domain::clock::new_id(&*clock, &*entropy),
    };
    let replica = Replica::join(keys, replica, &OpContext::default()).await?;
    let egress = Egress::new(EgressConfig {
        allow: config.egress_allow.clone(),
        own_listeners: vec![bound],
        access_url: Some(access_url.clone()),
        user_agent: format!("patchbay/{}", env!("CARGO_PKG_VERSION")),
    })
    .context("cannot set up outbound connections")?;
    let health = Arc::new(HealthKeeper::new(db.clone(), clock.clone()));
    let definitions = Arc::new(Definitions::new(db.clone(), clock.clone(), entropy.clone()));
    let mcp = McpClients::new(
        egress.clone(),
        ClientConfig {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: clock.clone(),
            observer: Some(Arc::new(FactKeeper::new(db.clone(), clock.clone(), health.clone()))),
        },
    );
    let refresher = Refresher::new(
        db.clone(),
        keyring.clone(),
        egress.clone(),
        mcp.clone(),
        clock.clone(),
        entropy.clone(),
        access_url.clone(),
    );
    let sources = Arc::new(Sources::new(
        db.clone(),
        keyring.clone(),
        egress.clone(),
        definitions.clone(),
        refresher.clone(),
        pacing.0,
    ));
    let chatd = ChatDaemon::start(chatd::Deps {
        db: db.clone(),
        mcp: mcp.clone(),
        models: sources.clone(),
        servers: sources.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        config: ChatdConfig::default(),
    })
    .await
    .context("cannot start the chat daemon")?;
    let build = BuildInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("PATCHBAY_COMMIT").unwrap_or("unknown").to_owned(),
        database: db.engine_name().to_owned(),
        dashboard_url: access_url.to_string(),
    };
    let service = Service::new(Deps {
        db: db.clone(),
        keyring,
        egress,
        operator_egress: OperatorEgress {
            allow: config.egress_allow.clone(),
            locked: config.egress_allow_locked,
        },
        mcp: mcp.clone(),
        chatd: chatd.clone(),
        definitions,
        refresher,
        health,
        tool_trials_per_minute: config.tool_trials_per_minute,
        clock: clock.clone(),
        entropy: entropy.clone(),
        access_url,
        build,
    });
    let draining = Arc::new(AtomicBool::new(false));
    let mut state =
        AppState::new(service.clone(), config.trusted_proxies.clone(), clock, entropy, draining.clone());
    state.keys_readable = replica.readable();
    let follower = ChangeFollower::start(service.clone(), sources, replica)
        .await
        .context("cannot follow changes of the database")?;
    // Behind the place where following begins: a change in between is then seen twice, and never missed.
    service.egress_allow_reload().await.context("cannot read which private destinations owners allow")?;
    let follower = Follower::spawn(follower);
    Ok(Running { service, state, db, chatd, mcp, draining, follower, _lock: lock })
}

/// Makes a folder that only its owner can read, with its parents; an existing one is tried for writing.
pub(crate) fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| {
        format!(
            "the data directory {} cannot be made; set PATCHBAY_DATA_DIR to a writable folder",
            dir.display()
        )
    })?;
    let probe = dir.join(".writable");
    File::create(&probe).with_context(|| {
        format!(
            "the data directory {} is not writable; set PATCHBAY_DATA_DIR to a writable folder",
            dir.display()
        )
    })?;
    let _ = std::fs::remove_file(probe);
    Ok(())
}

/// Makes sure that no other process serves the SQLite file.
///
/// # Errors
/// One sentence for the operator.
pub(crate) fn lock_beside(database: &Path) -> anyhow::Result<File> {
    let path = database.with_extension("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!(
                "another Patchbay serves {} already; stop it first, or use PostgreSQL for several replicas",
                database.display()
            )
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Opens the database and leaves its schema as it is.
pub(crate) async fn open_database(config: &DbConfig) -> anyhow::Result<Db> {
    let name = match config {
        DbConfig::Sqlite { path } => path.display().to_string(),
        DbConfig::Postgres { .. } => "at PATCHBAY_DATABASE_URL".to_owned(),
    };
    Db::connect(config).await.with_context(|| format!("the database {name} cannot be opened"))
}
