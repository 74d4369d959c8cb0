//! A connection for reads, a transaction for writes, on either engine.

use crate::{Result, StoreError};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction, pool::PoolConnection};
use std::ops::{Deref, DerefMut};

/// One connection. Reads go here; a [`Write`] is one too.
#[derive(Debug)]
pub struct Session(pub(crate) Inner);

#[derive(Debug)]
pub(crate) enum Inner {
    SqliteRead(PoolConnection<Sqlite>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    PostgresWrite(Transaction<'static, Postgres>),
}

/// What the macros match on.
pub(crate) enum Engine<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Session {
    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.0 {
            Inner::SqliteRead(c) => Engine::Sqlite(c),
            Inner::SqliteWrite(c) => Engine::Sqlite(c),
            Inner::PostgresRead(c) => Engine::Postgres(c),
            Inner::PostgresWrite(c) => Engine::Postgres(c),
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.0, Inner::PostgresRead(_) | Inner::PostgresWrite(_))
    }
}

/// A transaction. Dropped without [`Write::commit`], nothing happened.
#[derive(Debug)]
pub struct Write(pub(crate) Session);

impl Deref for Write {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.0
    }
}

impl Write {
    /// Makes it so. Runs in its own task: a caller that goes away in the middle must not leave the outcome open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the outcome is not known to be durable.
    pub async fn commit(self) -> Result<()> {
        let commit = async move {
            match self.0.0 {
                Inner::SqliteWrite(tx) => tx.commit().await,
                Inner::PostgresWrite(tx) => tx.commit().await,
                Inner::SqliteRead(_) | Inner::PostgresRead(_) => Ok(()),
            }
        };
        match tokio::spawn(commit).await {
            Ok(done) => done.map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed)),
        }
    }
}
