//! Login, logout, and who is behind a token. One kind of secret serves cookie, Bearer and `Coder-Session-Token` (behaviour 2).

use crate::{Caller, Error, OpContext, RequestInfo, Result, Service, audit::Act};
use api::{
    Timestamp, Uuid,
    users::{LoginRequest, Session, User, UserStatus},
};
use base64::Engine as _;
use domain::{
    accounts::Action,
    clock::random_token,
    text::{cut_bytes, hex},
};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{
    credentials::{self, Authenticated, CredentialKind, CredentialRecord},
    login_attempts, users,
};

/// Random bytes in a session or API token.
pub const TOKEN_BYTES: usize = 32;
/// A session not used for this long ends (threats 5, Inbound).
const SESSION_IDLE_SECONDS: i64 = 12 * 3600;
/// A session ends after this however it is used.
pub const SESSION_ABSOLUTE_SECONDS: i64 = 7 * 24 * 3600;
/// Sign-in attempts per account and per address in a window.
const LOGIN_ATTEMPTS: i64 = 10;
const LOGIN_WINDOW_SECONDS: i64 = 300;
/// The last use is written at most this often.
const TOUCH_SECONDS: i64 = 60;
const USER_AGENT_BYTES: usize = 256;

/// SHA-256 of a token: all that is stored of it.
pub(crate) fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl Service {
    pub(crate) fn new_token(&self) -> String {
        let bytes = random_token(&*self.deps().entropy);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Counts a sign-in attempt under `key`.
    ///
    /// # Errors
    /// [`Error::RateLimited`] above the limit.
    pub(crate) async fn attempt_count(&self, key: &str) -> Result<()> {
        let now = self.now();
        let mut write = self.db().write().await?;
        let (attempts, started) =
            login_attempts::login_attempt_count(&mut write, key, now, LOGIN_WINDOW_SECONDS).await?;
        write.commit().await?;
        if attempts <= LOGIN_ATTEMPTS {
            return Ok(());
        }
        let left = LOGIN_WINDOW_SECONDS * 1000 - now.millis_since(started);
        Err(Error::RateLimited {
            message: "Too many attempts. Wait a few minutes and try again.".to_owned(),
            retry_after: Duration::from_millis(u64::try_from(left.max(1000)).unwrap_or(1000)),
        })
    }

    /// Opens a web session. The answer to a wrong password, an unknown account and a suspended one is the same, and as slow.
    ///
    /// # Errors
    /// [`Error::BadCredentials`]; [`Error::RateLimited`]; [`Error::Unavailable`].
    pub async fn session_login(
        &self,
        request_info: &RequestInfo,
        request: LoginRequest,
    ) -> Result<(User, String)> {
        let email = request.email.trim().to_lowercase();
        let account_key = format!("account:{}", hex(&token_hash(&email)));
        self.attempt_count(&format!("address:{}", request_info.address)).await?;
        self.attempt_count(&account_key).await?;
        let mut session = self.db().read().await?;
        let record = users::user_by_email(&mut session, &email).await?;
        drop(session);
        let hash = record.as_ref().and_then(|record| record.password_hash.clone());
        let matches = self.0.passwords.verify(request.password, hash).await?;
        let account = record.as_ref().map(|record| (record.user.id, record.user.username.clone()));
        let Some(record) = record.filter(|r| matches && r.user.status == UserStatus::Active) else {
            let ctx = OpContext { caller: None, request: request_info.clone() };
            let mut write = self.db().write().await?;
            // What was typed as the email may be a password in the wrong field: only an account that exists is named.
            let act = match &account {
                Some((id, username)) => Act::on("session.login", "user", *id, username),
                None => Act::on_any("session.login", "user"),
            };
            self.audit_outcome(&mut write, &ctx, act, "denied").await?;
            write.commit().await?;
            return Err(Error::BadCredentials);
        };
        let token = self.new_token();
        let now = self.now();
        let credential = CredentialRecord {
            id: self.new_id(),
            user_id: record.user.id,
            kind: CredentialKind::Session,
            name: String::new(),
            user_agent: cut_bytes(&request_info.user_agent, USER_AGENT_BYTES).to_string(),
            address: request_info.address.clone(),
            created_at: now,
            expires_at: now.plus_seconds(SESSION_IDLE_SECONDS),
            last_used_at: None,
        };
        let ctx = OpContext {
            caller: Some(Caller {
                user: record.user.clone(),
                credential_id: credential.id,
                is_session: true,
            }),
            request: request_info.clone(),
        };
        let mut write = self.db().write().await?;
        credentials::credential_insert(&mut write, &credential, &token_hash(&token)).await?;
        login_attempts::login_attempts_clear(&mut write, &account_key).await?;
        // Only this attempt is given back: an address that guesses at other accounts does not get a new window by one own login.
        login_attempts::login_attempt_refund(&mut write, &format!("address:{}", request_info.address))
            .await?;
        self.audit(&mut write, &ctx, Act::on("session.login", "user", record.user.id, &record.user.username))
            .await?;
        write.commit().await?;
        Ok((record.user, token))
    }

    /// Who is behind `token`; `None` when it is unknown, expired or its user suspended.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: never taken for anonymous.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Caller>> {
        let Some(found) = self.credential_live(token).await? else { return Ok(None) };
        let now = self.now();
        let credential = &found.credential;
        let last = credential.last_used_at.unwrap_or(credential.created_at);
        if now.millis_since(last) > TOUCH_SECONDS * 1000 {
            let expires_at = match credential.kind {
                CredentialKind::Session => {
                    let absolute = credential.created_at.plus_seconds(SESSION_ABSOLUTE_SECONDS);
                    now.plus_seconds(SESSION_IDLE_SECONDS).min(absolute)
                }
                CredentialKind::Token => credential.expires_at,
            };
            // Not worth a request: with a full disk, reading goes on (threats 92).
            if let Err(error) = self.credential_touch(credential.id, now, expires_at).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the last use of a credential was not noted"
                );
            }
        }
        Ok(Some(caller_of(found)))
    }

    /// The credential that `token` is, if it is alive.
    async fn credential_live(&self, token: &str) -> Result<Option<Authenticated>> {
        // 43 characters of base64; anything far longer is noise and not worth hashing.
        if token.is_empty() || token.len() > 256 {
            return Ok(None);
        }
        let mut session = self.db().read().await?;
        let found = credentials::credential_by_hash(&mut session, &token_hash(token)).await?;
        let alive = |found: &Authenticated| {
            found.credential.expires_at > self.now() && found.user.status == UserStatus::Active
        };
        Ok(found.filter(alive))
    }

    /// Notes a request that was refused because a page of somebody else sent it (threats 63); `token` is that of its cookie. Unlike
    /// a request of the user it keeps no session alive. Who it was remains open when the database does not answer.
    pub async fn foreign_request_refused(
        &self,
        token: Option<&str>,
        request: &RequestInfo,
        origin: Option<&str>,
    ) {
        let found = match token {
            Some(token) => self.credential_live(token).await.unwrap_or_default(),
            None => None,
        };
        let origin = origin.map(|origin| format!("origin={origin}"));
        let caller = found.map(caller_of);
        self.refusals().note(caller.as_ref(), request, "access.cross_site", "", origin);
    }

    async fn credential_touch(&self, id: Uuid, now: Timestamp, expires_at: Timestamp) -> Result<()> {
        let mut write = self.db().write().await?;
        credentials::credential_touch(&mut write, id, now, expires_at).await?;
        write.commit().await?;
        Ok(())
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]; [`Error::Invalid`] with an API token, which would live on.
    pub async fn session_logout(&self, ctx: &OpContext) -> Result<()> {
        let caller = ctx.require()?;
        if !caller.is_session {
            let message =
                "An API token does not log out. Delete it under /api/v2/users/me/keys to end it.".to_owned();
            return Err(Error::Invalid { message, validations: Vec::new() });
        }
        let mut write = self.db().write().await?;
        if credentials::credential_delete(
            &mut write,
            caller.user.id,
            CredentialKind::Session,
            caller.credential_id,
        )
        .await?
        {
            self.audit(
                &mut write,
                ctx,
                Act::on("session.logout", "user", caller.user.id, &caller.user.username),
            )
            .await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// The caller's own web sessions.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn session_list(&self, ctx: &OpContext) -> Result<Vec<Session>> {
        let caller = ctx.require()?;
        let now = self.now();
        let mut session = self.db().read().await?;
        let records =
            credentials::credential_list(&mut session, caller.user.id, CredentialKind::Session).await?;
        Ok(records
            .into_iter()
            .filter(|record| record.expires_at > now)
            .map(|record| Session {
                current: record.id == caller.credential_id,
                id: record.id,
                created_at: record.created_at,
                expires_at: record.expires_at,
                last_used: record.last_used_at,
                user_agent: record.user_agent,
                address: record.address,
            })
            .collect())
    }

    /// Ends one of the caller's own sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn session_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        let caller = ctx.require()?;
        let mut write = self.db().write().await?;
        if !credentials::credential_delete(&mut write, caller.user.id, CredentialKind::Session, id).await? {
            return Err(Error::NotFound);
        }
        let act = Act::on("session.revoke", "session", id, &caller.user.username);
        self.audit(&mut write, ctx, act).await?;
        write.commit().await?;
        Ok(())
    }

    /// The user `text` names: `me`, or an id that the caller may manage.
    pub(crate) fn user_id_of(&self, ctx: &OpContext, text: &str) -> Result<Uuid> {
        let caller = ctx.require()?;
        if text == "me"
            || text == caller.user.id.to_string()
            || text.eq_ignore_ascii_case(&caller.user.username)
        {
            return Ok(caller.user.id);
        }
        ctx.authorize(Action::UsersManage)?;
        text.parse().map_err(|_| Error::invalid_field("user", "is not a user id"))
    }
}

fn caller_of(found: Authenticated) -> Caller {
    Caller {
        is_session: found.credential.kind == CredentialKind::Session,
        credential_id: found.credential.id,
        user: found.user,
    }
}
