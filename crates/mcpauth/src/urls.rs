//! The addresses of metadata documents, and which addresses may be used at all.
//!
//! Everything here works on the text itself. `url::Url` adds slashes, changes case and resolves dots, and an identifier that was
//! changed is another identifier (protocol.md 14.2); it is only asked whether a text is an address.

use std::net::IpAddr;

use domain::limits::URL_BYTES;
use url::{Host, Url};

#[cfg(test)]
pub(crate) mod tests;

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// An address cut into pieces, none of them changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// Scheme and authority: `https://h.example:8443`.
    pub(crate) base: &'a str,
    /// Empty, or from the first `/` on.
    pub(crate) path: &'a str,
    /// Empty, or from the `?` on.
    pub(crate) query: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` when there is no authority.
    pub(crate) fn of(url: &'a str) -> Option<Self> {
        let url = url.split('#').next().unwrap_or_default();
        let authority = url.find("://")? + 3;
        let end = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
        if end == authority {
            return None;
        }
        let (base, rest) = url.split_at(end);
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        Some(Self { base, path, query })
    }

    fn authority(&self) -> &'a str {
        self.base.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The path, with the `/` that an empty one stands for.
    pub(crate) fn rooted_path(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }
}

/// Where a server's metadata may be when its challenge does not say so (RFC 9728, 3.1): below its path, then at the root.
pub fn resource_metadata_candidates(server_url: &str) -> Vec<String> {
    let Some(Parts { base, path, query }) = Parts::of(server_url) else { return Vec::new() };
    let inserted = if path == "/" { "" } else { path };
    let mut candidates = vec![format!("{base}{PROTECTED_RESOURCE}{inserted}{query}")];
    let root = format!("{base}{PROTECTED_RESOURCE}");
    if candidates[0] != root {
        candidates.push(root);
    }
    candidates
}

/// Where the metadata of an authorization server may be (RFC 8414, 3.1; OpenID Connect Discovery, 4), in order. One `/` at the end is
/// left out of the addresses; the issuer itself is compared with it. None for an issuer with a query.
pub fn authorization_server_candidates(issuer: &str) -> Vec<String> {
    if issuer.contains(['?', '#']) {
        return Vec::new();
    }
    let Some(Parts { base, path, .. }) = Parts::of(issuer) else { return Vec::new() };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return vec![format!("{base}{AUTHORIZATION_SERVER}"), format!("{base}{OPENID_CONFIGURATION}")];
    }
    vec![
        format!("{base}{AUTHORIZATION_SERVER}{path}"),
        format!("{base}{OPENID_CONFIGURATION}{path}"),
        format!("{base}{path}{OPENID_CONFIGURATION}"),
        format!("{base}{AUTHORIZATION_SERVER}"),
    ]
}

/// The origin of an http or https address (RFC 6454, 6.2): in lower case, without the scheme's own port.
pub fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let dialled = matches!(url.scheme(), "https" | "http") && url.has_host();
    dialled.then(|| url.origin().ascii_serialization())
}

/// Whether an address that a server named may be fetched, stored or opened (S3, threats 7): https, or http on loopback; no user
/// info, no fragment, nothing but the characters that an address needs, and one reading only.
///
/// # Errors
/// What to do about it, to be put behind the name of the field.
pub fn check_endpoint(text: &str) -> Result<(), &'static str> {
    if text.len() > URL_BYTES {
        return Err("use an address of at most 2048 bytes");
    }
    // First, so that no later text needs to fear what it looks at: no blanks, no controls, no line breaks, no bidi marks.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("use printable ASCII characters only");
    }
    let rest = scheme_cut(text, "https://").or_else(|| scheme_cut(text, "http://"));
    let Some(rest) = rest else { return Err("use an address that begins with https://") };
    if text.contains('#') {
        return Err("remove the part from # on");
    }
    if !text.bytes().all(is_needed) {
        return Err("remove quotes, brackets, backslashes and characters that mean something to a shell");
    }
    let Some(parts) = Parts::of(text) else { return Err("name a host") };
    if parts.authority().contains('@') {
        return Err("remove the user name and password");
    }
    if parts.path.contains('&') {
        return Err("remove the & from the path");
    }
    if !percents_are_plain(rest) {
        return Err("write % only before two hexadecimal digits, and hide no control character");
    }
    if has_dot_segments(parts.path) {
        return Err("remove . and .. from the path");
    }
    let url = Url::parse(text).map_err(|_| "use an address that can be read")?;
    let host = url.host().ok_or("name a host")?;
    if !is_written_as(parts.authority(), &host) {
        return Err("write the host in its usual form");
    }
    if url.port() == Some(0) {
        return Err("name the server's port");
    }
    if url.scheme() != "https" && !is_loopback(&host) {
        return Err("use https; http is possible on loopback only");
    }
    Ok(())
}

/// Whether a redirect URI or access URL is on this machine.
pub(crate) fn is_on_loopback(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.host().is_some_and(|host| is_loopback(&host)))
}

/// Whether a path has segments that a parser would resolve.
pub(crate) fn has_dot_segments(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(plain.as_str(), "." | "..")
    })
}

fn scheme_cut<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let start = text.get(..scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

/// Of RFC 3986, 2.2 and 2.3, without what a shell would take for its own: `$ ' ( ) * ; !`.
fn is_needed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@&+,=%".contains(&byte)
}

/// Each `%` has its two digits, and none stands for a control character.
fn percents_are_plain(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .is_some_and(|byte| !byte.is_ascii_control())
    })
}

/// Whether the parser dials the host that a reader sees: `0x7f.1` is 127.0.0.1 to it.
fn is_written_as(authority: &str, host: &Host<&str>) -> bool {
    let written = match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    };
    written.eq_ignore_ascii_case(&host.to_string())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => IpAddr::from(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(*ip).is_loopback(),
    }
}
