//! How servers are doing, for those who manage them.

use crate::{
    Timestamp,
    servers::{AuthType, Availability},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The rolling state of a server, from real use and from a light background check. The order is that of the fleet page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It does not answer, or answers with errors.
    Failing,
    /// It answers that it does not take the credential.
    AuthTrouble,
    /// It answers, late.
    Slow,
    /// It works, and its tools are not those that were accepted.
    Changed,
    Ok,
    /// Nobody has used it lately.
    Unknown,
}

impl HealthState {
    pub const ALL: [HealthState; 6] =
        [Self::Failing, Self::AuthTrouble, Self::Slow, Self::Changed, Self::Ok, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::AuthTrouble => "auth_trouble",
            Self::Slow => "slow",
            Self::Changed => "changed",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How a server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerHealth {
    pub state: HealthState,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last thing that went wrong, at most 512 bytes, without secrets; empty when nothing did.
    #[serde(default)]
    pub last_error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ok_at: Option<Timestamp>,
    /// Milliseconds that connecting and listing took lately, the middle of the last few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<i64>,
}

/// One server of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetServer {
    pub id: Uuid,
    pub slug: String,
    pub display_name: String,
    #[serde(default)]
    pub icon_url: String,
    /// Host and port of its URL.
    pub host: String,
    pub enabled: bool,
    pub auth_type: AuthType,
    pub availability: Availability,
    pub health: ServerHealth,
    /// Users with a credential of their own for it.
    pub connected_users: i64,
    /// Of those, whose credential has run out or was refused.
    pub expired_users: i64,
    /// Users whose last use of it failed, on the replica that answers.
    pub failing_users: i64,
    /// Tools of the last listing.
    pub tools: i64,
    /// Of those, new or changed ones that nobody has accepted.
    pub tools_to_review: i64,
}

/// How many servers are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthCount {
    pub state: HealthState,
    pub servers: i64,
}

/// The answer of `GET /api/experimental/mcp/fleet`: the worst first, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fleet {
    /// Every state, also those without servers; over all servers, whatever the filter.
    pub counts: Vec<HealthCount>,
    /// At most 200; a filter finds the rest.
    pub servers: Vec<FleetServer>,
    /// How many servers the filter lets through in all.
    pub total: i64,
}

/// What of the fleet is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FleetQuery {
    /// One state only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HealthState>,
    /// Words that name, slug or URL contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// These servers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Uuid>>,
}
