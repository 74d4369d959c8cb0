//! The names on the wire: revisions, methods, headers, keys and error codes (protocol.md 1 and 3).

use std::fmt;

/// Our name towards servers (behaviour 13, protocol.md H5).
pub(crate) const CLIENT_NAME: &str = "patchbay";

/// A revision of MCP. Ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// HTTP+SSE with two endpoints.
    V2024_11_05,
    /// The first with streamable HTTP, and the only one with batches.
    V2025_03_26,
    /// The first with `MCP-Protocol-Version`.
    V2025_06_18,
    /// The last with sessions.
    V2025_11_25,
    /// Stateless.
    V2026_07_28,
}

impl Revision {
    /// The stateless revisions Patchbay speaks, newest first.
    pub(crate) const STATELESS: &[Self] = &[Self::V2026_07_28];
    /// The initialize-based revisions Patchbay speaks, newest first. The first is offered.
    pub(crate) const INITIALIZED: &[Self] =
        &[Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];

    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name, if Patchbay speaks it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::STATELESS.iter().chain(Self::INITIALIZED).copied().find(|revision| revision.as_str() == text)
    }

    /// Version and capabilities go with every request; there is no handshake (protocol.md 1).
    pub fn is_stateless(self) -> bool {
        self >= Self::V2026_07_28
    }

    /// Whether a server of this revision may group messages in an array (protocol.md L12).
    pub(crate) fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// Whether requests carry `MCP-Protocol-Version`. Sent from 2025-03-26 on: an unknown header is harmless, and servers
    /// of the reference SDK look for it there too.
    pub(crate) fn has_version_header(self) -> bool {
        self > Self::V2024_11_05
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Methods of requests and notifications we send.
pub(crate) mod method {
    pub(crate) const INITIALIZE: &str = "initialize";
    pub(crate) const INITIALIZED: &str = "notifications/initialized";
    pub(crate) const CANCELLED: &str = "notifications/cancelled";
    pub(crate) const DISCOVER: &str = "server/discover";
    pub(crate) const TOOLS_LIST: &str = "tools/list";
    pub(crate) const TOOLS_CALL: &str = "tools/call";
    /// What a server asks during a call.
    pub(crate) const ELICIT: &str = "elicitation/create";
    pub(crate) const LISTEN: &str = "subscriptions/listen";
}

/// Headers of MCP. All of them are ours: no stored header may pose as one.
pub(crate) mod header {
    use http::HeaderName;

    pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
    pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
    pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
    pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
    pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
    /// What an argument's header starts with, in lower case (protocol.md 4).
    pub(crate) const PARAM_PREFIX: &str = "mcp-param-";
}

/// Keys of `_meta`.
pub(crate) mod meta {
    /// On every stateless request (protocol.md H4).
    pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// On every stateless request (protocol.md H5).
    pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// On every stateless request (protocol.md H4).
    pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Where a stateless server says who it is.
    pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The model's call id, for servers which deduplicate (behaviour 15).
    pub(crate) const CALL_ID: &str = "com.coder/tool_call_id";
    /// Which stream of notices something belongs to: the id of its request (protocol.md P8).
    pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// W3C Trace Context, level 2.
    pub(crate) const TRACEPARENT: &str = "traceparent";
    /// Where progress of a request is reported.
    pub(crate) const PROGRESS_TOKEN: &str = "progressToken";
}

/// JSON-RPC error codes with a meaning that may be relied on (protocol.md 2 and 3).
pub(crate) mod code {
    /// A header differs from the body, or a required one is missing.
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    /// The server needs something we did not declare.
    pub(crate) const MISSING_CAPABILITY: i64 = -32021;
    /// The revision is refused.
    pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
    /// JSON-RPC 2.0, section 5.1.
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    /// JSON-RPC 2.0, section 5.1: invalid parameters. MCP uses it for unknown tools and refused cursors too.
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    /// A page has to be opened by the user first (2025-11-25).
    pub(crate) const URL_ELICITATION: i64 = -32042;

    /// Errors that only a stateless server gives (protocol.md 2, step 4).
    pub(crate) fn is_stateless(code: i64) -> bool {
        matches!(code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_known_by_their_name_and_ordered_by_age() {
        for revision in Revision::STATELESS.iter().chain(Revision::INITIALIZED) {
            assert_eq!(Revision::parse(revision.as_str()), Some(*revision));
            assert_eq!(revision.is_stateless(), Revision::STATELESS.contains(revision));
        }
        assert_eq!(Revision::parse("2099-01-01"), None);
        assert!(Revision::INITIALIZED.is_sorted_by(|newer, older| newer > older));
    }
}
