//! Reads a chat's messages within a budget. A message can hold megabytes of results, so a count of rows alone bounds nothing.

use crate::{hub::content_bytes, limits};
use api::{Uuid, messages::ChatMessage};
use std::ops::ControlFlow;
use store::{
    Session, StoreError,
    messages::{PageRequest, message_page},
};

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The newest message, then the older ones.
    Newest,
    /// The message after this one, then the newer ones.
    After(i64),
}

/// Hands visible messages to `take`, one by one, until it has enough or there are no more; true in the latter case. Pages get small
/// when messages are large.
pub(crate) async fn read(
    session: &mut Session,
    chat: Uuid,
    from: From,
    mut take: impl FnMut(ChatMessage) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    let (first, then) = limits::PAGE_MESSAGES;
    let mut page = match from {
        From::Newest => PageRequest { limit: first, ..PageRequest::default() },
        From::After(id) => PageRequest { after_id: Some(id), limit: first, before_id: None },
    };
    loop {
        let (messages, more) = message_page(session, chat, page).await?;
        let mut bytes = 0_usize;
        for message in messages {
            match from {
                From::Newest => page.before_id = Some(message.id),
                From::After(_) => page.after_id = Some(message.id),
            }
            bytes = bytes.saturating_add(message_bytes(&message));
            if take(message).is_break() {
                return Ok(false);
            }
        }
        if !more {
            return Ok(true);
        }
        page.limit = if bytes > limits::PAGE_BYTES { 1 } else { then };
    }
}

/// Bytes of the text and data in a message.
pub(crate) fn message_bytes(message: &ChatMessage) -> usize {
    message.content.iter().map(content_bytes).sum()
}

/// A budget of messages and of bytes: the first message always fits, each further one while both last.
#[derive(Debug)]
pub(crate) struct Budget {
    messages: i64,
    bytes: usize,
    spent: bool,
}

impl Budget {
    pub(crate) fn new(messages: i64, bytes: usize) -> Self {
        Self { messages, bytes, spent: false }
    }

    /// Whether a message of `bytes` fits. After the first that does not, none does.
    pub(crate) fn fits(&mut self, bytes: usize) -> bool {
        if self.messages <= 0 || (self.spent && bytes > self.bytes) {
            self.messages = 0;
            return false;
        }
        self.spent = true;
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_always_fits_and_nothing_comes_after_the_first_that_does_not() {
        let mut budget = Budget::new(10, 100);
        assert!(budget.fits(1000));
        assert!(!budget.fits(1));
        let mut budget = Budget::new(10, 100);
        assert!(budget.fits(60) && budget.fits(40));
        assert!(!budget.fits(1));
        assert!(!budget.fits(0), "a gap in a history is worse than an early end");
        let mut budget = Budget::new(2, 100);
        assert!(budget.fits(1) && budget.fits(1) && !budget.fits(1));
    }
}
