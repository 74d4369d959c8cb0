//! Deadlines and caps of this crate (threats 5, groups MCP, Tools, Schema, Results, Lists and Legacy), in one table.

use std::time::Duration;

/// Connect, handshake and listing together in a turn.
pub const CONNECT_AND_LIST: Duration = Duration::from_secs(10);
/// The same in `check`.
pub const CHECK: Duration = Duration::from_secs(30);
/// A tool call without an answer or progress.
pub const CALL_IDLE: Duration = Duration::from_secs(60);
/// A tool call in all.
pub const CALL_TOTAL: Duration = Duration::from_secs(300);
/// POST of a cancellation or of a reply; DELETE of a session.
pub const CONTROL: Duration = Duration::from_secs(5);
/// How long a call waits for its turn when too many run.
pub const CALL_QUEUE: Duration = Duration::from_secs(10);
/// Calls in flight per user and server.
pub const CALLS_PER_USER: usize = 8;
/// Calls in flight per server.
pub const CALLS_PER_SERVER: usize = 64;
/// Connections, in all and to one server; the one unused for longest makes room.
pub const CONNECTIONS: usize = 10_000;
/// See [`CONNECTIONS`].
pub const CONNECTIONS_PER_SERVER: usize = 2_000;
/// Connections that are being opened at the same time.
pub const PARALLEL_DIALS: usize = 32;
/// Of these, connections to one server: a dead one must not hold up the others.
pub const PARALLEL_DIALS_PER_SERVER: usize = 4;
/// Life of a connection that nobody uses.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(300);
/// How long a catalogue is served before it is listed again.
pub const CATALOGUE_FRESH: Duration = Duration::from_secs(60);
/// Least time between two listings of a connection, however often the server says that its tools changed.
pub const LIST_DEBOUNCE: Duration = Duration::from_secs(5);
/// How long a list is offered whose connection was closed as idle, while a new one is opened beside; no longer than the server lets it.
pub const CATALOGUE_KEPT: Duration = Duration::from_secs(30 * 60);
/// Bytes of definitions of all lists that are kept so.
pub const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Measuring how a connection comes about, in all.
pub const MEASURING: Duration = Duration::from_secs(5);
/// Failures within [`BREAKER_WINDOW`] after which a server is left alone for a user.
pub const BREAKER_FAILURES: usize = 5;
/// See [`BREAKER_FAILURES`].
pub const BREAKER_WINDOW: Duration = Duration::from_secs(60);
/// For how long at first, a fifth more or less; doubled with each try that fails.
pub const BREAKER_WAIT: Duration = Duration::from_secs(30);
/// For how long at most.
pub const BREAKER_LONGEST: Duration = Duration::from_secs(300);
/// How long a stream of notices stands after its tools were needed last (protocol.md P9).
pub const LISTEN_FOR: Duration = Duration::from_secs(60);
/// Greatest wait before a stream of notices is opened again, beyond a second and by chance: the first one, doubled each time up to the
/// second (threats 5, Streams).
pub const RELISTEN: (Duration, Duration) = (Duration::from_secs(29), Duration::from_secs(300));
/// Bytes of a stream of notices before it is opened anew.
pub const LISTEN_BYTES: u64 = 4 * 1024 * 1024;
/// How long a timeout of a server is remembered for a user.
pub const TIMEOUT_MEMORY: Duration = Duration::from_secs(60);
/// Least time between two new sessions that a server forces upon one connection.
pub const REINIT_INTERVAL: Duration = Duration::from_secs(10);

/// A stream that stands without a byte (threats 5, Streams).
pub const STANDING_IDLE: Duration = Duration::from_secs(300);
/// Least time between two questions to a server which era it is of (protocol.md E5).
pub const DETECT_INTERVAL: Duration = Duration::from_secs(60);
/// Least and greatest time for which a list counts as fresh, whatever the server says (threats 5, Lists).
pub const TTL_FLOOR: Duration = Duration::from_secs(5);
/// For a list that depends on nobody.
pub const TTL_PUBLIC: Duration = Duration::from_secs(24 * 3600);
/// For a list of one user.
pub const TTL_PRIVATE: Duration = Duration::from_secs(3600);
/// First wait before a call is repeated that the server asked to repeat later; doubled each time (protocol.md M2).
pub const ROUND_WAIT: Duration = Duration::from_secs(1);
/// Rounds of one call.
pub const ROUNDS: u32 = 10;
/// How much longer the connection of a call is kept open because a person may be asked during it: three questions of five minutes.
pub const ASKING: Duration =
    Duration::from_secs(domain::limits::PARKED_SECONDS * domain::limits::ELICITATION_CARDS as u64);
/// Bytes of the state a server gives a round.
pub const REQUEST_STATE: usize = 64 * 1024;

/// Bytes of the address for messages in the two-endpoint transport.
pub const ENDPOINT: usize = 2048;
/// Bytes of one header that mirrors an argument (protocol.md X6).
pub const MIRRORED: usize = 4 * 1024;
/// Bytes of all of them in one request.
pub const MIRRORED_ALL: usize = 8 * 1024;

/// Bytes of one JSON body.
pub const JSON_BODY: u64 = 12 * 1024 * 1024;
/// Bytes of one server-sent event.
pub const SSE_EVENT: usize = 12 * 1024 * 1024;
/// Bytes of all events of one request.
pub const SSE_TOTAL: u64 = 48 * 1024 * 1024;
/// Events of one request.
pub const SSE_EVENTS: usize = 10_000;
/// Bytes of an error body that are read.
pub const ERROR_BODY: usize = 64 * 1024;
/// Bytes of an error text that is shown (behaviour 13).
pub const ERROR_TEXT: usize = 512;
/// Bytes of the scopes that an error text names.
pub const SHOWN_SCOPES: usize = 200;
/// Bytes from which on a header value is taken out of whatever a server writes; shorter ones are ordinary words.
pub const REDACTED_MIN: usize = 8;
/// Nesting of a message.
pub const MESSAGE_DEPTH: usize = 64;
/// Values in a message: one takes up to a hundred times the bytes of its text, so the cap on bytes alone allows a gigabyte.
pub const MESSAGE_PARTS: usize = 250_000;
/// Notifications and requests accepted per second and connection.
pub const NOTIFICATIONS_PER_SECOND: u32 = 100;
/// Least time between two progress reports of one call: 4 a second.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Characters of a progress message.
pub const PROGRESS_TEXT: usize = 512;
/// Bytes of the arguments of a call.
pub const ARGUMENTS: usize = 1024 * 1024;
/// Characters of a session id; longer ones are refused.
pub const SESSION_ID: usize = 1024;

/// Least wait before a broken stream is resumed, whatever `retry` says.
pub const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// Wait before a broken stream is resumed when the server names none.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(1);
/// Resumes of one stream without a new event.
pub const RESUMES: usize = 5;
/// Bytes of an event id.
pub const EVENT_ID: usize = 1024;

/// Pages of a listing.
pub const PAGES: usize = 50;
/// Bytes of a cursor.
pub const CURSOR: usize = 4 * 1024;
/// Tools per server.
pub const TOOLS: usize = 1000;
/// Bytes of one tool definition.
pub const DEFINITION: usize = 64 * 1024;
/// Bytes of all tool definitions of a server.
pub const DEFINITIONS: usize = 4 * 1024 * 1024;
/// Problems of definitions that are remembered; more are counted.
pub const PROBLEMS: usize = 100;
/// Characters of a tool name.
pub const TOOL_NAME: usize = 128;
/// Characters of a tool title, and of the name and version a server gives itself.
pub const TITLE: usize = 200;
/// Bytes of a tool description, and of a server's instructions.
pub const DESCRIPTION: usize = 8 * 1024;

/// Nesting of subschemas.
pub const SCHEMA_DEPTH: usize = 32;
/// Subschemas of one schema.
pub const SUBSCHEMAS: usize = 2000;
/// Values of one `enum`.
pub const ENUM_VALUES: usize = 1000;
/// Characters of one pattern.
pub const PATTERN: usize = 512;
/// Bytes of a compiled pattern: bounds `(a{999}){999}`.
pub const PATTERN_COMPILED: usize = 1024 * 1024;
/// Applications of a subschema to a part of the arguments in one validation: bounds its time (about 50 ms).
pub const VALIDATION_STEPS: u64 = 100_000;
/// Nesting of those applications: bounds its stack.
pub const VALIDATION_DEPTH: usize = 256;

/// Bytes of a result that are stored.
pub const RESULT: u64 = 10 * 1024 * 1024;
/// Bytes of structured content.
pub const STRUCTURED: usize = 1024 * 1024;
/// Images and audio clips of one result.
pub const MEDIA_PARTS: usize = 10;
/// Bytes of one image or audio clip, decoded.
pub const MEDIA: usize = 5 * 1024 * 1024;
/// Parts of one result.
pub const PARTS: usize = 1000;

/// Bytes of one JSON body or event of a workspace's server (behaviour 23).
pub const WORKSPACE_MESSAGE: usize = 1024 * 1024;
/// Tools of a workspace's server.
pub const WORKSPACE_TOOLS: usize = 64;
/// Bytes of all tool definitions of a workspace's server.
pub const WORKSPACE_DEFINITIONS: usize = 256 * 1024;
/// Bytes of a result of a workspace's server.
pub const WORKSPACE_RESULT: u64 = 256 * 1024;

/// What is taken from a server at once; one that only its user has vouched for is given less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of one JSON body.
    pub(crate) body: u64,
    /// Bytes of one server-sent event.
    pub(crate) event: usize,
    /// Tools of a listing.
    pub(crate) tools: usize,
    /// Bytes of their definitions.
    pub(crate) definitions: usize,
    /// Bytes of a result.
    pub(crate) result: u64,
}

impl Bounds {
    /// Of a server that an admin registered.
    pub(crate) const REGISTERED: Self =
        Self { body: JSON_BODY, event: SSE_EVENT, tools: TOOLS, definitions: DEFINITIONS, result: RESULT };
    /// Of a server of a workspace.
    pub(crate) const WORKSPACE: Self = Self {
        body: WORKSPACE_MESSAGE as u64,
        event: WORKSPACE_MESSAGE,
        tools: WORKSPACE_TOOLS,
        definitions: WORKSPACE_DEFINITIONS,
        result: WORKSPACE_RESULT,
    };
}

/// The deadlines that tests shorten. [`Default`] gives the figures above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// [`CONNECT_AND_LIST`], where a call has to open a connection first.
    pub connect: Duration,
    /// [`CHECK`].
    pub check: Duration,
    /// [`CALL_IDLE`].
    pub call_idle: Duration,
    /// [`CALL_TOTAL`].
    pub call_total: Duration,
    /// [`CALL_QUEUE`].
    pub call_queue: Duration,
    /// [`CONTROL`].
    pub control: Duration,
    /// [`IDLE_CONNECTION`].
    pub idle_connection: Duration,
    /// [`CATALOGUE_FRESH`].
    pub catalogue_fresh: Duration,
    /// [`CATALOGUE_KEPT`].
    pub catalogue_kept: Duration,
    /// [`LIST_DEBOUNCE`].
    pub list_debounce: Duration,
    /// [`TIMEOUT_MEMORY`].
    pub timeout_memory: Duration,
    /// [`REINIT_INTERVAL`].
    pub reinit_interval: Duration,
    /// [`DETECT_INTERVAL`].
    pub detect_interval: Duration,
    /// [`ROUND_WAIT`].
    pub round_wait: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: CONNECT_AND_LIST,
            check: CHECK,
            call_idle: CALL_IDLE,
            call_total: CALL_TOTAL,
            call_queue: CALL_QUEUE,
            control: CONTROL,
            idle_connection: IDLE_CONNECTION,
            catalogue_fresh: CATALOGUE_FRESH,
            catalogue_kept: CATALOGUE_KEPT,
            list_debounce: LIST_DEBOUNCE,
            timeout_memory: TIMEOUT_MEMORY,
            reinit_interval: REINIT_INTERVAL,
            detect_interval: DETECT_INTERVAL,
            round_wait: ROUND_WAIT,
        }
    }
}
