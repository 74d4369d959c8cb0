//! The four formats a text field may have.

use url::Url;

/// The formats of I3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Email,
    Uri,
    Date,
    DateTime,
}

impl Format {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "email" => Self::Email,
            "uri" => Self::Uri,
            "date" => Self::Date,
            "date-time" => Self::DateTime,
            _ => return None,
        })
    }

    /// The keyword on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Uri => "uri",
            Self::Date => "date",
            Self::DateTime => "date-time",
        }
    }

    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Uri => is_uri(text),
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
        }
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Email => "Enter an email address such as ann@example.com.",
            Self::Uri => "Enter an absolute address such as https://example.com/page.",
            Self::Date => "Enter a date such as 2026-05-03.",
            Self::DateTime => "Enter a time with its zone such as 2026-05-03T14:30:00Z.",
        }
    }
}

/// Only what is surely none is refused: the server knows its own addresses better.
fn is_email(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && !part.contains('@') && !part.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    text.chars().count() <= crate::limits::EMAIL_CHARS
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            plain(local) && plain(domain) && !domain.starts_with('.') && !domain.contains("..")
        })
}

fn is_uri(text: &str) -> bool {
    // The parser forgives blanks and line breaks; RFC 3986 does not.
    !text.chars().any(|c| c.is_whitespace() || c.is_control()) && Url::parse(text).is_ok()
}

/// RFC 3339 `full-date`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) =
        (digits(&bytes[..4]), digits(&bytes[5..7]), digits(&bytes[8..]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// RFC 3339 `date-time`: a zone is part of it.
fn is_date_time(text: &str) -> bool {
    let Some((date, rest)) = text.get(..10).zip(text.get(10..)) else { return false };
    let Some(rest) = rest.strip_prefix(['T', 't']) else { return false };
    let clock = |text: &str, seconds: bool| {
        let bytes = text.as_bytes();
        let ok =
            |at: usize, max: u32| bytes.get(at..at + 2).and_then(digits).is_some_and(|value| value <= max);
        let colon = |at: usize| bytes.get(at) == Some(&b':');
        // 60: a leap second.
        ok(0, 23) && colon(2) && ok(3, 59) && (!seconds || colon(5) && ok(6, 60))
    };
    let Some((time, tail)) = rest.get(..8).zip(rest.get(8..)) else { return false };
    let zone = match tail.strip_prefix('.') {
        None => tail,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let zoned = matches!(zone, "Z" | "z")
        || zone.strip_prefix(['+', '-']).is_some_and(|offset| offset.len() == 5 && clock(offset, false));
    is_date(date) && clock(time, true) && zoned
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            (
                Format::Email,
                &["ann@example.com", "a.b+c@x", "ä@ö.de"][..],
                &["", "ann", "@x", "a@", "a@@b", "a b@c", "a@b..c", "a@.b", "a@b\n"][..],
            ),
            (
                Format::Uri,
                &["https://example.com", "mailto:a@b", "urn:isbn:1"],
                &["", "example.com/x", "/path", "https://exa mple.com", "https://"],
            ),
            (
                Format::Date,
                &["2026-05-03", "2024-02-29", "2000-02-29"],
                &[
                    "",
                    "2026-5-3",
                    "2026-13-01",
                    "2026-00-10",
                    "2026-02-29",
                    "1900-02-29",
                    "2026-04-31",
                    "2026-05-03T",
                    "+026-05-03",
                    "２026-05-0",
                ],
            ),
            (
                Format::DateTime,
                &["2026-05-03T14:30:00Z", "2026-05-03t14:30:00.123+02:00", "2016-12-31T23:59:60z"],
                &[
                    "2026-05-03",
                    "2026-05-03T14:30:00",
                    "2026-05-03 14:30:00Z",
                    "2026-05-03T24:00:00Z",
                    "2026-05-03T14:30:00.Z",
                    "2026-05-03T14:30:00+2:00",
                    "2026-05-03T14:30Z",
                    "ä026-05-03T14:30:00Z",
                ],
            ),
        ] {
            for text in good {
                assert!(format.fits(text), "{text:?} is {}", format.name());
            }
            for text in bad {
                assert!(!format.fits(text), "{text:?} is no {}", format.name());
            }
            assert_eq!(Format::named(format.name()), Some(format));
            let example = format.example().trim_end_matches('.').rsplit_once(' ').unwrap().1;
            assert!(format.fits(example), "{example}");
        }
        assert_eq!(Format::named("password"), None);
    }
}
