//! A server asks for more than was granted (protocol.md 14.10): the person is asked twice an hour at most for each tool.

use crate::{Error, OpContext, Result, Service};
use api::Uuid;
use chatd::PermissionAsk;
use domain::oauth::{challenge::Challenge, scopes};
use mcpauth::limits;
use store::{
    changes::{ChangeKind, change_note},
    oauth::{self, StepUp},
};

use super::{Refresher, micros};

impl Refresher {
    /// A tool was refused for want of scopes: notes them for the next consent, unless the person has been asked often enough.
    pub(crate) async fn permission_wanted(
        &self,
        server: Uuid,
        user: Uuid,
        tool: &str,
        challenge: &Challenge,
    ) -> Result<PermissionAsk> {
        let wanted = scopes::choose("", challenge.scope.as_deref(), &[]).map(|chosen| chosen.scopes);
        let mut write = self.db.write().await?;
        let Some(token) = oauth::user_token_get(&mut write, server, user).await? else {
            return Ok(PermissionAsk::Exhausted);
        };
        let wanted = wanted.unwrap_or_default();
        if scopes::missing(&token.scopes, &wanted).is_empty() {
            // It asks for what it has, or for nothing that could be granted: asking the person would change nothing.
            return Ok(PermissionAsk::Exhausted);
        }
        let asked = oauth::step_up_prompt(
            &mut write,
            server,
            user,
            tool,
            &wanted,
            limits::STEP_UPS.into(),
            micros(limits::STEP_UP_WINDOW),
        )
        .await?;
        if asked == StepUp::Prompt {
            let all = scopes::union(&token.wanted_scopes, &wanted);
            oauth::user_token_want(&mut write, server, user, &all).await?;
            change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        }
        write.commit().await?;
        Ok(match asked {
            StepUp::Prompt => PermissionAsk::Asked,
            StepUp::Declined { .. } => PermissionAsk::Declined,
            StepUp::Exhausted => PermissionAsk::Exhausted,
        })
    }
}

impl Service {
    /// "Not now": the caller keeps what was granted, and is not asked again for the same.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::NotFound`] when nothing is asked for.
    pub async fn permission_decline(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        let user = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let token = oauth::user_token_get(&mut write, id, user)
            .await?
            .filter(|token| !token.wanted_scopes.is_empty());
        token.ok_or(Error::NotFound)?;
        oauth::step_ups_decline(&mut write, id, user).await?;
        oauth::user_token_want(&mut write, id, user, "").await?;
        change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        Ok(write.commit().await?)
    }
}
