//! Which HTTP headers an admin may have sent to a server (behaviour 3, "Do better").

use crate::{
    limits::{HEADER_NAME_BYTES, HEADER_VALUE_BYTES, HEADERS},
    text::quote,
};
use std::collections::{BTreeMap, BTreeSet};

/// Names that belong to the connection or the protocol. RFC 9110, 7.6.1 (hop-by-hop), the request's own target, and cookies.
const REFUSED_NAMES: [&str; 12] = [
    "connection",
    "cookie",
    "cookie2",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const REFUSED_PREFIXES: [&str; 2] = ["content-", "mcp-"];

/// A header name that may be stored, trimmed.
///
/// # Errors
/// A sentence for people: no token (RFC 9110, 5.6.2), too long, or a name that Patchbay sets itself.
pub fn check_name(name: &str) -> Result<String, String> {
    // Line breaks are refused, not trimmed: in a header they are an attack or an accident.
    let trimmed = name.trim_matches([' ', '\t']);
    if trimmed.is_empty() {
        return Err("Enter a header name.".into());
    }
    if trimmed.len() > HEADER_NAME_BYTES {
        return Err(format!(
            "The header name has {} bytes; at most {HEADER_NAME_BYTES} are possible.",
            trimmed.len()
        ));
    }
    let shown = quote(trimmed, 40);
    if !trimmed.bytes().all(is_token_byte) {
        return Err(format!("`{shown}` is no header name. Use letters, digits and hyphens."));
    }
    let lower = trimmed.to_ascii_lowercase();
    if REFUSED_NAMES.contains(&lower.as_str())
        || REFUSED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        return Err(format!("`{shown}` is set by Patchbay itself and cannot be chosen. Use another header."));
    }
    Ok(trimmed.to_owned())
}

/// A header value that may be sent, without blanks around it; possibly empty.
///
/// # Errors
/// A sentence for people, which never quotes the value: it may be a secret.
pub fn check_value(value: &str) -> Result<String, String> {
    if value.contains(['\r', '\n', '\0']) {
        return Err("The value contains a line break or NUL. Remove it.".into());
    }
    let value = value.trim();
    // Other control characters are illegal in a field value too (RFC 9110, 5.5), and no client library sends them.
    if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err("The value contains a control character. Remove it.".into());
    }
    if value.len() > HEADER_VALUE_BYTES {
        return Err(format!(
            "The value has {} bytes; at most {HEADER_VALUE_BYTES} are possible.",
            value.len()
        ));
    }
    Ok(value.to_owned())
}

/// A map of headers: each name and value allowed, no name twice in different case, no value empty.
///
/// # Errors
/// One text that names every offending header.
pub fn check_map(headers: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    if headers.len() > HEADERS {
        return Err(format!("Has {} headers; at most {HEADERS} are possible.", headers.len()));
    }
    let mut kept = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for (name, value) in headers {
        let name = match check_name(name) {
            Ok(name) => name,
            Err(detail) => {
                problems.push(detail);
                continue;
            }
        };
        if !seen.insert(name.to_ascii_lowercase()) {
            problems
                .push(format!("`{}` is given twice; case does not count in header names.", quote(&name, 40)));
            continue;
        }
        match check_value(value) {
            Ok(value) if value.is_empty() => {
                problems.push(format!("Enter a value for `{}`.", quote(&name, 40)))
            }
            Ok(value) => {
                kept.insert(name, value);
            }
            Err(detail) => problems.push(format!("`{}`: {detail}", quote(&name, 40))),
        }
    }
    if problems.is_empty() { Ok(kept) } else { Err(problems.join(" ")) }
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_are_tokens_that_patchbay_does_not_set() {
        for good in
            ["Authorization", "X-API-Key", "x_y.z", "!#$%&'*+-.^_`|~", " X-Trimmed ", "Contents", "mcp"]
        {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "  ",
            "X Key",
            "X:Key",
            "X-Key\r\nEvil",
            "X-Key\n",
            "\rX-Key",
            "X\0",
            "Schlüssel",
            "X(1)",
            "Host",
            "HOST",
            "content-type",
            "Content-Length",
            "Mcp-Session-Id",
            "MCP-Protocol-Version",
            "Cookie",
            "Connection",
            "Transfer-Encoding",
            "TE",
            "Upgrade",
            "Proxy-Authorization",
            "Keep-Alive",
            "Trailer",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name(&"x".repeat(128)).is_ok());
        assert!(check_name(&"x".repeat(129)).is_err());
    }

    #[test]
    fn values_hold_no_line_breaks() {
        assert_eq!(check_value("  Bearer abc\t").unwrap(), "Bearer abc");
        assert_eq!(check_value("ä").unwrap(), "ä");
        for bad in ["a\r\nb", "a\n", "\ra", "a\0b", "a\u{7}b", "a\u{7f}"] {
            let detail = check_value(bad).unwrap_err();
            assert!(!detail.contains('a') || !detail.contains("`a"), "{detail}");
        }
        assert!(check_value(&"x".repeat(8192)).is_ok());
        assert!(check_value(&"x".repeat(8193)).is_err());
    }

    #[test]
    fn maps_report_every_header() {
        let detail =
            check_map(&map(&[("Host", "x"), ("X-A", "1\n2"), ("X-B", ""), ("x-c", "1"), ("X-C", "2")]))
                .unwrap_err();
        for part in ["`Host`", "`X-A`", "`X-B`", "`x-c` is given twice"] {
            assert!(detail.contains(part), "{part} in {detail}");
        }
        assert_eq!(check_map(&map(&[("X-A", " 1 ")])).unwrap(), map(&[("X-A", "1")]));
        let many: BTreeMap<_, _> = (0..33).map(|n| (format!("X-{n}"), "v".to_owned())).collect();
        assert!(check_map(&many).unwrap_err().contains("33 headers"));
    }

    #[test]
    fn refusals_never_quote_a_value() {
        let detail = check_map(&map(&[("X-A", "topsecret\r\n")])).unwrap_err();
        assert!(!detail.contains("topsecret"));
    }
}
