//! Which scopes are asked for (protocol.md 14.7 and 14.10). Scopes are `scope-token`s of RFC 6749, 3.3, separated by single blanks.

use crate::limits::SCOPES_BYTES;

/// The scope that asks for a refresh token (OpenID Connect Core, 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Who named the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeSource {
    /// The admin.
    Given,
    /// The server, in its challenge: "asked by server".
    Challenge,
    /// The server, in its metadata: "published by server".
    Published,
}

/// Scopes to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// At least one, separated by single blanks.
    pub scopes: String,
    /// Who named them.
    pub source: ScopeSource,
}

/// The scopes to ask for: the admin's, else the challenge's, else all that the resource publishes. `None`: the parameter is left out.
///
/// What is no scope is dropped, and so is what exceeds [`SCOPES_BYTES`].
pub fn choose(given: &str, challenge: Option<&str>, published: &[String]) -> Option<Chosen> {
    let published = published.iter().map(String::as_str);
    [
        (ScopeSource::Given, joined(given.split_whitespace())),
        (ScopeSource::Challenge, joined(challenge.unwrap_or_default().split_whitespace())),
        (ScopeSource::Published, joined(published)),
    ]
    .into_iter()
    .find(|(_, scopes)| !scopes.is_empty())
    .map(|(source, scopes)| Chosen { scopes, source })
}

/// Adds `offline_access` where the authorization server lists it and scopes are sent anyway: alone it would narrow the grant.
/// The flag says that `prompt=consent` goes with it (OpenID Connect Core, 11).
pub fn with_offline_access(scopes: Option<&str>, listed: bool) -> (Option<String>, bool) {
    match scopes.map(|scopes| joined(scopes.split_whitespace())).filter(|scopes| !scopes.is_empty()) {
        Some(scopes) if listed => {
            let scopes = union(&scopes, OFFLINE_ACCESS);
            let asks = tokens(&scopes).any(|scope| scope == OFFLINE_ACCESS);
            (Some(scopes), asks)
        }
        scopes => (scopes, false),
    }
}

/// The scopes of `a` and then those that `b` adds, each once.
pub fn union(a: &str, b: &str) -> String {
    joined(a.split_whitespace().chain(b.split_whitespace()))
}

/// The scopes of `wanted` that `granted` has not, each once.
pub fn missing(granted: &str, wanted: &str) -> Vec<String> {
    let wanted = joined(wanted.split_whitespace());
    tokens(&wanted)
        .filter(|scope| !granted.split_whitespace().any(|has| has == *scope))
        .map(str::to_owned)
        .collect()
}

/// Whether a text is scopes as they are sent: legal characters, single blanks, at least one, at most [`SCOPES_BYTES`].
pub fn is_valid(scopes: &str) -> bool {
    scopes.len() <= SCOPES_BYTES && scopes.split(' ').all(is_scope)
}

fn tokens(scopes: &str) -> impl Iterator<Item = &str> {
    scopes.split(' ').filter(|scope| !scope.is_empty())
}

/// `scope-token` of RFC 6749, 3.3.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The legal ones, each once, in their order, until the cap is reached.
fn joined<'a>(scopes: impl Iterator<Item = &'a str>) -> String {
    let mut taken: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for scope in scopes.filter(|scope| is_scope(scope)) {
        if taken.contains(&scope) {
            continue;
        }
        let more = scope.len() + usize::from(!taken.is_empty());
        if bytes + more > SCOPES_BYTES {
            break;
        }
        bytes += more;
        taken.push(scope);
    }
    taken.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn the_admin_comes_before_the_challenge_and_both_before_the_metadata() {
        let published = list(&["p1", "p2"]);
        for (given, challenge, published, expected) in [
            ("g h", Some("c"), &published[..], Some(("g h", ScopeSource::Given))),
            ("  ", Some("c  d"), &published, Some(("c d", ScopeSource::Challenge))),
            ("", Some(""), &published, Some(("p1 p2", ScopeSource::Published))),
            ("", Some("\"\u{202e}"), &published, Some(("p1 p2", ScopeSource::Published))),
            ("", None, &published, Some(("p1 p2", ScopeSource::Published))),
            ("", None, &[], None),
            ("", None, &list(&["two words", "", "a\"b", "a\\b", "ü"]), None),
            ("", Some("a é b a"), &[], Some(("a b", ScopeSource::Challenge))),
        ] {
            let chosen = choose(given, challenge, published);
            let chosen = chosen.as_ref().map(|chosen| (chosen.scopes.as_str(), chosen.source));
            assert_eq!(chosen, expected, "{given:?} {challenge:?}");
        }
    }

    #[test]
    fn scopes_are_bounded() {
        let many: Vec<String> = (0..2000).map(|n| format!("scope{n}")).collect();
        let chosen = choose("", None, &many).unwrap();
        assert!(chosen.scopes.len() <= SCOPES_BYTES && is_valid(&chosen.scopes));
        assert_eq!(choose("", Some(&"a".repeat(SCOPES_BYTES + 1)), &[]), None);
        let full = "a".repeat(SCOPES_BYTES);
        assert_eq!(with_offline_access(Some(&full), true), (Some(full), false));
    }

    #[test]
    fn offline_access_is_never_alone() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(with_offline_access(None, true), (None, false));
        assert_eq!(with_offline_access(Some(""), true), (None, false));
        assert_eq!(with_offline_access(Some("a b"), false), (some("a b"), false));
        assert_eq!(with_offline_access(Some("a b"), true), (some("a b offline_access"), true));
        assert_eq!(with_offline_access(Some("offline_access a"), true), (some("offline_access a"), true));
        assert_eq!(with_offline_access(Some("offline_access a"), false), (some("offline_access a"), false));
    }

    #[test]
    fn unions_and_differences_keep_the_order() {
        assert_eq!(union("b a", "c a b d"), "b a c d");
        assert_eq!(union("", " x "), "x");
        assert_eq!(missing("a b", "c b d c"), ["c", "d"]);
        assert_eq!(missing("", "a"), ["a"]);
        assert!(missing("a b", "b a").is_empty());
        // part of a word is no scope
        assert_eq!(missing("files:read", "files"), ["files"]);
    }

    #[test]
    fn what_is_sent_is_one_line_of_scopes() {
        for good in ["a", "a b", "files:read https://h.example/x", "!#[]~"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", " ", "a  b", " a", "a ", "a\tb", "a\nb", "a\"", "a\\b", "ä", "a\u{7f}"] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_may_be_sent(given in ".{0,40}", challenge in ".{0,40}", published in proptest::collection::vec(".{0,10}", 0..5)) {
            if let Some(chosen) = choose(&given, Some(&challenge), &published) {
                prop_assert!(is_valid(&chosen.scopes));
                prop_assert_eq!(union(&chosen.scopes, &chosen.scopes), chosen.scopes.as_str());
                prop_assert!(missing(&chosen.scopes, &chosen.scopes).is_empty());
            }
        }
    }
}
