//! API tokens (behaviour 30).

use crate::{
    Error, OpContext, Result, Service, audit::Act, sessions::token_hash, users::refuse_owner_change,
};
use api::{
    Uuid,
    users::{Token, TokenCreate, TokenCreated},
};
use domain::accounts;
use store::{
    Session,
    credentials::{self, CredentialKind, CredentialRecord},
    users,
};

impl Service {
    /// Makes a token; its text is in the answer and nowhere else. Tokens are made by their user only: an admin who could make one
    /// for somebody else could act as them.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for another user; [`Error::Invalid`].
    pub async fn token_create(
        &self,
        ctx: &OpContext,
        user: &str,
        request: TokenCreate,
    ) -> Result<TokenCreated> {
        let user_id = self.user_id_of(ctx, user)?;
        let caller = ctx.require()?;
        if user_id != caller.user.id {
            let message = "A token can only be made by the user it belongs to.";
            return Err(ctx.refuse("token.create", "token", message));
        }
        let (name, lifetime) = accounts::validate_token_create(&request).map_err(Error::invalid)?;
        let token = self.new_token();
        let now = self.now();
        let record = CredentialRecord {
            id: self.new_id(),
            user_id,
            kind: CredentialKind::Token,
            name: name.clone(),
            user_agent: String::new(),
            address: ctx.request.address.clone(),
            created_at: now,
            expires_at: now.plus_seconds(lifetime),
            last_used_at: None,
        };
        let mut write = self.db().write().await?;
        credentials::credential_insert(&mut write, &record, &token_hash(&token)).await?;
        self.audit(&mut write, ctx, Act::on("token.create", "token", record.id, &name)).await?;
        write.commit().await?;
        Ok(TokenCreated { id: record.id, key: token, expires_at: record.expires_at })
    }

    /// A user's tokens, without their text.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unauthorized`].
    pub async fn token_list(&self, ctx: &OpContext, user: &str) -> Result<Vec<Token>> {
        let user_id = self.user_id_of(ctx, user)?;
        let mut session = self.db().read().await?;
        self.owner_guard(ctx, &mut session, user_id).await?;
        let records = credentials::credential_list(&mut session, user_id, CredentialKind::Token).await?;
        Ok(records
            .into_iter()
            .map(|record| Token {
                id: record.id,
                token_name: record.name,
                created_at: record.created_at,
                expires_at: record.expires_at,
                last_used: record.last_used_at,
            })
            .collect())
    }

    /// Removes a token.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn token_delete(&self, ctx: &OpContext, user: &str, id: Uuid) -> Result<()> {
        let user_id = self.user_id_of(ctx, user)?;
        let mut write = self.db().write().await?;
        self.owner_guard(ctx, &mut write, user_id).await?;
        let tokens = credentials::credential_list(&mut write, user_id, CredentialKind::Token).await?;
        let token = tokens.into_iter().find(|token| token.id == id).ok_or(Error::NotFound)?;
        credentials::credential_delete(&mut write, user_id, CredentialKind::Token, id).await?;
        let act = Act::on("token.delete", "token", id, &token.name).fields(vec![format!("user={user_id}")]);
        self.audit(&mut write, ctx, act).await?;
        write.commit().await?;
        Ok(())
    }

    /// Only an owner touches what belongs to an owner (behaviour 2).
    async fn owner_guard(&self, ctx: &OpContext, session: &mut Session, user_id: Uuid) -> Result<()> {
        let caller = ctx.require()?;
        if user_id == caller.user.id {
            return Ok(());
        }
        let target = users::user_get(session, user_id).await?.ok_or(Error::NotFound)?;
        if accounts::can_manage_user(&caller.user.roles, &target.user.roles, &[]) {
            return Ok(());
        }
        Err(refuse_owner_change(ctx))
    }
}
