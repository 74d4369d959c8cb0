use serde_json::{Value, json};

use super::*;
use crate::discovery::DiscoveryErrorKind as Kind;

const SERVER: &str = "https://api.example.com/v1/mcp";
const PATH_AWARE: &str = "https://api.example.com/.well-known/oauth-protected-resource/v1/mcp";
const ROOT: &str = "https://api.example.com/.well-known/oauth-protected-resource";
const ISSUER: &str = "https://auth.example.com/t";
const AS: [&str; 4] = [
    "https://auth.example.com/.well-known/oauth-authorization-server/t",
    "https://auth.example.com/.well-known/openid-configuration/t",
    "https://auth.example.com/t/.well-known/openid-configuration",
    "https://auth.example.com/.well-known/oauth-authorization-server",
];
const ORIGIN_AS: &str = "https://api.example.com/.well-known/oauth-authorization-server";

fn question() -> Question {
    Question { server_url: SERVER.into(), ..Question::default() }
}

fn probed(status: u16, challenge: Option<(Option<&str>, Option<&str>)>) -> Answer {
    let challenge = challenge.map(|(metadata, scope)| Challenge {
        resource_metadata: metadata.map(str::to_owned),
        scope: scope.map(str::to_owned),
        ..Challenge::default()
    });
    Answer::Probed { status, challenge }
}

fn document(document: &Value) -> Answer {
    Answer::Fetched { status: 200, body: document.to_string().into_bytes() }
}

fn status(status: u16) -> Answer {
    Answer::Fetched { status, body: Vec::new() }
}

fn late() -> Answer {
    Answer::Failed { trouble: Trouble::Late, cause: "no answer within 10 s".into() }
}

fn resource(resource: &str, issuers: &[&str]) -> Answer {
    document(&json!({"resource": resource, "authorization_servers": issuers, "scopes_supported": ["a", "b"]}))
}

fn server(issuer: &str) -> Answer {
    document(&json!({
        "issuer": issuer,
        "authorization_endpoint": "https://auth.example.com/authorize",
        "token_endpoint": "https://auth.example.com/token",
        "code_challenge_methods_supported": ["S256"],
    }))
}

/// Answers the probe, then each address from the table, 404 for any other. Gives the addresses that were asked.
fn run(
    question: Question,
    probe: Answer,
    table: &[(&str, Answer)],
) -> (Vec<String>, Result<Found, DiscoveryError>) {
    let mut discovery = Discovery::new(question);
    let mut asked = Vec::new();
    for _ in 0..100 {
        match discovery.next() {
            Step::Probe { url } => {
                assert_eq!(url, discovery.question.server_url);
                discovery.answer(probe.clone());
            }
            Step::Fetch { url, .. } => {
                assert_eq!(check_endpoint(&url), Ok(()));
                let known = table.iter().find(|(known, _)| *known == url);
                discovery.answer(known.map_or_else(|| status(404), |(_, answer)| answer.clone()));
                asked.push(url);
            }
            Step::Done(found) => return (asked, Ok(*found)),
            Step::Failed(error) => return (asked, Err(*error)),
        }
    }
    panic!("no end: {asked:?}");
}

fn fails(question: Question, probe: Answer, table: &[(&str, Answer)]) -> Kind {
    run(question, probe, table).1.unwrap_err().kind
}

#[test]
fn the_challenge_is_asked_first() {
    let named = "https://meta.example/doc";
    let probe = probed(401, Some((Some(named), Some("files:read"))));
    let table = [(named, resource(SERVER, &[ISSUER])), (AS[0], server(ISSUER))];
    let (asked, found) = run(question(), probe, &table);
    let found = found.unwrap();
    assert_eq!(asked, [named, AS[0]]);
    assert_eq!((found.resource.as_str(), found.resource_fit), (SERVER, Fit::Same));
    assert_eq!(found.resource_metadata_url.as_deref(), Some(named));
    assert_eq!(found.challenge_scope.as_deref(), Some("files:read"));
    assert_eq!(found.published_scopes, ["a", "b"]);
    assert_eq!((found.issuer.as_str(), found.guessed), (ISSUER, false));
    let used: Vec<_> =
        found.report.iter().map(|candidate| (candidate.url.as_str(), candidate.used)).collect();
    assert_eq!(used, [(SERVER, true), (named, true), (AS[0], true)]);
}

#[test]
fn without_a_challenge_below_the_path_then_at_the_root() {
    for probe in [probed(401, None), probed(405, None), probed(200, None), probed(503, None), late()] {
        let table = [(ROOT, resource("https://api.example.com", &[ISSUER])), (AS[2], server(ISSUER))];
        let (asked, found) = run(question(), probe, &table);
        assert_eq!(asked, [PATH_AWARE, ROOT, AS[0], AS[1], AS[2]]);
        let found = found.unwrap();
        assert_eq!((found.resource.as_str(), found.resource_fit), ("https://api.example.com", Fit::Ancestor));
    }
}

#[test]
fn only_a_refusal_challenges() {
    let (asked, _) = run(question(), probed(200, Some((Some("https://meta.example/doc"), None))), &[]);
    assert_eq!(asked, [PATH_AWARE, ROOT]);
    let (asked, _) = run(question(), probed(403, Some((Some("https://meta.example/doc"), None))), &[]);
    assert_eq!(asked, ["https://meta.example/doc", PATH_AWARE, ROOT]);
}

#[test]
fn several_issuers() {
    let other = "https://other.example";
    let other_as = "https://other.example/.well-known/oauth-authorization-server";
    let probe = || probed(401, None);
    let listed = (PATH_AWARE, resource(SERVER, &[ISSUER, other]));
    // the first that passes
    let (_, found) = run(question(), probe(), &[listed.clone(), (other_as, server(other))]);
    let found = found.unwrap();
    assert_eq!((found.issuer.as_str(), found.all_issuers.len()), (other, 2));
    // the one in use, while it is listed, and no other in its stead
    let pinned = |issuer: &str| Question { pinned_issuer: Some(issuer.into()), ..question() };
    let both = [listed.clone(), (AS[0], server(ISSUER)), (other_as, server(other))];
    assert_eq!(run(pinned(other), probe(), &both).1.unwrap().issuer, other);
    assert_eq!(run(pinned("https://gone.example"), probe(), &both).1.unwrap().issuer, ISSUER);
    let down = [listed.clone(), (AS[0], server(ISSUER)), (other_as, status(503))];
    assert!(matches!(fails(pinned(other), probe(), &down), Kind::Unreachable { .. }));
    // the admin's, listed or not, published resource or none
    let given = |issuer: &str| Question { given_issuer: Some(issuer.into()), ..question() };
    assert_eq!(run(given(other), probe(), &both).1.unwrap().issuer, other);
    let only = [(PATH_AWARE, resource(SERVER, &["https://x.example"])), (other_as, server(other))];
    assert_eq!(run(given(other), probe(), &only).1.unwrap().all_issuers, ["https://x.example"]);
    let (_, found) = run(given(other), probed(405, None), &[(other_as, server(other))]);
    let found = found.unwrap();
    assert_eq!((found.resource.as_str(), found.resource_metadata_url), (SERVER, None));
    let (asked, failed) = run(given(other), probe(), &[]);
    assert_eq!(failed.unwrap_err().kind, Kind::NoMetadata);
    assert!(!asked.contains(&ORIGIN_AS.to_owned()), "nothing is guessed: {asked:?}");
    // plain http inside, as the operator allows it: nothing is asked there, and the admin's issuer still is
    let inside = Question { server_url: "http://mcp.corp.lan/mcp".into(), ..given(other) };
    assert_eq!(run(inside, probe(), &[(other_as, server(other))]).1.unwrap().issuer, other);
}

/// Threat 5: a document of another resource or issuer is passed over, and named when there is no better one.
#[test]
fn documents_of_others() {
    let foreign = (PATH_AWARE, resource("https://evil.example", &["https://evil.example"]));
    let table =
        [foreign.clone(), (ROOT, resource("https://api.example.com", &[ISSUER])), (AS[0], server(ISSUER))];
    assert_eq!(run(question(), probed(401, None), &table).1.unwrap().resource, "https://api.example.com");
    let kind = fails(question(), probed(401, None), &[foreign]);
    let expected =
        Kind::ResourceMismatch { server_url: SERVER.into(), resource: "https://evil.example".into() };
    assert_eq!(kind, expected, "and no fallback: something is published");
    let listed = (PATH_AWARE, resource(SERVER, &[ISSUER]));
    let table = [listed.clone(), (AS[0], server("https://auth.example.com/t/")), (AS[1], server(ISSUER))];
    assert_eq!(run(question(), probed(401, None), &table).1.unwrap().issuer, ISSUER);
    let table =
        [listed, (AS[0], server("https://auth.example.com/t/")), (AS[3], server("https://auth.example.com"))];
    let Kind::IssuerMismatch { expected, published, metadata } = fails(question(), probed(401, None), &table)
    else {
        panic!("another kind")
    };
    assert_eq!((expected.as_str(), published.as_str()), (ISSUER, "https://auth.example.com/t/"));
    assert_eq!(metadata.unwrap().token_endpoint, "https://auth.example.com/token");
}

#[test]
fn what_stops_a_discovery() {
    let with = |mut document: Value, name: &str, value: Value| {
        document[name] = value;
        self::document(&document)
    };
    let published = json!({"resource": SERVER, "authorization_servers": [ISSUER]});
    let dpop = with(published.clone(), "dpop_bound_access_tokens_required", json!(true));
    let (asked, failed) = run(question(), probed(401, None), &[(PATH_AWARE, dpop)]);
    assert_eq!(asked, [PATH_AWARE], "it stops");
    assert!(matches!(failed.unwrap_err().kind, Kind::NotSupported { .. }));
    let as_document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://auth.example.com/a",
        "token_endpoint": "https://auth.example.com/t",
        "code_challenge_methods_supported": ["S256"],
    });
    for (name, value, kind) in [
        ("code_challenge_methods_supported", json!(null), Kind::NoPkce),
        ("token_endpoint", json!(null), Kind::Malformed { field: "token_endpoint" }),
        (
            "require_pushed_authorization_requests",
            json!(true),
            Kind::NotSupported { what: "pushed authorization requests (RFC 9126)".into() },
        ),
        // threat 14
        (
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
            Kind::NotSupported { what: "client login by private_key_jwt".into() },
        ),
    ] {
        let table = [(PATH_AWARE, document(&published)), (AS[0], with(as_document.clone(), name, value))];
        assert_eq!(fails(question(), probed(401, None), &table), kind, "{name}");
    }
    let table = [
        (PATH_AWARE, document(&published)),
        (AS[0], with(as_document, "token_endpoint", json!("javascript:x"))),
    ];
    assert!(
        matches!(fails(question(), probed(401, None), &table), Kind::Unsafe { what } if what.starts_with("token_endpoint: "))
    );
}

/// Threat 7: an address that a challenge names is checked before it is asked.
#[test]
fn bad_addresses_are_not_asked() {
    for bad in crate::urls::tests::BAD {
        let (asked, failed) = run(question(), probed(401, Some((Some(bad), None))), &[]);
        assert_eq!(asked, [PATH_AWARE, ROOT], "{bad}");
        let error = failed.unwrap_err();
        assert!(matches!(error.kind, Kind::Unsafe { .. }), "{bad}: {:?}", error.kind);
        assert!(!domain::text::has_control(&error.report[1].to_string()), "{bad:?}");
    }
}

/// Protocol.md 14.4.
#[test]
fn servers_of_2025_03_26() {
    let (asked, found) = run(question(), probed(401, None), &[]);
    assert_eq!(asked, [PATH_AWARE, ROOT, ORIGIN_AS]);
    let found = found.unwrap();
    assert!(found.guessed);
    assert_eq!((found.issuer.as_str(), found.resource.as_str()), ("https://api.example.com", SERVER));
    assert_eq!(found.metadata.authorization_endpoint, "https://api.example.com/authorize");
    assert_eq!(found.metadata.token_endpoint, "https://api.example.com/token");
    assert_eq!(found.metadata.registration_endpoint.as_deref(), Some("https://api.example.com/register"));
    assert!(!found.metadata.iss_parameter_supported);
    // published there: all checks apply
    let (_, found) = run(question(), probed(401, None), &[(ORIGIN_AS, server("https://api.example.com"))]);
    assert!(!found.unwrap().guessed);
    let kind = fails(question(), probed(401, None), &[(ORIGIN_AS, server("https://api.example.com/"))]);
    assert!(matches!(kind, Kind::IssuerMismatch { .. }));
    // any answer but 404 opens nothing
    for answer in [status(401), status(403), document(&json!({})), status(200)] {
        assert_eq!(fails(question(), probed(401, None), &[(ORIGIN_AS, answer)]), Kind::NoMetadata);
    }
    for answer in [status(500), status(429), late()] {
        let kind = fails(question(), probed(401, None), &[(ORIGIN_AS, answer)]);
        assert!(matches!(kind, Kind::Unreachable { .. } | Kind::TooSlow), "{kind:?}");
    }
}

/// Trouble is never "no metadata".
#[test]
fn what_keeps_the_fallback_shut() {
    for trouble in [500, 503, 429, 408, 425, 204, 302, 304].map(status).into_iter().chain([late()]) {
        for place in [PATH_AWARE, ROOT] {
            let (asked, failed) = run(question(), probed(401, None), &[(place, trouble.clone())]);
            assert_eq!(asked, [PATH_AWARE, ROOT], "{trouble:?}");
            assert!(matches!(failed.unwrap_err().kind, Kind::Unreachable { .. } | Kind::TooSlow));
        }
    }
    // a page for every address is no metadata, and definite
    let page = Answer::Fetched { status: 200, body: b"<html>".to_vec() };
    assert!(
        run(question(), probed(401, None), &[(PATH_AWARE, page.clone()), (ROOT, page)]).1.unwrap().guessed
    );
    for (probe, kind) in [
        (probed(401, Some((Some("https://meta.example/gone"), None))), Kind::NoMetadata),
        (probed(404, None), Kind::NoMetadata),
        (probed(403, None), Kind::NoMetadata),
        (probed(200, None), Kind::NoAuthNeeded),
        (late(), Kind::TooSlow),
        (probed(503, None), Kind::Unreachable { cause: "a server answered with HTTP 503".into() }),
    ] {
        assert_eq!(fails(question(), probe.clone(), &[]), kind, "{probe:?}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_asked_nothing_else() {
    for (trouble, blocked) in [(Trouble::Blocked, true), (Trouble::Unreachable, false)] {
        let probe = Answer::Failed { trouble, cause: "because".into() };
        let (asked, failed) = run(question(), probe, &[]);
        assert!(asked.is_empty());
        let error = failed.unwrap_err();
        assert_eq!(matches!(error.kind, Kind::Unsafe { .. }), blocked);
        assert!(error.public_message().contains("because") && error.detail().contains(SERVER));
    }
}

#[test]
fn a_discovery_ends() {
    let issuers: Vec<String> = (0..100).map(|n| format!("https://a{n}.example/t")).collect();
    let issuers: Vec<&str> = issuers.iter().map(String::as_str).collect();
    let (asked, failed) = run(question(), probed(401, None), &[(PATH_AWARE, resource(SERVER, &issuers))]);
    assert!(asked.len() <= CANDIDATES, "{}", asked.len());
    assert!(failed.is_err());
    // answers out of turn change nothing
    let mut discovery = Discovery::new(question());
    discovery.answer(status(200));
    assert!(matches!(discovery.next(), Step::Probe { .. }));
    discovery.answer(probed(401, None));
    let Step::Fetch { url, .. } = discovery.next() else { panic!("no fetch") };
    discovery.answer(probed(401, None));
    assert!(matches!(discovery.next(), Step::Fetch { url: again, .. } if again == url));
    assert_eq!(discovery.too_slow().kind, Kind::TooSlow);
}
