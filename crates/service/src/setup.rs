//! The first owner (behaviour 30): made once, with a token of 256 bits that only the operator saw.

use crate::{Error, OpContext, Result, Service, audit::Act, users::new_user_record};
use api::users::{FirstUserCreate, Role, User};
use sha2::{Digest, Sha256};
use store::{Db, settings, users};
use subtle::ConstantTimeEq;

const SETUP_TOKEN_HASH: &str = "setup_token_sha256";

/// The token for the first owner, as the operator gets to see it.
pub struct SetupToken(pub String);

fn hash_hex(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Service {
    /// False while nobody has an account. For everybody.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn users_exist(&self) -> Result<bool> {
        let mut session = self.db().read().await?;
        Ok(users::users_exist(&mut session).await?)
    }

    /// Makes `token` the one that sets up the first owner; earlier ones no longer work. Nothing happens once users exist.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn setup_token_store(&self, token: &SetupToken) -> Result<bool> {
        store_token(self.db(), token).await
    }

    /// Makes the first owner and uses up the token, in one transaction.
    ///
    /// # Errors
    /// [`Error::Forbidden`] on a wrong or used token; [`Error::Conflict`] once somebody has an account; [`Error::Invalid`].
    pub async fn first_user_create(&self, ctx: &OpContext, request: FirstUserCreate) -> Result<User> {
        if self.users_exist().await? {
            return Err(Error::conflict("This Patchbay already has an owner. Log in instead."));
        }
        self.attempt_count(&format!("setup:{}", ctx.request.address)).await?;
        let mut session = self.db().read().await?;
        let stored = settings::setting_get(&mut session, SETUP_TOKEN_HASH).await?.unwrap_or_default();
        drop(session);
        let given = hash_hex(request.setup_token.trim());
        if stored.is_empty() || !bool::from(stored.as_bytes().ct_eq(given.as_bytes())) {
            return Err(Error::Forbidden(
                "The setup link is wrong or was used already. Start Patchbay again to get a new one.".to_owned(),
            ));
        }
        let record = new_user_record(
            self,
            &request.email,
            &request.username,
            &request.name,
            Some(request.password),
            vec![Role::Owner],
        )
        .await?;
        let mut write = self.db().write().await?;
        users::users_lock(&mut write).await?;
        if users::users_exist(&mut write).await? || !settings::setting_delete(&mut write, SETUP_TOKEN_HASH).await? {
            return Err(Error::conflict("This Patchbay already has an owner. Log in instead."));
        }
        users::user_insert(&mut write, &record).await?;
        self.audit(&mut write, ctx, Act::on("user.first", "user", record.user.id, &record.user.username)).await?;
        write.commit().await?;
        Ok(record.user)
    }

    /// Makes a user without a caller: the operator's configuration and `--demo` do. Existing e-mail: nothing happens.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn user_ensure(&self, email: &str, username: &str, name: &str, password: &str, role: Role) -> Result<bool> {
        let mut session = self.db().read().await?;
        if users::user_by_email(&mut session, email).await?.is_some() {
            return Ok(false);
        }
        drop(session);
        let record = new_user_record(self, email, username, name, Some(password.to_owned()), vec![role]).await?;
        let mut write = self.db().write().await?;
        users::user_insert(&mut write, &record).await?;
        settings::setting_delete(&mut write, SETUP_TOKEN_HASH).await?;
        let ctx = OpContext::default();
        self.audit(&mut write, &ctx, Act::on("user.create", "user", record.user.id, &record.user.username)).await?;
        write.commit().await?;
        Ok(true)
    }
}

async fn store_token(db: &Db, token: &SetupToken) -> Result<bool> {
    let mut write = db.write().await?;
    if users::users_exist(&mut write).await? {
        return Ok(false);
    }
    settings::setting_put(&mut write, SETUP_TOKEN_HASH, &hash_hex(token.0.trim())).await?;
    write.commit().await?;
    Ok(true)
}
