//! Which URLs may be stored for servers and model providers (behaviour 3 and 11).

use crate::limits::URL_BYTES;
use url::{Host, Url};

/// Answers whether plain http is possible for this host and port.
type AllowHttp = dyn Fn(&str, u16) -> bool + Send + Sync;

/// What the operator allows beyond https.
pub struct UrlPolicy {
    allow_http: Box<AllowHttp>,
}

impl UrlPolicy {
    /// `allow_http` is asked with the host in lower case, without brackets and trailing dot, and the port: is it on the
    /// private allow list?
    pub fn new(allow_http: impl Fn(&str, u16) -> bool + Send + Sync + 'static) -> Self {
        Self { allow_http: Box::new(allow_http) }
    }

    /// No exception: only https.
    pub fn https_only() -> Self {
        Self::new(|_, _| false)
    }
}

impl std::fmt::Debug for UrlPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlPolicy").finish_non_exhaustive()
    }
}

/// Scheme, host and port: what credentials are bound to (behaviour 6, point 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute http or https URL.
    pub fn of(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default()? })
    }

    /// In lower case, without brackets and trailing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as an entry of the allow list is written.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whether both texts are URLs of the same scheme, host and port. False when one of them is no URL.
pub fn same_origin(a: &str, b: &str) -> bool {
    Origin::of(a).is_some_and(|origin| Some(origin) == Origin::of(b))
}

/// The trimmed text of an absolute URL that may be dialled. It is kept as written: its bytes may matter to the peer.
///
/// # Errors
/// A sentence for people: what is wrong and what to enter instead.
pub fn check_url(text: &str, policy: &UrlPolicy) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Enter a URL.".into());
    }
    if text.len() > URL_BYTES {
        return Err(format!("The URL has {} bytes; at most {URL_BYTES} are possible.", text.len()));
    }
    // The URL parser drops tabs and line breaks and turns `\` into `/`: then another URL is dialled than the one shown.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.contains('\\') {
        return Err("The URL contains a blank, a control character or a backslash. Remove it or write it percent-encoded.".into());
    }
    let scheme_is = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && text[scheme.len()..].starts_with("://")
    };
    if !scheme_is("https") && !scheme_is("http") {
        return Err("Enter an absolute URL that begins with https://.".into());
    }
    let url = Url::parse(text).map_err(|cause| {
        format!("This is no URL: {cause}. Enter one such as https://mcp.example.com/mcp.")
    })?;
    // An empty `user:` part parses to nothing, so look at the text as well.
    let authority =
        text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err(
            "The URL contains a user name or password. Remove it and choose an authentication type instead."
                .into(),
        );
    }
    if url.fragment().is_some() {
        return Err("The URL has a fragment, which is never sent. Remove the part from # on.".into());
    }
    let origin =
        Origin::of(text).ok_or("The URL has no host. Enter one such as https://mcp.example.com/mcp.")?;
    if origin.port == 0 {
        return Err("Port 0 cannot be reached. Enter the server's port.".into());
    }
    if url.scheme() == "http" && !(policy.allow_http)(&origin.host, origin.port) {
        let authority = origin.authority();
        return Err(format!(
            "http is refused for {authority}. Use https, or, to allow it, start with PATCHBAY_EGRESS_ALLOW={authority}."
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> UrlPolicy {
        UrlPolicy::new(|host, port| (host, port) == ("127.0.0.1", 3990) || (host == "::1" && port == 80))
    }

    #[test]
    fn urls_that_may_be_stored() {
        for good in [
            "https://mcp.example.com/mcp",
            "https://mcp.example.com",
            "HTTPS://MCP.Example.com:8443/a?b=c%20d",
            "  https://mcp.example.com/mcp  ",
            "https://[2001:db8::1]/mcp",
            "http://127.0.0.1:3990/mcp",
            "http://[::1]/mcp",
            "https://example.com/@scope/pkg",
        ] {
            assert_eq!(check_url(good, &policy()).as_deref(), Ok(good.trim()));
        }
    }

    #[test]
    fn urls_that_may_not() {
        for (bad, why) in [
            ("", "Enter a URL"),
            ("mcp.example.com", "https://"),
            ("/mcp", "https://"),
            ("//mcp.example.com/", "https://"),
            ("ftp://example.com/", "https://"),
            ("file:///etc/passwd", "https://"),
            ("javascript:alert(1)", "https://"),
            ("https:example.com", "https://"),
            ("https:/example.com", "https://"),
            ("https://", "no URL"),
            ("https://user@example.com/", "user name"),
            ("https://user:pw@example.com/", "user name"),
            ("https://:@example.com/", "user name"),
            ("https://@example.com/", "user name"),
            ("https://example.com/#frag", "fragment"),
            ("https://example.com/#", "fragment"),
            ("https://exa\tmple.com/", "control"),
            ("https://example.com/a b", "blank"),
            ("https://example.com/a\nb", "control"),
            ("https://example.com\\@evil.com/", "backslash"),
            ("https://example.com:0/", "Port 0"),
            ("https://example.com:99999/", "no URL"),
            ("http://example.com/mcp", "PATCHBAY_EGRESS_ALLOW=example.com:80"),
            ("http://127.0.0.1:3991/", "PATCHBAY_EGRESS_ALLOW=127.0.0.1:3991"),
            ("http://[::1]:81/", "PATCHBAY_EGRESS_ALLOW=[::1]:81"),
            ("https://[::1/", "no URL"),
        ] {
            let detail = check_url(bad, &policy()).unwrap_err();
            assert!(detail.contains(why), "{bad}: {detail}");
        }
        assert!(
            check_url(&format!("https://example.com/{}", "a".repeat(2048)), &policy())
                .unwrap_err()
                .contains("2048")
        );
    }

    #[test]
    fn refusals_do_not_repeat_passwords() {
        assert!(!check_url("https://user:hunter2@example.com/", &policy()).unwrap_err().contains("hunter2"));
    }

    #[test]
    fn origins_ignore_spelling() {
        assert!(same_origin("https://example.com/a", "HTTPS://EXAMPLE.com.:443/b?c"));
        assert!(same_origin("http://127.0.0.1/", "http://127.1:80/x"));
        assert!(!same_origin("https://example.com/", "http://example.com/"));
        assert!(!same_origin("https://example.com/", "https://example.com:8443/"));
        assert!(!same_origin("https://example.com/", "https://example.org/"));
        assert!(!same_origin("nonsense", "nonsense"));
    }
}
