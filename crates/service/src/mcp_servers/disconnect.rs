//! Disconnect: gone here at once, then given back at the provider (behaviour 10, protocol.md 14.13).

use super::Revocation;
use crate::{
    OpContext, Result, Service,
    audit::Act,
    oauth::{self, grant_note},
};
use api::Uuid;
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{self, Reader},
    oauth::{step_ups_forget, user_token_delete},
    user_header_values,
};

/// The request itself tells the provider; only when that fails is it for the background, after this, microseconds.
const AFTER_MICROS: i64 = 60_000_000;

impl Service {
    /// Removes whatever the caller has stored for a server, also of one that is unknown or concealed by now: everybody can always take
    /// back what is theirs, and the answer tells nothing.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`].
    pub async fn server_disconnect(&self, ctx: &OpContext, id: Uuid) -> Result<Revocation> {
        let user = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let token = user_token_delete(&mut write, id, user).await?;
        let values = user_header_values::user_values_delete(&mut write, id, user).await?;
        if token.is_none() && !values {
            return Ok(Revocation::None);
        }
        step_ups_forget(&mut write, id, user).await?;
        let found = mcp_servers::server_get(&mut write, Reader::of_everything(user), id).await?;
        let slug = found.as_ref().map(|found| found.stored.record.slug.clone()).unwrap_or_default();
        let noted = match (&found, &token) {
            (Some(found), Some(token)) => {
                let facts = oauth::facts_get(&mut write, id).await?;
                let context = self.deps().grants_context();
                grant_note(&context, &mut write, &found.stored, facts.as_ref(), token, AFTER_MICROS).await?
            }
            _ => None,
        };
        self.audit(&mut write, ctx, Act::on("connection.disconnected", "mcp_server", id, &slug)).await?;
        change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        write.commit().await?;
        self.deps().mcp.close_connection(id, user);
        let Some(noted) = noted else { return Ok(Revocation::None) };
        let (service, ctx) = (self.clone(), ctx.clone());
        // Goes on when the caller leaves.
        let work = async move {
            let revoked = service.deps().refresher.give_back_one(&noted).await.unwrap_or(false);
            let mut write = service.db().write().await?;
            let act = Act::on("connection.revoked", "mcp_server", id, &slug);
            service.audit_outcome(&mut write, &ctx, act, if revoked { "ok" } else { "failed" }).await?;
            write.commit().await?;
            Result::Ok(if revoked { Revocation::Revoked } else { Revocation::Failed })
        };
        Ok(tokio::spawn(work).await.ok().and_then(Result::ok).unwrap_or(Revocation::Failed))
    }
}
