//! Deadlines and caps of model traffic (threats 5, group LLM). Every figure of this crate is here.

use std::time::Duration;

/// Name lookup, connect and TLS.
pub const CONNECT: Duration = Duration::from_secs(5);
/// From sending the request to the first event of the answer.
pub const FIRST_EVENT: Duration = Duration::from_secs(60);
/// Between two pieces of the answer.
pub const IDLE: Duration = Duration::from_secs(60);
/// One generation, from first to last byte.
pub const GENERATION: Duration = Duration::from_secs(15 * 60);
/// Reading the body of a refusal; only its classification depends on it.
pub const REFUSAL_READ: Duration = Duration::from_secs(10);
/// Reading what follows the end marker, so that the connection can be used again.
pub const DRAIN: Duration = Duration::from_secs(1);

/// One line of an event stream, in bytes.
pub const SSE_LINE: usize = 1024 * 1024;
/// The data of one event (it may have several lines), in bytes.
pub const SSE_EVENT: usize = 1024 * 1024;
/// One whole answer, in bytes.
pub const ANSWER: u64 = 64 * 1024 * 1024;
/// The part of a refusal's body that is read, in bytes.
pub const REFUSAL_BODY: usize = 64 * 1024;
/// Tool calls in one answer. A turn stops at 100 calls anyway.
pub const TOOL_CALLS: usize = 128;
/// Arguments of one tool call, in bytes.
pub const TOOL_ARGUMENTS: usize = 1024 * 1024;
/// Name or id of a tool call, in bytes.
pub const TOOL_CALL_NAME: usize = 256;

/// Models of one provider whose own output limit is remembered.
pub const OUTPUT_LIMITS_LEARNED: usize = 64;

/// Retries of one generation.
pub const RETRIES: u32 = 25;
/// The shortest back-off.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest back-off.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The longest wait that a provider may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);

/// A provider is left alone when half of what was asked in this time failed …
pub const BREAKER_WINDOW: Duration = Duration::from_secs(30);
/// … and that were at least so many.
pub const BREAKER_OUTCOMES: usize = 10;
/// The newest outcomes that count.
pub const BREAKER_REMEMBERED: usize = 256;
/// While a provider is left alone, one generation asks this often.
pub const BREAKER_PROBE: Duration = Duration::from_secs(10);

/// The part of a message that the demo model looks at, in characters.
pub const DEMO_MESSAGE: usize = 4_000;
/// The part of a tool's description that the demo model looks at, in characters.
pub const DEMO_DESCRIPTION: usize = 2_000;
/// The part of one tool result that the demo model quotes, in characters.
pub const DEMO_RESULT: usize = 1_500;
/// The part of one tool result that the demo model quotes, in lines.
pub const DEMO_RESULT_LINES: usize = 30;
/// Tool results that the demo model quotes; the rest is counted.
pub const DEMO_RESULTS: usize = 8;
/// Depth to which the demo model follows a schema.
pub const DEMO_SCHEMA_DEPTH: usize = 16;
/// Schema nodes for which the demo model makes values, in one call.
pub const DEMO_SCHEMA_NODES: usize = 2_000;
