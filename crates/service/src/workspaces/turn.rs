//! The servers of a workspace as a turn sees them, read from the database each time: an edit acts at the next call.

use super::{document_of, switch::servers_allowed};
use api::{Uuid, check::ConnectOutcome, users::UserStatus, workspaces::McpEntry};
use chatd::{StepServer, Unusable};
use dbcrypt::Keyring;
use domain::{
    gates::{Choice, ServerFacts},
    workspace::{entry_id, server_record},
};
use http::HeaderName;
use mcpclient::{Target, Transport};
use secrecy::SecretString;
use store::{
    Session, StoreError, users,
    workspaces::{self, WorkspaceRecord},
};

/// Every entry of the workspace that `chat` is bound to, with how it is dialled or why not; none without a workspace.
pub(crate) async fn step_servers(
    session: &mut Session,
    keyring: &Keyring,
    chat: Uuid,
) -> Result<Vec<StepServer>, StoreError> {
    let Some(workspace) = workspaces::workspace_of_chat(session, chat).await? else { return Ok(Vec::new()) };
    let owner = users::user_get(session, workspace.owner_id).await?;
    let account_active = owner.is_some_and(|owner| owner.user.status == UserStatus::Active);
    let allowed = servers_allowed(session).await?;
    let Ok(document) = document_of(keyring, &workspace) else {
        let message =
            "The servers of the workspace cannot be read any more. Enter them again under Workspaces.";
        let named = McpEntry::default();
        return Ok(vec![step_server(
            &workspace,
            &workspace.name,
            &named,
            account_active,
            Err(skipped(message)),
        )]);
    };
    let server = |(name, entry): (&String, &McpEntry)| {
        let access = if allowed {
            target(&workspace, name, entry)
        } else {
            Err(skipped("An admin has switched off the servers of workspaces."))
        };
        step_server(&workspace, name, entry, account_active, access)
    };
    Ok(document.mcp_servers.iter().map(server).collect())
}

fn skipped(message: &str) -> Unusable {
    Unusable { outcome: ConnectOutcome::Skipped, message: message.to_owned() }
}

fn step_server(
    workspace: &WorkspaceRecord,
    name: &str,
    entry: &McpEntry,
    account_active: bool,
    access: Result<Target, Unusable>,
) -> StepServer {
    let id = entry_id(workspace.id, name, workspace.document_version);
    let record = server_record(id, name, entry, workspace.document_version);
    let facts = ServerFacts { account_active, ..ServerFacts::open(&record, Choice::Chosen) };
    StepServer { record, facts, access }
}

/// Nothing but what the document says goes along: no identity, no sign-in (behaviour 23).
fn target(workspace: &WorkspaceRecord, name: &str, entry: &McpEntry) -> Result<Target, Unusable> {
    let url = entry
        .url
        .parse()
        .map_err(|_| skipped("The stored URL is not valid. Enter it again under Workspaces."))?;
    let headers = entry.headers.iter().map(|(name, value)| {
        let name = HeaderName::try_from(name)
            .map_err(|_| skipped("A stored header name is not valid. Enter it again under Workspaces."))?;
        Ok((name, SecretString::from(value.as_str())))
    });
    Ok(Target {
        server_id: entry_id(workspace.id, name, workspace.document_version),
        user_id: workspace.owner_id,
        slug: name.to_owned(),
        url,
        transport: match entry.transport {
            api::workspaces::McpTransport::Http => Transport::StreamableHttp,
            api::workspaces::McpTransport::Sse => Transport::Sse,
        },
        wire: None,
        headers: headers.collect::<Result<_, Unusable>>()?,
        forwarding: None,
        credential_version: workspace.document_version,
    })
}
