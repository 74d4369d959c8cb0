//! A new registration where the provider forgot us or our secret ends: one in the whole cluster, and no loop (threat 13).

use super::{Refresher, drift::pinned, facts_of, patiently, prepare::kept_secret};
use crate::{Error, Result, Service, audit::Act, mcp_servers::oauth2_secret_place, secrets::seal};
use api::{Timestamp, Uuid, servers::OAuth2Registration};
use domain::mcp_server::TokenFailure;
use mcpauth::registration::{Registered, delete_client};
use std::time::Duration;
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer},
    oauth::{self, OAuthFacts},
};

/// Who registers holds the lease for so long, microseconds: two requests, and what is read and written around them.
const LEASE_MICROS: i64 = 60_000_000;
/// After a registration none follows for so long, seconds: a provider that forgets us at once is asked no further.
const REST_SECONDS: i64 = 3600;
/// A secret that ends within this time is renewed before anybody is sent away with it, seconds.
const ENDS_SOON_SECONDS: i64 = 3600;
const LOOKS: u32 = 60;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether the client's secret ends before a sign-in could be over. Not of a client that was made a moment ago: a provider whose secrets
/// end that soon, or did already, would be asked for another one by every click.
pub(super) fn is_secret_ending(found: &FoundServer, now: Timestamp) -> bool {
    let Some(facts) = facts_of(&found.stored, found.oauth.as_ref()) else { return false };
    let ends =
        facts.secret_expires_at.is_some_and(|at| at.0 > 0 && at <= now.plus_seconds(ENDS_SOON_SECONDS));
    ends && facts.registered_at.is_none_or(|at| at.plus_seconds(REST_SECONDS) <= now)
}

impl Service {
    /// A client's secret is about to end: Patchbay registers anew. What goes wrong with it shows when the client is used.
    pub(super) async fn client_renew(&self, id: Uuid) -> Result<()> {
        let refresher = &self.deps().refresher;
        if let Some(found) = refresher.found(id, Uuid::nil()).await? {
            refresher.client_refused(id, &found.stored.record.oauth2.client_id).await;
        }
        Ok(())
    }

    /// As [`Refresher::client_refused`].
    pub(super) async fn client_refused(&self, id: Uuid, client_id: &str) -> bool {
        self.deps().refresher.client_refused(id, client_id).await
    }
}

impl Refresher {
    /// The provider does not know this client any more (`invalid_client`): registers anew where Patchbay registered itself. True when
    /// there is another client now, by us or by somebody else; all users have to connect again then.
    pub(crate) async fn client_refused(&self, id: Uuid, client_id: &str) -> bool {
        match self.register_anew(id, client_id).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(server = %id, error = &error as &dyn std::error::Error, "no new registration");
                false
            }
        }
    }

    async fn register_anew(&self, id: Uuid, client_id: &str) -> Result<bool> {
        let mut waited = false;
        for _ in 0..LOOKS {
            let Some(found) = self.found(id, Uuid::nil()).await? else { return Ok(false) };
            let oauth2 = &found.stored.record.oauth2;
            if oauth2.registration != Some(OAuth2Registration::Dcr) {
                return Ok(false);
            }
            if oauth2.client_id != client_id {
                return Ok(true);
            }
            let Some(facts) = facts_of(&found.stored, found.oauth.as_ref()) else { return Ok(false) };
            let rested =
                facts.registered_at.is_none_or(|at| at.plus_seconds(REST_SECONDS) <= self.clock.now());
            if facts.registration_endpoint.is_empty() || !rested {
                return Ok(false);
            }
            let holder = self.new_id();
            if !self.claim_registration(id, holder).await? {
                waited = true;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            // What was read before the lease may be older than what its last holder did.
            let again = patiently(|| self.found(id, Uuid::nil())).await?;
            let same = again.filter(|again| again.stored.record.oauth2 == found.stored.record.oauth2);
            match same {
                Some(found) if !waited => return self.register_as(&found, holder).await,
                same => {
                    self.release_registration(id, holder).await?;
                    if same.is_some() {
                        // Who had the lease got no client. If all who waited asked the provider again, that would be a storm.
                        return Ok(false);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Waits for the lease; nobody else registers for this server while the caller holds it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others hold it for too long.
    pub(super) async fn registration_lease(&self, id: Uuid) -> Result<Uuid> {
        let holder = self.new_id();
        for _ in 0..LOOKS {
            if self.claim_registration(id, holder).await? {
                return Ok(holder);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Error::conflict(
            "Patchbay is registering at the provider of this server just now. Try again in a minute.",
        ))
    }

    async fn claim_registration(&self, id: Uuid, holder: Uuid) -> Result<bool> {
        let mut write = self.db.write().await?;
        // The server first, as everybody who changes both does.
        if mcp_servers::server_get_for_update(&mut write, id).await?.is_none() {
            return Ok(false);
        }
        let claimed = oauth::oauth_registration_claim(&mut write, id, holder, LEASE_MICROS).await?;
        write.commit().await?;
        Ok(claimed)
    }

    /// As [`Self::release_registration`], after a failure that is to be told: one that cannot be given back runs out.
    pub(super) async fn lease_end(&self, id: Uuid, holder: Uuid) {
        if let Err(error) = self.release_registration(id, holder).await {
            tracing::warn!(server = %id, error = &error as &dyn std::error::Error, "a lease on a registration runs out by itself");
        }
    }

    async fn release_registration(&self, id: Uuid, holder: Uuid) -> Result<()> {
        let mut write = self.db.write().await?;
        oauth::oauth_registration_release(&mut write, id, holder).await?;
        Ok(write.commit().await?)
    }

    async fn register_as(&self, found: &FoundServer, holder: Uuid) -> Result<bool> {
        let (id, before) = (found.stored.record.id, &found.stored.record.oauth2);
        let Some(facts) = found.oauth.clone() else { return Ok(false) };
        let registered = self.register(id, &pinned(before, &facts)).await;
        let registered = match registered {
            Ok(registered) => registered,
            Err(error) => {
                tracing::warn!(server = %id, cause = error.public_message(), "Patchbay could not register anew");
                self.release_registration(id, holder).await?;
                return Ok(false);
            }
        };
        let kept = patiently(|| self.client_store(found, holder, facts.clone(), &registered)).await;
        if !matches!(kept, Ok(true)) {
            // A client that was made for nothing is taken back, if the provider lets us.
            if let Some((uri, token)) =
                registered.registration_client_uri.zip(registered.registration_access_token)
            {
                let _ = delete_client(&self.egress, &uri, &token).await;
            }
            return kept;
        }
        self.mcp.close_server(id);
        Ok(true)
    }

    /// Stores a new client; everybody has to connect again. False when it came too late: the lease is somebody else's, or the server was
    /// changed.
    async fn client_store(
        &self,
        found: &FoundServer,
        holder: Uuid,
        mut facts: OAuthFacts,
        registered: &Registered,
    ) -> Result<bool> {
        let id = found.stored.record.id;
        let mut write = self.db.write().await?;
        let Some(mut stored) = mcp_servers::server_get_for_update(&mut write, id).await? else {
            return Ok(false);
        };
        // What was got without the lease is not stored.
        let held = oauth::oauth_registration_release(&mut write, id, holder).await?;
        if !held {
            // Perhaps it was stored after all, when the database did not say so. A provider may give the same id with another secret.
            return Ok(stored.record.oauth2.client_id == registered.client_id
                && stored.record.credential_version != found.stored.record.credential_version);
        }
        if stored.record.oauth2 != found.stored.record.oauth2 {
            write.commit().await?;
            return Ok(false);
        }
        self.take_client(&mut stored.record.oauth2, &mut facts, registered)?;
        stored.oauth2_client_secret =
            match &kept_secret(registered.auth_method, registered.client_secret.clone()) {
                Some(secret) => seal(&self.keyring, &oauth2_secret_place(id), secret)?,
                None => store::SealedColumn::default(),
            };
        stored.record.has_oauth2_secret = stored.oauth2_client_secret.is_set();
        stored.record.version += 1;
        stored.record.credential_version += 1;
        let now = self.clock.now();
        stored.record.updated_at = now.max(Timestamp(stored.record.updated_at.0.saturating_add(1)));
        mcp_servers::server_update(&mut write, &stored).await?;
        oauth::oauth_facts_put(&mut write, &facts).await?;
        let ended = oauth::user_tokens_fail_all(&mut write, id, TokenFailure::ClientChanged).await?;
        let act = Act::on("server.registered_anew", "mcp_server", id, &stored.record.slug)
            .fields(vec![format!("user_tokens {ended}")]);
        self.log(&mut write, act, "ok").await?;
        change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
        write.commit().await?;
        Ok(true)
    }
}
