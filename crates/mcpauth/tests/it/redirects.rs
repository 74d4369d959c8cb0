//! Redirects of requests that carry secrets.

use patchbay_mcpauth::{
    auth_method::AuthMethod, registration::RegistrationErrorKind, revocation::Revoked, token::TokenErrorKind,
};
use testkit::raw_peer::{RawPeer, whole};

use crate::{
    registration::try_register,
    revocation::revoke_at,
    support::{always, assert_clean, with_header},
    tokens::{exchange_at, refresh_at},
};

/// Threat 15, the part of token, registration and revocation: five statuses, to another host, port and scheme. The canaries may be
/// dialled, so that nothing but the rule keeps us away; nobody connects to them.
#[tokio::test]
async fn none_is_followed() {
    let (port, host) = (
        RawPeer::start(|_| whole("200 OK", "", "{}")).await,
        RawPeer::start_at(([127, 0, 0, 2], 0).into(), |_| whole("200 OK", "", "{}")).await,
    );
    let mut tried = 0;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        for location in
            [port.url("/token"), host.url("/token"), port.url("/token").replace("http:", "https:")]
        {
            let peer = always(with_header(status, &format!("location: {location}"), "")).await;
            for method in [AuthMethod::Basic, AuthMethod::Post] {
                for error in [
                    exchange_at(&peer, method).await.unwrap_err(),
                    refresh_at(&peer, method).await.unwrap_err(),
                ] {
                    assert_eq!(error.kind, TokenErrorKind::Refused { code: None }, "{error}");
                    assert!(error.public_message().contains("redirect") && !error.surely_not_sent());
                    assert_clean(&error.public_message());
                }
                let Revoked::Refused { cause } = revoke_at(&peer, method, true).await else {
                    panic!("revoked")
                };
                assert!(cause.contains("redirect"), "{cause}");
            }
            let error = try_register(&peer, None).await.unwrap_err();
            assert_eq!(error.kind, RegistrationErrorKind::Unreachable);
            assert!(error.public_message().contains("redirect"), "{error}");
            assert_eq!(peer.requests().len(), 7, "one request each");
            tried += 7;
        }
    }
    assert_eq!(tried, 105);
    assert_eq!((port.connections(), host.connections()), (0, 0));
}
