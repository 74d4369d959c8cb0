//! Reading messages, with markup where it is asked for.

use super::{MESSAGES_PAGE, MESSAGES_PAGE_MAX, actions::actions_wire, queue::queue_wire};
use crate::{Error, OpContext, Result, Service, mcp_check::outcome_words, render_markdown};
use api::{
    Uuid,
    chats::MessagePage,
    check::{ConnectOutcome, ServerOutcome},
    messages::{ChatMessage, MessageRole, Part, ResultContent, ToolResultPart},
};
use domain::plan_mode::is_presented_plan;
use store::messages::{self, PageRequest};

impl Service {
    /// A page of messages (behaviour 17); `rendered` adds sanitised markup to text parts.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] on the limit.
    pub async fn message_page(
        &self,
        ctx: &OpContext,
        id: Uuid,
        before_id: Option<i64>,
        after_id: Option<i64>,
        limit: Option<i64>,
        rendered: bool,
    ) -> Result<MessagePage> {
        let limit = limit.unwrap_or(MESSAGES_PAGE);
        if !(1..=MESSAGES_PAGE_MAX).contains(&limit) {
            return Err(Error::invalid_field("limit", format!("Use 1 to {MESSAGES_PAGE_MAX}.")));
        }
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, id).await?;
        let (mut messages, has_more) =
            messages::message_page(&mut session, id, PageRequest { before_id, after_id, limit }).await?;
        self.veil(ctx, &mut messages);
        if rendered {
            messages.iter_mut().for_each(render_message);
        }
        let queued_messages = match chat.queue_length {
            0 => Vec::new(),
            _ => queue_wire(&mut session, id).await?,
        };
        let actions = actions_wire(&mut session, &chat).await?;
        Ok(MessagePage { messages, queued_messages, actions, has_more })
    }

    /// The whole result of a tool call of an own chat, as it is stored: the model may have seen less (behaviour 15).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn tool_result(&self, ctx: &OpContext, id: Uuid, tool_call_id: &str) -> Result<ToolResultPart> {
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        // PostgreSQL has no NUL in text, and no stored id has one.
        if tool_call_id.contains('\0') {
            return Err(Error::NotFound);
        }
        messages::tool_result_get(&mut session, id, tool_call_id).await?.ok_or(Error::NotFound)
    }

    /// Hides from members what the outcomes of a turn say of where servers are. Every answer with stored messages passes here.
    pub(super) fn veil(&self, ctx: &OpContext, messages: &mut [ChatMessage]) {
        if !Self::viewer(ctx).unredacted {
            veil_outcomes(messages.iter_mut().filter_map(|message| message.mcp_status.as_mut()).flatten());
        }
    }
}

/// Members are told what happened, never where (behaviour 3).
pub(crate) fn veil_outcomes<'a>(outcomes: impl IntoIterator<Item = &'a mut ServerOutcome>) {
    // What was never dialled says why in words of ours, without an address: what the person has to do.
    let dialled =
        |server: &&mut ServerOutcome| !server.error.is_empty() && server.outcome != ConnectOutcome::Skipped;
    // The servers of a workspace are the reader's own.
    let dialled = |server: &&mut ServerOutcome| dialled(server) && !server.workspace;
    for server in outcomes.into_iter().filter(dialled) {
        server.error = outcome_words(server.outcome, &server.display_name);
    }
}

/// A plan that was presented is the model's own text, and shown like an answer.
fn render_plans(message: &mut ChatMessage) {
    for part in &mut message.content {
        let Part::ToolResult(result) = part else { continue };
        if is_presented_plan(result)
            && let Some(ResultContent::Text { text }) = result.result.first()
        {
            result.html = Some(render_markdown(text));
        }
    }
}

/// Adds sanitised markup to the text parts of what the model wrote, plans that it presents among them. What people wrote stays plain text.
pub(crate) fn render_message(message: &mut ChatMessage) {
    match message.role {
        MessageRole::Assistant => {}
        MessageRole::Tool => return render_plans(message),
        MessageRole::User | MessageRole::System => return,
    }
    for part in &mut message.content {
        if let Part::Text(text) = part {
            text.html = Some(render_markdown(&text.text));
        }
    }
}
