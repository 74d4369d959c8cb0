//! From Connect to a connection that works (behaviour 9): what is asked of the provider, and what is had after it.

use super::{
    Scene, connect, consent, is, needs_reconnect, query_of, refused, server, status, text, tools, user_of,
};
use crate::bench::service;
use api::{
    Uuid,
    check::ConnectOutcome,
    servers::{AuthStatus, ServerWrite},
};
use service::Error;
use std::collections::BTreeSet;
use testkit::{
    both_engines,
    fake_oauth::{FakeOauth, Knobs, approve, browser::parameters, challenge_of},
};

/// The bearer tokens that the resource was sent, each once.
fn bearers(peer: &FakeOauth) -> BTreeSet<String> {
    let sent = peer.requests_at("/mcp");
    let tokens = sent.iter().filter_map(|request| request.header("authorization"));
    tokens.map(|value| value.trim_start_matches("Bearer ").to_owned()).collect()
}

fn invalid<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
}

both_engines! {
    /// Threats 8 to 10: PKCE with S256, 256 bits of state of which a hash is kept, and the raw resource.
    async fn a_person_connects_and_calls_a_tool(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, peer) = (scene.service(), &scene.peer);
        let before = service.server_check(&scene.owner, scene.id).await.unwrap();
        assert_eq!((before.outcome, before.auth_status), (ConnectOutcome::Skipped, AuthStatus::NotConnected));
        let url = service.oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        assert!(url.starts_with(&peer.at("/authorize?")), "{url}");
        let asked = parameters(&url);
        let names: Vec<&str> = asked.keys().map(String::as_str).collect();
        let expected = ["client_id", "code_challenge", "code_challenge_method", "prompt", "redirect_uri", "resource", "response_type", "scope", "state"];
        assert_eq!(names, expected);
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        assert_eq!((&asked["client_id"], asked["state"].len()), (&peer.clients()[0].id, 43));
        // The provider lists `offline_access`, which goes with a question.
        assert_eq!((asked["scope"].as_str(), asked["prompt"].as_str()), ("mcp:tools offline_access", "consent"));
        assert_eq!(scene.token_requests(), 0);
        let connected = service.oauth_callback(&scene.owner, scene.id, query_of(&approve(&url).await)).await.unwrap();
        assert_eq!((connected.server_id, connected.display_name.as_str()), (scene.id, "Lab"));
        let exchange = &peer.token_requests("authorization_code")[0].form();
        let verifier = &exchange.iter().find(|(name, _)| name == "code_verifier").unwrap().1;
        assert_eq!(challenge_of(verifier), asked["code_challenge"]);
        assert_eq!(scene.flows().await, 0, "a flow is used once");

        let wire = scene.wire().await;
        assert_eq!((wire.auth_status, wire.auth_connected, wire.auth_status_reason.as_str()), (AuthStatus::Connected, true, ""));
        let report = service.server_check(&scene.owner, scene.id).await.unwrap();
        assert_eq!((report.outcome, report.tools[0].name.as_str()), (ConnectOutcome::Connected, "notes"));
        let call = api::tools::ToolTry { arguments: serde_json::Map::from_iter([("text".to_owned(), "x".into())]), definition_hash: None };
        service.tool_call(&scene.owner, scene.id, "notes", call).await.unwrap();
        assert_eq!(peer.calls().len(), 1);
        assert_eq!(scene.logged("connection.connected ok owner lab").await, 1);
        assert_eq!(scene.logged("connection.begun ok owner lab").await, 1);
        // Nobody else is.
        let member = scene.member("ada").await;
        assert_eq!(status(service, &member, scene.id).await, is(AuthStatus::NotConnected));
    }

    /// Threat 10: an audience without a slash stays without in every request, though every parser of URLs would add one.
    async fn the_resource_is_sent_as_it_was_published(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        // Also by the provider's own check, which compares bytes.
        peer.change(|knobs| knobs.resource = Some(peer.origin()));
        let bench = crate::bench::Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", api::users::Role::Owner).await;
        let (made, _) = bench.service.server_create(&owner, server("lab", &peer.url())).await.unwrap();
        assert_eq!(made.oauth2_client.unwrap().resource, peer.origin());
        connect(&bench.service, &owner, made.id).await;
        bench.pass(3600);
        assert_eq!(status(&bench.service, &owner, made.id).await, is(AuthStatus::Connected));
        let raw = ("resource".to_owned(), peer.origin());
        let (authorize, token) = (peer.requests_at("/authorize"), peer.requests_at("/token"));
        assert_eq!((authorize.len(), token.len()), (1, 2));
        assert!(authorize[0].query().contains(&raw));
        for request in token {
            let resources: Vec<_> = request.form().into_iter().filter(|(name, _)| name == "resource").collect();
            assert_eq!(resources, std::slice::from_ref(&raw), "{}", request.body);
        }
    }

    /// Threat 23: the same URL twice is two servers with clients, grants and flows of their own.
    async fn the_same_url_twice_keeps_its_grants_apart(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, peer, first) = (scene.service(), &scene.peer, scene.id);
        let second = service.server_create(&scene.owner, server("twin", &peer.url())).await.unwrap().0.id;
        assert_eq!(peer.registrations(), 2);
        let ada = scene.member("ada").await;
        // A sign-in for the one is none for the other.
        let query = consent(service, &ada, first).await;
        assert_eq!(refused(service, &ada, second, query.clone()).await.status, 400);
        service.oauth_callback(&ada, first, query).await.unwrap();
        assert_eq!(status(service, &ada, second).await, is(AuthStatus::NotConnected));
        for (ctx, id) in [(&ada, second), (&scene.owner, first), (&scene.owner, second)] {
            connect(service, ctx, id).await;
        }
        // Grants 0 to 3 in this order; each server is sent the token that was got for it.
        let mut seen = bearers(peer);
        for (ctx, id, grant) in [(&ada, first, 0), (&ada, second, 1), (&scene.owner, first, 2), (&scene.owner, second, 3)] {
            service.server_check(ctx, id).await.unwrap();
            let now = bearers(peer);
            let fresh: Vec<_> = now.difference(&seen).map(|token| peer.family_of(token)).collect();
            assert_eq!(fresh, [Some(grant)]);
            seen = now;
        }
        let clients: Vec<String> = peer.families().into_iter().map(|family| family.client_id).collect();
        assert!(clients[0] == clients[2] && clients[1] == clients[3] && clients[0] != clients[1], "{clients:?}");
        service.server_disconnect(&ada, first).await.unwrap();
        let revoked: Vec<usize> = peer.families().iter().filter(|family| family.revoked).map(|family| family.id).collect();
        assert_eq!(revoked, [0]);
        assert_eq!(status(service, &ada, second).await, is(AuthStatus::Connected));
        assert_eq!(status(service, &scene.owner, first).await, is(AuthStatus::Connected));
    }

    /// Behaviour 9: nobody is sent away for nothing, and no flow is written.
    async fn what_cannot_be_connected_begins_no_flow(db: TestDb) {
        let scene = Scene::new(db).await;
        let service = scene.service();
        let member = scene.member("ada").await;
        assert!(matches!(service.oauth_connect(&member, Uuid::nil(), None).await, Err(Error::NotFound)));
        let anybody = service::OpContext::default();
        assert!(matches!(service.oauth_connect(&anybody, scene.id, None).await, Err(Error::Unauthorized)));
        let off = ServerWrite { enabled: Some(false), ..ServerWrite::default() };
        service.server_update(&scene.owner, scene.id, off, None).await.unwrap();
        invalid(service.oauth_connect(&scene.owner, scene.id, None).await);
        assert!(matches!(service.oauth_connect(&member, scene.id, None).await, Err(Error::NotFound)));
        let on = ServerWrite { enabled: Some(true), ..ServerWrite::default() };
        service.server_update(&scene.owner, scene.id, on, None).await.unwrap();
        let plain = ServerWrite { auth_type: text("none"), ..server("plain", "https://mcp.example.org/mcp") };
        let plain = service.server_create(&scene.owner, plain).await.unwrap().0.id;
        invalid(service.oauth_connect(&scene.owner, plain, None).await);
        assert_eq!(scene.flows().await, 0);
        // Threat 7: what is stored is checked again before anybody is sent there.
        for address in ["javascript:alert(1)", "https://a:b@id.example.org/", "http://id.example.org/"] {
            scene.raw(&format!("UPDATE mcp_servers SET oauth2_auth_url = '{address}' WHERE slug = 'lab'")).await;
            invalid(service.oauth_connect(&scene.owner, scene.id, None).await);
        }
        assert_eq!(scene.flows().await, 0);
    }

    /// Threat 16: a sign-in leads back to a path of this deployment.
    async fn the_way_back_stays_here(db: TestDb) {
        let scene = Scene::new(db).await;
        let service = scene.service();
        for (asked, kept) in [("/chats/7?x=1", "/chats/7?x=1"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("https:evil.example", "/"), ("/\tx", "/")] {
            let url = service.oauth_connect(&scene.owner, scene.id, Some(asked)).await.unwrap();
            assert!(!url.contains("evil"), "{url}");
            let connected = service.oauth_callback(&scene.owner, scene.id, query_of(&approve(&url).await)).await.unwrap();
            assert_eq!(connected.return_to, kept, "{asked}");
        }
    }

    /// Behaviour 10: what the provider gives decides how long a connection lasts; another sign-in takes its place.
    async fn a_new_sign_in_replaces_what_does_not_work_any_more(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { refresh_tokens: false, ..Knobs::default() }).await;
        scene.expire().await;
        assert_eq!(scene.status().await, needs_reconnect("expired_no_refresh_token"));
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!((scene.status().await, scene.tokens().await), (is(AuthStatus::Connected), 1));
        let listed = scene.service().connection_list(&scene.owner, scene.id, "").await.unwrap();
        assert_eq!((listed.len(), listed[0].user_id, listed[0].since), (1, user_of(&scene.owner), scene.bench.now()));
        assert_eq!((listed[0].auth_status, listed[0].last_error.as_str()), (AuthStatus::Connected, ""));
    }
}
