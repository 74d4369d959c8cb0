//! The first owner (behaviour 30): made once, with a token of 256 bits that only the operator saw.

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    users::{new_user_record, roles_given},
};
use api::users::{FirstUserCreate, Role, User, UserCreate};
use domain::accounts;
use sha2::{Digest, Sha256};
use store::{Db, settings, users};
use subtle::ConstantTimeEq;

const SETUP_TOKEN_HASH: &str = "setup_token_sha256";

/// The token for the first owner, as the operator gets to see it.
pub struct SetupToken(pub String);

fn hash_hex(token: &str) -> String {
    domain::text::hex(&Sha256::digest(token.as_bytes()))
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

    /// A fresh token of 256 bits.
    pub fn setup_token_generate(&self) -> String {
        self.new_token()
    }

    /// A password that passes our own rules, for accounts made without a person: `--demo`.
    pub fn password_generate(&self) -> String {
        self.new_token().chars().take(20).collect()
    }

    /// Sets the password of the account with this e-mail, without a caller: `--demo` prints a new one at each start.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn password_reset(&self, email: &str, password: &str) -> Result<()> {
        let hash = self.0.passwords.hash(password.to_owned()).await?;
        let mut write = self.db().write().await?;
        let mut record = users::user_by_email(&mut write, email).await?.ok_or(Error::NotFound)?;
        record.password_hash = Some(hash);
        record.user.updated_at = self.now();
        users::user_update(&mut write, &record).await?;
        let ctx = OpContext::default();
        let act = Act::on("user.password", "user", record.user.id, &record.user.username);
        self.audit(&mut write, &ctx, act.fields(vec!["password changed".to_owned()])).await?;
        write.commit().await?;
        Ok(())
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
            // At most as many as the limit of attempts above lets through.
            let mut write = self.db().write().await?;
            self.audit_outcome(&mut write, ctx, Act::on_any("user.first", "user"), "denied").await?;
            write.commit().await?;
            return Err(Error::Forbidden(
                "The setup link is wrong or was used already. Start Patchbay again to get a new one."
                    .to_owned(),
            ));
        }
        let new = accounts::validate_first_user(&request).map_err(Error::invalid)?;
        let record = new_user_record(self, new).await?;
        let mut write = self.db().write().await?;
        users::users_lock(&mut write).await?;
        if users::users_exist(&mut write).await?
            || !settings::setting_delete(&mut write, SETUP_TOKEN_HASH).await?
        {
            return Err(Error::conflict("This Patchbay already has an owner. Log in instead."));
        }
        users::user_insert(&mut write, &record).await?;
        let act = Act::on("user.first", "user", record.user.id, &record.user.username);
        self.audit(&mut write, ctx, act.fields(vec![roles_given(&record.user.roles)])).await?;
        write.commit().await?;
        Ok(record.user)
    }

    /// Makes a user without a caller: the operator's configuration and `--demo` do. Existing e-mail: nothing happens.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn user_ensure(
        &self,
        email: &str,
        username: &str,
        name: &str,
        password: &str,
        role: Role,
    ) -> Result<bool> {
        let mut session = self.db().read().await?;
        if users::user_by_email(&mut session, email).await?.is_some() {
            return Ok(false);
        }
        drop(session);
        let request = UserCreate {
            email: email.to_owned(),
            username: username.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            roles: vec![role.as_str().to_owned()],
        };
        let new = accounts::validate_user_create(&request).map_err(Error::invalid)?;
        let record = new_user_record(self, new).await?;
        let mut write = self.db().write().await?;
        users::user_insert(&mut write, &record).await?;
        settings::setting_delete(&mut write, SETUP_TOKEN_HASH).await?;
        let ctx = OpContext::default();
        let act = Act::on("user.create", "user", record.user.id, &record.user.username);
        self.audit(&mut write, &ctx, act.fields(vec![roles_given(&record.user.roles)])).await?;
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
