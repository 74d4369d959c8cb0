//! Opening the database.

use crate::{Result, Session, StoreError, Write, schema::migrations_applied, session::Inner};
use sqlx::{
    ConnectOptions, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr, time::Duration};

/// How long a caller waits for a connection, and SQLite's writer for the file's lock (threats 5, Database).
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest statement on PostgreSQL, milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 10_000;
/// Readers beside SQLite's one writer.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum DbConfig {
    /// A file of ours; made when absent.
    Sqlite { path: std::path::PathBuf },
    /// `postgres://…`; the URL may hold a password and is never logged.
    Postgres { url: String },
}

impl DbConfig {
    /// Reads `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    /// A sentence naming what is accepted.
    pub fn parse(url: &str) -> std::result::Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::Sqlite { path: Path::new(path).to_owned() });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: url.to_owned() });
        }
        Err("PATCHBAY_DATABASE_URL takes sqlite:PATH or postgres://USER@HOST/NAME".to_owned())
    }
}

/// An open database; clones share it.
#[derive(Debug, Clone)]
pub enum Db {
    Sqlite { readers: SqlitePool, writer: SqlitePool },
    Postgres(PgPool),
}

impl Db {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened, [`StoreError::Migration`] when the schema is not ours.
    pub async fn open(config: &DbConfig) -> Result<Self> {
        let db = Self::connect(config).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Opens the database and leaves its schema as it is: a start that will be refused must write nothing (behaviour 26).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn connect(config: &DbConfig) -> Result<Self> {
        match config {
            DbConfig::Sqlite { path } => Self::open_sqlite(path).await,
            DbConfig::Postgres { url } => Self::open_postgres(url).await,
        }
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        // Chats are in it: nobody else reads it, whatever the folder's mode is. The WAL takes over the mode.
        let private = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        private.map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
        // FULL: an acknowledged message survives a power cut (DESIGN, Storage). One writer: SQLite has one anyway, and a queue
        // of ours is fairer than its busy handler.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT)
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT * 3)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(open_error)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(open_error)?;
        Ok(Self::Sqlite { readers, writer })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(open_error)?
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS.to_string()),
                ("lock_timeout", ACQUIRE_TIMEOUT.as_millis().to_string()),
                ("idle_in_transaction_session_timeout", "15000".to_owned()),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(open_error)?;
        Ok(Self::Postgres(pool))
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when the stored schema is newer than this build or not ours.
    pub async fn migrate(&self) -> Result<()> {
        let done = match self {
            Self::Sqlite { writer, .. } => sqlx::migrate!("../../migrations/sqlite").run(writer).await,
            Self::Postgres(pool) => sqlx::migrate!("../../migrations/postgres").run(pool).await,
        };
        done.map_err(|error| StoreError::Migration(error.to_string()))
    }

    /// The migrations of this build that the stored schema lacks, by name; all of them on an empty database.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when the stored schema is newer than this build.
    pub async fn migrations_pending(&self) -> Result<Vec<String>> {
        let migrator = match self {
            Self::Sqlite { .. } => sqlx::migrate!("../../migrations/sqlite"),
            Self::Postgres(_) => sqlx::migrate!("../../migrations/postgres"),
        };
        let mut session = self.read().await?;
        let applied = migrations_applied(&mut session).await?;
        if let Some(newer) = applied.iter().find(|version| !migrator.version_exists(**version)) {
            return Err(StoreError::Migration(format!(
                "migration {newer} was made by a newer build of Patchbay"
            )));
        }
        let missing = migrator.iter().filter(|migration| !applied.contains(&migration.version));
        Ok(missing.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
    }

    /// A connection for reads.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after [`ACQUIRE_TIMEOUT`].
    pub async fn read(&self) -> Result<Session> {
        Ok(Session(match self {
            Self::Sqlite { readers, .. } => Inner::SqliteRead(readers.acquire().await?),
            Self::Postgres(pool) => Inner::PostgresRead(pool.acquire().await?),
        }))
    }

    /// A transaction. On SQLite it takes the write lock at once, so that it cannot fail half way.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn write(&self) -> Result<Write> {
        Ok(Write(Session(match self {
            Self::Sqlite { writer, .. } => Inner::SqliteWrite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Inner::PostgresWrite(pool.begin().await?),
        })))
    }

    /// `sqlite` or `postgres`.
    pub fn engine_name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Closes every connection; a checkpoint leaves one plain file on SQLite.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn open_error(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error)
}
