//! A server that does not take the credential of a request, or wants more than it grants (protocol.md 14.1 and 14.10).

use domain::{
    oauth::{
        challenge::{Challenge, bearer_challenge},
        scopes,
    },
    text::cut_bytes,
};
use http::{HeaderMap, header::WWW_AUTHENTICATE};

use crate::{limits::SHOWN_SCOPES, redact::Secrets};

/// Why a request was turned away at the door: it has surely not been executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the server does not like.
    pub kind: RefusedKind,
    /// What it says about it. A stranger's words: check before use, neutralise before showing.
    pub challenge: Option<Challenge>,
}

/// What the server does not like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedKind {
    /// The credential (401).
    Credential,
    /// That the credential grants too little (403 with `insufficient_scope`).
    Scope,
}

impl Refused {
    /// The scopes that are asked for, as they may be shown: those that are scopes at all, at most 200 bytes. Empty when none was named.
    pub fn scopes(&self) -> String {
        shown_scopes(self.challenge.as_ref())
    }
}

/// Scopes have only visible ASCII (RFC 6749, 3.3); what has anything else is none and is left out.
pub(crate) fn shown_scopes(challenge: Option<&Challenge>) -> String {
    let asked = challenge.and_then(|challenge| challenge.scope.as_deref()).unwrap_or_default();
    cut_bytes(&scopes::union(asked, "").replace(' ', ", "), SHOWN_SCOPES).into_owned()
}

/// The Bearer challenge of an answer, without the secrets that were sent to who wrote it.
pub(crate) fn challenge_of(headers: &HeaderMap, secrets: &Secrets) -> Option<Challenge> {
    let fields = headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.as_bytes());
    let mut challenge = bearer_challenge(fields)?;
    let Challenge { resource_metadata, scope, error, error_description } = &mut challenge;
    for text in [resource_metadata, scope, error, error_description].into_iter().flatten() {
        *text = secrets.clean(text).into_owned();
    }
    Some(challenge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::tests::secrets;

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        let fields = fields.iter().map(|field| (WWW_AUTHENTICATE, field.to_vec().try_into().unwrap()));
        fields.collect()
    }

    #[test]
    fn every_field_is_read_and_what_was_sent_does_not_come_back() {
        let headers = headers(&[
            b"Negotiate abc=",
            b"Basic realm=\"x\", bearer error=\"invalid_token\", error_description=\"bad tok-12345678\"",
            b"Bearer resource_metadata=\"https://h.example/tok-12345678\", scope=\"a b\"",
        ]);
        let challenge = challenge_of(&headers, &secrets(&["Bearer tok-12345678"])).unwrap();
        assert_eq!(challenge.resource_metadata.as_deref(), Some("https://h.example/[redacted]"));
        assert_eq!((challenge.scope.as_deref(), challenge.error), (Some("a b"), None));
        assert_eq!(challenge_of(&HeaderMap::new(), &Secrets::default()), None);
    }

    /// Threats 19: what a hostile server names is shown short and as plain ASCII, or not at all.
    #[test]
    fn shown_scopes_are_short_and_printable() {
        let shown = |scope: &str| {
            let challenge = Challenge { scope: Some(scope.to_owned()), ..Challenge::default() };
            shown_scopes(Some(&challenge))
        };
        assert_eq!(shown("files:read  files:write files:read"), "files:read, files:write");
        assert_eq!(shown("ok \u{202e}evil a\u{200b}b \"q\" a\\b \u{7} ü"), "ok");
        assert_eq!(shown(""), "");
        assert_eq!(shown_scopes(None), "");
        let many: String = (0..2000).map(|n| format!("scope{n} ")).collect();
        let shown = shown(&many);
        assert!(shown.len() <= SHOWN_SCOPES && shown.ends_with('…'), "{shown}");
    }
}
