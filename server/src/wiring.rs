//! The one place where ports meet their implementations.

use crate::{
    config::Config,
    http::AppState,
    system::{SystemClock, SystemEntropy},
};
use anyhow::{Context as _, bail};
use api::users::BuildInfo;
use chatd::{ChatDaemon, ChatdConfig};
use dbcrypt::Keyring;
use domain::clock::{Clock, Entropy};
use egress::{Egress, EgressConfig};
use mcpclient::{ClientConfig, McpClients};
use secrecy::{ExposeSecret as _, SecretString};
use service::{Deps, Service, Sources};
use std::{
    fs::File,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};
use store::{Db, DbConfig};
use url::Url;

/// Everything that runs.
pub struct Running {
    pub service: Service,
    pub state: AppState,
    pub db: Db,
    pub chatd: ChatDaemon,
    pub mcp: McpClients,
    pub draining: Arc<AtomicBool>,
    /// Held while we serve: a second `serve` on the same SQLite file is refused.
    _lock: Option<File>,
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
    let keyring = Arc::new(load_keyring(config, &db).await?);
    // Before the migrations: a refused start writes nothing (behaviour 26).
    let unknown = service::keyring_verify(&db, &keyring).await?;
    db.migrate().await.context("the database schema cannot be brought up to date")?;
    service::keyring_register(&db, &keyring, unknown, clock.now()).await?;
    let egress = Egress::new(EgressConfig {
        allow: config.egress_allow.clone(),
        own_listeners: vec![bound],
        access_url: Some(access_url.clone()),
        user_agent: format!("patchbay/{}", env!("CARGO_PKG_VERSION")),
    })
    .context("cannot set up outbound connections")?;
    let mcp = McpClients::new(egress.clone(), ClientConfig { version: env!("CARGO_PKG_VERSION").to_owned() });
    let sources = Arc::new(Sources::new(db.clone(), keyring.clone(), egress.clone(), pacing.0));
    let chatd = ChatDaemon::start(chatd::Deps {
        db: db.clone(),
        mcp: mcp.clone(),
        models: sources.clone(),
        servers: sources,
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
        mcp: mcp.clone(),
        chatd: chatd.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        access_url,
        build,
    });
    let draining = Arc::new(AtomicBool::new(false));
    let state =
        AppState::new(service.clone(), config.trusted_proxies.clone(), clock, entropy, draining.clone());
    Ok(Running { service, state, db, chatd, mcp, draining, _lock: lock })
}

/// Makes a folder that only its owner can read, with its parents; an existing one is tried for writing.
fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
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

fn lock_beside(database: &Path) -> anyhow::Result<File> {
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

pub(crate) async fn open_database(config: &DbConfig) -> anyhow::Result<Db> {
    let name = match config {
        DbConfig::Sqlite { path } => path.display().to_string(),
        DbConfig::Postgres { .. } => "at PATCHBAY_DATABASE_URL".to_owned(),
    };
    Db::connect(config).await.with_context(|| format!("the database {name} cannot be opened"))
}

/// The configured keys; else the key file; else, on a database that knows no keys, a new key file of mode 0600 (behaviour 26).
pub(crate) async fn load_keyring(config: &Config, db: &Db) -> anyhow::Result<Keyring> {
    if let Some(keys) = &config.encryption_keys {
        return Keyring::parse(keys).context("PATCHBAY_ENCRYPTION_KEYS is not valid");
    }
    let path = config.data_dir.join("encryption.key");
    if path.exists() {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the key file {}", path.display()))?;
        return Keyring::parse(&SecretString::from(text.trim().to_owned()))
            .with_context(|| format!("the key file {} is not valid", path.display()));
    }
    if service::keys_known(db).await? {
        return Err(service::KeyStartError::NoneConfigured.into());
    }
    let (keyring, encoded) = Keyring::generate().context("cannot make an encryption key")?;
    let mut file = File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write the key file {}", path.display()))?;
    file.write_all(encoded.expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .context("cannot write the key file")?;
    tracing::info!(path = %path.display(), "made a new encryption key; back it up: without it stored secrets cannot be read");
    Ok(keyring)
}
