//! Who issues tokens for a server may move after it was found (protocol.md 14.3, 14.11). Patchbay goes on with what is stored and tells the
//! admins; only a discovery that they apply follows.

use super::{Refresher, facts_of, micros, prepare::question};
use crate::{Result, Service, audit::Act};
use api::Uuid;
use domain::{mcp_server::OAuth2Settings, text::quote};
use futures::{StreamExt as _, stream};
use mcpauth::{discovery::Found, metadata::ServerMetadata};
use std::time::{Duration, Instant};
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::FoundServer,
    oauth::{self, OAuthFacts},
};

/// A look after a sign-in, unless there was one within this time.
pub(super) const LOOK_AFTER_SIGN_IN: Duration = Duration::from_secs(3600);
/// A look without any.
const DAILY: Duration = Duration::from_secs(24 * 3600);
/// Looks in one round, at once, and after which time none is begun.
const ROUND: i64 = 40;
const AT_ONCE: usize = 4;
const ROUND_AT_MOST: Duration = Duration::from_secs(60);
/// Characters of an issuer in a sentence.
const ISSUER_CHARS: usize = 150;

/// The provider as it was found.
pub(super) fn pinned(settings: &OAuth2Settings, facts: &OAuthFacts) -> ServerMetadata {
    let given = |url: &str| Some(url.to_owned()).filter(|url| !url.is_empty());
    ServerMetadata {
        issuer: facts.issuer.clone(),
        authorization_endpoint: settings.auth_url.clone(),
        token_endpoint: settings.token_url.clone(),
        registration_endpoint: given(&facts.registration_endpoint),
        revocation_endpoint: given(&facts.revocation_found),
        scopes_supported: Vec::new(),
        token_endpoint_auth_methods: facts.auth_methods.clone(),
        revocation_endpoint_auth_methods: None,
        iss_parameter_supported: facts.iss_required,
        cimd_supported: false,
    }
}

/// What has moved, in a sentence; empty: nothing has.
fn moved(settings: &OAuth2Settings, facts: &OAuthFacts, now: &Found) -> String {
    if now.issuer != facts.issuer {
        return changed_issuer(&facts.issuer, &now.issuer);
    }
    let fields = now.metadata.drift_from(&pinned(settings, facts));
    if fields.is_empty() {
        return String::new();
    }
    format!(
        "The provider publishes another {} now. What is stored stays in use until discovery is run again.",
        fields.join(" and another ")
    )
}

pub(super) fn changed_issuer(before: &str, now: &str) -> String {
    let quoted = |issuer| quote(issuer, ISSUER_CHARS);
    format!(
        "The authorization server changed from {} to {}. The former stays in use until discovery is run again.",
        quoted(before),
        quoted(now)
    )
}

fn unknown(server: Uuid, error: &crate::Error) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(%server, error, "nobody knows whether a provider has moved");
}

impl Service {
    /// After a sign-in that took the look, beside.
    pub(super) fn drift_look_soon(&self, server: Uuid) {
        let refresher = std::sync::Arc::clone(&self.deps().refresher);
        tokio::spawn(async move {
            if let Err(error) = refresher.drift_find(server).await {
                unknown(server, &error);
            }
        });
    }
}

impl Refresher {
    /// Looks at providers that nobody has looked at for a day. How many.
    pub(super) async fn drift_round(&self) -> Result<usize> {
        let mut session = self.db.read().await?;
        let due = oauth::oauth_looks_due(&mut session, micros(DAILY), ROUND).await?;
        drop(session);
        let (count, started) = (due.len(), Instant::now());
        stream::iter(due)
            .map(async |server| {
                let look = async {
                    // Those that were begun are finished: each has an end, and is taken for the day.
                    if started.elapsed() > ROUND_AT_MOST {
                        return Ok(());
                    }
                    let mut write = self.db.write().await?;
                    let taken = oauth::oauth_look_claim(&mut write, server, micros(DAILY)).await?;
                    write.commit().await?;
                    if taken { self.drift_find(server).await } else { Ok(()) }
                };
                if let Err(error) = look.await {
                    unknown(server, &error);
                }
            })
            .buffer_unordered(AT_ONCE)
            .for_each(|()| async {})
            .await;
        Ok(count)
    }

    /// Whether this server's provider is where it was found.
    async fn drift_find(&self, server: Uuid) -> Result<()> {
        let Some(found) = self.found(server, Uuid::nil()).await? else { return Ok(()) };
        let Some(facts) = facts_of(&found.stored, found.oauth.as_ref()) else { return Ok(()) };
        let question = question(&found.stored, None);
        let drift = match mcpauth::discovery::discover(&self.egress, question).await {
            Ok(now) => moved(&found.stored.record.oauth2, facts, &now),
            // Whom the server names is known, whether they answer or not.
            Err(error) if !error.issuers.is_empty() && !error.issuers.contains(&facts.issuer) => {
                changed_issuer(&facts.issuer, &error.issuers[0])
            }
            // What cannot be asked now says nothing, nor does what is published wrongly: connecting and renewing do without.
            Err(_) => return Ok(()),
        };
        self.drift_note(&found, &drift).await
    }

    /// Tells the admins.
    pub(super) async fn drift_note(&self, found: &FoundServer, drift: &str) -> Result<()> {
        let Some(facts) = facts_of(&found.stored, found.oauth.as_ref()) else { return Ok(()) };
        let (server, mut write) = (found.stored.record.id, self.db.write().await?);
        if !oauth::oauth_drift_put(&mut write, facts, drift).await? {
            return Ok(());
        }
        if !drift.is_empty() {
            let act = Act::on("server.provider_moved", "mcp_server", server, &found.stored.record.slug)
                .fields(vec![drift.to_owned()]);
            self.log(&mut write, act, "ok").await?;
        }
        change_note(&mut write, ChangeKind::Servers, &server.to_string()).await?;
        Ok(write.commit().await?)
    }
}
