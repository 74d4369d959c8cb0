//! The one place that renews tokens (behaviour 10): one token request per credential at a time in the whole cluster, by a lease on the
//! database's clock; whoever comes later reads what the first one got.

use super::{
    belongs, callback::expiry, client_of, drift::changed_issuer, micros, patiently, prepare::question, sealed,
};
use crate::{
    OpContext, Result,
    audit::{Act, entry_of},
    mcp_servers::{EXPIRES_SOON_SECONDS, access_token_place, refresh_token_place, unseal},
};
use api::{Timestamp, Uuid, servers::AuthType};
use dbcrypt::Keyring;
use domain::{
    clock::{Clock, Entropy, new_id},
    mcp_server::TokenFailure,
    oauth::challenge::Challenge,
};
use egress::Egress;
use futures::{StreamExt as _, future::join_all, stream};
use mcpauth::{
    limits,
    revocation::revoke,
    token::{Client, Grant, TokenError, TokenErrorKind, refresh},
};
use mcpclient::McpClients;
use secrecy::SecretString;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use store::{
    Db, Micros, Write,
    audit::audit_append,
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer, Reader},
    oauth::{self, Claim, Renewed, UserToken},
};
use tokio::{sync::Mutex as AsyncMutex, time::timeout};
use url::Url;

/// Least pause between two looks at what another replica does, and the longest.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_AT_MOST: Duration = Duration::from_millis(250);
/// First pause after a failure that may pass, and the longest, seconds. Doubles in between.
const BACK_OFF_FIRST: u64 = 5;
const BACK_OFF_AT_MOST: u64 = 300;
/// Requests with one refresh token whose answers were lost: the first, and one retry.
const LOST_AT_MOST: i64 = 2;
/// Renewals ahead of time that are under way at once, and how long one look takes for them at most.
const AHEAD_AT_ONCE: usize = 8;
const AHEAD_AT_MOST: Duration = Duration::from_secs(60);
/// How long a question about the provider may take in the middle of a turn.
const SAME_PROVIDER: Duration = Duration::from_secs(8);

/// Why a token is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has expired, or will in a moment.
    Expired,
    /// It will expire, and its user is about.
    Ahead,
    /// The server did not accept it.
    Refused,
}

/// What came of it. In any case the row says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// There is a newer credential, by us or by somebody else.
    Renewed,
    /// Not now: the provider could not be asked, or somebody else is at it for too long.
    Later,
    /// It was renewed a moment ago and is not again.
    Rested,
    /// There is nothing left that could be renewed.
    Ended,
}

/// What a renewal is sent with.
struct Ready {
    client: Client,
    secret: SecretString,
    /// Where a grant can be given back; may be empty.
    url: String,
}

/// Whoever renews the credential of this server and user holds it.
type Turn = Weak<AsyncMutex<()>>;

/// Renews tokens, and registers anew where a provider forgot us. One for the process.
pub struct Refresher {
    pub(super) db: Db,
    pub(super) keyring: Arc<Keyring>,
    pub(super) egress: Egress,
    pub(super) mcp: McpClients,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) access_url: Url,
    /// Of this process: the others wait here without asking the database.
    running: Mutex<HashMap<(Uuid, Uuid), Turn>>,
}

impl Refresher {
    pub fn new(
        db: Db,
        keyring: Arc<Keyring>,
        egress: Egress,
        mcp: McpClients,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        access_url: Url,
    ) -> Arc<Self> {
        Arc::new(Self { db, keyring, egress, mcp, clock, entropy, access_url, running: Mutex::default() })
    }

    /// Renews whatever of these is expired and can be renewed, all at once and for at most `wait`. True when it is worth to read them
    /// again. What takes longer goes on beside.
    pub(crate) async fn freshen(self: &Arc<Self>, found: &[FoundServer], wait: Duration) -> bool {
        let due: Vec<_> = found.iter().filter_map(|found| self.due(found)).collect();
        if due.is_empty() {
            return false;
        }
        let work =
            due.into_iter().map(|(server, user, version)| self.renew(server, user, version, Why::Expired));
        // In the time that is over none may be done; some may all the same.
        let _ = timeout(wait, join_all(work)).await;
        true
    }

    fn due(&self, found: &FoundServer) -> Option<(Uuid, Uuid, i64)> {
        if found.stored.record.auth_type != AuthType::Oauth2 {
            return None;
        }
        let token = found.token.as_ref()?;
        let soon = self.clock.now().plus_seconds(EXPIRES_SOON_SECONDS);
        let due = token.failure.is_none()
            && token.refresh_token.is_set()
            && token.expires_at.is_some_and(|at| at <= soon)
            && belongs(token, found);
        due.then_some((token.mcp_server_id, token.user_id, token.version))
    }

    /// Renews the credential that has this version. Goes on when the caller leaves: an answer that nobody stores would cost the grant.
    pub(crate) async fn renew(self: &Arc<Self>, server: Uuid, user: Uuid, version: i64, why: Why) -> Renewal {
        let this = Arc::clone(self);
        let work = async move {
            match timeout(limits::REFRESH_PATIENCE, this.renew_in_turn(server, user, version, why)).await {
                Ok(Ok(renewal)) => renewal,
                Ok(Err(error)) => {
                    tracing::warn!(%server, error = &error as &dyn std::error::Error, "a token was not renewed");
                    Renewal::Later
                }
                Err(_) => Renewal::Later,
            }
        };
        tokio::spawn(work).await.unwrap_or(Renewal::Later)
    }

    async fn renew_in_turn(
        self: &Arc<Self>,
        server: Uuid,
        user: Uuid,
        version: i64,
        why: Why,
    ) -> Result<Renewal> {
        let turn = self.turn_of(server, user);
        let _one = turn.lock().await;
        let mut pause = LOOK_FIRST;
        loop {
            let Some(token) = self.token(server, user).await? else { return Ok(Renewal::Ended) };
            if token.version != version {
                return Ok(if token.failure.is_some() { Renewal::Ended } else { Renewal::Renewed });
            }
            if token.failure.is_some() || !token.refresh_token.is_set() {
                return Ok(Renewal::Ended);
            }
            // All that is needed is there before the request is noted: trouble of our own must not look like a lost answer.
            let Some(found) = self.found(server, user).await? else { return Ok(Renewal::Ended) };
            if !belongs(&token, &found) {
                let detail = "The server's sign-in was set up anew.";
                self.fail(&token, TokenFailure::ClientChanged, detail).await?;
                return Ok(Renewal::Ended);
            }
            let client = client_of(&self.keyring, &found.stored, found.oauth.as_ref(), &token.resource);
            let secret = unseal(&self.keyring, &refresh_token_place(token.id, user), &token.refresh_token);
            // A key may come back.
            let (Some(client), Ok(Some(secret))) = (client, secret) else { return Ok(Renewal::Later) };
            let ready = Ready { url: found.stored.record.oauth2.revocation_url.clone(), client, secret };
            let holder = self.new_id();
            match self.claim(&token, holder, why).await? {
                Claim::Claimed { sends } if sends >= LOST_AT_MOST => {
                    let detail = "The provider's answers to two renewals were lost; it may have taken the refresh token back.";
                    self.fail(&token, TokenFailure::RefreshRejected, detail).await?;
                    return Ok(Renewal::Ended);
                }
                Claim::Claimed { .. } => {
                    // The lease outlives the request by far; the patience of whoever waits does not count for it.
                    let (this, token) = (Arc::clone(self), token.clone());
                    let sent = tokio::spawn(async move { this.send(token, holder, ready).await });
                    return sent.await.unwrap_or(Ok(Renewal::Later));
                }
                Claim::BackOff { .. } => {
                    // What was read before the claim may be older than another replica's failure, and a failure is no rest.
                    let now = self.token(server, user).await?.filter(|now| now.version == version);
                    match now {
                        Some(now) if now.refresh_failures == 0 => return Ok(Renewal::Rested),
                        Some(_) => return Ok(Renewal::Later),
                        None => {}
                    }
                }
                Claim::Gone => return Ok(Renewal::Ended),
                Claim::Held { .. } | Claim::Changed => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LOOK_AT_MOST);
                }
            }
        }
    }

    /// Claim and note in one transaction: between the two nothing can be lost.
    async fn claim(&self, token: &UserToken, holder: Uuid, why: Why) -> Result<Claim> {
        // While it rests, whoever reads a list would cost the database a write otherwise.
        let mut session = self.db.read().await?;
        let look = oauth::user_token_refresh_look(&mut session, token.id, token.version).await?;
        drop(session);
        if matches!(look, Claim::BackOff { .. }) {
            return Ok(look);
        }
        let mut write = self.db.write().await?;
        let claim = oauth::user_token_refresh_claim(
            &mut write,
            token.id,
            token.version,
            holder,
            micros(limits::REFRESH_LEASE),
        )
        .await?;
        if let Claim::Claimed { sends } = claim
            && sends < LOST_AT_MOST
            && !oauth::user_token_refresh_sending(&mut write, token.id, token.version, holder).await?
        {
            return Ok(Claim::Changed);
        }
        write.commit().await?;
        tracing::debug!(server = %token.mcp_server_id, ?why, ?claim, "a token is to be renewed");
        Ok(claim)
    }

    async fn send(self: Arc<Self>, token: UserToken, holder: Uuid, ready: Ready) -> Result<Renewal> {
        match refresh(&self.egress, &ready.client, &ready.secret, None).await {
            Ok(grant) => self.keep(&token, &grant, &ready).await,
            Err(error) => self.not_renewed(&token, holder, &error).await,
        }
    }

    async fn keep(&self, token: &UserToken, grant: &Grant, ready: &Ready) -> Result<Renewal> {
        let user = token.user_id;
        let place = refresh_token_place(token.id, user);
        let renewed = Renewed {
            access: sealed(&self.keyring, &access_token_place(token.id, user), Some(&grant.access_token))?,
            refresh: match &grant.refresh_token {
                Some(next) => Some(sealed(&self.keyring, &place, Some(next))?),
                None => None,
            },
            token_type: grant.token_type.clone(),
            expires_at: expiry(self.clock.now(), grant),
            scopes: grant.scope.clone().unwrap_or_else(|| token.scopes.clone()),
            rest_micros: micros(limits::REFRESH_EVERY),
        };
        if patiently(|| self.store(token, &renewed)).await? || self.is_stored(token, &renewed).await? {
            return Ok(Renewal::Renewed);
        }
        // Disconnected, or connected anew: what came is of no use to anybody, and is given back.
        if !ready.url.is_empty() {
            let (fresh, access) = (grant.refresh_token.as_ref(), &grant.access_token);
            revoke(&self.egress, &ready.url, &ready.client, fresh, access).await;
        }
        Ok(Renewal::Ended)
    }

    /// A commit may have happened although the database did not say so.
    async fn is_stored(&self, token: &UserToken, renewed: &Renewed) -> Result<bool> {
        let now = patiently(|| self.token(token.mcp_server_id, token.user_id)).await?;
        Ok(now.is_some_and(|now| now.id == token.id && now.access_token == renewed.access))
    }

    async fn store(&self, token: &UserToken, renewed: &Renewed) -> Result<bool> {
        let mut write = self.db.write().await?;
        let stored = oauth::user_token_refresh_store(&mut write, token.id, token.version, renewed).await?;
        write.commit().await?;
        Ok(stored.is_some())
    }

    async fn not_renewed(
        self: &Arc<Self>,
        token: &UserToken,
        holder: Uuid,
        error: &TokenError,
    ) -> Result<Renewal> {
        tracing::info!(
            server = %token.mcp_server_id,
            error = error as &dyn std::error::Error,
            "a provider did not renew a token"
        );
        if error.is_permanent_for_refresh() {
            let ended = self.fail(token, TokenFailure::RefreshRejected, &error.to_string()).await?;
            return Ok(if ended { Renewal::Ended } else { Renewal::Renewed });
        }
        let asked = match &error.kind {
            TokenErrorKind::Transient { retry_after } => *retry_after,
            _ => None,
        };
        let doubled = BACK_OFF_FIRST << token.refresh_failures.clamp(0, 6);
        let pause = Duration::from_secs(doubled.min(BACK_OFF_AT_MOST)).max(asked.unwrap_or_default());
        let pause = pause.min(Duration::from_secs(3600));
        patiently(|| self.failed(token, holder, pause)).await?;
        if error.kind == TokenErrorKind::InvalidClient {
            self.client_refused(token.mcp_server_id, &token.client_id).await;
        }
        Ok(Renewal::Later)
    }

    async fn failed(&self, token: &UserToken, holder: Uuid, pause: Duration) -> Result<()> {
        let mut write = self.db.write().await?;
        oauth::user_token_refresh_failed(&mut write, token.id, token.version, holder, micros(pause)).await?;
        Ok(write.commit().await?)
    }

    /// Ends a credential for good; false when there is a newer one, which stays.
    pub(super) async fn fail(&self, token: &UserToken, reason: TokenFailure, detail: &str) -> Result<bool> {
        let mut write = self.db.write().await?;
        // What a server says of the old token must not cost the one that somebody is getting.
        let ended = if reason == TokenFailure::RejectedByServer {
            oauth::user_token_reject(&mut write, token.id, token.version, detail).await?
        } else {
            oauth::user_token_fail(&mut write, token.id, token.version, reason, detail).await?
        };
        if !ended {
            return Ok(false);
        }
        let (server, user) = (token.mcp_server_id, token.user_id);
        let slug = mcp_servers::server_slug(&mut write, server).await?.unwrap_or_default();
        let facts = vec![format!("user {user}"), format!("reason {}", reason.as_str()), detail.to_owned()];
        let act = Act::on("connection.ended", "mcp_server", server, &slug).fields(facts);
        self.log(&mut write, act, "failed").await?;
        change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        write.commit().await?;
        self.mcp.close_connection(server, user);
        Ok(true)
    }

    /// The server refused the credential of this version (401): renews it once, or ends it. True when there is another one to try with.
    /// `challenge`: what the server said.
    pub(crate) async fn refused(
        self: &Arc<Self>,
        server: Uuid,
        user: Uuid,
        credential_version: i64,
        challenge: Option<&Challenge>,
    ) -> Result<bool> {
        let (this, challenge) = (Arc::clone(self), challenge.cloned());
        // Goes on when the caller leaves: what was learned must not be forgotten.
        let work =
            async move { this.refused_now(server, user, credential_version, challenge.as_ref()).await };
        tokio::spawn(work).await.unwrap_or(Ok(false))
    }

    async fn refused_now(
        self: &Arc<Self>,
        server: Uuid,
        user: Uuid,
        credential_version: i64,
        challenge: Option<&Challenge>,
    ) -> Result<bool> {
        let Some(found) = self.found(server, user).await? else { return Ok(false) };
        let Some(token) = found.token.clone().filter(|_| found.stored.record.auth_type == AuthType::Oauth2)
        else {
            return Ok(false);
        };
        if found.stored.record.credential_version.saturating_add(token.version) != credential_version {
            return Ok(token.failure.is_none());
        }
        if token.failure.is_some() {
            return Ok(false);
        }
        if challenge.is_some_and(|challenge| challenge.resource_metadata.is_some()) {
            match self.provider_now(&found, &token).await {
                Some(issuer) if issuer != token.issuer => {
                    // No refresh token leaves: whoever is named now is not whom it is from (protocol.md R9).
                    let detail = format!(
                        "The server names another authorization server now: {}.",
                        domain::text::quote(&issuer, 200)
                    );
                    self.fail(&token, TokenFailure::RejectedByServer, &detail).await?;
                    if let Err(error) = self.drift_note(&found, &changed_issuer(&token.issuer, &issuer)).await
                    {
                        tracing::warn!(%server, error = &error as &dyn std::error::Error, "a moved provider is not noted");
                    }
                    return Ok(false);
                }
                Some(_) => {}
                // Nobody could say: nothing is sent, and nothing is called connected.
                None => {
                    self.expire(&token, limits::REFRESH_EVERY).await?;
                    return Ok(false);
                }
            }
        }
        match self.renew(server, user, token.version, Why::Refused).await {
            Renewal::Renewed => Ok(true),
            Renewal::Later => {
                self.expire(&token, Duration::ZERO).await?;
                Ok(false)
            }
            Renewal::Rested | Renewal::Ended => {
                self.fail(&token, TokenFailure::RejectedByServer, "The server refused the sign-in (401).")
                    .await?;
                Ok(false)
            }
        }
    }

    /// Whom the server names as its provider now; `None` when that cannot be told.
    async fn provider_now(&self, found: &FoundServer, token: &UserToken) -> Option<String> {
        if token.issuer.is_empty() {
            // Set up by hand without an issuer: there is nothing to compare.
            return Some(String::new());
        }
        let question = question(&found.stored, Some(&token.issuer));
        let asked = timeout(SAME_PROVIDER, mcpauth::discovery::discover(&self.egress, question)).await;
        // Whom the server names decides; how well that one describes itself does not.
        let named = match asked.ok()? {
            Ok(found) => found.all_issuers,
            Err(error) => error.issuers,
        };
        let is_named = named.contains(&token.issuer);
        if is_named { Some(token.issuer.clone()) } else { named.into_iter().next() }
    }

    /// What a server refused counts as expired until it is renewed.
    async fn expire(&self, token: &UserToken, pause: Duration) -> Result<()> {
        let mut write = self.db.write().await?;
        oauth::user_token_expire(&mut write, token.id, token.version, micros(pause)).await?;
        Ok(write.commit().await?)
    }

    /// Renews what will expire soon, of users that are about. How many it tried.
    pub(crate) async fn ahead(self: &Arc<Self>, before: Timestamp, active_since: Timestamp) -> Result<usize> {
        let mut session = self.db.read().await?;
        let due = oauth::user_tokens_due(&mut session, Micros::from(before), active_since, 50).await?;
        drop(session);
        let tried = due.len();
        let work = stream::iter(due)
            .map(|(server, user, _, version)| self.renew(server, user, version, Why::Ahead))
            .buffer_unordered(AHEAD_AT_ONCE)
            .for_each(|_| async {});
        // What is not done by then is due again at the next look.
        let _ = timeout(AHEAD_AT_MOST, work).await;
        Ok(tried)
    }

    fn turn_of(&self, server: Uuid, user: Uuid) -> Arc<AsyncMutex<()>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = running.get(&(server, user)).and_then(Weak::upgrade) {
            return turn;
        }
        running.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(AsyncMutex::new(()));
        running.insert((server, user), Arc::downgrade(&turn));
        turn
    }

    async fn token(&self, server: Uuid, user: Uuid) -> Result<Option<UserToken>> {
        let mut session = self.db.read().await?;
        Ok(oauth::user_token_get(&mut session, server, user).await?)
    }

    /// The server with what this user has for it, whoever may see it: tokens are judged by what they are.
    pub(crate) async fn found(&self, server: Uuid, user: Uuid) -> Result<Option<FoundServer>> {
        let mut session = self.db.read().await?;
        let everything = Reader { user_id: user, disabled: true, every_group: true };
        Ok(mcp_servers::server_get(&mut session, everything, server).await?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn new_id(&self) -> Uuid {
        new_id(&*self.clock, &*self.entropy)
    }

    /// An audit entry of what nobody asked for.
    pub(super) async fn log(&self, write: &mut Write, act: Act<'_>, outcome: &'static str) -> Result<()> {
        let entry = entry_of(self.new_id(), self.clock.now(), &OpContext::default(), act, outcome);
        Ok(audit_append(write, &entry).await?)
    }
}
