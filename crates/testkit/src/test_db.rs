//! A database of its own for every test, on either engine.

use crate::temp::{TempDir, unique};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::{ops::Deref, sync::Arc, time::Duration};
use store::{Db, DbConfig};

/// Set by `cargo xtask test`: a super-user of the throw-away cluster.
const URL_VARIABLE: &str = "PATCHBAY_TEST_POSTGRES_URL";

/// How long the end of a test waits until its database is gone.
const DROPPED_WITHIN: Duration = Duration::from_secs(2);

/// Where the throw-away PostgreSQL is.
///
/// # Panics
/// When nobody started one: a test that needs PostgreSQL fails, it is never skipped.
pub fn postgres_url() -> String {
    std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
        panic!("{URL_VARIABLE} is not set: run `cargo xtask test`, which starts PostgreSQL")
    })
}

/// An open, migrated and otherwise empty database. Clones share it; the last one removes it.
#[derive(Debug, Clone)]
pub struct TestDb {
    db: Db,
    config: DbConfig,
    // After `db`: fields drop in this order.
    _place: Arc<Place>,
}

#[derive(Debug)]
enum Place {
    Folder { _folder: TempDir },
    Database { admin_url: String, name: String },
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Database { admin_url, name } = self else { return };
        let (url, name) = (std::mem::take(admin_url), std::mem::take(name));
        let (done, waiting) = std::sync::mpsc::channel();
        // A thread with a runtime of its own: the test's may be the one that is ending, by a panic too.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let dropped = runtime.map(|runtime| runtime.block_on(run_as_admin(&url, &sql)));
            let _ = done.send(dropped.is_ok());
        });
        // Not for ever: PostgreSQL waits for every connection that is just logging in, and one of them may be a task of this very
        // thread. The cluster itself is thrown away soon; a database left behind costs nothing but its place.
        let _ = waiting.recv_timeout(DROPPED_WITHIN);
    }
}

async fn run_as_admin(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    // The only name inside is one made here from hex characters.
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// Runs SQL past the store on any open database; the number of rows touched.
///
/// # Errors
/// What the database says, constraints among it.
pub async fn raw_sql(db: &Db, sql: &str) -> Result<u64, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match db {
        Db::Sqlite { writer, .. } => {
            sqlx::raw_sql(sql).execute(writer).await.map(|done| done.rows_affected())
        }
        Db::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|done| done.rows_affected()),
    }
}

impl TestDb {
    /// SQLite in a folder of its own.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn sqlite() -> Self {
        let folder = TempDir::new();
        let config = DbConfig::Sqlite { path: folder.path().join("test.sqlite") };
        Self::open(config, Place::Folder { _folder: folder }).await
    }

    /// A new database on the throw-away PostgreSQL.
    ///
    /// # Panics
    /// When no PostgreSQL was started for the tests, or it refuses.
    pub async fn postgres() -> Self {
        let admin_url = postgres_url();
        let name = format!("patchbay_test_{}", unique());
        run_as_admin(&admin_url, &format!("CREATE DATABASE {name}")).await.unwrap_or_else(|error| {
            panic!("cannot make a database on the PostgreSQL of {URL_VARIABLE}: {error}")
        });
        let (server, _) = admin_url.rsplit_once('/').expect("a database URL has a path");
        let config = DbConfig::Postgres { url: format!("{server}/{name}") };
        Self::open(config, Place::Database { admin_url, name }).await
    }

    async fn open(config: DbConfig, place: Place) -> Self {
        let db =
            Db::open(&config).await.unwrap_or_else(|error| panic!("cannot open the test database: {error}"));
        Self { db, config, _place: Arc::new(place) }
    }

    /// The database under test.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Where it is, to open it once more.
    pub fn config(&self) -> &DbConfig {
        &self.config
    }

    /// True on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// Runs SQL past the store: what a repair by hand or a foreign program could do. The number of rows touched.
    ///
    /// # Errors
    /// What the database says, constraints among it.
    pub async fn raw(&self, sql: &str) -> Result<u64, sqlx::Error> {
        raw_sql(&self.db, sql).await
    }

    /// The first column of every row, which must be text.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let query = sqlx::AssertSqlSafe(sql.to_owned());
        let rows = match &self.db {
            Db::Sqlite { writer, .. } => sqlx::query(query)
                .fetch_all(writer)
                .await
                .map(|rows| rows.iter().map(|row| row.get::<String, _>(0)).collect()),
            Db::Postgres(pool) => sqlx::query(query)
                .fetch_all(pool)
                .await
                .map(|rows| rows.iter().map(|row| row.get::<String, _>(0)).collect()),
        };
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The number in the first column of the only row.
    ///
    /// # Panics
    /// When the query fails or gives no number.
    pub async fn number(&self, sql: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(sql.to_owned());
        let number: Result<i64, sqlx::Error> = match &self.db {
            Db::Sqlite { writer, .. } => sqlx::query_scalar(query).fetch_one(writer).await,
            Db::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
        };
        number.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl TestDb {
    /// Every column as `table.column`, with ` null` behind those that may be, sorted; the same form on both engines.
    ///
    /// # Panics
    /// When the schema cannot be read.
    pub async fn columns(&self) -> Vec<String> {
        let sql = if self.is_postgres() {
            "SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'"
        } else {
            // `search_words` is the full-text index, which is an index of a table in PostgreSQL.
            // A primary key that is not an alias of the rowid may be NULL by SQLite's rules unless it says NOT NULL; nobody
            // inserts one, so keys count as NOT NULL here.
            "SELECT m.name || '.' || c.name || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN '' ELSE ' null' END \
             FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' \
             AND m.name NOT LIKE 'search_words%'"
        };
        let mut columns = self.texts(sql).await;
        columns.sort();
        columns
    }

    /// A second, independent set of connections to the same database.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn reopen(&self) -> Db {
        Db::open(&self.config)
            .await
            .unwrap_or_else(|error| panic!("cannot open the test database again: {error}"))
    }
}

/// Marks the schema as one of a build that is not written yet.
///
/// # Errors
/// What the database says.
pub async fn newer_schema(db: &Db) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               SELECT 999999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    match db {
        Db::Sqlite { writer, .. } => sqlx::query(sql).execute(writer).await.map(drop),
        Db::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(drop),
    }
}

/// One body, two tests: `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// both_engines! {
///     async fn an_insert_is_read_back(db: TestDb) { … }
/// }
/// ```
#[macro_export]
macro_rules! both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: TestDb) $body:block)+) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn body($db: $crate::TestDb) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    body($crate::TestDb::sqlite().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    body($crate::TestDb::postgres().await).await;
                }
            }
        )+
    };
}
