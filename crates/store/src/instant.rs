//! The one type for stored instants. Never text: text times sort wrongly on SQLite.

use api::Timestamp;

/// Microseconds since the epoch, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Micros(pub i64);

impl From<Timestamp> for Micros {
    fn from(at: Timestamp) -> Self {
        Self(at.0)
    }
}

impl From<Micros> for Timestamp {
    fn from(at: Micros) -> Self {
        Self(at.0)
    }
}
