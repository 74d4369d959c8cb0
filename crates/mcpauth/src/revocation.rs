//! Tokens are given back (RFC 7009; protocol.md 14.13).

use std::time::Duration;

use egress::{Egress, EgressError};
use http::Method;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::{
    form::{Purpose, encode},
    limits::REVOCATION,
    send::{Reply, send},
    token::Client,
};

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// The token is dead, or was never known there.
    Done,
    /// It will not work; trying again is of no use.
    Refused {
        /// One sentence for people: nothing of the provider but a checked error code and host.
        cause: String,
    },
    /// It may work later.
    Later {
        /// The pause that the provider asks for, bounded.
        after: Option<Duration>,
    },
}

/// Revokes a grant at `url`: by its refresh token, by the access token only if there is no refresh token or the provider revokes none.
/// The login is the client's own; [`Client::token_url`] and [`Client::resource`] are not used.
pub async fn revoke(
    egress: &Egress,
    url: &str,
    client: &Client,
    refresh: Option<&SecretString>,
    access: &SecretString,
) -> Revoked {
    let deadline = Instant::now() + REVOCATION;
    if let Some(refresh) = refresh {
        match ask(egress, url, client, Purpose::RevokeRefresh(refresh), deadline).await {
            Ok(reply) if reply.error_code().as_deref() == Some("unsupported_token_type") => {}
            outcome => return verdict(outcome),
        }
    }
    verdict(ask(egress, url, client, Purpose::RevokeAccess(access), deadline).await)
}

async fn ask(
    egress: &Egress,
    url: &str,
    client: &Client,
    purpose: Purpose<'_>,
    deadline: Instant,
) -> Result<Reply, EgressError> {
    let form = encode(client, purpose).ok_or(EgressError::InvalidRequest("the client cannot be encoded"))?;
    let wait = deadline.saturating_duration_since(Instant::now());
    send(egress, Method::POST, url, form.headers, form.body, wait).await
}

fn verdict(outcome: Result<Reply, EgressError>) -> Revoked {
    match outcome {
        Ok(Reply { status: 200 | 204, .. }) => Revoked::Done,
        Ok(reply) if reply.is_transient() => Revoked::Later { after: reply.retry_after },
        Ok(reply) => Revoked::Refused {
            cause: match reply.error_code() {
                Some(code) => format!("the provider refused to revoke the token ({code})"),
                None => format!("the provider refused to revoke the token (HTTP {})", reply.status),
            },
        },
        Err(error) if error.is_retryable() => Revoked::Later { after: None },
        Err(error) => Revoked::Refused { cause: error.public_message() },
    }
}
