//! Properties of the merge, over random histories of edits.

use super::*;
use crate::SecretChange;
use proptest::{collection::vec, option, prelude::*, sample::select};

/// What lies in the row: the store's half of an edit.
#[derive(Debug, Clone, Default, PartialEq)]
struct Secrets {
    api_key: Option<String>,
    custom_headers: Option<BTreeMap<String, String>>,
    oauth2: Option<String>,
}

fn apply<T: Clone>(stored: &mut Option<T>, change: &SecretChange<T>) {
    match change {
        SecretChange::Keep => {}
        SecretChange::Clear => *stored = None,
        SecretChange::Set(value) => *stored = Some(value.clone()),
    }
}

impl Secrets {
    fn after(&self, change: &ServerChange) -> Self {
        let mut after = self.clone();
        apply(&mut after.api_key, &change.api_key);
        apply(&mut after.custom_headers, &change.custom_headers);
        apply(&mut after.oauth2, &change.oauth2_secret);
        after
    }
}

fn text(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    option::of(select(values).prop_map(str::to_owned))
}

const MAPS: &[&[(&str, &str)]] = &[&[], &[("X-A", "1")], &[("X-B", "2")]];

fn edits() -> impl Strategy<Value = ServerWrite> {
    let place = (
        text(&["https://mcp.example.com/mcp", "https://mcp.example.com/b", "https://evil.example/mcp"]),
        text(&["none", "api_key", "custom_headers", "oauth2", "user_header"]),
        text(&["", "X-A", "X-B"]),
        text(&["", "key-1", "key-2"]),
        option::of(select(MAPS).prop_map(headers)),
    );
    let oauth2 = (
        text(&["", "client-1", "client-2"]),
        text(&["", "secret-1", "secret-2"]),
        text(&["", "https://id.example.com/a", "https://evil.example/a"]),
        text(&["", "https://id.example.com/t", "https://evil.example/t"]),
        text(&["", "https://id.example.com", "https://evil.example"]),
    );
    let names = option::of(vec(select(&["X-A", "X-B", "x-c"][..]), 0..3));
    (place, oauth2, names).prop_map(
        |((url, auth_type, header, key, map), (id, secret, auth, token, issuer), names)| ServerWrite {
            url,
            auth_type,
            api_key_header: header,
            api_key_value: key,
            custom_headers: map,
            oauth2_client_id: id,
            oauth2_client_secret: secret,
            oauth2_auth_url: auth,
            oauth2_token_url: token,
            oauth2_issuer: issuer,
            user_headers: names.map(|names| names.into_iter().map(user_header).collect()),
            ..ServerWrite::default()
        },
    )
}

proptest! {
    /// What was cleared or wiped once is there again only after somebody has sent it again; the flags say what is stored; and no
    /// secret survives a move to another origin or type.
    #[test]
    fn a_cleared_secret_never_comes_back_by_itself(history in vec(edits(), 1..12)) {
        let (mut record, mut secrets) = (record(), Secrets::default());
        for write in history {
            let Ok(change) = merge_update(&record, &write, &policy()) else { continue };
            let after = secrets.after(&change);
            prop_assert_eq!(change.merged.has_api_key, after.api_key.is_some());
            prop_assert_eq!(change.merged.has_custom_headers, after.custom_headers.is_some());
            prop_assert_eq!(change.merged.has_oauth2_secret, after.oauth2.is_some());
            for (kind, is_there, was_there, sent) in [
                (AuthType::ApiKey, after.api_key.is_some(), secrets.api_key.is_some(), write.api_key_value.is_some()),
                (
                    AuthType::CustomHeaders,
                    after.custom_headers.is_some(),
                    secrets.custom_headers.is_some(),
                    write.custom_headers.is_some(),
                ),
                (AuthType::Oauth2, after.oauth2.is_some(), secrets.oauth2.is_some(), write.oauth2_client_secret.is_some()),
            ] {
                prop_assert!(!is_there || change.merged.auth_type == kind, "under another type");
                prop_assert!(!is_there || was_there || sent, "out of nowhere");
                let moved = !crate::url_rules::same_origin(&record.url, &change.merged.url);
                prop_assert!(!is_there || sent || !moved, "gone along to another origin");
            }
            (record, secrets) = (change.record(Timestamp(1), None), after);
        }
    }

    /// The same edit again changes nothing more.
    #[test]
    fn an_edit_is_idempotent(history in vec(edits(), 0..6), last in edits()) {
        let mut record = record();
        for write in history.iter().chain([&last]) {
            if let Ok(change) = merge_update(&record, write, &policy()) {
                record = change.merged;
            }
        }
        let Ok(once) = merge_update(&record, &last, &policy()) else { return Ok(()) };
        let twice = merge_update(&once.merged, &last, &policy());
        prop_assert!(twice.is_ok(), "{:?}", twice);
        let twice = twice.unwrap();
        prop_assert_eq!(&twice.merged, &once.merged);
        prop_assert_eq!(twice.user_values, UserValuesWipe::Nothing);
    }
}
