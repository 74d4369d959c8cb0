//! The chat's state machine (behaviour 18).

use crate::limits::QUEUED_MESSAGES;
use api::chats::ChatStatus;

/// What can happen to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatEvent {
    /// A user message: starts a turn, or waits behind the one that runs (`busy_behavior` `queue`).
    Send,
    /// A user message that shall be next: the turn that runs is stopped for it (`busy_behavior` `interrupt`).
    SendNow,
    /// An earlier user message is replaced, everything after it hidden, the queue emptied, and what runs given up.
    Edit,
    /// The last turn goes on where it failed; what waits keeps waiting.
    Retry,
    /// A runner takes the lease.
    Claim,
    /// The turn came to its end; the head of the queue is next.
    Finish,
    /// The turn cannot go on; `last_error` says why. What waits stays: the next turn would most likely fail the same way.
    Fail,
    /// The owner presses Stop.
    Interrupt,
    /// A runner found the chat after a crash of the one before and has committed what was left over.
    Recover,
    /// A waiting message is taken back.
    Unqueue,
    /// A waiting message shall be next: the turn that runs is stopped for it.
    Promote,
    /// The turn waits for a person or a client: an approval, a tool that the client runs, an answer to a server.
    Park,
    /// What it waited for was decided: the turn goes on.
    Answered,
    /// Nobody decided in time: the turn goes on with what that means (a call denied, a question cancelled).
    Expired,
    /// The chat is put away.
    Archive,
    /// The chat is taken back.
    Unarchive,
}

impl ChatEvent {
    pub const ALL: [ChatEvent; 16] = [
        Self::Send,
        Self::SendNow,
        Self::Edit,
        Self::Retry,
        Self::Claim,
        Self::Finish,
        Self::Fail,
        Self::Interrupt,
        Self::Recover,
        Self::Unqueue,
        Self::Promote,
        Self::Park,
        Self::Answered,
        Self::Expired,
        Self::Archive,
        Self::Unarchive,
    ];
}

/// The full state of behaviour 18: status x queue x archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChatState {
    pub status: ChatStatus,
    /// Messages that wait for the turn before them.
    pub queued: i64,
    pub archived: bool,
}

impl ChatState {
    /// Whether a chat can be in this state. The database refuses every other one (`chats.queue_length`, CHECK): nothing waits in an
    /// idle chat, and no turn runs in an archived one.
    pub fn is_legal(self) -> bool {
        let queue = match self.status {
            ChatStatus::Waiting => self.queued == 0,
            _ => (0..=QUEUED_MESSAGES).contains(&self.queued),
        };
        queue && !(self.archived && self.status.is_busy())
    }
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
    #[error(
        "{QUEUED_MESSAGES} messages wait in this chat already. Wait until some were answered, or remove one."
    )]
    QueueFull,
}

impl ChatConflict {
    /// Whether the same request can succeed later without anybody doing anything else.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::QueueFull)
    }
}

/// The state after `event`. A state equal to the one before means: nothing to do, and no error.
///
/// # Errors
/// [`ChatConflict`] when the event is not possible in this state.
pub fn transition(from: ChatState, event: ChatEvent) -> Result<ChatState, ChatConflict> {
    use ChatConflict::{Archived, Busy, Idle, QueueFull};
    use ChatStatus::{Error, Interrupting, RequiresAction, Running, Waiting};

    let ChatState { status, queued, archived } = from;
    // The end of a turn is the beginning of the next while something waits.
    let ended = if queued > 0 { (Running, queued - 1) } else { (Waiting, 0) };
    let (status, queued) = match (event, status) {
        (
            ChatEvent::Send | ChatEvent::SendNow | ChatEvent::Edit | ChatEvent::Retry | ChatEvent::Promote,
            _,
        ) if archived => return Err(Archived),
        // Appended, and the head taken: as many wait as before.
        (ChatEvent::Send | ChatEvent::SendNow, Waiting | Error) => (Running, queued),
        (ChatEvent::Send | ChatEvent::SendNow, _) if queued >= QUEUED_MESSAGES => return Err(QueueFull),
        (ChatEvent::Send, Running | Interrupting | RequiresAction) => (status, queued + 1),
        (ChatEvent::SendNow, Running | Interrupting | RequiresAction) => (Interrupting, queued + 1),

        // A turn that runs loses its fence with the history it began from.
        (ChatEvent::Edit, _) => (Running, 0),
        (ChatEvent::Retry, Waiting | Error) => (Running, queued),
        (ChatEvent::Retry, Running | Interrupting | RequiresAction) => return Err(Busy),

        (ChatEvent::Claim, Running | Interrupting) => (status, queued),
        (ChatEvent::Claim, Waiting | Error | RequiresAction) => return Err(Idle),

        (ChatEvent::Finish, Running | Interrupting) => ended,
        (ChatEvent::Fail, Running) => (Error, queued),
        // A stopped turn ends as asked for, also when the stop is what made it fail.
        (ChatEvent::Fail, Interrupting) => ended,
        (ChatEvent::Finish | ChatEvent::Fail, Waiting | Error | RequiresAction) => return Err(Idle),

        (ChatEvent::Interrupt, Running | RequiresAction | Interrupting) => (Interrupting, queued),
        // Stop and the end of the turn may cross: pressing Stop too late is no mistake.
        (ChatEvent::Interrupt, Waiting | Error) => (status, queued),

        (ChatEvent::Recover, Running) => (Running, queued),
        (ChatEvent::Recover, Interrupting) => ended,
        (ChatEvent::Recover, RequiresAction) => (RequiresAction, queued),
        (ChatEvent::Recover, Waiting | Error) => return Err(Idle),

        (ChatEvent::Unqueue | ChatEvent::Promote, _) if queued == 0 => return Err(Idle),
        (ChatEvent::Unqueue, _) => (status, queued - 1),
        (ChatEvent::Promote, Running | RequiresAction | Interrupting) => (Interrupting, queued),
        (ChatEvent::Promote, Waiting | Error) => (Running, queued - 1),

        // Of several calls each may ask; a stop that was asked for comes before every question.
        (ChatEvent::Park, Running | RequiresAction) => (RequiresAction, queued),
        (ChatEvent::Park, Interrupting) => (Interrupting, queued),
        (ChatEvent::Park, Waiting | Error) => return Err(Idle),
        (ChatEvent::Answered | ChatEvent::Expired, RequiresAction) => (Running, queued),
        // Too late: somebody else has ended the wait.
        (ChatEvent::Answered | ChatEvent::Expired, _) => return Err(Idle),

        (ChatEvent::Archive, Running | Interrupting | RequiresAction) if !archived => return Err(Busy),
        (ChatEvent::Archive | ChatEvent::Unarchive, _) => (status, queued),
    };
    let archived = match event {
        ChatEvent::Archive => true,
        ChatEvent::Unarchive => false,
        _ => archived,
    };
    Ok(ChatState { status, queued, archived })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table without a queue: event, then what becomes of waiting, running, interrupting, requires_action, error. `+1` and
    /// `-1`: what becomes of the queue.
    const EMPTY: &str = "
        Send      running  running+1       interrupting+1 requires_action+1 running
        SendNow   running  interrupting+1  interrupting+1 interrupting+1    running
        Edit      running  running         running        running           running
        Retry     running  busy            busy           busy              running
        Claim     idle     running         interrupting   idle              idle
        Finish    idle     waiting         waiting        idle              idle
        Fail      idle     error           waiting        idle              idle
        Interrupt waiting  interrupting    interrupting   interrupting      error
        Recover   idle     running         waiting        requires_action   idle
        Unqueue   idle     idle            idle           idle              idle
        Promote   idle     idle            idle           idle              idle
        Park      idle     requires_action interrupting   requires_action   idle
        Answered  idle     idle            idle           running           idle
        Expired   idle     idle            idle           running           idle
        Archive   waiting  busy            busy           busy              error
        Unarchive waiting  running         interrupting   requires_action   error
    ";

    /// The same with messages that wait; a waiting chat has none.
    const QUEUED: &str = "
        Send      -  running+1       interrupting+1 requires_action+1 running
        SendNow   -  interrupting+1  interrupting+1 interrupting+1    running
        Edit      -  running=0       running=0      running=0         running=0
        Retry     -  busy            busy           busy              running
        Claim     -  running         interrupting   idle              idle
        Finish    -  running-1       running-1      idle              idle
        Fail      -  error           running-1      idle              idle
        Interrupt -  interrupting    interrupting   interrupting      error
        Recover   -  running         running-1      requires_action   idle
        Unqueue   -  running-1       interrupting-1 requires_action-1 error-1
        Promote   -  interrupting    interrupting   interrupting      running-1
        Park      -  requires_action interrupting   requires_action   idle
        Answered  -  idle            idle           running           idle
        Expired   -  idle            idle           running           idle
        Archive   -  busy            busy           busy              error
        Unarchive -  running         interrupting   requires_action   error
    ";

    fn cell(event: ChatEvent, from: ChatState) -> String {
        match transition(from, event) {
            Ok(to) => {
                let queue = match to.queued - from.queued {
                    0 => String::new(),
                    _ if to.queued == 0 && event == ChatEvent::Edit => "=0".to_owned(),
                    change => format!("{change:+}"),
                };
                format!("{}{queue}", to.status.as_str())
            }
            Err(conflict) => format!("{conflict:?}").to_lowercase(),
        }
    }

    fn state(status: ChatStatus, queued: i64, archived: bool) -> ChatState {
        ChatState { status, queued, archived }
    }

    #[test]
    fn every_cell_of_the_table() {
        for (table, queued) in [(EMPTY, 0), (QUEUED, 3)] {
            let rows: Vec<Vec<&str>> = table
                .lines()
                .map(|line| line.split_whitespace().collect())
                .filter(|row: &Vec<_>| !row.is_empty())
                .collect();
            assert_eq!(rows.len(), ChatEvent::ALL.len());
            for (row, event) in rows.iter().zip(ChatEvent::ALL) {
                assert_eq!(row[0], format!("{event:?}"));
                for (expected, status) in row[1..].iter().zip(ChatStatus::ALL) {
                    let from = state(status, queued, false);
                    assert_eq!(from.is_legal(), *expected != "-", "{from:?}");
                    if from.is_legal() {
                        assert_eq!(cell(event, from), *expected, "{event:?} in {from:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_legal_states_are_twelve() {
        let mut legal = Vec::new();
        for status in ChatStatus::ALL {
            for (queued, archived) in [(0, false), (1, false), (0, true), (1, true)] {
                if state(status, queued, archived).is_legal() {
                    legal.push((status.as_str(), queued > 0, archived));
                }
            }
        }
        assert_eq!(
            legal,
            [
                ("waiting", false, false),
                ("waiting", false, true),
                ("running", false, false),
                ("running", true, false),
                ("interrupting", false, false),
                ("interrupting", true, false),
                ("requires_action", false, false),
                ("requires_action", true, false),
                ("error", false, false),
                ("error", true, false),
                ("error", false, true),
                ("error", true, true),
            ]
        );
        assert!(!state(ChatStatus::Error, QUEUED_MESSAGES + 1, false).is_legal());
        assert!(!state(ChatStatus::Error, -1, false).is_legal());
    }

    #[test]
    fn a_full_queue_takes_no_more_and_loses_nothing() {
        let full = state(ChatStatus::Running, QUEUED_MESSAGES, false);
        assert_eq!(transition(full, ChatEvent::Send), Err(ChatConflict::QueueFull));
        assert_eq!(transition(full, ChatEvent::SendNow), Err(ChatConflict::QueueFull));
        // A failed chat takes the head when it is sent to: there is room for what is appended.
        let failed = state(ChatStatus::Error, QUEUED_MESSAGES, false);
        assert_eq!(transition(failed, ChatEvent::Send), Ok(full));
    }

    #[test]
    fn an_archived_chat_takes_no_message() {
        for (status, queued) in [(ChatStatus::Waiting, 0), (ChatStatus::Error, 0), (ChatStatus::Error, 2)] {
            let from = state(status, queued, true);
            for event in
                [ChatEvent::Send, ChatEvent::SendNow, ChatEvent::Edit, ChatEvent::Retry, ChatEvent::Promote]
            {
                assert_eq!(cell(event, from), "archived");
            }
            assert_eq!(transition(from, ChatEvent::Archive), Ok(from));
            assert_eq!(transition(from, ChatEvent::Unarchive), Ok(ChatState { archived: false, ..from }));
        }
        let failed = state(ChatStatus::Error, 2, true);
        assert_eq!(cell(ChatEvent::Unqueue, failed), "error-1", "what waits can be taken back all the same");
    }

    /// The same rules written another way: messages as a list, and who is told what. Random walks of both must agree.
    #[test]
    fn a_hundred_thousand_steps_agree_with_a_model_and_lose_no_message() {
        #[derive(Default)]
        struct Model {
            waiting: Vec<u64>,
            /// Messages that began a turn, in order.
            history: Vec<u64>,
            taken_back: Vec<u64>,
        }
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % below as u64).unwrap()
        };
        let (mut chat, mut model) = (state(ChatStatus::Waiting, 0, false), Model::default());
        let (mut accepted, mut refused) = (0_u64, 0_u64);
        for _ in 0..100_000 {
            let event = ChatEvent::ALL[random(ChatEvent::ALL.len())];
            let Ok(next) = transition(chat, event) else {
                refused += 1;
                continue;
            };
            assert!(next.is_legal(), "{event:?} leads from {chat:?} to {next:?}");
            let is_send = matches!(event, ChatEvent::Send | ChatEvent::SendNow);
            if is_send {
                accepted += 1;
                let at = if event == ChatEvent::SendNow { 0 } else { model.waiting.len() };
                model.waiting.insert(at, accepted);
            }
            match event {
                ChatEvent::Edit => model.taken_back.append(&mut model.waiting),
                ChatEvent::Unqueue => {
                    let at = random(model.waiting.len());
                    model.taken_back.push(model.waiting.remove(at));
                }
                _ => {}
            }
            let begins = next.status == ChatStatus::Running
                && (chat.status != ChatStatus::Running || event == ChatEvent::Finish);
            let goes_on = matches!(
                event,
                ChatEvent::Edit | ChatEvent::Retry | ChatEvent::Answered | ChatEvent::Expired
            );
            let takes_head = begins && !goes_on;
            if takes_head {
                model.history.push(model.waiting.remove(0));
            }
            assert_eq!(i64::try_from(model.waiting.len()).unwrap(), next.queued, "{event:?} from {chat:?}");
            chat = next;
        }
        let mut all: Vec<u64> = [model.history, model.waiting, model.taken_back].concat();
        all.sort_unstable();
        assert_eq!(all, (1..=accepted).collect::<Vec<_>>(), "each accepted message is in one place");
        assert!(accepted > 10_000 && refused > 10_000, "{accepted} {refused}");
    }

    #[test]
    fn conflicts_say_what_to_do() {
        assert_eq!(ChatConflict::Busy.to_string(), "A turn is running. Wait for it or stop it.");
        assert!(ChatConflict::Busy.is_retryable());
        assert!(ChatConflict::QueueFull.to_string().starts_with("100 messages wait"));
        assert!(!ChatConflict::Archived.is_retryable());
    }
}
