//! Encryption keys as shown (behaviour 26): never a key, only its id, its state and what needs it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Known, but not every running replica can read with it yet; nobody writes with it.
    Introduced,
    /// Every replica can read with it; those that have it first write with it.
    Active,
    /// Rotation has moved every value away from it. It still reads: a backup may need it.
    Retired,
    /// Given up for good: a start with it is refused.
    Revoked,
}

impl KeyState {
    pub const ALL: [KeyState; 4] = [Self::Introduced, Self::Active, Self::Retired, Self::Revoked];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How many values of a column a key is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyUsage {
    pub table: String,
    pub column: String,
    pub values: i64,
}

/// One key, as listed by `GET /api/v2/keys` and `patchbay keys status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyStatus {
    pub id: String,
    /// None: values are sealed with it, but the database does not know it.
    pub state: Option<KeyState>,
    /// Whether the process that answers has it.
    pub configured: bool,
    /// Whether the process that answers seals new values with it.
    pub writes: bool,
    /// Running replicas that can read with it, and all of them.
    pub readable_by: i64,
    pub replicas: i64,
    pub created_at: Option<Timestamp>,
    /// Columns with values under it; the others are left out.
    pub usage: Vec<KeyUsage>,
}

impl KeyStatus {
    /// Values under this key in all columns.
    pub fn values(&self) -> i64 {
        self.usage.iter().map(|usage| usage.values).sum()
    }

    /// Values need it, and nobody here can read them.
    pub fn is_lost(&self) -> bool {
        !self.configured && !self.usage.is_empty()
    }
}
