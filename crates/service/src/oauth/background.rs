//! What nobody waits for: renewals ahead of time, grants that their providers are told of, and what was left behind (behaviour 10).

use super::{Refresher, grants::GrantsContext, micros};
use crate::{
    Deps, Result, Service,
    mcp_servers::{registration_token_place, revocation_place, unseal},
};
use api::Timestamp;
use futures::future::try_join_all;
use mcpauth::{
    auth_method::AuthMethod,
    limits,
    registration::delete_client,
    revocation::{Revoked, revoke},
    token::Client,
};
use secrecy::SecretString;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{
    mcp_servers,
    oauth::{self, OAuthFacts, Revocation},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(20);
/// Of users whose chats were used within this time, seconds.
const ACTIVE_SECONDS: i64 = 24 * 3600;
const TRY_LEASE_MICROS: i64 = 60_000_000;
const RETRY_MICROS: i64 = 15 * 60_000_000;
/// Grants that are given back in one look.
const ROUND: usize = 200;
/// Grants that are given back when a server ends, before its client does.
const BEFORE_ITS_CLIENT: usize = 10_000;
/// Grants that are given back at the same time, and how long one round of it takes at most.
const AT_ONCE: usize = 8;
const ROUND_AT_MOST: Duration = Duration::from_secs(60);

impl Deps {
    pub(crate) fn grants_context(&self) -> GrantsContext<'_> {
        GrantsContext { keyring: &self.keyring, clock: &*self.clock, entropy: &*self.entropy }
    }
}

impl Service {
    /// Runs until `stop`.
    pub async fn connections_keep(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            // What is under way when the process stops is under a lease, and somebody else's then.
            let looked = tokio::select! {
                looked = self.connections_look() => looked,
                () = stop.cancelled() => return,
            };
            if let Err(error) = looked {
                tracing::warn!(error = &error as &dyn std::error::Error, "connections were not looked after");
            }
        }
    }

    /// One look: removes what was left behind, renews, gives back, and sees which providers have moved. One that is slow in one of these holds
    /// up no other.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn connections_look(&self) -> Result<()> {
        let mut write = self.db().write().await?;
        mcp_servers::servers_setup_sweep(&mut write).await?;
        oauth::oauth_flows_sweep(&mut write).await?;
        oauth::revocations_sweep(&mut write, micros(limits::REVOCATION_WINDOW)).await?;
        write.commit().await?;
        let refresher = &self.deps().refresher;
        let now = self.now();
        // Replicas that look at the same moment do not take the same tokens for due.
        let mut byte = [0];
        self.deps().entropy.fill(&mut byte);
        let less = limits::REFRESH_AHEAD * u32::from(byte[0]) / 255 * 2 / 5;
        let before = Timestamp(now.0.saturating_add(micros(limits::REFRESH_AHEAD - less)));
        let renewing = refresher.ahead(before, now.plus_seconds(-ACTIVE_SECONDS));
        let (renewed, given, looked) =
            tokio::join!(renewing, refresher.give_back(ROUND), refresher.drift_round());
        renewed?;
        given?;
        looked.map(|_| ())
    }

    /// A server or its client is gone: the provider is told, beside and once.
    pub(crate) fn provider_forget(&self, facts: Option<OAuthFacts>) {
        let refresher = Arc::clone(&self.deps().refresher);
        let opened = facts.and_then(|facts| {
            let place = registration_token_place(facts.id);
            let token = unseal(&refresher.keyring, &place, &facts.registration_token).ok()??;
            (!facts.registration_uri.is_empty()).then_some((facts.registration_uri, token))
        });
        let Some((uri, token)) = opened else { return self.revocations_soon() };
        tokio::spawn(async move {
            // The grants first: they are given back with the client's login. What its provider keeps us waiting for ends with the client.
            refresher.give_back_now().await;
            delete_client(&refresher.egress, &uri, &token).await
        });
    }

    /// Grants that have just been noted are given back beside.
    pub(crate) fn revocations_soon(&self) {
        let refresher = Arc::clone(&self.deps().refresher);
        tokio::spawn(async move { refresher.give_back_now().await });
    }
}

impl Refresher {
    async fn give_back_now(&self) {
        if let Err(error) = self.give_back(BEFORE_ITS_CLIENT).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "grants are given back later");
        }
    }

    /// Tells providers of grants that ended here; `most` of those that are due, and what a minute is enough for. The rest is due again.
    pub(crate) async fn give_back(&self, most: usize) -> Result<()> {
        let left = AtomicUsize::new(most);
        let one_by_one = || async {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let mut write = self.db.write().await?;
                let due =
                    oauth::revocation_claim(&mut write, TRY_LEASE_MICROS, limits::REVOCATION_TRIES.into())
                        .await?;
                write.commit().await?;
                let Some(due) = due else { return Ok(()) };
                self.give_back_one(&due).await?;
            }
            Result::Ok(())
        };
        // Several at once: one provider that does not answer must not hold up the others'.
        let all = try_join_all((0..AT_ONCE).map(|_| one_by_one()));
        timeout(ROUND_AT_MOST, all).await.map_or(Ok(()), |done| done.map(|_| ()))
    }

    /// True when the provider took it back.
    pub(crate) async fn give_back_one(&self, due: &Revocation) -> Result<bool> {
        let open =
            |column: &'static str, value| unseal(&self.keyring, &revocation_place(due.id, column), value);
        let opened = (
            open("client_secret", &due.client_secret),
            open("refresh_token", &due.refresh_token),
            open("access_token", &due.access_token),
        );
        let revoked = match opened {
            (Ok(client_secret), Ok(refresh), Ok(access)) => {
                let client = Client {
                    client_id: due.client_id.clone(),
                    client_secret,
                    auth_method: AuthMethod::parse(&due.auth_method).unwrap_or(AuthMethod::None),
                    token_url: String::new(),
                    resource: due.resource.clone(),
                };
                let access = access.unwrap_or_else(|| SecretString::from(String::new()));
                revoke(&self.egress, &due.revocation_url, &client, refresh.as_ref(), &access).await
            }
            _ => Revoked::Refused { cause: "what is to be given back cannot be read any more".to_owned() },
        };
        let mut write = self.db.write().await?;
        match &revoked {
            Revoked::Done => oauth::revocation_done(&mut write, due.id).await?,
            Revoked::Refused { cause } => {
                tracing::info!(server = %due.mcp_server_id, cause, "a provider did not take a grant back");
                oauth::revocation_done(&mut write, due.id).await?
            }
            Revoked::Later { after } => {
                let asked = after.and_then(|after| i64::try_from(after.as_micros()).ok()).unwrap_or(0);
                oauth::revocation_retry(&mut write, due.id, RETRY_MICROS.max(asked)).await?
            }
        };
        write.commit().await?;
        Ok(revoked == Revoked::Done)
    }
}
