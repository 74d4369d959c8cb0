//! Settings of the deployment (behaviour 30).

use serde::{Deserialize, Serialize};

/// `GET /api/v2/settings/egress-allow`: private destinations that may be dialled (behaviour 11), each `host:port` or `cidr:port`
/// with `*` for any port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EgressAllow {
    /// Set by an owner.
    pub entries: Vec<String>,
    /// Set by the operator with `PATCHBAY_EGRESS_ALLOW`; they stay whatever an owner does.
    pub operator_entries: Vec<String>,
    /// The operator lets owners change nothing; `entries` then open nothing.
    pub locked: bool,
}

/// `PUT /api/v2/settings/egress-allow`: replaces what owners set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EgressAllowWrite {
    /// Trimmed; blanks dropped, doubles kept once.
    pub entries: Vec<String>,
}
