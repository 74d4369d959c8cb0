//! "Why this tool?": every gate between a user and a server's tools (behaviour 4). The same gates that turns ask; nothing is dialled.

use crate::{Error, OpContext, Result, Service, definitions::holds, standing::Standing};
use api::{
    Uuid,
    explain::{ExplainedTool, Gate, ServerExplanation},
};
use domain::{
    accounts::Action,
    definitions::KnownDefinitions,
    gates::{self, Choice, Decision, Finding, ServerFacts, ToolFacts, decide},
    plan_mode::TurnMode,
    subagents::servers_of,
    tools::{ToolFilter, exposed_name},
};
use mcpclient::Tool;
use std::sync::Arc;
use store::{
    chats,
    mcp_servers::{self, Reader, StoredServer},
};

/// Who and what is explained.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExplainRequest {
    /// Absent: the caller.
    pub user_id: Option<Uuid>,
    /// A chat of that user. Absent: a new chat without a list of its own.
    pub chat_id: Option<Uuid>,
    /// Of a turn in plan mode, or out of it; absent: as the chat's next turn.
    pub plan_mode: Option<bool>,
}

impl Service {
    /// Why a user gets the tools of a server, or does not. Everybody may ask for themselves, who sees every server for any user.
    ///
    /// # Errors
    /// [`Error::NotFound`]: an unknown or concealed server, a user the caller may not ask about, an unknown user, a chat that is not the user's.
    pub async fn server_explain(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: ExplainRequest,
    ) -> Result<ServerExplanation> {
        let caller = ctx.require()?.user.id;
        let subject = request.user_id.unwrap_or(caller);
        // Decided before any row is read, so that the answer says nothing of users or servers.
        if subject != caller && !ctx.may(Action::ServersReadAll) {
            return Err(Error::NotFound);
        }
        let reader = Self::reader(ctx)?;
        let mut session = self.db().read().await?;
        mcp_servers::server_get(&mut session, reader, id).await?.ok_or(Error::NotFound)?;
        let standing = Standing::load(&mut session, subject).await?.ok_or(Error::NotFound)?;
        let (choice, mode) = match request.chat_id {
            Some(chat) => {
                let chat = chats::chat_get(&mut session, subject, chat).await?.ok_or(Error::NotFound)?;
                let parent = match chat.parent_chat_id {
                    Some(parent) => chats::chat_get(&mut session, subject, parent).await?,
                    None => None,
                };
                // Of the next turn, as everything here.
                let mode = match &parent {
                    Some(parent) => TurnMode::of_subagent(parent.plan_mode),
                    None => TurnMode::of_root(chat.plan_mode),
                };
                let parent = parent.as_ref().map(|parent| parent.mcp_server_ids.as_slice());
                (Choice::of(&servers_of(chat.mode, &chat.mcp_server_ids, parent).ids, id), mode)
            }
            None => (Choice::NewChat, TurnMode::Normal),
        };
        let mode = match request.plan_mode {
            Some(true) => TurnMode::Plan,
            Some(false) => TurnMode::Normal,
            None => mode,
        };
        // With the values of the one who is explained, and whatever keeps them from it is said instead of concealed.
        let all = Reader::of_everything(subject);
        let found = mcp_servers::server_get(&mut session, all, id).await?.ok_or(Error::NotFound)?;
        let groups_alone = Reader { disabled: true, ..standing.reader };
        let open = mcp_servers::server_get(&mut session, groups_alone, id).await?.is_some();
        drop(session);
        let (facts, access) = standing.assess(&self.deps().keyring, &found, open, choice, mode, self.now());
        let known = access.ok().and_then(|target| self.deps().mcp.known_catalogue(&target));
        let words =
            gates::Reader { is_subject: subject == caller, unredacted: ctx.may(Action::ServersReadAll) };
        let definitions = match &known {
            Some(_) if holds(&found.stored.record) => self.definitions_known(id).await?,
            _ => KnownDefinitions::default(),
        };
        let decision = decide(&facts, None);
        Ok(ServerExplanation {
            server_id: id,
            user_id: subject,
            chat_id: request.chat_id,
            offered: decision.offered(),
            failed_gate: failed_gate(&decision),
            gates: decision.to_wire(words),
            tools_known: known.is_some(),
            tools: known
                .map(|known| explain_tools(&found.stored, &facts, &known.tools, &definitions, words))
                .unwrap_or_default(),
        })
    }
}

impl Service {
    async fn definitions_known(&self, server: Uuid) -> Result<KnownDefinitions> {
        let mut session = self.db().read().await?;
        Ok(mcp_servers::definitions_known(&mut session, server).await?)
    }
}

fn failed_gate(decision: &Decision<'_>) -> Option<Gate> {
    decision.failed().map(|finding| finding.gate())
}

fn explain_tools(
    stored: &StoredServer,
    facts: &ServerFacts,
    tools: &[Arc<Tool>],
    definitions: &KnownDefinitions,
    reader: gates::Reader,
) -> Vec<ExplainedTool> {
    let filter = ToolFilter::of(&stored.record);
    let explain = |tool: &Tool| {
        let definition = definitions.standing(&tool.name, &tool.hash);
        let decision = decide(facts, Some(ToolFacts { filter: &filter, name: &tool.name, definition }));
        let own = |finding: &&Finding<'_>| {
            matches!(finding.gate(), Gate::AllowList | Gate::DenyList | Gate::Definition | Gate::Approval)
        };
        ExplainedTool {
            name: tool.name.clone(),
            exposed_name: exposed_name(&stored.record.slug, &tool.name),
            title: tool.title.clone().unwrap_or_default(),
            offered: decision.offered(),
            failed_gate: failed_gate(&decision),
            gates: decision.findings.iter().filter(own).map(|finding| finding.to_wire(reader)).collect(),
        }
    };
    tools.iter().map(|tool| explain(tool)).collect()
}
