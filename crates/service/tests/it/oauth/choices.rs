//! What an admin can decide at a provider: which of several, and a new client (protocol.md 14.2 and 14.5); and what they are told when it
//! moves (14.3, 14.11).

use super::{Scene, connect, is, needs_reconnect, server, status, text, tools, user_of};
use crate::bench::service;
use api::{
    oauth::DiscoverRequest,
    servers::{AuthStatus, ServerWrite},
};
use chatd::{ServerSource as _, TurnScope};
use domain::oauth::challenge::Challenge;
use serde_json::json;
use service::Error;
use testkit::{
    both_engines,
    fake_oauth::{FakeOauth, Meddle},
    wait::until,
};

impl Scene {
    /// What the admins are told of a server that works.
    async fn problems(&self) -> Vec<(String, String)> {
        let problems = self.wire().await.config_problems.unwrap();
        problems.into_iter().map(|problem| (problem.field, problem.detail)).collect()
    }

    /// A day later.
    async fn next_day(&self) {
        self.raw("UPDATE mcp_oauth_facts SET looked_at = 1").await;
        self.service().connections_look().await.unwrap();
    }

    async fn discover(&self, request: DiscoverRequest) -> Result<api::oauth::Discovery, Error> {
        self.service().server_discover(&self.owner, self.id, request).await
    }
}

both_engines! {
    /// Protocol 14.2: of several authorization servers the one in use stays while it is listed; an admin sees them all and takes another.
    async fn an_admin_takes_one_of_several_providers(db: TestDb) {
        let scene = Scene::connected(db).await;
        let other = FakeOauth::start(tools()).await;
        let both = [other.issuer(), scene.peer.issuer()];
        scene.peer.change(|knobs| knobs.resource_metadata = json!({"authorization_servers": both}));
        let look = scene.discover(DiscoverRequest::default()).await.unwrap();
        assert_eq!((look.found.issuer, look.found.all_issuers, look.changes.len()), (scene.peer.issuer(), both.to_vec(), 0));
        assert!(look.warnings.iter().any(|warning| warning.contains("2 authorization servers")), "{:?}", look.warnings);
        let choice = DiscoverRequest { issuer: Some(other.issuer()), ..DiscoverRequest::default() };
        let look = scene.discover(choice.clone()).await.unwrap();
        assert_eq!((look.found.issuer, look.user_tokens, look.applied), (other.issuer(), 1, false));
        assert_eq!(other.registrations(), 0, "a look makes no client");
        let taken = scene.discover(DiscoverRequest { apply: true, ..choice }).await.unwrap();
        assert_eq!((taken.applied, other.registrations(), scene.wire().await.oauth2_issuer), (true, 1, Some(other.issuer())));
        assert_eq!(scene.status().await, is(AuthStatus::NotConnected));
        for wrong in ["https://nobody.example", ""] {
            let unlisted = DiscoverRequest { issuer: Some(wrong.to_owned()), apply: true, ..DiscoverRequest::default() };
            let error = scene.discover(unlisted).await.unwrap_err();
            assert!(matches!(&error, Error::Discovery { message, candidates, .. } if message.contains("chosen") && !candidates.is_empty()), "{error:?}");
        }
        assert_eq!(scene.wire().await.oauth2_issuer, Some(other.issuer()));
    }

    /// Protocol 14.5: "Register again" makes one new client, takes the old one back, and everybody connects anew.
    async fn an_admin_registers_again(db: TestDb) {
        let scene = Scene::connected(db).await;
        let before = scene.wire().await.oauth2_client_id;
        let again = DiscoverRequest { register_again: true, ..DiscoverRequest::default() };
        let look = scene.discover(again.clone()).await.unwrap();
        assert_eq!((look.changes[0].field.as_str(), look.user_tokens, scene.peer.registrations()), ("oauth2_client_id", 1, 1));
        let done = scene.discover(DiscoverRequest { apply: true, ..again.clone() }).await.unwrap();
        assert_eq!((done.user_tokens, scene.peer.registrations()), (1, 2));
        let after = scene.wire().await.oauth2_client_id;
        assert_ne!(after, before);
        until("the old client is gone, and its grant", || async {
            (scene.peer.clients().len() == 1 && scene.peer.live_families() == 0).then_some(())
        })
        .await;
        assert_eq!(Some(scene.peer.clients()[0].id.clone()), after);
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        // A client of the admin's own is none of ours to make.
        let by_hand = ServerWrite { oauth2_client_id: text("mine"), ..ServerWrite::default() };
        scene.service().server_update(&scene.owner, scene.id, by_hand, None).await.unwrap();
        let refused = scene.discover(again).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { .. }), "{refused:?}");
        assert_eq!(scene.peer.registrations(), 2);
    }

    /// Threat 13: two admins who press it at once get one client between them; nobody who leaves costs one.
    async fn two_admins_register_again_at_once(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/register", Meddle::slow(std::time::Duration::from_millis(300)));
        let again = DiscoverRequest { apply: true, register_again: true, ..DiscoverRequest::default() };
        let (one, two) = tokio::join!(scene.discover(again.clone()), scene.discover(again.clone()));
        let applied = [&one, &two].into_iter().filter(|done| done.is_ok()).count();
        let conflicts = [&one, &two].into_iter().filter(|done| matches!(done, Err(Error::Conflict { .. }))).count();
        assert_eq!((applied, conflicts, scene.peer.registrations()), (1, 1, 2), "{one:?} {two:?}");
        let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
        let leaving = tokio::spawn(async move { service.server_discover(&ctx, id, again).await });
        until("it is at the provider", || async { (scene.peer.requests_at("/register").len() == 3).then_some(()) }).await;
        leaving.abort();
        until("it is stored all the same", || async { (scene.logged("server.discovered ok").await == 2).then_some(()) }).await;
        until("no client is left over", || async { (scene.peer.clients().len() == 1).then_some(()) }).await;
        assert_eq!(scene.wire().await.oauth2_client_id, Some(scene.peer.clients()[0].id.clone()));
        assert_eq!(scene.count("SELECT COUNT(*) FROM mcp_oauth_facts WHERE registering_by IS NOT NULL").await, 0);
    }

    /// Behaviour 6, point 5: a secret that was given by hand does not go to another token endpoint than it was given for.
    async fn a_secret_by_hand_does_not_follow_a_token_endpoint(db: TestDb) {
        let scene = Scene::new(db).await;
        let uri = scene.wire().await.oauth2_client.unwrap().redirect_uri;
        scene.peer.enter_client("mine", Some("hunter2"), &uri);
        let by_hand = ServerWrite { oauth2_client_id: text("mine"), oauth2_client_secret: text("hunter2"), ..ServerWrite::default() };
        scene.service().server_update(&scene.owner, scene.id, by_hand, None).await.unwrap();
        connect(scene.service(), &scene.owner, scene.id).await;
        let patch = json!({"token_endpoint": format!("{}?v=2", scene.peer.at("/token"))});
        scene.peer.change(|knobs| knobs.as_metadata = patch);
        scene.discover(DiscoverRequest { apply: true, ..DiscoverRequest::default() }).await.unwrap();
        let wire = scene.wire().await;
        assert_eq!((wire.has_oauth2_secret, wire.oauth2_client_id.as_deref()), (false, Some("mine")));
        assert!(scene.problems().await.iter().any(|(field, _)| field == "oauth2_client_secret"), "{:?}", scene.problems().await);
    }

    /// Threat 6 and protocol 14.3: what moved is told to the admins within a day, and followed by nobody until they run discovery.
    async fn admins_hear_of_a_provider_that_moved(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.next_day().await;
        assert_eq!(scene.problems().await, [], "nothing has");
        let patch = json!({"token_endpoint": scene.peer.at("/elsewhere"), "registration_endpoint": scene.peer.at("/reg2")});
        scene.peer.change(|knobs| knobs.as_metadata = patch);
        scene.service().connections_look().await.unwrap();
        assert_eq!(scene.problems().await, [], "one look a day");
        scene.next_day().await;
        let problems = scene.problems().await;
        assert!(matches!(&problems[..], [(field, detail)] if field == "oauth2_issuer" && detail.contains("token_endpoint") && detail.contains("registration_endpoint")), "{problems:?}");
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "it goes on as before");
        assert!(scene.peer.requests_at("/elsewhere").is_empty());
        scene.next_day().await;
        assert_eq!(scene.logged("server.provider_moved ok").await, 1, "told once");
        let ada = scene.member("ada").await;
        let (seen, _) = scene.service().server_get(&ada, scene.id).await.unwrap();
        assert_eq!(seen.config_problems, None, "for admins alone");
        scene.peer.change(|knobs| knobs.as_metadata = json!({}));
        scene.next_day().await;
        assert_eq!(scene.problems().await, [], "it has come back");
    }

    /// Protocol R9 and 14.11: "authorization server changed from A to B", whether a look finds it or a refusal says so; a discovery that is
    /// applied ends it.
    async fn admins_hear_of_another_authorization_server(db: TestDb) {
        let scene = Scene::connected(db).await;
        let other = FakeOauth::start(tools()).await;
        let old = scene.peer.issuer();
        scene.peer.change(|knobs| knobs.resource_metadata = json!({"authorization_servers": [other.issuer()]}));
        let named = Challenge { resource_metadata: Some(scene.peer.at("/.well-known/oauth-protected-resource/mcp")), ..Challenge::default() };
        let (user, version) = (user_of(&scene.owner), scene.credential_version().await);
        assert!(scene.bench.sources.credential_refused(TurnScope::normal(user, &[scene.id]), scene.id, version, Some(&named)).await.unwrap().is_none());
        assert_eq!(scene.status().await, needs_reconnect("rejected_by_server"));
        let told = scene.problems().await;
        assert!(told[0].1.contains(&format!("changed from {old} to {}", other.issuer())), "{told:?}");
        scene.next_day().await;
        assert_eq!(scene.problems().await, told);
        scene.discover(DiscoverRequest { apply: true, ..DiscoverRequest::default() }).await.unwrap();
        assert_eq!((scene.problems().await.len(), scene.wire().await.oauth2_issuer), (0, Some(other.issuer())));
        assert!(other.token_requests("refresh_token").is_empty());
    }

    /// Protocol 14.11: whom the server names is told although they do not answer.
    async fn admins_hear_of_another_authorization_server_that_is_silent(db: TestDb) {
        let scene = Scene::connected(db).await;
        let gone = FakeOauth::start(tools()).await;
        scene.peer.change(|knobs| knobs.resource_metadata = json!({"authorization_servers": [gone.issuer()]}));
        gone.stop();
        scene.next_day().await;
        let told = scene.problems().await;
        assert!(told.len() == 1 && told[0].1.contains(&format!("to {}", gone.issuer())), "{told:?}");
    }

    /// Behaviour 8: another server's look is none of this one's, and a sign-in is followed by one once an hour is over.
    async fn a_sign_in_is_followed_by_a_look(db: TestDb) {
        let scene = Scene::new(db).await;
        let (twin, _) = scene.service().server_create(&scene.owner, server("twin", &scene.peer.url())).await.unwrap();
        scene.peer.change(|knobs| knobs.as_metadata = json!({"registration_endpoint": scene.peer.at("/reg2")}));
        connect(scene.service(), &scene.owner, twin.id).await;
        scene.raw("UPDATE mcp_oauth_facts SET looked_at = 1 WHERE mcp_server_id = (SELECT id FROM mcp_servers WHERE slug = 'lab')").await;
        connect(scene.service(), &scene.owner, scene.id).await;
        until("somebody looked", || async { (!scene.problems().await.is_empty()).then_some(()) }).await;
        let (seen, _) = scene.service().server_get(&scene.owner, twin.id).await.unwrap();
        assert_eq!(seen.config_problems, Some(vec![]));
        assert_eq!(status(scene.service(), &scene.owner, twin.id).await, is(AuthStatus::Connected));
    }
}
