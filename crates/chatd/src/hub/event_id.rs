//! Ids of stream events: opaque to clients, bound to the chat, ascending along a stream (behaviour 19).

use crate::limits;
use api::Uuid;
use sha2::{Digest, Sha256};
use std::fmt;

/// `sequence` of an event of a snapshot when live parts of before may still stand on the reader's screen.
pub(crate) const SNAPSHOT: u64 = 0;
/// The same when none do: a reader that is cut here need not be told again to drop them, so it gets on even if every connection
/// brings it one event only.
pub(crate) const SNAPSHOT_CLEAN: u64 = 1;

/// Flag in `sequence` of the events of a snapshot behind its messages.
const TAIL: u64 = 1 << 63;
/// Which of those the reader has been shown.
pub(crate) const SERVERS_TOLD: u64 = 1 << 62;
pub(crate) const QUEUE_TOLD: u64 = 1 << 61;
pub(crate) const STATUS_TOLD: u64 = 1 << 60;
const TOLD: u64 = SERVERS_TOLD | QUEUE_TOLD | STATUS_TOLD;
const VERSION: u64 = STATUS_TOLD - 1;

/// `sequence` of an event of a snapshot behind its messages: what was told of the chat in this version of it. A reader that is cut here
/// is not told the same again while nothing has changed, so it gets on even if every connection brings it one event only.
pub(crate) fn tail(told: u64, snapshot_version: i64) -> u64 {
    TAIL | (told & TOLD) | (snapshot_version.unsigned_abs() & VERSION)
}

/// Where a reader is. The text form is 72 hex digits, fit for an SSE field.
///
/// It says two things at once: the place in this process's event log (`boot`, `sequence`), and the place in the database
/// (`edit_version`, `message_id`). So a reader goes on without a gap while the log still has what follows, and from the database
/// when it has not, also on another replica or after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    pub(crate) chat: Uuid,
    /// The history the reader has been shown.
    pub(crate) edit_version: i64,
    /// The last committed message the reader has been shown, 0 for none.
    pub(crate) message_id: i64,
    /// The last event of the log the reader has been shown; [`SNAPSHOT`], [`SNAPSHOT_CLEAN`] or a [`tail`] while it is shown a
    /// snapshot.
    pub(crate) sequence: u64,
    /// Which start of which process `sequence` belongs to.
    pub(crate) boot: u64,
}

impl EventId {
    /// The place in the log, unless the reader was being shown a snapshot.
    pub(crate) fn in_log(&self) -> Option<u64> {
        (self.sequence > SNAPSHOT_CLEAN && self.sequence & TAIL == 0).then_some(self.sequence)
    }

    /// No live parts stand on the screen of a reader that was cut here.
    pub(crate) fn is_clean(&self) -> bool {
        self.sequence == SNAPSHOT_CLEAN || self.sequence & TAIL != 0
    }

    /// What a reader that was cut in the tail of a snapshot was told there of the chat in this version.
    pub(crate) fn told(&self, snapshot_version: i64) -> u64 {
        let same =
            self.sequence & TAIL != 0 && self.sequence & VERSION == snapshot_version.unsigned_abs() & VERSION;
        if same { self.sequence & TOLD } else { 0 }
    }

    /// Reads an id that was given out for `chat`. `None` for anything else: other chats' ids, damaged ones, inventions.
    pub fn parse(text: &str, chat: Uuid) -> Option<Self> {
        if text.len() > limits::EVENT_ID || text.len() != 72 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let field = |from: usize, to: usize| u64::from_str_radix(&text[from..to], 16).ok();
        let id = Self {
            chat,
            edit_version: i64::try_from(field(0, 8)?).ok()?,
            message_id: i64::try_from(field(8, 24)?).ok()?,
            sequence: field(24, 40)?,
            boot: field(40, 56)?,
        };
        // A checksum, not a secret: whoever forges one gets his own chat from another place, which `after_id` offers anyway.
        (id.to_string() == text).then_some(id)
    }

    fn check(&self) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(b"patchbay stream event");
        hasher.update(self.chat.as_bytes());
        hasher.update(self.edit_version.to_be_bytes());
        hasher.update(self.message_id.to_be_bytes());
        hasher.update(self.sequence.to_be_bytes());
        hasher.update(self.boot.to_be_bytes());
        let digest = hasher.finalize();
        digest.iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:08x}{:016x}{:016x}{:016x}{:016x}",
            self.edit_version,
            self.message_id,
            self.sequence,
            self.boot,
            self.check()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> EventId {
        EventId { chat: Uuid::from_u128(7), edit_version: 3, message_id: 99, sequence: 12, boot: u64::MAX }
    }

    #[test]
    fn ids_come_back_and_fit_an_sse_field() {
        let text = id().to_string();
        assert_eq!(EventId::parse(&text, id().chat), Some(id()));
        assert!(text.len() <= limits::EVENT_ID && text.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn foreign_damaged_and_invented_ids_are_none() {
        let text = id().to_string();
        assert_eq!(EventId::parse(&text, Uuid::from_u128(8)), None);
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(EventId::parse(std::str::from_utf8(&damaged).unwrap(), id().chat), None, "at {at}");
        }
        let long = "f".repeat(72);
        let wide = "é".repeat(36);
        for other in ["", "0", "-1", "\r\n", &text[1..], &text.to_uppercase(), &long, &wide, &text.repeat(2)]
        {
            assert_eq!(EventId::parse(other, id().chat), None, "{other:?}");
        }
    }

    #[test]
    fn ids_ascend_with_the_stream() {
        let text = |edit_version, message_id, sequence| {
            EventId { edit_version, message_id, sequence, ..id() }.to_string()
        };
        assert!(text(0, 9, 50) < text(0, 10, 50));
        assert!(text(0, 10, 50) < text(0, 10, 51));
        assert!(text(0, 10, 51) < text(1, 2, 60));
    }
}
