//! Whether chats use the servers of their workspaces, on this deployment (behaviour 23).

use crate::{OpContext, Result, Service, audit::Act};
use api::workspaces::WorkspaceServers;
use domain::accounts::Action;
use store::{Session, StoreError, settings};

/// The row of `settings`: `on` or `off`; on unless somebody switched it.
const KEY: &str = "workspaces.servers";
const ON: &str = "on";
const OFF: &str = "off";

/// Read at each step and right before each call, so that it needs no cache and acts at once on every replica.
pub(super) async fn servers_allowed(session: &mut Session) -> std::result::Result<bool, StoreError> {
    let value = settings::setting_get(session, KEY).await?;
    // Whatever else stands there was written by somebody who did not mean "on".
    Ok(value.is_none_or(|value| value == ON))
}

impl Service {
    /// Whether the servers of workspaces may be used. Everybody who has workspaces needs to know.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`].
    pub async fn workspace_servers_get(&self, ctx: &OpContext) -> Result<WorkspaceServers> {
        ctx.require()?;
        let mut session = self.db().read().await?;
        Ok(WorkspaceServers { enabled: servers_allowed(&mut session).await? })
    }

    /// Switches them on or off; acts at the next call of every turn.
    ///
    /// # Errors
    /// [`crate::Error::Forbidden`].
    pub async fn workspace_servers_put(
        &self,
        ctx: &OpContext,
        request: WorkspaceServers,
    ) -> Result<WorkspaceServers> {
        ctx.authorize(Action::ServersWrite)?;
        let wanted = if request.enabled { ON } else { OFF };
        let mut write = self.db().write().await?;
        let before = settings::setting_get_for_update(&mut write, KEY, ON).await?;
        if before != wanted {
            settings::setting_put(&mut write, KEY, wanted).await?;
            let act = Act {
                action: "settings.update",
                resource_type: "setting",
                resource_id: "workspace-servers".to_owned(),
                resource_name: "workspace-servers",
                changed_fields: vec![format!("switched {wanted}")],
            };
            self.audit(&mut write, ctx, act).await?;
        }
        write.commit().await?;
        Ok(request)
    }
}
