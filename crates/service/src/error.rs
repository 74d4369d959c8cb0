//! The one error of the use cases. `server` turns it into the wire envelope in one place.

use api::{
    Validation,
    oauth::{DiscoveryCandidate, ManualSetup},
};
use std::time::Duration;
use store::StoreError;
use thiserror::Error;

pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, by what the caller can do about it. Texts are for people and hold no secret.
#[derive(Debug, Error)]
pub enum Error {
    #[error("sign in first")]
    Unauthorized,
    #[error("sign-in refused")]
    BadCredentials,
    #[error("{0}")]
    Forbidden(String),
    /// Unknown, or concealed: the answer is the same.
    #[error("not found")]
    NotFound,
    #[error("{message}")]
    Invalid { message: String, validations: Vec<Validation> },
    /// A provider was not found, or gave no client.
    #[error("{message}")]
    Discovery {
        message: String,
        /// Everything that was asked.
        candidates: Vec<DiscoveryCandidate>,
        /// What can be started from by hand.
        manual: Option<Box<ManualSetup>>,
    },
    #[error("{message}")]
    Conflict { message: String, validations: Vec<Validation> },
    /// `If-Match` named an older version.
    #[error("somebody else changed this meanwhile")]
    Stale,
    #[error("{message}")]
    RateLimited { message: String, retry_after: Duration },
    #[error("the database is unavailable")]
    Unavailable(#[source] StoreError),
    #[error("internal error: {context}")]
    Internal {
        context: &'static str,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// One or more refused fields.
    pub fn invalid(validations: Vec<Validation>) -> Self {
        let message = match validations.as_slice() {
            [one] => format!("{}: {}", one.field, one.detail),
            many => format!("{} fields need attention.", many.len()),
        };
        Self::Invalid { message, validations }
    }

    /// One refused field.
    pub fn invalid_field(field: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Validation::new(field, detail)])
    }

    pub(crate) fn conflict_field(field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::Conflict { message: detail.clone(), validations: vec![Validation::new(field, detail)] }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), validations: Vec::new() }
    }

    pub(crate) fn internal(
        context: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { context, source: Some(source.into()) }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            Self::Unavailable(error)
        } else {
            Self::Internal { context: "database", source: Some(Box::new(error)) }
        }
    }
}
