//! A server is added by its URL alone (behaviour 5 and 8): whose client Patchbay becomes, and what anybody sees meanwhile.

use super::{Scene, connect, is, server, text, tools, user_of};
use crate::bench::{Bench, service};
use api::{
    Uuid,
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use chatd::{ServerSource as _, TurnScope};
use serde_json::json;
use service::Error;
use std::time::Duration;
use testkit::{
    both_engines,
    fake_oauth::{Canned, FakeOauth, Knobs, Meddle},
    wait::until,
};

const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// The id of the only row, which nobody is told yet.
async fn only_id(bench: &Bench) -> Uuid {
    let sql = if bench.db.is_postgres() {
        "SELECT CAST(id AS TEXT) FROM mcp_servers"
    } else {
        "SELECT hex(id) FROM mcp_servers"
    };
    let found = bench.db.texts(sql).await;
    Uuid::parse_str(&found[0]).unwrap()
}

fn not_found<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::NotFound)), "{answer:?}");
}

both_engines! {
    /// Threats 10 and 13: one registration, for the one redirect address of this row.
    async fn a_url_alone_makes_a_confidential_client(db: TestDb) {
        let scene = Scene::new(db).await;
        let peer = &scene.peer;
        let client = &peer.clients()[0];
        let redirect = format!("http://127.0.0.1:3000/api/experimental/mcp/servers/{}/oauth2/callback", scene.id);
        assert_eq!((peer.registrations(), &client.redirect_uris), (1, &vec![redirect.clone()]));
        let asked = peer.requests_at("/register")[0].json();
        assert_eq!(asked["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!((&asked["application_type"], &asked["client_name"]), (&"native".into(), &"Patchbay".into()));
        let wire = scene.wire().await;
        assert_eq!(wire.oauth2_registration.as_deref(), Some("dcr"));
        assert_eq!(wire.oauth2_client_id.as_deref(), Some(client.id.as_str()));
        assert_eq!(wire.oauth2_issuer, Some(peer.issuer()));
        assert_eq!((wire.oauth2_auth_url, wire.oauth2_token_url), (Some(peer.at("/authorize")), Some(peer.at("/token"))));
        assert_eq!((wire.oauth2_revocation_url, wire.has_oauth2_secret), (Some(peer.at("/revoke")), true));
        assert_eq!((wire.auth_status, wire.auth_connected), (AuthStatus::NotConnected, false));
        let facts = wire.oauth2_client.unwrap();
        assert_eq!((facts.redirect_uri, facts.resource), (redirect, peer.resource()));
        assert_eq!((facts.auth_method.as_str(), facts.scopes_source.as_str()), ("client_secret_basic", "challenge"));
        assert_eq!(scene.logged("server.create ok owner lab").await, 1);
        // None of it is for members.
        let member = scene.member("ada").await;
        let shown = scene.service().server_get(&member, scene.id).await.unwrap().0;
        assert!(shown.url.is_empty() && shown.oauth2_client_id.is_none() && shown.oauth2_client.is_none());
        connect(scene.service(), &member, scene.id).await;
    }

    /// Threat 13: where the provider refuses a secret, Patchbay asks once more as a public client.
    async fn a_provider_of_public_clients_gets_one(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        let refusal = Canned::error(400, "invalid_client_metadata", "no secrets here");
        peer.meddle("/register", Meddle::instead(refusal).only_with("client_secret_basic"));
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (made, _) = bench.service.server_create(&owner, server("lab", &peer.url())).await.unwrap();
        assert_eq!((made.has_oauth2_secret, made.oauth2_registration.as_deref()), (false, Some("dcr")));
        assert_eq!(made.oauth2_client.unwrap().auth_method, "none");
        connect(&bench.service, &owner, made.id).await;
        let exchange = &peer.token_requests("authorization_code")[0];
        assert!(exchange.header("authorization").is_none(), "a public client has no login");
    }

    /// Threat 13: where documents are taken and ours can be fetched, nothing is registered.
    async fn a_public_https_address_is_a_client_by_itself(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        peer.change(|knobs| knobs.as_metadata = serde_json::json!({"client_id_metadata_document_supported": true}));
        let bench = Bench::at(db, "https://patchbay.example.org").await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (made, _) = bench.service.server_create(&owner, server("lab", &peer.url())).await.unwrap();
        let base = format!("https://patchbay.example.org/api/experimental/mcp/servers/{}/oauth2", made.id);
        let client_id = format!("{base}/client-metadata.json");
        assert_eq!(made.oauth2_client_id.as_deref(), Some(client_id.as_str()));
        assert_eq!((made.oauth2_registration.as_deref(), made.has_oauth2_secret), (Some("cimd"), false));
        assert!(peer.requests_at("/register").is_empty());
        let document = bench.service.client_document(made.id).await.unwrap();
        assert_eq!((&document["client_id"], &document["redirect_uris"]), (&client_id.clone().into(), &serde_json::json!([format!("{base}/callback")])));
        not_found(bench.service.client_document(Uuid::nil()).await);
        // The fake goes nowhere by itself: it is given what it would fetch.
        peer.change(|knobs| drop(knobs.client_documents.insert(client_id, document)));
        connect(&bench.service, &owner, made.id).await;
        // The provider forgets it: there is nothing to register, and nobody loses what they have (threat 13).
        peer.change(|knobs| knobs.client_documents.clear());
        bench.pass(7200);
        let wire = bench.service.server_get(&owner, made.id).await.unwrap().0;
        assert_eq!(wire.auth_status, AuthStatus::ExpiredRefreshable);
        assert_eq!((peer.registrations(), peer.token_requests("refresh_token").len()), (0, 1));
    }

    /// Protocol 14.5: where documents are taken and ours cannot be fetched, Patchbay registers.
    async fn a_client_document_that_nobody_can_fetch_is_not_offered(db: TestDb) {
        let knobs = Knobs { as_metadata: json!({"client_id_metadata_document_supported": true}), ..Knobs::default() };
        let scene = Scene::connected_with(db, knobs).await;
        let wire = scene.wire().await;
        assert_eq!((wire.oauth2_registration.as_deref(), scene.peer.registrations()), (Some("dcr"), 1));
        not_found(scene.service().client_document(scene.id).await);
    }

    /// Protocol 14.4: a server of 2025-03-26 that publishes nothing is added with guessed endpoints, which admins are told of; it works.
    async fn a_server_that_publishes_nothing_is_added_and_connected(db: TestDb) {
        let silent = Knobs { resource_metadata_at: Some(vec![]), as_metadata_at: Some(vec![]), challenge: Some(vec![]), ..Knobs::default() };
        let scene = Scene::connected_with(db, silent).await;
        let (peer, wire) = (&scene.peer, scene.wire().await);
        assert_eq!((wire.oauth2_auth_url, wire.oauth2_token_url), (Some(peer.at("/authorize")), Some(peer.at("/token"))));
        assert_eq!((wire.oauth2_issuer, wire.oauth2_registration.as_deref()), (Some(peer.origin()), Some("dcr")));
        assert_eq!(wire.oauth2_revocation_url.unwrap_or_default(), "");
        let facts = wire.oauth2_client.unwrap();
        assert_eq!((facts.guessed, facts.resource, facts.scopes.as_str()), (true, peer.url(), ""));
        let asked = &peer.requests_at("/authorize")[0].query();
        let has = |name: &str, value: &str| asked.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("code_challenge_method", "S256") && has("resource", &peer.url()), "{asked:?}");
        assert!(asked.iter().all(|(name, _)| name != "scope"), "{asked:?}");
        assert_eq!(scene.service().server_check(&scene.owner, scene.id).await.unwrap().tools.len(), 1);
        let call = api::tools::ToolTry { arguments: serde_json::Map::from_iter([("text".to_owned(), "x".into())]), definition_hash: None };
        scene.service().tool_call(&scene.owner, scene.id, "notes", call).await.unwrap();
        assert_eq!(peer.calls().len(), 1);
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "and is renewed");
        let look = scene.service().server_discover(&scene.owner, scene.id, api::oauth::DiscoverRequest::default()).await.unwrap();
        assert!(look.found.guessed && look.changes.is_empty(), "{look:?}");
        assert!(look.warnings.iter().any(|warning| warning.contains("2025-03-26")), "{:?}", look.warnings);
    }

    /// Protocol 14.4: metadata at the root of such a server is checked as any other, and nothing is guessed.
    async fn a_server_of_2025_03_26_with_metadata_is_not_guessed_at(db: TestDb) {
        let knobs = Knobs { resource_metadata_at: Some(vec![]), challenge: Some(vec![]), ..Knobs::default() };
        let scene = Scene::connected_with(db, knobs).await;
        let wire = scene.wire().await;
        assert_eq!((wire.oauth2_client.unwrap().guessed, wire.oauth2_revocation_url), (false, Some(scene.peer.at("/revoke"))));
        assert_eq!(scene.service().server_check(&scene.owner, scene.id).await.unwrap().tools.len(), 1);
    }

    /// Protocol 14.6: where the provider takes the secret in the body alone, it is registered so and comes so in every request: exchange,
    /// renewal and revocation.
    async fn a_provider_that_wants_the_secret_in_the_body_gets_it_there(db: TestDb) {
        let knobs = Knobs { auth_methods: vec!["client_secret_post".to_owned()], ..Knobs::default() };
        let scene = Scene::connected_with(db, knobs).await;
        assert_eq!(scene.peer.requests_at("/register")[0].json()["token_endpoint_auth_method"], "client_secret_post");
        let wire = scene.wire().await;
        assert_eq!((wire.has_oauth2_secret, wire.oauth2_client.unwrap().auth_method.as_str()), (true, "client_secret_post"));
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), service::Revocation::Revoked);
        let secret = ("client_secret".to_owned(), scene.peer.clients()[0].secret.clone().unwrap());
        let sent: Vec<_> = ["/token", "/revoke"].into_iter().flat_map(|path| scene.peer.requests_at(path)).collect();
        assert_eq!(sent.len(), 3);
        for request in sent {
            assert!(request.form().contains(&secret) && request.header("authorization").is_none(), "{}", request.target);
        }
    }

    /// Behaviour 8: a revocation address that an admin gives stays; else it is the provider's.
    async fn a_revocation_address_that_was_given_stays(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let given = Some(format!("{}?mine", peer.at("/revoke")));
        let write = ServerWrite { oauth2_revocation_url: given.clone(), ..server("lab", &peer.url()) };
        let (made, _) = bench.service.server_create(&owner, write).await.unwrap();
        assert_eq!((made.oauth2_revocation_url, made.oauth2_registration.as_deref()), (given, Some("dcr")));
        connect(&bench.service, &owner, made.id).await;
        assert_eq!(bench.service.server_disconnect(&owner, made.id).await.unwrap(), service::Revocation::Revoked);
        assert_eq!(peer.requests_at("/revoke")[0].target, "/revoke?mine");
        // It is no drift, and discovery does not take it away.
        bench.db.raw("UPDATE mcp_oauth_facts SET looked_at = 1").await.unwrap();
        bench.service.connections_look().await.unwrap();
        assert_eq!(bench.service.server_get(&owner, made.id).await.unwrap().0.config_problems, Some(vec![]));
        let again = bench.service.server_discover(&owner, made.id, crate::oauth::discover::APPLY).await.unwrap();
        assert_eq!(again.changes, []);
        let (kept, _) = bench.service.server_get(&owner, made.id).await.unwrap();
        assert!(kept.oauth2_revocation_url.unwrap().ends_with("/revoke?mine"));
    }

    /// Behaviour 5: what was given by hand is taken as it is; nobody is asked.
    async fn a_client_that_was_given_is_taken_without_a_question(db: TestDb) {
        let peer = FakeOauth::start_with(tools(), Knobs { registration: false, ..Knobs::default() }).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let by_hand = ServerWrite {
            oauth2_client_id: text("ours"),
            oauth2_client_secret: text("canary-by-hand"),
            oauth2_auth_url: Some(peer.at("/authorize")),
            oauth2_token_url: Some(peer.at("/token")),
            oauth2_issuer: Some(peer.issuer()),
            ..server("lab", &peer.url())
        };
        let (made, _) = bench.service.server_create(&owner, by_hand).await.unwrap();
        assert!(peer.requests().is_empty());
        assert_eq!((made.oauth2_registration.as_deref(), made.has_oauth2_secret), (Some("manual"), true));
        peer.enter_client("ours", Some("canary-by-hand"), &made.oauth2_client.unwrap().redirect_uri);
        connect(&bench.service, &owner, made.id).await;
        assert_eq!(bench.service.server_check(&owner, made.id).await.unwrap().tools.len(), 1);
        assert!(bench.service.client_document(made.id).await.is_err(), "it is no document's client");
    }

    /// Behaviour 5: until its provider is known, a server is there for nobody; its slug is taken.
    async fn nothing_is_visible_while_the_provider_is_asked(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        peer.meddle(RESOURCE_METADATA, Meddle::hang());
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (service, ctx, write) = (bench.service.clone(), owner.clone(), server("lab", &peer.url()));
        let adding = tokio::spawn(async move { service.server_create(&ctx, write).await });
        until("the metadata is asked for", || async { (!peer.requests_at(RESOURCE_METADATA).is_empty()).then_some(()) }).await;
        let (service, id) = (&bench.service, only_id(&bench).await);
        assert!(service.server_list(&owner, None, None).await.unwrap().is_empty());
        not_found(service.server_get(&owner, id).await);
        not_found(service.oauth_connect(&owner, id, None).await);
        not_found(service.server_check(&owner, id).await);
        not_found(service.server_update(&owner, id, ServerWrite::default(), None).await);
        not_found(service.server_discover(&owner, id, crate::oauth::discover::APPLY).await);
        not_found(service.connection_list(&owner, id, "").await);
        not_found(service.server_delete(&owner, id, None).await);
        not_found(service.client_document(id).await);
        let turn = bench.sources.call_server(TurnScope::normal(user_of(&owner), &[id]), id).await.unwrap();
        assert!(turn.is_none() && bench.sources.step_servers(TurnScope::normal(user_of(&owner), &[id])).await.unwrap().is_empty());
        let same = service.server_create(&owner, server("LAB", "https://mcp.example.org/mcp")).await;
        assert!(matches!(same, Err(Error::Conflict { .. })), "{same:?}");
        // It fails, and the name is free again.
        peer.stop();
        let failed = adding.await.unwrap();
        assert!(matches!(failed, Err(Error::Discovery { .. })), "{failed:?}");
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM mcp_servers").await, 0);
        let plain = ServerWrite { auth_type: text("none"), ..server("lab", "https://mcp.example.org/mcp") };
        service.server_create(&owner, plain).await.unwrap();
    }

    /// Behaviour 5: what a killed process left is swept, and a late answer does not bring it back; its client is given back.
    async fn a_setup_that_was_killed_is_swept(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        peer.meddle("/register", Meddle::late(Duration::from_secs(5)));
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (service, ctx, write) = (bench.service.clone(), owner.clone(), server("lab", &peer.url()));
        let adding = tokio::spawn(async move { service.server_create(&ctx, write).await });
        until("the client is registered", || async { (peer.registrations() == 1).then_some(()) }).await;
        bench.service.connections_look().await.unwrap();
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM mcp_servers").await, 1, "its ten minutes are not over");
        bench.db.raw("UPDATE mcp_servers SET setup_until = 1").await.unwrap();
        bench.service.connections_look().await.unwrap();
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM mcp_servers").await, 0);
        let late = adding.await.unwrap();
        assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
        assert!(peer.clients().is_empty(), "a client that nobody has is taken back");
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM mcp_servers").await, 0);
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM audit_log WHERE action = 'server.create'").await, 0);
    }

    /// Behaviour 4: a second server of the same name is a conflict before anybody is asked.
    async fn a_slug_that_is_taken_asks_nobody(db: TestDb) {
        let scene = Scene::new(db).await;
        let before = scene.peer.requests().len();
        let same = scene.service().server_create(&scene.owner, server("Lab", &scene.peer.url())).await;
        assert!(matches!(&same, Err(Error::Conflict { validations, .. }) if validations[0].field == "slug"), "{same:?}");
        assert_eq!(scene.peer.requests().len(), before);
    }
}
