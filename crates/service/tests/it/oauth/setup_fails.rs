//! A provider that cannot be found or gives no client (behaviour 5 and 8): the server is not added, nothing stays behind, and the admin
//! reads what was asked and what to do. Nothing that the other side wrote is repeated.

use super::{server, tools};
use crate::bench::{Bench, service};
use api::{oauth::DiscoveryCandidate, oauth::ManualSetup, users::Role};
use serde_json::{Value, json};
use service::{Error, OpContext};
use testkit::{
    both_engines,
    fake_mcp::closed_port,
    fake_oauth::{Canned, FakeOauth, Knobs, Meddle},
};

/// Documents at these paths are those of the resource.
const RESOURCE: [&str; 2] =
    ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];

struct Failure {
    message: String,
    candidates: Vec<DiscoveryCandidate>,
    manual: Option<ManualSetup>,
}

/// Adds a server in vain, and looks that nothing stayed.
async fn fails(bench: &Bench, owner: &OpContext, url: &str) -> Failure {
    let error = bench.service.server_create(owner, server("lab", url)).await.unwrap_err();
    let Error::Discovery { message, candidates, manual } = error else { panic!("{error:?}") };
    for table in ["mcp_servers", "mcp_oauth_facts"] {
        assert_eq!(bench.db.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{message}");
    }
    assert_eq!(bench.db.number("SELECT COUNT(*) FROM audit_log WHERE action LIKE 'server.%'").await, 0);
    let told = format!("{message} {candidates:?} {manual:?}");
    assert!(!told.contains("canary"), "what the other side wrote is not repeated: {told}");
    assert!(candidates.iter().all(|asked| !asked.cause.is_empty()), "{told}");
    assert_eq!(candidates[0].what, "probe", "{told}");
    Failure { message, candidates, manual: manual.map(|manual| *manual) }
}

async fn owner_of(bench: &Bench) -> OpContext {
    bench.signed_in("owner", Role::Owner).await.0
}

/// What is wrong with the provider, what is said of it, the last address that was asked, and whether there is something to begin with.
type Case = (fn(&FakeOauth), &'static str, &'static str, bool);

fn not_there(peer: &FakeOauth) {
    peer.change(|knobs| {
        knobs.resource_metadata_at = Some(vec![]);
        knobs.as_metadata_at = Some(vec![]);
    });
    peer.meddle("/mcp", Meddle::instead(Canned::status(404)));
}

fn html(peer: &FakeOauth) {
    let page =
        Canned::status(200).header("content-type", "text/html").body("<h1>canary of a login page</h1>");
    for path in RESOURCE {
        peer.meddle(path, Meddle::instead(page.clone()));
    }
}

fn overloaded(peer: &FakeOauth) {
    for path in RESOURCE {
        peer.meddle(path, Meddle::instead(Canned::status(503).body("canary")));
    }
}

fn refuses(peer: &FakeOauth) {
    let refusal = Canned::error(400, "invalid_software_statement", "canary: read our terms");
    peer.meddle("/register", Meddle::instead(refusal));
}

fn unregistered(peer: &FakeOauth) {
    peer.change(|knobs| knobs.registration = false);
}

fn without_pkce(peer: &FakeOauth) {
    peer.change(|knobs| knobs.as_metadata = json!({"code_challenge_methods_supported": null}));
}

fn plain_only(peer: &FakeOauth) {
    peer.change(|knobs| knobs.as_metadata = json!({"code_challenge_methods_supported": ["plain"]}));
}

fn signed_logins_only(peer: &FakeOauth) {
    peer.change(|knobs| knobs.auth_methods = vec!["private_key_jwt".to_owned()]);
}

both_engines! {
    /// Threats 8 (no S256) and 14 (`private_key_jwt` is never chosen), and behaviour 8.
    async fn what_fails_leaves_nothing_and_says_what_was_asked(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        let cases: [Case; 8] = [
            (not_there, "publishes no OAuth metadata", "resource_metadata", false),
            (html, "publishes no OAuth metadata", "resource_metadata", false),
            (overloaded, "Try again", "resource_metadata", false),
            (unregistered, "neither client documents nor automatic registration", "authorization_server", true),
            (refuses, "could not be registered", "registration", true),
            (without_pkce, "does not declare PKCE (S256)", "authorization_server", false),
            (plain_only, "does not declare PKCE (S256)", "authorization_server", false),
            (signed_logins_only, "private_key_jwt", "authorization_server", false),
        ];
        for (meddle, words, last, has_manual) in cases {
            let peer = FakeOauth::start(tools()).await;
            meddle(&peer);
            let failure = fails(&bench, &owner, &peer.url()).await;
            assert!(failure.message.contains(words), "{words}: {}", failure.message);
            assert!(failure.message.contains("by hand"), "what is left to do: {}", failure.message);
            assert_eq!(failure.candidates.last().unwrap().what, last, "{words}");
            assert_eq!(failure.manual.is_some(), has_manual, "{words}");
            if let Some(manual) = failure.manual {
                assert_eq!((manual.issuer, manual.token_url), (peer.issuer(), peer.at("/token")), "{words}");
            }
            assert!(peer.clients().is_empty() && peer.requests_at("/token").is_empty(), "{words}");
        }
    }

    /// Behaviour 8: a name that does not exist is a candidate with its cause.
    async fn a_host_that_does_not_exist_is_named(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        let failure = fails(&bench, &owner, "https://nowhere.invalid/mcp").await;
        assert_eq!((failure.candidates.len(), failure.candidates[0].status), (1, None));
        assert!(failure.message.contains("by hand"), "{}", failure.message);
    }

    /// Behaviour 8: nobody at the port, or nobody who speaks TLS there: what was asked is told with its cause, for the server itself, for
    /// its metadata elsewhere, and for its authorization server.
    async fn a_peer_that_cannot_be_reached_is_named(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        let (closed, plain) = (closed_port(), FakeOauth::start(tools()).await);
        let refused = [format!("http://{closed}"), format!("https://{closed}")];
        for (origin, cause) in [(&refused[0], "refused"), (&refused[1], "refused"), (&format!("https://{}", plain.authority()), "TLS")] {
            let at_the_server = fails(&bench, &owner, &format!("{origin}/mcp")).await;
            let peer = FakeOauth::start(tools()).await;
            peer.change(|knobs| {
                knobs.challenge_metadata = Some(format!("{origin}/.well-known/oauth-protected-resource/mcp"));
                knobs.resource_metadata_at = Some(vec![]);
            });
            let at_the_metadata = fails(&bench, &owner, &peer.url()).await;
            peer.change(|knobs| {
                (knobs.challenge_metadata, knobs.resource_metadata_at) = (None, None);
                knobs.resource_metadata = json!({"authorization_servers": [origin]});
            });
            let at_the_provider = fails(&bench, &owner, &peer.url()).await;
            assert_eq!(at_the_provider.candidates.last().unwrap().what, "authorization_server", "{origin}");
            for failure in [at_the_server, at_the_metadata, at_the_provider] {
                let unreached = failure.candidates.iter().find(|asked| asked.url.starts_with(origin.as_str())).unwrap();
                assert!(unreached.status.is_none() && unreached.cause.contains(cause), "{cause}: {:?}", failure.candidates);
                assert!(failure.candidates.iter().all(|asked| !asked.used || !asked.url.starts_with(origin.as_str())));
                assert!(failure.manual.is_none() && failure.message.contains("by hand"), "{}", failure.message);
            }
            assert!(peer.requests_at("/register").is_empty() && peer.requests_at("/token").is_empty());
        }
        assert!(plain.requests().is_empty(), "nothing was sent without TLS");
    }

    /// Behaviour 8: a registration endpoint that cannot be reached is one more candidate, and what was found is there to begin with.
    async fn a_registration_that_cannot_be_reached_is_named(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        let plain = FakeOauth::start(tools()).await;
        for endpoint in [format!("http://{}/register", closed_port()), format!("https://{}/register", plain.authority())] {
            let peer = FakeOauth::start(tools()).await;
            peer.change(|knobs| knobs.as_metadata = json!({"registration_endpoint": endpoint.clone()}));
            let failure = fails(&bench, &owner, &peer.url()).await;
            let last = failure.candidates.last().unwrap();
            assert_eq!((last.what.as_str(), last.url.as_str(), last.status), ("registration", endpoint.as_str(), None));
            assert_eq!(failure.manual.unwrap().token_url, peer.at("/token"));
        }
        assert!(plain.requests().is_empty());
    }

    /// Threat 5: the issuer is compared byte for byte, and a resource is the server's URL or above it on its origin. A wrong issuer can be
    /// confirmed by hand: what was published is filled in.
    async fn documents_of_others_are_refused(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        for tail in ["/", "/tenant2", "?x", "#"] {
            let peer = FakeOauth::start(tools()).await;
            let published = format!("{}{tail}", peer.origin());
            peer.change(|knobs| knobs.issuer = Some(published.clone()));
            let failure = fails(&bench, &owner, &peer.url()).await;
            assert!(failure.message.contains("issuer"), "{}", failure.message);
            let manual = failure.manual.unwrap();
            assert_eq!((manual.issuer, manual.auth_url), (published, peer.at("/authorize")));
            assert_eq!(manual.revocation_url, peer.at("/revoke"));
        }
        for resource in ["/other", "/mcp/deeper", "/mc", "/mcp/"] {
            let peer = FakeOauth::start(tools()).await;
            let named = format!("{}{resource}", peer.origin());
            peer.change(|knobs| knobs.resource = Some(named.clone()));
            let failure = fails(&bench, &owner, &peer.url()).await;
            assert!(failure.message.contains(&named) && failure.manual.is_none(), "{}", failure.message);
        }
        let elsewhere = FakeOauth::start(tools()).await;
        let peer = FakeOauth::start_with(tools(), Knobs { resource: Some(elsewhere.url()), ..Knobs::default() }).await;
        fails(&bench, &owner, &peer.url()).await;
        assert!(elsewhere.requests().is_empty());
    }

    /// Threat 7: what is no https address (http on loopback) is refused when it comes in.
    async fn addresses_that_are_none_are_refused(db: TestDb) {
        let bench = Bench::new(db).await;
        let owner = owner_of(&bench).await;
        for address in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://id.example.org/x", "https://a:b@id.example.org/", "https://id.example.org/\n", "//id.example.org"] {
            for field in ["authorization_endpoint", "token_endpoint"] {
                let peer = FakeOauth::start(tools()).await;
                let mut patch = json!({});
                patch[field] = Value::from(address);
                peer.change(|knobs| knobs.as_metadata = patch);
                let failure = fails(&bench, &owner, &peer.url()).await;
                assert!(failure.manual.is_none(), "{field} {address}: {:?}", failure.manual);
                assert!(peer.requests_at("/register").is_empty(), "{field} {address}");
            }
        }
    }
}
