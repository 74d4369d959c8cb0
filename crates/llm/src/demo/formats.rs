//! Text formats of JSON Schema.

/// A format of text.
pub(super) struct Format {
    /// A word of the message that can be taken as it is.
    pub(super) fits: fn(&str) -> bool,
    /// What to send when the message has none.
    pub(super) example: &'static str,
}

/// The formats that can be told from a look; others are plain text.
pub(super) fn format(name: &str) -> Option<Format> {
    fn date(text: &str) -> bool {
        let parts: Vec<&str> = text.split('-').collect();
        parts.len() == 3
            && parts
                .iter()
                .zip([4, 2, 2])
                .all(|(part, n)| part.len() == n && part.bytes().all(|b| b.is_ascii_digit()))
            && (1..=12).contains(&parts[1].parse().unwrap_or(0))
            && (1..=28).contains(&parts[2].parse().unwrap_or(0))
    }
    fn email(text: &str) -> bool {
        let plain = |part: &str, marks: &[char]| {
            let inside = |c: char| c.is_ascii_alphanumeric() || marks.contains(&c);
            part.chars().all(inside)
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        text.split_once('@').is_some_and(|(user, host)| {
            plain(user, &['.', '_', '-', '+'])
                && !text.contains("..")
                && host.contains('.')
                && host.split('.').all(|label| plain(label, &['-']))
        })
    }
    fn uri(text: &str) -> bool {
        // Stricter than what a browser forgives: only characters that a URI may have.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&b);
        text.bytes().all(allowed)
            && url::Url::parse(text).is_ok_and(|url| url.has_host() && url.as_str().starts_with(text))
    }
    fn uuid(text: &str) -> bool {
        let lengths = text.split('-').map(str::len);
        lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    }
    let none: fn(&str) -> bool = |_| false;
    let (fits, example): (fn(&str) -> bool, _) = match name {
        "date" => (date, "2026-01-01"),
        "date-time" => (none, "2026-01-01T00:00:00Z"),
        "time" => (none, "12:00:00Z"),
        "duration" => (none, "PT1M"),
        "email" | "idn-email" => (email, "user@example.com"),
        "uri" | "url" | "iri" | "uri-reference" => (uri, "https://example.com/"),

        "uuid" => (uuid, "00000000-0000-4000-8000-000000000000"),
        "ipv4" => (|text| text.parse::<std::net::Ipv4Addr>().is_ok(), "192.0.2.1"),
        "ipv6" => (|text| text.parse::<std::net::Ipv6Addr>().is_ok(), "2001:db8::1"),
        "hostname" => (none, "example.com"),
        _ => return None,
    };
    Some(Format { fits, example })
}
