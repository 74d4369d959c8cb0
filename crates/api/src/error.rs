//! The error envelope (behaviour 2).

use crate::oauth::{DiscoveryCandidate, ManualSetup};
use serde::{Deserialize, Serialize};

/// Body of every failed answer. `message` is a sentence for people; nothing secret is ever in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// One entry per offending field, all of them in one answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<Validation>,
    /// Of a discovery that failed: everything that was asked. `detail` has the same as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<DiscoveryCandidate>,
    /// Of a discovery that failed: what the provider published, for a setup by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual_setup: Option<Box<ManualSetup>>,
}

/// One field that was refused and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validation {
    pub field: String,
    pub detail: String,
}

impl Validation {
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

impl ErrorBody {
    /// An envelope with only a message.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}
