//! Every deadline and cap of this crate (threats 5, groups Turn and Browser).

use std::time::Duration;

/// How long a lease lasts after its last renewal, by the database's clock.
pub const LEASE: Duration = Duration::from_secs(10);
/// Between two renewals.
pub const HEARTBEAT: Duration = Duration::from_secs(2);
/// A runner that could not renew for this long stops by itself, by its own monotonic clock, well before anybody else can take over.
pub const SELF_STOP: Duration = Duration::from_secs(6);
/// Between two looks at the database for chats that wait for a runner. With a lease of 10 s it bounds a takeover to well below 15 s.
pub const POLL: Duration = Duration::from_secs(2);
/// Chats found by one such look.
pub const POLL_CHATS: i64 = 256;
/// Chats that wait in memory for a free place; the poll finds the rest.
pub const PENDING_CHATS: usize = 1024;

/// Turns at once in one process.
pub const TURNS: usize = 64;
/// Turns at once of one user in one process.
pub const TURNS_PER_USER: usize = 3;
/// How long a turn waits for a place before the chat says so (`queued_for_capacity`).
pub const CAPACITY_SHOWN: Duration = Duration::from_secs(5);

/// Turns of subagents at once in one process, beside those of chats.
pub const SUBAGENT_TURNS: usize = 64;
/// Turns of subagents at once of one user in one process.
pub const SUBAGENT_TURNS_PER_USER: usize = 6;
/// How long `wait_agent` waits unless it is told otherwise, and at most.
pub const AGENT_WAIT: Duration = Duration::from_secs(120);
pub const AGENT_WAIT_MAX: Duration = Duration::from_secs(600);
/// Bytes of what a subagent is asked to do.
pub const AGENT_TASK: usize = 32 * 1024;
/// Bytes of a subagent's answer as its parent's model sees it.
pub const AGENT_ANSWER: usize = 64 * 1024;

/// Generations in one turn.
pub const STEPS: usize = 25;
/// Tool calls in one turn.
pub const CALLS: usize = 100;
/// One call of a tool of Patchbay's own, unless the tool says otherwise.
pub const BUILT_IN: Duration = Duration::from_secs(10);
/// How often a call is sent again whose outcome is unknown, where the admin says that its tool is safe to run twice.
pub const RESENDS: i64 = 2;
/// How long a turn waits for a person or a client: an approval, an answer to a server, the result of a tool that the client runs. By the
/// database's clock. An approval that was given can be used as long.
pub const PARKED: Duration = Duration::from_secs(domain::limits::PARKED_SECONDS);
/// Tool calls at once in one turn.
pub const PARALLEL_CALLS: usize = 8;
/// One turn in all.
pub const WALL: Duration = Duration::from_secs(30 * 60);
/// Visible messages that a turn starts from, the newest behind the last boundary.
pub const HISTORY_MESSAGES: i64 = 2000;

/// Bytes of that history as the model sees it. The newest messages back to the user's last one are there in any case.
pub const HISTORY_BYTES: usize = 8 * 1024 * 1024;
/// Generating a title: one try, all of it (behaviour 24).
pub const TITLE: Duration = Duration::from_secs(20);
/// Bytes of a conversation that a title is made from, and of the answer that is read.
pub const TITLE_TEXT: usize = 8 * 1024;
pub const TITLE_ANSWER: usize = 4 * 1024;
/// Titles that one process makes at once; further chats keep the text of their prompt.
pub const TITLES: usize = 8;
/// One try of a summary.
pub const SUMMARY: Duration = Duration::from_secs(3 * 60);
/// Tries of a summary, where trying again can help.
pub const SUMMARY_TRIES: u32 = 3;
/// Bytes of a conversation that a summary is made from, whatever the model takes.
pub const SUMMARY_TEXT: usize = 1024 * 1024;
/// Bytes of a summary.
pub const SUMMARY_ANSWER: usize = domain::boundary::SUMMARY_BYTES;
/// Summaries in one turn for passing the threshold.
pub const COMPACTIONS: u32 = 3;
/// User messages that are said again behind a boundary: no more can be unanswered.
pub const REPLAYED: i64 = domain::limits::QUEUED_MESSAGES + 1;
/// Bytes of text that count as one token where no provider has counted.
pub const BYTES_PER_TOKEN: usize = 4;

/// Bytes of the results of one step as stored; what does not fit is replaced by a sentence.
pub const STEP_RESULTS: usize = 64 * 1024 * 1024;

/// Connect, handshake and listing of all servers of a step together.
pub const SERVERS: Duration = Duration::from_secs(10);
/// How long the model and the servers of a step are asked for when they cannot be loaded. Longer than a runner that has lost its database
/// keeps its lease: the turn is then left and taken up later, it does not fail.
pub const LOAD_PATIENCE: Duration = Duration::from_secs(10);
/// Between two such tries.
pub const LOAD_WAIT: Duration = Duration::from_millis(250);
/// Tools offered to the model in one step.
pub const TOOLS: usize = 128;
/// Bytes of a server's name in the system prompt.
pub const NAME_IN_PROMPT: usize = 80;
/// Bytes of a tool's description as the model sees it.
pub const DESCRIPTION: usize = 8 * 1024;
/// Bytes of one tool result as the model sees it.
pub const RESULT_TO_MODEL: usize = domain::limits::RESULT_TO_MODEL_BYTES;
/// Header values of fewer bytes are not looked for in results: they would match ordinary words.
pub const REDACTED_MIN: usize = 8;

/// After Stop, how long calls in flight get to say how they ended. Within the 500 ms of behaviour 18.
pub const STOP_GRACE: Duration = Duration::from_millis(300);
/// Tries of one commit while the lease lasts.
pub const COMMIT_TRIES: u32 = 20;
/// Between two such tries.
pub const COMMIT_WAIT: Duration = Duration::from_millis(200);
/// Before a chat whose runner lost its fence or its database is looked at again.
pub const REWAKE: Duration = Duration::from_secs(1);

/// Bytes of the running attempt kept for readers who join; beyond it the preview is reset and the committed message awaited.
pub const ATTEMPT_BYTES: usize = 1024 * 1024;
/// Bytes of events kept per chat for readers who are behind; whoever is further behind is cut and resumes.
pub const LOG_BYTES: usize = 1024 * 1024;
/// How long the events of a chat are kept after the last one, when nobody reads.
pub const LOG_KEPT: Duration = Duration::from_secs(15);
/// A committed message of more bytes is read from the database by each reader instead of being held in memory.
pub const LOG_MESSAGE: usize = 64 * 1024;
/// A tool result of more bytes is not shown before its message is committed.
pub const LIVE_RESULT: usize = 128 * 1024;
/// What one event costs in memory besides its text.
pub const EVENT_OVERHEAD: usize = 256;
/// A reader that takes nothing for this long is cut.
pub const READER_STALL: Duration = Duration::from_secs(10);
/// Events that a reader is handed at once.
pub const READER_BATCH: usize = 256;
/// Messages with which a stream begins when the reader names no place, and per page when it does.
pub const SNAPSHOT_MESSAGES: i64 = 200;
/// Bytes of those messages; the newest one is there in any case.
pub const SNAPSHOT_BYTES: usize = 8 * 1024 * 1024;
/// Messages read from the database at once, first and then.
pub const PAGE_MESSAGES: (i64, i64) = (32, 64);
/// After a page of more bytes the following messages are read one by one.
pub const PAGE_BYTES: usize = 1024 * 1024;
/// Between two looks of a reader at the database, where another replica may run the turn.
pub const READER_POLL: Duration = Duration::from_secs(2);
/// Hints about changed lists that a watcher may be behind by; one that missed some looks at once.
pub const LIST_HINTS: usize = 256;
/// How long live events are gathered before they go to the other replicas.
pub const TELL_EVERY: Duration = Duration::from_millis(30);
/// Bytes of live events that wait for that; what comes beyond is left out, and readers elsewhere are shown what is committed.
pub const TELL_BYTES: usize = 4 * 1024 * 1024;
/// Between two looks for what other replicas tell, where no hint came.
pub const TOLD_POLL: Duration = Duration::from_secs(1);
/// Rows of what they tell that are read at once; of a chat that somebody begins to read, at most so many.
pub const TOLD_ROWS: i64 = 2000;
/// One statement of telling, and before it is tried again after a failure.
pub const TELL_PATIENCE: Duration = Duration::from_secs(3);
/// Before a broken connection for hints is made anew.
pub const LISTEN_AGAIN: Duration = Duration::from_secs(2);
/// Between two looks whether there are other replicas at all.
pub const OTHERS_LOOK: Duration = Duration::from_secs(5);
/// How long what was told stays after it is committed, for whoever has not looked yet.
pub const TOLD_KEPT: Duration = Duration::from_secs(15);
/// After this nothing of a turn is live any more, whatever became of its process.
pub const TOLD_STALE: Duration = Duration::from_secs(35 * 60);
/// Bytes of a `Last-Event-ID`; longer ones are not read.
pub const EVENT_ID: usize = 128;
/// Between two looks at the database of somebody who waits for the end of a turn.
pub const WAIT_POLL: Duration = Duration::from_secs(1);

/// Getting another credential for one that a server refused: who is asked for it, and a token request (behaviour 10).
pub const RENEWAL: Duration = Duration::from_secs(20);
/// Comparing what a server lists with what was accepted; a busy database costs a server that holds changes back, not the turn.
/// Also other short questions about one server.
pub const LEARN: Duration = Duration::from_secs(3);
