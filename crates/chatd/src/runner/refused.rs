//! What a turn does about a server that refuses the credential or wants more permission (behaviour 10, protocol.md R3 and 14.10). A
//! refused request was surely not executed, so it may go out again with another credential; that is done once.

use crate::{
    daemon::Shared,
    limits,
    ports::{PermissionAsk, SourceError, StepServer, TurnScope},
};
use api::{
    Uuid,
    messages::ToolNeeds,
    servers::{AuthStatus, AuthType},
};
use domain::{mcp_server::ServerRecord, oauth::challenge::Challenge, workspace::is_entry_id};
use mcpclient::{Refused, Target};
use std::time::Duration;

/// How a listing is named where tools are.
pub(super) const LISTING: &str = "tools/list";

/// For which turn.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) shared: &'a Shared,
    /// The chat at the top, whose workspace counts.
    pub(super) root: Uuid,
    pub(super) scope: TurnScope<'a>,
}

/// Why nothing is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Final {
    /// There is no other credential now.
    NoOther,
    /// Whether there is one could not be found out.
    Unclear,
    /// The one that was got for the refusal was refused as well.
    Twice,
}

impl Asking<'_> {
    /// A server as it is now, of the deployment or of the chat's workspace.
    pub(super) async fn server(&self, server_id: Uuid) -> Result<Option<StepServer>, SourceError> {
        let source = &self.shared.deps.servers;
        if is_entry_id(server_id) {
            return source.workspace_server(self.root, server_id).await;
        }
        source.call_server(self.scope, server_id).await
    }

    /// The server with another credential than that of `target`, which it has just refused.
    pub(super) async fn renewed(&self, target: &Target, refused: &Refused) -> Result<StepServer, Final> {
        // What stands in a workspace is all there is: no sign-in is behind it.
        if is_entry_id(target.server_id) {
            return Err(Final::NoOther);
        }
        let renewing = self.shared.deps.servers.credential_refused(
            self.scope,
            target.server_id,
            target.credential_version,
            refused.challenge.as_ref(),
        );
        match within(limits::RENEWAL, renewing).await {
            Ok(server) => server.ok_or(Final::NoOther),
            Err(error) => {
                tracing::warn!(server = %target.server_id, %error, "a refused credential could not be renewed");
                Err(Final::Unclear)
            }
        }
    }

    /// What was got for the refusal was refused as well: that is told, and nothing is sent a third time.
    pub(super) async fn refused_twice(&self, target: &Target, refused: &Refused) -> Final {
        // Another one by now would be for the next call.
        let _ = self.renewed(target, refused).await;
        Final::Twice
    }

    /// How the owner's connection stands after that. What the server said last counts: a connection of the owner's own that is still
    /// kept for good is not.
    pub(super) async fn standing(
        &self,
        record: &ServerRecord,
        before: AuthStatus,
        after: Final,
    ) -> AuthStatus {
        let status = match within(limits::LEARN, self.server(record.id)).await {
            Ok(server) => server.map_or(before, |server| server.facts.auth_status),
            Err(error) => {
                tracing::warn!(server = %record.id, %error, "how a connection stands could not be read");
                before
            }
        };
        let own = matches!(record.auth_type, AuthType::Oauth2 | AuthType::UserHeader);
        match (status, after) {
            (status, _) if !own => status,
            (AuthStatus::Connected | AuthStatus::NeedsPermission, Final::Unclear) => {
                AuthStatus::ExpiredRefreshable
            }
            (AuthStatus::Connected | AuthStatus::NeedsPermission, _) => AuthStatus::NeedsReconnect,
            (AuthStatus::ExpiredRefreshable, Final::Twice) => AuthStatus::NeedsReconnect,
            (status, _) => status,
        }
    }

    /// Asks the person for more permission for a tool (threats 19: how often is decided behind the port). `None`: that could not be done.
    pub(super) async fn permission(
        &self,
        server_id: Uuid,
        tool: &str,
        refused: &Refused,
    ) -> Option<PermissionAsk> {
        if is_entry_id(server_id) {
            return None;
        }
        let unnamed = Challenge::default();
        let challenge = refused.challenge.as_ref().unwrap_or(&unnamed);
        let asking = self.shared.deps.servers.permission_wanted(self.scope.owner, server_id, tool, challenge);
        match within(limits::LEARN, asking).await {
            Ok(ask) => Some(ask),
            Err(error) => {
                tracing::warn!(server = %server_id, %error, "nobody could be asked for more permission");
                None
            }
        }
    }
}

async fn within<T>(
    time: Duration,
    asking: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let late = |_| Err(SourceError(format!("no answer within {} s", time.as_secs())));
    tokio::time::timeout(time, asking).await.unwrap_or_else(late)
}

/// What the owner can do about a connection that stands so.
pub(super) fn needs_of(status: AuthStatus) -> Option<ToolNeeds> {
    matches!(status, AuthStatus::NotConnected | AuthStatus::NeedsReconnect).then_some(ToolNeeds::Connection)
}

/// The same of a server of a workspace, whose headers are its user's own.
pub(super) fn rejected_in_workspace(name: &str) -> String {
    format!(
        "The call did not happen: {name} does not accept the headers that the workspace sends. The person can correct them under \
         Workspaces; do not repeat this call in this turn."
    )
}

/// Of a call whose credential was refused, to model and user.
pub(super) fn rejected_text(name: &str, status: AuthStatus) -> String {
    let next = match status {
        AuthStatus::NotConnected | AuthStatus::NeedsReconnect => {
            "The person has to connect to it again; do not repeat this call in this turn."
        }
        AuthStatus::ExpiredRefreshable => "They could not be renewed at the moment. Try again later.",
        _ => "An admin has to correct them; do not repeat this call in this turn.",
    };
    format!("The call did not happen: {name} does not accept the credentials. {next}")
}

/// Of a server whose credential was refused when it was to list its tools, to people; `None` where what the server said is all.
pub(super) fn unlisted_text(status: AuthStatus) -> Option<&'static str> {
    match status {
        AuthStatus::NotConnected | AuthStatus::NeedsReconnect => {
            Some("The server does not accept the credentials any more. Connect to it again.")
        }
        AuthStatus::ExpiredRefreshable => Some(
            "The server does not accept the credentials, and they could not be renewed. The next step tries again.",
        ),
        _ => None,
    }
}

/// Of a call that needs more permission, to model and user.
pub(super) fn permission_text(name: &str, refused: &Refused, asked: Option<PermissionAsk>) -> String {
    let scopes = refused.scopes();
    let scopes = if scopes.is_empty() { scopes } else { format!(" (scopes {scopes})") };
    let asked = match asked {
        Some(PermissionAsk::Asked) => "the person has been asked",
        Some(PermissionAsk::Declined) => "the person has declined that",
        Some(PermissionAsk::Exhausted) => "the person has been asked too often already",
        None => "the person could not be asked",
    };
    format!(
        "The call did not happen: {name} needs more permission{scopes}; {asked}. Do not repeat this call in this turn."
    )
}
