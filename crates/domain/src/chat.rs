//! The chat's state machine (behaviour 18) and its title (behaviour 24).

use crate::{
    limits::TITLE_CHARS,
    text::{CUT_MARKER, is_line_break, visible},
};
use api::chats::ChatStatus;

/// What can happen to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatEvent {
    /// A user message is appended.
    Send,
    /// An earlier user message is replaced and everything after it hidden.
    Edit,
    /// A runner takes the lease.
    Claim,
    /// The turn came to its end.
    Finish,
    /// The turn cannot go on; `last_error` says why.
    Fail,
    /// The owner presses Stop.
    Interrupt,
    /// A runner found the chat after a crash of the one before and has committed what was left over.
    Recover,
    /// The chat is put away.
    Archive,
    /// The chat is taken back.
    Unarchive,
}

impl ChatEvent {
    pub const ALL: [ChatEvent; 9] = [
        Self::Send,
        Self::Edit,
        Self::Claim,
        Self::Finish,
        Self::Fail,
        Self::Interrupt,
        Self::Recover,
        Self::Archive,
        Self::Unarchive,
    ];
}

/// The state a transition starts from and ends in. The queue joins it with its issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChatState {
    pub status: ChatStatus,
    pub archived: bool,
}

/// The event is not possible now; over REST a 409. The texts are for people and say what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChatConflict {
    #[error("A turn is running. Wait for it or stop it.")]
    Busy,
    #[error("This chat is archived. Restore it first.")]
    Archived,
    /// For a runner: there is nothing to run or somebody else has ended it. It drops what it holds.
    #[error("No turn is running. Send a message to start one.")]
    Idle,
}

impl ChatConflict {
    /// Whether the same request can succeed later without anybody doing anything else.
    pub fn is_retryable(self) -> bool {
        self == Self::Busy
    }
}

/// The state after `event`. A state equal to the one before means: nothing to do, and no error.
///
/// # Errors
/// [`ChatConflict`] when the event is not possible in this state.
pub fn transition(from: ChatState, event: ChatEvent) -> Result<ChatState, ChatConflict> {
    use ChatConflict::{Archived, Busy, Idle};
    use ChatStatus::{Error, Interrupting, RequiresAction, Running, Waiting};

    let status = match (event, from.status) {
        (ChatEvent::Send | ChatEvent::Edit, _) if from.archived => return Err(Archived),
        (ChatEvent::Send | ChatEvent::Edit, Waiting | Error) => Running,
        // No queue in this build: a busy chat refuses the message instead of losing it.
        (ChatEvent::Send | ChatEvent::Edit, Running | Interrupting | RequiresAction) => return Err(Busy),

        (ChatEvent::Claim, Running | Interrupting) => from.status,
        (ChatEvent::Claim, Waiting | Error | RequiresAction) => return Err(Idle),

        (ChatEvent::Finish, Running | Interrupting) => Waiting,
        (ChatEvent::Fail, Running) => Error,
        // A stopped turn ends as asked for, also when the stop is what made it fail.
        (ChatEvent::Fail, Interrupting) => Waiting,
        (ChatEvent::Finish | ChatEvent::Fail, Waiting | Error | RequiresAction) => return Err(Idle),

        (ChatEvent::Interrupt, Running | RequiresAction | Interrupting) => Interrupting,
        // Stop and the end of the turn may cross: pressing Stop too late is no mistake.
        (ChatEvent::Interrupt, Waiting | Error) => from.status,

        (ChatEvent::Recover, Running) => Running,
        (ChatEvent::Recover, Interrupting) => Waiting,
        (ChatEvent::Recover, RequiresAction) => RequiresAction,
        (ChatEvent::Recover, Waiting | Error) => return Err(Idle),

        (ChatEvent::Archive, Running | Interrupting | RequiresAction) if !from.archived => return Err(Busy),
        (ChatEvent::Archive | ChatEvent::Unarchive, _) => from.status,
    };
    let archived = match event {
        ChatEvent::Archive => true,
        ChatEvent::Unarchive => false,
        _ => from.archived,
    };
    Ok(ChatState { status, archived })
}

/// The title until a better one is generated: the first line with text of the prompt, cut at a word, at most 80 characters.
pub fn title_from_prompt(text: &str) -> String {
    let line = text.split(is_line_break).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().map(visible).collect();
    if line.is_empty() {
        return "New chat".to_owned();
    }
    if line.chars().count() <= TITLE_CHARS {
        return line;
    }
    let head: String = line.chars().take(TITLE_CHARS - 1).collect();
    let next_is_blank = line.chars().nth(TITLE_CHARS - 1) == Some(' ');
    // A single endless word (a URL, or a language without blanks) is cut anywhere.
    let at_word = if next_is_blank { None } else { head.rfind(' ').filter(|at| *at >= head.len() / 2) };
    format!("{}{CUT_MARKER}", head[..at_word.unwrap_or(head.len())].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The whole table: event, then what becomes of waiting, running, interrupting, requires_action, error.
    const TABLE: &str = "
        Send      running  busy         busy         busy            running
        Edit      running  busy         busy         busy            running
        Claim     idle     running      interrupting idle            idle
        Finish    idle     waiting      waiting      idle            idle
        Fail      idle     error        waiting      idle            idle
        Interrupt waiting  interrupting interrupting interrupting    error
        Recover   idle     running      waiting      requires_action idle
        Archive   waiting  busy         busy         busy            error
        Unarchive waiting  running      interrupting requires_action error
    ";

    fn cell(event: ChatEvent, status: ChatStatus, archived: bool) -> String {
        match transition(ChatState { status, archived }, event) {
            Ok(to) => to.status.as_str().to_owned(),
            Err(conflict) => format!("{conflict:?}").to_lowercase(),
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        let rows: Vec<Vec<&str>> = TABLE
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|row: &Vec<_>| !row.is_empty())
            .collect();
        assert_eq!(rows.len(), ChatEvent::ALL.len());
        for (row, event) in rows.iter().zip(ChatEvent::ALL) {
            assert_eq!(row[0], format!("{event:?}"));
            for (expected, status) in row[1..].iter().zip(ChatStatus::ALL) {
                assert_eq!(cell(event, status, false), *expected, "{event:?} in {status:?}");
            }
        }
    }

    #[test]
    fn an_archived_chat_takes_no_message_but_ends_its_turn() {
        for status in ChatStatus::ALL {
            assert_eq!(cell(ChatEvent::Send, status, true), "archived");
            assert_eq!(cell(ChatEvent::Edit, status, true), "archived");
            for event in [
                ChatEvent::Claim,
                ChatEvent::Finish,
                ChatEvent::Fail,
                ChatEvent::Interrupt,
                ChatEvent::Recover,
            ] {
                assert_eq!(cell(event, status, true), cell(event, status, false), "{event:?} in {status:?}");
            }
            let from = ChatState { status, archived: true };
            assert_eq!(transition(from, ChatEvent::Archive), Ok(from));
            assert_eq!(transition(from, ChatEvent::Unarchive), Ok(ChatState { status, archived: false }));
        }
    }

    #[test]
    fn conflicts_say_what_to_do() {
        assert_eq!(ChatConflict::Busy.to_string(), "A turn is running. Wait for it or stop it.");
        assert!(ChatConflict::Busy.is_retryable());
        assert!(!ChatConflict::Archived.is_retryable());
    }

    #[test]
    fn titles() {
        for (prompt, title) in [
            ("Fix the flaky login test", "Fix the flaky login test"),
            ("\n\n  First line\nsecond", "First line"),
            ("a\tb   c", "a b c"),
            ("", "New chat"),
            (" \r\n \u{2028}", "New chat"),
            ("bell\u{7}", "bell␇"),
        ] {
            assert_eq!(title_from_prompt(prompt), title);
        }
        let words = "word ".repeat(40);
        let title = title_from_prompt(&words);
        assert!(title.ends_with("word…") && title.chars().count() <= 80, "{title}");
        assert_eq!(title_from_prompt(&"日".repeat(200)).chars().count(), 80);
        let exact = format!("{} tail", "x".repeat(79));
        assert_eq!(title_from_prompt(&exact), format!("{}…", "x".repeat(79)));
    }

    proptest! {
        #[test]
        fn titles_are_one_bounded_line(prompt in "(\\PC|[\\x00-\\x20]){0,200}") {
            let title = title_from_prompt(&prompt);
            prop_assert!(title.chars().count() <= TITLE_CHARS);
            prop_assert!(!title.is_empty() && !title.chars().any(|c| c.is_control() || is_line_break(c)));
        }
    }
}
