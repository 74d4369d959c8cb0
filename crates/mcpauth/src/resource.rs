//! Whether a published `resource` stands for a server (RFC 9728, 3.3; protocol.md 14.2).

use crate::urls::{Parts, check_endpoint, has_dot_segments, origin};

/// How a published resource fits a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It is the server's URL, or differs by the `/` of an empty path only.
    Same,
    /// It is wider: of the same origin, its path an ancestor of the server's. RFC 9728 wants identity; many servers publish their
    /// origin. Also the same path under another spelling of the origin.
    Ancestor,
}

impl Fit {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Ancestor => "ancestor",
        }
    }
}

/// How `resource` fits the server at `server_url`, both as they were written; `None` when it does not, and a document that names it
/// must not be used. Nothing is decoded or resolved: `%2f` is no slash, and case matters in a path.
pub fn fits(server_url: &str, resource: &str) -> Option<Fit> {
    if server_url == resource {
        return Some(Fit::Same);
    }
    check_endpoint(resource).ok()?;
    let (server, wider) = (Parts::of(server_url)?, Parts::of(resource)?);
    if server.base == wider.base && server.query == wider.query && server.rooted_path() == wider.rooted_path()
    {
        return Some(Fit::Same);
    }
    // A query belongs to one address only, and dots would make the dialled path another than the compared one.
    if !wider.query.is_empty() || has_dot_segments(server.path) {
        return None;
    }
    let same_origin = origin(server_url).is_some_and(|of_server| Some(of_server) == origin(resource));
    (same_origin && is_ancestor(wider.path, server.path)).then_some(Fit::Ancestor)
}

/// Whether `path` is whole leading segments of `of`, or the same. A `/` at its end closes its last segment: `/v1/` is above
/// `/v1/mcp`, and not above `/v1`.
fn is_ancestor(path: &str, of: &str) -> bool {
    if path.is_empty() || path == "/" {
        return true;
    }
    match of.strip_prefix(path) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || path.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fit::{Ancestor, Same};

    #[test]
    fn resources_that_fit() {
        for (server, resource, fit) in [
            ("https://h.example/v1/mcp", "https://h.example/v1/mcp", Same),
            ("https://h.example", "https://h.example/", Same),
            ("https://h.example/", "https://h.example", Same),
            ("https://h.example?t=a", "https://h.example/?t=a", Same),
            ("https://h.example/mcp?t=a", "https://h.example/mcp?t=a", Same),
            ("https://h.example/v1/mcp", "https://h.example", Ancestor),
            ("https://h.example/v1/mcp", "https://h.example/", Ancestor),
            ("https://h.example/v1/mcp", "https://h.example/v1", Ancestor),
            ("https://h.example/v1/mcp", "https://h.example/v1/", Ancestor),
            ("https://h.example/mcp/", "https://h.example/mcp", Ancestor),
            ("https://h.example/mcp?t=a", "https://h.example/mcp", Ancestor),
            ("https://h.example/mcp?t=a", "https://h.example", Ancestor),
            // another spelling of the same origin
            ("https://H.example:443/mcp", "https://h.example", Ancestor),
            ("https://h.example/mcp", "https://h.example:443/mcp", Ancestor),
            ("http://127.0.0.1:3990/mcp", "http://127.0.0.1:3990", Ancestor),
        ] {
            assert_eq!(fits(server, resource), Some(fit), "{server} {resource}");
        }
    }

    /// Threat 5: a resource that does not stand for the server.
    #[test]
    fn resources_that_do_not_fit() {
        let server = "https://h.example/v1/mcp";
        for resource in [
            "",
            "h.example",
            "https://h.example/v1/mcp/",
            "https://h.example/v1/mcp/x",
            "https://h.example/v1/mc",
            "https://h.example/v1m",
            "https://h.example/V1",
            "https://h.example/v1%2fmcp",
            "https://h.example/v2",
            "https://h.example//v1",
            "https://h.example/x/../v1",
            "https://h.example/v1?t=a",
            "https://h.example/v1#x",
            "https://user@h.example/v1",
            "http://h.example/v1",
            "https://h.example:8443/v1",
            "https://h.example./v1",
            "https://evil.example/v1/mcp",
            "https://h.example.evil.example/v1/mcp",
            "https://h.example@evil.example/v1",
            "https://h.example\\@evil.example/v1",
            "https://example/v1/mcp",
            "javascript:alert(1)",
        ] {
            assert_eq!(fits(server, resource), None, "{resource}");
        }
        assert_eq!(fits("https://h.example/v1/../mcp", "https://h.example/v1"), None);
        assert_eq!(fits("https://h.example/mcp?t=a", "https://h.example/mcp?t=b"), None);
        assert_eq!(fits("https://h.example", "https://h.example/mcp"), None);
    }
}
