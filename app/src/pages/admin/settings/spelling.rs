//! Addresses of pages pasted into a list of destinations: what to write instead.

use crate::error::{UiError, UiErrorKind};
use api::{ErrorBody, Validation};

/// Refuses lines that are URLs, each with the destination that is in it; `None` when there are none.
pub(super) fn refuse_urls(entries: &[String]) -> Option<UiError> {
    let wrong = entries.iter().enumerate().filter_map(|(at, entry)| {
        let wanted = destination_of(entry)?;
        Some(Validation::new(
            format!("entries[{at}]"),
            format!("A URL is no destination: write {wanted}, host and port alone."),
        ))
    });
    let validations: Vec<Validation> = wrong.collect();
    (!validations.is_empty()).then(|| UiError {
        kind: UiErrorKind::Invalid,
        body: ErrorBody { validations, ..ErrorBody::message("Some lines are no destinations.") },
    })
}

/// `host:port` of a URL; `None` for what is none.
fn destination_of(entry: &str) -> Option<String> {
    let (scheme, rest) = entry.trim().split_once("://")?;
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    if place.is_empty() {
        return Some("mcp.corp.lan:443".to_owned());
    }
    // The colons of an IPv6 address stand in brackets.
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port {
        return Some(place.to_owned());
    }
    let port = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
    Some(format!("{place}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_answered_with_its_destination() {
        for (entry, wanted) in [
            ("http://foo", Some("foo:80")),
            (" HTTPS://Foo.lan/mcp?x=1 ", Some("Foo.lan:443")),
            ("http://me:pw@10.0.0.7:8080/mcp", Some("10.0.0.7:8080")),
            ("http://[::1]/", Some("[::1]:80")),
            ("http://[::1]:9000", Some("[::1]:9000")),
            ("http://", Some("mcp.corp.lan:443")),
            ("foo:80", None),
            ("10.0.0.0/8:*", None),
            ("", None),
        ] {
            assert_eq!(destination_of(entry).as_deref(), wanted, "{entry}");
        }
        let refused = refuse_urls(&["ok:1".to_owned(), "http://foo".to_owned()]).unwrap();
        assert_eq!(
            refused.field("entries[1]").unwrap(),
            "A URL is no destination: write foo:80, host and port alone."
        );
        assert!(refuse_urls(&["ok:1".to_owned()]).is_none());
    }
}
