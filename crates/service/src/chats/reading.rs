//! Reading messages, with markup where it is asked for.

use super::{MESSAGES_PAGE, MESSAGES_PAGE_MAX};
use crate::{Error, OpContext, Result, Service, render_markdown};
use api::{
    Uuid,
    chats::MessagePage,
    messages::{ChatMessage, MessageRole, Part},
};
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
        self.chat_own(ctx, &mut session, id).await?;
        let (mut messages, has_more) =
            messages::message_page(&mut session, id, PageRequest { before_id, after_id, limit }).await?;
        if rendered {
            messages.iter_mut().for_each(render_message);
        }
        Ok(MessagePage { messages, queued_messages: Vec::new(), has_more })
    }
}

/// Adds sanitised markup to the text parts of what the model wrote. What people wrote stays plain text.
pub(crate) fn render_message(message: &mut ChatMessage) {
    if message.role != MessageRole::Assistant {
        return;
    }
    for part in &mut message.content {
        if let Part::Text(text) = part {
            text.html = Some(render_markdown(&text.text));
        }
    }
}
