//! Where to go after sign-in: only to a path of this deployment (threats 9, test 16).

use crate::limits::RETURN_TO_BYTES;
use url::Url;

/// The path to return to, or `/` when the given one could lead elsewhere.
///
/// Kept is only what every browser and proxy reads the same way: one leading slash, no backslash, no blank or control character, no
/// empty path segment, and none of these percent-encoded in the path.
pub fn safe_return_to(target: &str) -> String {
    if is_safe(target) { target.to_owned() } else { "/".to_owned() }
}

fn is_safe(target: &str) -> bool {
    if target.len() > RETURN_TO_BYTES || !target.starts_with('/') {
        return false;
    }
    // Browsers drop tabs and line breaks and read `\` as `/`; other characters must come percent-encoded anyway.
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return false;
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.contains("//") || hides_a_separator(path) {
        return false;
    }
    // The parser of the URL standard has the last word, so that this rule cannot be laxer than a browser.
    let Ok(base) = Url::parse("https://patchbay.invalid/") else { return false };
    base.join(target).is_ok_and(|url| url.origin() == base.origin() && !url.path().starts_with("//"))
}

/// Whether decoding the path, also more than once, brings up a slash, backslash, control character or blank.
fn hides_a_separator(path: &str) -> bool {
    let mut decoded = path.as_bytes().to_vec();
    // Each round shortens the text; three are more than any chain of proxies decodes.
    for _ in 0..3 {
        let next = decode(&decoded);
        if next == decoded {
            return false;
        }
        let before = decoded.iter().filter(|byte| **byte == b'/').count();
        let after = next.iter().filter(|byte| **byte == b'/').count();
        if after > before || next.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b'\\') {
            return true;
        }
        decoded = next;
    }
    // Encoded four times over: nobody needs that.
    true
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| text[at] == b'%');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(byte.unwrap_or(text[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn own_paths_are_kept() {
        for good in [
            "/",
            "/chats",
            "/chats/0190-a?b=c&d=%2Fe%2F#f",
            "/admin/servers?q=https://example.com//x",
            "/a/../b",
            "/%C3%BC",
            "/a.b/c:d@e",
            "/api/experimental/mcp/servers/1/oauth2/connect",
            "/a#//b",
        ] {
            assert_eq!(safe_return_to(good), good);
        }
    }

    const ESCAPES: [&str; 50] = [
        "",
        " ",
        "chats",
        "https://evil.example",
        "http://evil.example/",
        "HTTPS://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:e",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "/\\/evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "/\r\nLocation: https://evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/\0/evil.example",
        "/\u{a0}/evil.example",
        "/\u{2028}/evil.example",
        "/\u{ff0f}evil.example",
        "／／evil.example",
        "/%2F/evil.example",
        "/%2fevil.example",
        "/%5Cevil.example",
        "/%5cevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:x=y",
        "/%00/evil.example",
        "/%252fevil.example",
        "/%25252fevil.example",
        "/%2525252fevil.example",
        "/a//evil.example",
        "/..//evil.example",
        "/.//evil.example",
        "/%2e%2e//evil.example",
        "/%2e//evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        "?x=//evil.example",
        "#//evil.example",
        ".//evil.example",
    ];

    #[test]
    fn fifty_ways_out_all_lead_home() {
        for bad in ESCAPES {
            assert_eq!(safe_return_to(bad), "/", "{bad:?}");
        }
        assert_eq!(safe_return_to(&format!("/{}", "a".repeat(2048))), "/");
    }

    proptest! {
        #[test]
        fn the_answer_never_leaves_the_origin(target in "[/\\\\a.%25fFcC:@?#\t\n ]{0,16}|\\PC{0,16}") {
            let base = Url::parse("https://patchbay.invalid/login").unwrap();
            let url = base.join(&safe_return_to(&target)).unwrap();
            prop_assert_eq!(url.origin(), base.origin());
        }
    }
}
