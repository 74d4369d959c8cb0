//! Other authorization servers: those that want codes, tokens or clients that are not for them (threats 2, 6 and 12).

use super::{Scene, connect, consent, is, needs_reconnect, query_of, refused, server, text, tools, user_of};
use crate::bench::{Bench, service};
use api::{
    oauth::DiscoverRequest,
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use chatd::{ServerSource as _, TurnScope};
use domain::oauth::challenge::Challenge;
use serde_json::json;
use testkit::{
    both_engines,
    fake_oauth::{Elsewhere, FakeOauth, Iss, Knobs, approve, browser::parameters},
};

/// What went to a stranger that belongs to the honest provider: tokens, codes and logins of its.
fn leaked(honest: &FakeOauth, stranger: &FakeOauth) -> Vec<String> {
    let mut secrets: Vec<String> = honest.clients().into_iter().filter_map(|client| client.secret).collect();
    for request in honest.requests() {
        let fields = request.form();
        let named = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        secrets.extend(["code", "refresh_token", "code_verifier", "token"].into_iter().filter_map(named));
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        secrets.extend(bearer.map(str::to_owned));
    }
    secrets.retain(|secret| !stranger.saw(secret).is_empty());
    secrets
}

/// What an MCP server says with a 401 that names metadata elsewhere.
fn challenge_of(metadata: &FakeOauth) -> Challenge {
    Challenge {
        resource_metadata: Some(metadata.at("/.well-known/oauth-protected-resource/mcp")),
        error: Some("invalid_token".to_owned()),
        ..Challenge::default()
    }
}

both_engines! {
    /// Threat 2: an evil provider passes its own sign-in on to the honest one, and the code comes back with our state. Eight ways.
    async fn a_mix_up_brings_no_code_to_the_evil_provider(db: TestDb) {
        let honest = Scene::new(db).await;
        let (service, owner) = (honest.service(), &honest.owner);
        let evil = FakeOauth::start(tools()).await;
        let evil_id = service.server_create(owner, server("evil", &evil.url())).await.unwrap().0.id;
        let client = honest.peer.clients().remove(0);
        let own_redirect = evil.clients()[0].redirect_uris[0].clone();
        // The evil one has a client of its own at the honest one, for the address of its own row.
        honest.peer.enter_client("stolen", None, &own_redirect);
        let mut tried = 0;
        for redirect in [&client.redirect_uris[0], &own_redirect] {
            for iss in [Iss::Published, Iss::Absent] {
                for path in [evil_id, honest.id] {
                    honest.peer.change(|knobs| knobs.iss = iss.clone());
                    let id = if redirect == &own_redirect { "stolen" } else { &client.id };
                    let replaced = [("client_id", id), ("redirect_uri", redirect), ("resource", &honest.peer.resource())];
                    let replaced = replaced.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                    evil.change(|knobs| knobs.authorize_elsewhere = Some(Elsewhere { url: honest.peer.at("/authorize"), replaced }));
                    let begun = service.oauth_connect(owner, evil_id, None).await.unwrap();
                    let back = approve(&approve(&begun).await).await;
                    assert!(back.contains("code="), "the honest provider was fooled: {back}");
                    let page = refused(service, owner, path, query_of(&back)).await;
                    assert_eq!(page.status, 400, "{page:?}");
                    tried += 1;
                }
            }
        }
        assert_eq!((tried, honest.token_requests(), honest.tokens().await), (8, 0, 0));
        assert!(evil.requests_at("/token").is_empty(), "no code got there");
    }

    /// Threat 6: endpoints are pinned when they are stored. Metadata that changes later is reported, and never followed: not by sign-ins,
    /// renewals, new registrations or revocations.
    async fn metadata_that_drifts_is_not_followed(db: TestDb) {
        let scene = Scene::connected(db).await;
        let evil = FakeOauth::start(tools()).await;
        let patch = json!({
            "token_endpoint": evil.at("/token"), "authorization_endpoint": evil.at("/authorize"),
            "registration_endpoint": evil.at("/register"), "revocation_endpoint": evil.at("/revoke"),
        });
        scene.peer.change(|knobs| knobs.as_metadata = patch);
        let (service, owner) = (scene.service(), &scene.owner);
        let url = service.oauth_connect(owner, scene.id, None).await.unwrap();
        assert!(url.starts_with(&scene.peer.at("/authorize")), "{url}");
        service.oauth_callback(owner, scene.id, query_of(&approve(&url).await)).await.unwrap();
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        let told = service.server_discover(owner, scene.id, DiscoverRequest::default()).await.unwrap();
        assert!(told.warnings.iter().any(|warning| warning.contains(&evil.origin())), "{:?}", told.warnings);
        assert!(told.changes.iter().any(|change| change.field == "oauth2_token_url"), "{:?}", told.changes);
        scene.peer.forget_clients();
        scene.expire().await;
        assert_eq!(scene.status().await, needs_reconnect("client_changed"));
        assert_eq!(scene.peer.registrations(), 2, "where it was registered before");
        connect(service, owner, scene.id).await;
        service.server_disconnect(owner, scene.id).await.unwrap();
        assert_eq!(scene.peer.requests_at("/revoke").len(), 1);
        assert!(evil.requests().is_empty(), "{:?}", evil.requests());
    }

    /// Threat 6: an endpoint on another origin is shown before it is taken.
    async fn an_endpoint_elsewhere_is_shown(db: TestDb) {
        let scene = Scene::new(db).await;
        let other = FakeOauth::start(tools()).await;
        let patch = json!({"token_endpoint": other.at("/token")});
        scene.peer.change(|knobs| knobs.as_metadata = patch);
        let told = scene.service().server_discover(&scene.owner, scene.id, DiscoverRequest::default()).await.unwrap();
        assert!(told.warnings.iter().any(|warning| warning.contains("token") && warning.contains(&other.origin())), "{:?}", told.warnings);
        let query = consent(scene.service(), &scene.owner, scene.id).await;
        scene.service().oauth_callback(&scene.owner, scene.id, query).await.unwrap();
        assert!(other.requests().is_empty(), "looking at it takes nothing over");
    }

    /// Threat 6: a token or registration endpoint elsewhere from the beginning is where the code and the client go, as published and shown;
    /// one that comes later gets nothing.
    async fn endpoints_elsewhere_from_the_beginning_are_shown_and_pinned(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let service = &bench.service;
        for member in ["token_endpoint", "registration_endpoint"] {
            let (peer, other, evil) = (FakeOauth::start(tools()).await, FakeOauth::start(tools()).await, FakeOauth::start(tools()).await);
            let path = if member == "token_endpoint" { "/token" } else { "/register" };
            peer.change(|knobs| knobs.as_metadata = json!({member: other.at(path)}));
            let (made, _) = service.server_create(&owner, server(path.trim_matches('/'), &peer.url())).await.unwrap();
            // The admin sees both; and is told of the other origin whenever they look.
            let token_url = if path == "/token" { other.at("/token") } else { peer.at("/token") };
            assert_eq!((made.oauth2_issuer, made.oauth2_token_url), (Some(peer.issuer()), Some(token_url.clone())), "{member}");
            let told = service.server_discover(&owner, made.id, DiscoverRequest::default()).await.unwrap();
            let shown = |warning: &String| warning.contains(member) && warning.contains(&other.origin());
            assert!(told.warnings.iter().any(shown), "{:?}", told.warnings);
            assert_eq!((peer.registrations(), other.registrations()), if path == "/token" { (1, 0) } else { (0, 1) });
            // Both are one provider, so each knows the client.
            let redirect = made.oauth2_client.unwrap().redirect_uri;
            let known = if path == "/token" { peer.clients() } else { other.clients() }.remove(0);
            for one in [&peer, &other] {
                one.enter_client(&known.id, known.secret.as_deref(), &redirect);
            }
            peer.change(|knobs| {
                knobs.as_metadata = json!({"token_endpoint": evil.at("/token"), "registration_endpoint": evil.at("/register")});
            });
            let query = consent(service, &owner, made.id).await;
            let answer = service.oauth_callback(&owner, made.id, query).await;
            assert_eq!(answer.is_ok(), path == "/register", "the other one does not know the code: {answer:?}");
            let (here, there) = (peer.requests_at("/token").len(), other.requests_at("/token").len());
            assert_eq!((here, there), if path == "/token" { (0, 1) } else { (1, 0) });
            let told = service.server_discover(&owner, made.id, DiscoverRequest::default()).await.unwrap();
            assert!(told.warnings.iter().any(|warning| warning.contains(&evil.origin())), "{:?}", told.warnings);
            assert!(evil.requests().is_empty(), "no code and no secret got there: {:?}", evil.requests());
        }
    }

    /// Protocol 14.11: a client that an admin entered stays with its issuer. A server that names another one gets nothing there: no login, no
    /// token; who connects goes where they always went, and only an admin who runs discovery moves it, without the old secret.
    async fn a_client_by_hand_is_not_used_at_another_provider(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let redirect = scene.wire().await.oauth2_client.unwrap().redirect_uri;
        scene.peer.enter_client("ours", Some("canary-by-hand"), &redirect);
        let by_hand = ServerWrite { oauth2_client_id: text("ours"), oauth2_client_secret: text("canary-by-hand"), ..ServerWrite::default() };
        service.server_update(owner, scene.id, by_hand, None).await.unwrap();
        connect(service, owner, scene.id).await;
        let other = FakeOauth::start_with(tools(), Knobs { registration: false, ..Knobs::default() }).await;
        other.change(|knobs| knobs.resource = Some(scene.peer.url()));
        scene.peer.change(|knobs| knobs.resource_metadata = json!({"authorization_servers": [other.issuer()]}));
        let named = challenge_of(&scene.peer);
        let version = scene.credential_version().await;
        let next = scene.bench.sources.credential_refused(TurnScope::normal(user_of(owner), &[scene.id]), scene.id, version, Some(&named)).await.unwrap();
        assert!(next.is_none());
        assert_eq!((scene.status().await, scene.refreshes()), (needs_reconnect("rejected_by_server"), 0));
        connect(service, owner, scene.id).await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "renewed where it always was");
        let look = service.server_discover(owner, scene.id, DiscoverRequest::default()).await.unwrap();
        assert_eq!((look.found.issuer, look.user_tokens), (other.issuer(), 1));
        // Nobody registers there, so the admin has to make a client first; what there is stays.
        let apply = DiscoverRequest { apply: true, ..DiscoverRequest::default() };
        let refused = service.server_discover(owner, scene.id, apply.clone()).await.unwrap_err();
        assert!(matches!(&refused, service::Error::Discovery { manual: Some(_), .. }), "{refused:?}");
        assert_eq!((scene.status().await, scene.wire().await.oauth2_client_id.as_deref()), (is(AuthStatus::Connected), Some("ours")));
        other.change(|knobs| knobs.registration = true);
        service.server_discover(owner, scene.id, apply).await.unwrap();
        let wire = scene.wire().await;
        assert_eq!((wire.oauth2_issuer, wire.oauth2_registration.as_deref()), (Some(other.issuer()), Some("dcr")));
        connect(service, owner, scene.id).await;
        assert!(other.saw("canary-by-hand").is_empty() && other.saw("ours").is_empty());
        assert!(leaked(&scene.peer, &other).is_empty());
    }

    /// Threat 12: a 401 that names an authorization server of somebody else ends the connection; no refresh token leaves.
    async fn a_refusal_that_names_another_provider_gets_no_refresh_token(db: TestDb) {
        let scene = Scene::connected(db).await;
        let evil = FakeOauth::start_with(tools(), Knobs { resource: Some(scene.peer.url()), ..Knobs::default() }).await;
        let version = scene.credential_version().await;
        // To everybody who asks, with a token or without.
        scene.peer.change(|knobs| {
            knobs.challenge_metadata = Some(evil.at("/.well-known/oauth-protected-resource/mcp"));
            knobs.reject_tokens = true;
        });
        let (user, sources) = (user_of(&scene.owner), &scene.bench.sources);
        let next = sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, version, Some(&challenge_of(&evil))).await.unwrap();
        assert!(next.is_none());
        assert_eq!((scene.status().await, scene.refreshes()), (needs_reconnect("rejected_by_server"), 0));
        assert!(!evil.requests().is_empty(), "it was looked at");
        assert!(leaked(&scene.peer, &evil).is_empty());
        assert!(evil.requests_at("/token").is_empty() && evil.requests_at("/register").is_empty());
        let listed = scene.service().connection_list(&scene.owner, scene.id, "").await.unwrap();
        assert!(listed[0].last_error.contains(&evil.issuer()), "an admin can see whom it named: {}", listed[0].last_error);
        assert_eq!(scene.logged("connection.ended failed").await, 1);
        // Connecting anew goes where it always went, until an admin runs discovery.
        let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        assert!(url.starts_with(&scene.peer.at("/authorize")), "{url}");
    }

    /// Protocol R3 and R9: whom the server names decides, not how well that one describes itself: a 401 at a provider that was set up by
    /// hand, because its metadata is not what it should be, is worth a renewal as any other.
    async fn a_refusal_at_a_provider_set_up_by_hand_is_worth_one_renewal(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.change(|knobs| knobs.as_metadata = json!({"code_challenge_methods_supported": ["plain"]}));
        let (user, sources) = (user_of(&scene.owner), &scene.bench.sources);
        let named = challenge_of(&scene.peer);
        let first = scene.credential_version().await;
        let next = sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, first, Some(&named)).await.unwrap().unwrap();
        assert!(next.access.unwrap().credential_version > first);
        assert_eq!((scene.refreshes(), scene.status().await), (1, is(AuthStatus::Connected)));
        let second = scene.credential_version().await;
        assert!(sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, second, Some(&named)).await.unwrap().is_none());
        assert_eq!(scene.status().await, needs_reconnect("rejected_by_server"), "and ends when that is refused, too");
    }

    /// Threat 12: when nobody can say who the provider is now, nothing is sent, and nothing is called connected.
    async fn a_refusal_that_leads_nowhere_sends_nothing(db: TestDb) {
        let scene = Scene::connected(db).await;
        let version = scene.credential_version().await;
        let gone = FakeOauth::start(tools()).await;
        let challenge = challenge_of(&gone);
        scene.peer.change(|knobs| {
            knobs.challenge_metadata = challenge.resource_metadata.clone();
            knobs.resource_metadata_at = Some(vec![]);
        });
        gone.stop();
        let next = scene.bench.sources.credential_refused(TurnScope::normal(user_of(&scene.owner), &[scene.id]), scene.id, version, Some(&challenge)).await.unwrap();
        assert!(next.is_none());
        assert_eq!((scene.refreshes(), scene.tokens().await), (0, 1));
        assert_eq!(scene.count("SELECT COUNT(*) FROM mcp_user_tokens WHERE expires_at = 0 AND failure = ''").await, 1);
    }

    /// Protocol R3: a plain 401 is worth one renewal; one that is refused as well ends the connection.
    async fn a_plain_refusal_is_worth_one_renewal(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (user, sources) = (user_of(&scene.owner), &scene.bench.sources);
        let first = scene.credential_version().await;
        let next = sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, first, None).await.unwrap().unwrap();
        let second = next.access.unwrap().credential_version;
        assert!(second > first);
        // Who comes late with the old one is told of the new one, and asks nobody.
        assert!(sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, first, None).await.unwrap().is_some());
        assert_eq!((scene.refreshes(), scene.status().await), (1, is(AuthStatus::Connected)));
        assert!(sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, second, None).await.unwrap().is_none());
        assert_eq!((scene.refreshes(), scene.status().await), (1, needs_reconnect("rejected_by_server")));
        let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        assert_eq!(parameters(&url)["client_id"], scene.peer.clients()[0].id);
    }
}
