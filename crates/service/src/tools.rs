//! The tools of one server for those who manage it (behaviour 4): what was listed, what changed, accepting it, and a call by hand.

mod diff;
mod trial;

use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid,
    servers::ToolChangePolicy,
    tools::{ServerTool, ToolAccept, ToolClaims, ToolState},
};
use domain::{
    accounts::Action,
    mcp_server::ServerRecord,
    tools::{ToolFilter, exposed_name},
};
use mcpclient::Tool;
use store::{
    changes::{ChangeKind, change_note},
    mcp_servers::{
        StoredDefinition, definition_accept, definition_listed, definitions_list, definitions_lock,
        server_get,
    },
};

impl Service {
    /// The tools of a server as they were listed last, by name. Contacts nobody.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn tool_list(&self, ctx: &OpContext, id: Uuid) -> Result<Vec<ServerTool>> {
        ctx.authorize(Action::ServersReadAll)?;
        let mut session = self.db().read().await?;
        let found = server_get(&mut session, Self::reader(ctx)?, id).await?.ok_or(Error::NotFound)?;
        let stored = definitions_list(&mut session, id).await?;
        drop(session);
        Ok(of_each_tool(&stored).map(|definitions| shown(&found.stored.record, definitions)).collect())
    }

    /// Accepts the definition of a tool that is listed now. Accepting what is accepted changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]: no such server, or it never listed such a tool; [`Error::Conflict`]: by now it lists
    /// another definition than the caller has seen.
    pub async fn tool_accept(&self, ctx: &OpContext, id: Uuid, tool: &str, accept: ToolAccept) -> Result<()> {
        let by = ctx.authorize(Action::ServersWrite)?.user.id;
        // PostgreSQL has no NUL in text, and no tool has one in its name.
        if tool.contains('\0') {
            return Err(Error::NotFound);
        }
        let mut write = self.db().write().await?;
        let found = server_get(&mut write, Self::reader(ctx)?, id).await?.ok_or(Error::NotFound)?;
        definitions_lock(&mut write, id).await?.ok_or(Error::NotFound)?;
        let listed = definition_listed(&mut write, id, tool).await?.ok_or(Error::NotFound)?;
        if accept.definition_hash.is_some_and(|seen| seen != listed.hash) {
            return Err(Error::conflict(
                "The definition of this tool has changed again. Look at what it is now, then decide.",
            ));
        }
        if definition_accept(&mut write, id, tool, &listed.hash, by, self.now()).await? {
            let fields = vec![format!("tool {tool}"), format!("definition {}", &listed.hash[..16])];
            let act =
                Act::on("server.tool_accepted", "mcp_server", id, &found.stored.record.slug).fields(fields);
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Tools, &id.to_string()).await?;
        }
        write.commit().await?;
        self.deps().definitions.forget(Some(id));
        Ok(())
    }
}

/// The stored definitions of each tool, the listed one at the end.
fn of_each_tool(stored: &[StoredDefinition]) -> impl Iterator<Item = &[StoredDefinition]> {
    stored.chunk_by(|one, next| one.name == next.name)
}

/// How the definition that is listed now stands.
pub(crate) fn state_of(policy: ToolChangePolicy, accepted: bool, accepted_before: bool) -> ToolState {
    match (accepted || policy == ToolChangePolicy::Accept, policy, accepted_before) {
        (true, ..) => ToolState::Accepted,
        (false, ToolChangePolicy::Hold, _) => ToolState::Held,
        (false, _, true) => ToolState::Changed,
        (false, _, false) => ToolState::New,
    }
}

/// What kept definitions of one tool, the listed one at the end, mean to people.
fn shown(record: &ServerRecord, definitions: &[StoredDefinition]) -> ServerTool {
    let (listed, before) = definitions.split_last().expect("chunks are not empty");
    // What is stored was usable when it came.
    let definition = serde_json::from_str(&listed.definition).unwrap_or_default();
    let tool = Tool::from_definition(&definition).ok();
    let verdict = ToolFilter::of(record).verdict(&listed.name);
    let accepted_last =
        before.iter().filter(|known| known.accepted_at.is_some()).max_by_key(|known| known.listed_at);
    let state = state_of(record.tool_change_policy, listed.accepted_at.is_some(), accepted_last.is_some());
    let text =
        |key: &str| definition.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let claims = tool.as_ref().map(|tool| tool.annotations).unwrap_or_default();
    ServerTool {
        exposed_name: exposed_name(&record.slug, &listed.name),
        title: tool.as_ref().and_then(|tool| tool.title.clone()).unwrap_or_default(),
        description: tool.as_ref().map_or_else(|| text("description"), |tool| tool.description.clone()),
        definition_hash: listed.hash.clone(),
        state,
        allowed: verdict.is_allowed(),
        reason: if verdict.is_allowed() { String::new() } else { verdict.reason() },
        first_seen_at: listed.first_seen_at,
        accepted_at: listed.accepted_at,
        accepted_by: listed.accepted_by,
        gone_since: listed.gone_since,
        input_schema: definition.get("inputSchema").cloned().unwrap_or_default(),
        claims: ToolClaims {
            read_only: claims.read_only,
            destructive: claims.destructive,
            idempotent: claims.idempotent,
            open_world: claims.open_world,
        },
        lint: tool.as_ref().map(|tool| crate::mcp_check::lints_of(tool, &record.slug)).unwrap_or_default(),
        diff: (state != ToolState::Accepted)
            .then(|| accepted_last.map(|before| diff::between(&before.definition, &definition)))
            .flatten(),
        name: listed.name.clone(),
    }
}
