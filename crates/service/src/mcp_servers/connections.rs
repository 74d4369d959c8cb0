//! Who is connected to a server: seen by admins and auditors, ended by admins (behaviour 4, `connections`).

use super::access_of;
use crate::{Error, OpContext, Result, Service, audit::Act, oauth};
use api::{
    Timestamp, Uuid,
    servers::{AuthStatus, AuthType, ServerConnection},
};
use domain::{accounts::Action, mcp_server::auth_status};
use store::{
    Session,
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer, Reader, StoredServer},
    oauth::{UserToken, step_ups_forget, user_token_delete, user_tokens_page},
    user_header_values::{self, UserHeaderRecord},
};

/// What a user has stored for a server.
enum Own {
    Values(UserHeaderRecord),
    Token(Box<UserToken>),
}

/// Most connections in one answer.
const CONNECTIONS_PAGE: i64 = 1000;

impl Service {
    /// Users with something stored for a server, by user name: those after the name `after`, at most 1 000.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn connection_list(
        &self,
        ctx: &OpContext,
        id: Uuid,
        after: &str,
    ) -> Result<Vec<ServerConnection>> {
        ctx.authorize(Action::ServersReadAll)?;
        // PostgreSQL has no NUL in text.
        if after.contains('\0') {
            return Err(Error::invalid_field("after", "Contains a control character. Remove it."));
        }
        let mut session = self.db().read().await?;
        let found = mcp_servers::server_get(&mut session, Self::reader(ctx)?, id).await?;
        let FoundServer { stored, oauth: facts, .. } = found.ok_or(Error::NotFound)?;
        let all = self.connected_users(&mut session, &stored, after).await?;
        drop(session);
        let connection = |(username, user_id, since, one): (String, Uuid, Timestamp, Own)| {
            let mut found = FoundServer { oauth: facts.clone(), ..FoundServer::plain(stored.clone()) };
            let mut last_error = String::new();
            match one {
                Own::Values(values) => found.values = Some(values),
                Own::Token(token) => {
                    last_error.clone_from(&token.failure_detail);
                    found.token = Some(*token);
                }
            }
            let access = access_of(&self.deps().keyring, &found, self.now());
            let (status, reason) = auth_status(&stored.record, &access);
            if status == AuthStatus::NeedsReconnect && last_error.is_empty() {
                "What is stored does not work any more; the user must connect again."
                    .clone_into(&mut last_error);
            }
            ServerConnection {
                user_id,
                username,
                auth_status: status,
                auth_status_reason: reason.to_owned(),
                since,
                last_error,
            }
        };
        Ok(all.into_iter().map(connection).collect())
    }

    async fn connected_users(
        &self,
        session: &mut Session,
        stored: &StoredServer,
        after: &str,
    ) -> Result<Vec<(String, Uuid, Timestamp, Own)>> {
        let id = stored.record.id;
        if stored.record.auth_type == AuthType::Oauth2 {
            let page = user_tokens_page(session, id, after, CONNECTIONS_PAGE).await?;
            let one = |(name, token): (String, UserToken)| {
                let since = token.failed_at.unwrap_or(token.connected_at);
                (name, token.user_id, since, Own::Token(Box::new(token)))
            };
            return Ok(page.into_iter().map(one).collect());
        }
        let page = user_header_values::user_values_list(session, id, after, CONNECTIONS_PAGE).await?;
        let one = |(name, values): (String, UserHeaderRecord)| {
            (name, values.user_id, values.updated_at, Own::Values(values))
        };
        Ok(page.into_iter().map(one).collect())
    }

    /// Ends one user's connection: what they stored is removed.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] when there is no such server. A user without a connection is no error.
    pub async fn connection_remove(&self, ctx: &OpContext, id: Uuid, user: Uuid) -> Result<()> {
        ctx.authorize(Action::ServersWrite)?;
        let mut write = self.db().write().await?;
        let found = mcp_servers::server_get(&mut write, Reader::of_everything(user), id).await?;
        let stored = found.ok_or(Error::NotFound)?.stored;
        let slug = stored.record.slug.clone();
        let token = user_token_delete(&mut write, id, user).await?;
        if let Some(token) = &token {
            let facts = oauth::facts_get(&mut write, id).await?;
            let context = self.deps().grants_context();
            oauth::grant_note(&context, &mut write, &stored, facts.as_ref(), token, 0).await?;
            step_ups_forget(&mut write, id, user).await?;
        }
        if user_header_values::user_values_delete(&mut write, id, user).await? || token.is_some() {
            let act =
                Act::on("connection.removed", "mcp_server", id, &slug).fields(vec![format!("user {user}")]);
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
            write.commit().await?;
            self.deps().mcp.close_connection(id, user);
            self.revocations_soon();
        }
        Ok(())
    }

    /// Ends every user's connection to a server.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] when there is no such server.
    pub async fn connection_remove_all(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        ctx.authorize(Action::ServersWrite)?;
        let mut write = self.db().write().await?;
        let stored = mcp_servers::server_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let slug = stored.record.slug.clone();
        let facts = oauth::facts_get(&mut write, id).await?;
        let context = self.deps().grants_context();
        let departed = oauth::grants_of_server(&context, &mut write, &stored, facts.as_ref()).await?.users;
        let removed = user_header_values::user_values_delete_all(&mut write, id).await?;
        if removed > 0 || departed > 0 {
            let act =
                Act::on("connection.removed", "mcp_server", id, &slug).fields(counted(departed, removed));
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
            write.commit().await?;
            self.deps().mcp.close_server(id);
            self.revocations_soon();
        }
        Ok(())
    }
}

/// What was removed, in the words of the log.
fn counted(tokens: i64, values: u64) -> Vec<String> {
    let tokens = (tokens > 0).then(|| format!("user_tokens {tokens}"));
    let values = (values > 0).then(|| format!("user_header_values {values}"));
    tokens.into_iter().chain(values).collect()
}
