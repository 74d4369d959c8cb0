//! Deadlines and caps of outbound traffic (threats 5, group Egress). Every figure of this crate is here.

use std::time::Duration;

/// Name lookup and TCP connect, together, for plain `http`; also the share of the name lookup alone for `https`.
pub const CONNECT_PLAIN: Duration = Duration::from_secs(5);
/// Name lookup, TCP connect and TLS handshake, together.
pub const CONNECT_TLS: Duration = Duration::from_secs(10);
/// From the start of the request to its response headers, redirects included.
pub const FIRST_BYTE: Duration = Duration::from_secs(60);
/// Between two chunks of a body or stream.
pub const IDLE: Duration = Duration::from_secs(60);
/// One body, decoded from its transfer coding. Callers lower it to what they can use.
pub const MAX_BODY: u64 = 12 * 1024 * 1024;
/// All response headers.
pub const RESPONSE_HEADERS: usize = 64 * 1024;
/// One response header, name and value.
pub const RESPONSE_HEADER: usize = 16 * 1024;
/// Hops followed on one origin for [`crate::Redirects::SameOrigin`].
pub const SAME_ORIGIN_HOPS: u8 = 3;
/// Hops that [`crate::Redirects::Checked`] never exceeds, whatever the caller asks (behaviour 11: discovery).
pub const CHECKED_HOPS: u8 = 3;
/// Addresses of one name that are vetted; a longer answer is refused as a whole.
pub const ADDRESSES_PER_NAME: usize = 64;
/// Addresses of one name that are dialled.
pub const ADDRESSES_DIALLED: usize = 8;
/// Connection pools kept (one per port, connect deadline and way of reuse); the least recently used one goes first.
pub const POOLS: usize = 64;
/// Idle connections kept per origin.
pub const IDLE_CONNECTIONS_PER_ORIGIN: usize = 32;
/// Life of an idle connection.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(90);
/// The same where a request must not meet a connection that is being closed: Node's servers and Apache close after 5 s.
pub const IDLE_BRIEFLY: Duration = Duration::from_secs(4);
/// Entries of an allow list.
pub const ALLOW_ENTRIES: usize = 256;
/// Length of one entry of an allow list in bytes: a name of 253, brackets, colon and port.
pub const ALLOW_ENTRY: usize = 280;

/// Deadlines and the byte cap of one request. [`Default`] gives the figures of threats 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name lookup, TCP connect and TLS together. Plain `http` never waits longer than [`CONNECT_PLAIN`].
    pub connect: Duration,
    /// From the start of the request to the response headers, redirects included.
    pub first_byte: Duration,
    /// Between two chunks of the body.
    pub idle: Duration,
    /// The whole exchange, the body included. `None` for streams that end by other means.
    pub total: Option<Duration>,
    /// Bytes of the response body; the byte after the last allowed one is an error.
    pub max_body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: CONNECT_TLS, first_byte: FIRST_BYTE, idle: IDLE, total: None, max_body: MAX_BODY }
    }
}
