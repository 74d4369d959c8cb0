//! Where a request goes, in the form that may be shown to people.

use std::fmt;

use url::{Host, Url};

/// Host and port of a request: never user info, path, query or fragment, so it is safe in every message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
    tls: bool,
}

impl Target {
    /// Reads the target of a URL; `None` when it has no host or no known port (then it is not `http` or `https`).
    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => host_key(name),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        Some(Self { host, port: url.port_or_known_default()?, tls: url.scheme() == "https" })
    }

    pub(crate) fn of_name(host: &str, port: u16) -> Self {
        Self { host: host_key(host), port, tls: port == 443 }
    }

    /// The host in lower case, without brackets and without the dot of the root.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own when the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// `host:port` with brackets around IPv6: the spelling of an allow list entry.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = if self.tls { 443 } else { 80 };
        match (self.port == usual, self.host.contains(':')) {
            (true, false) => f.write_str(&self.host),
            (true, true) => write!(f, "[{}]", self.host),
            (false, _) => f.write_str(&self.authority()),
        }
    }
}

/// One spelling per name: `MCP.example.com.` and `mcp.example.com` are the same destination.
pub(crate) fn host_key(host: &str) -> String {
    let mut key = host.to_ascii_lowercase();
    if key.ends_with('.') {
        key.pop();
    }
    key
}

/// Scheme, host and port of a URL for messages and comparison.
pub(crate) fn origin_text(url: &Url) -> String {
    match Target::of(url) {
        Some(target) => format!("{}://{target}", url.scheme()),
        None => format!("{}:", url.scheme()),
    }
}

/// Same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && Target::of(a).is_some() && Target::of(a) == Target::of(b)
}
