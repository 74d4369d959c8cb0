//! Who is connected to a server: seen by admins and auditors, ended by admins (behaviour 4, `connections`).

use super::access_of;
use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid,
    servers::{AuthStatus, ServerConnection},
};
use domain::{accounts::Action, mcp_server::auth_status};
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{self, FoundServer},
    user_header_values,
};

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
        let stored = found.ok_or(Error::NotFound)?.stored;
        let page = user_header_values::user_values_list(&mut session, id, after, CONNECTIONS_PAGE).await?;
        drop(session);
        let connection = |(username, values): (String, user_header_values::UserHeaderRecord)| {
            let (user_id, since) = (values.user_id, values.updated_at);
            let found = FoundServer { stored: stored.clone(), values: Some(values), facts: None };
            let (status, reason) = auth_status(&stored.record, &access_of(&self.deps().keyring, &found));
            let last_error = if status == AuthStatus::NeedsReconnect {
                "The stored values cannot be read any more; the user must enter them again."
            } else {
                ""
            };
            ServerConnection {
                user_id,
                username,
                auth_status: status,
                auth_status_reason: reason.to_owned(),
                since,
                last_error: last_error.to_owned(),
            }
        };
        Ok(page.into_iter().map(connection).collect())
    }

    /// Ends one user's connection: what they stored is removed.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] when there is no such server. A user without a connection is no error.
    pub async fn connection_remove(&self, ctx: &OpContext, id: Uuid, user: Uuid) -> Result<()> {
        ctx.authorize(Action::ServersWrite)?;
        let mut write = self.db().write().await?;
        let slug = mcp_servers::server_slug(&mut write, id).await?.ok_or(Error::NotFound)?;
        if user_header_values::user_values_delete(&mut write, id, user).await? {
            let act =
                Act::on("connection.removed", "mcp_server", id, &slug).fields(vec![format!("user {user}")]);
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
            write.commit().await?;
            self.deps().mcp.close_connection(id, user);
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
        let slug = mcp_servers::server_slug(&mut write, id).await?.ok_or(Error::NotFound)?;
        let removed = user_header_values::user_values_delete_all(&mut write, id).await?;
        if removed > 0 {
            let act = Act::on("connection.removed", "mcp_server", id, &slug)
                .fields(vec![format!("user_header_values {removed}")]);
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Servers, &id.to_string()).await?;
            write.commit().await?;
            self.deps().mcp.close_server(id);
        }
        Ok(())
    }
}
