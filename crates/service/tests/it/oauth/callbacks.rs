//! Callbacks that are not the caller's to end (behaviour 9, steps 1 to 4 and 7): no token request is made for any of them.

use super::{Scene, connect, consent, is, query_of, refused, server, status, text, user_of};
use crate::bench::service;
use api::servers::{AuthStatus, ServerWrite};
use service::{CallbackQuery, OpContext};
use std::time::Duration;
use testkit::{
    both_engines,
    fake_oauth::{Meddle, approve},
    wait::until,
};

/// Times that a browser leaves in the middle.
const LEAVES: u64 = 500;

both_engines! {
    /// Threats 1 and 3: without a session nothing is consumed, with another's nothing is linked; whose it is ends it.
    async fn a_sign_in_is_ended_where_it_was_begun(db: TestDb) {
        let scene = Scene::new(db).await;
        let service = scene.service();
        let attacker = scene.member("mallory").await;
        let query = consent(service, &attacker, scene.id).await;
        let gone = refused(service, &OpContext::default(), scene.id, query.clone()).await;
        assert_eq!((gone.status, gone.may_retry), (401, true));
        let victim = scene.member("ada").await;
        let foreign = refused(service, &victim, scene.id, query.clone()).await;
        assert_eq!(foreign.status, 403);
        assert!(!format!("{foreign:?}").contains("mallory"), "{foreign:?}");
        // The same person in another browser is somebody else, too.
        let (other_browser, _) = scene.bench.login("mallory@example.org").await;
        assert_eq!(refused(service, &other_browser, scene.id, query.clone()).await.status, 403);
        assert_eq!((scene.token_requests(), scene.tokens().await, scene.flows().await), (0, 0, 1));
        for who in ["ada", "mallory"] {
            until("it is logged", || async {
                (scene.logged(&format!("access.oauth_foreign_flow denied {who}")).await == 1).then_some(())
            })
            .await;
        }
        service.oauth_callback(&attacker, scene.id, query).await.unwrap();
        assert_eq!(status(service, &victim, scene.id).await, is(AuthStatus::NotConnected));
    }

    /// Threats 3 and 9: a state that is missing, made up, of another server, too old or used.
    async fn a_state_is_good_once_and_for_one_server(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let twin = service.server_create(owner, server("twin", &scene.peer.url())).await.unwrap().0.id;
        let query = consent(service, owner, scene.id).await;
        for state in ["", "made-up", &query.state[1..], &query.state.to_uppercase(), &"x".repeat(5000)] {
            let forged = CallbackQuery { state: state.to_owned(), ..query.clone() };
            assert_eq!(refused(service, owner, scene.id, forged).await.status, 400, "{state}");
        }
        assert_eq!(refused(service, owner, twin, query.clone()).await.status, 400);
        let unknown = refused(service, owner, api::Uuid::nil(), query.clone()).await;
        assert_eq!((unknown.status, unknown.may_retry), (404, false));
        assert_eq!((scene.token_requests(), scene.flows().await), (0, 1));
        // It lives ten minutes by the clock of the database.
        assert_eq!(scene.count("SELECT (expires_at - created_at) / 1000000 FROM mcp_oauth_flows").await, 10 * 60);
        scene.raw("UPDATE mcp_oauth_flows SET expires_at = 1").await;
        assert_eq!(refused(service, owner, scene.id, query).await.status, 400);
        service.connections_look().await.unwrap();
        assert_eq!((scene.token_requests(), scene.flows().await), (0, 0));
        let query = consent(service, owner, scene.id).await;
        service.oauth_callback(owner, scene.id, query.clone()).await.unwrap();
        for _ in 0..3 {
            assert_eq!(refused(service, owner, scene.id, query.clone()).await.status, 400);
        }
        assert_eq!((scene.token_requests(), scene.peer.live_families()), (1, 1), "a replay does not cost the grant");
    }

    /// Threat 9: two tabs are two flows, in any order.
    async fn both_tabs_work(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let first = service.oauth_connect(owner, scene.id, None).await.unwrap();
        let second = service.oauth_connect(owner, scene.id, None).await.unwrap();
        for url in [second, first] {
            service.oauth_callback(owner, scene.id, query_of(&approve(&url).await)).await.unwrap();
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
        }
        assert_eq!((scene.token_requests(), scene.tokens().await), (2, 1));
    }

    /// Threats 2 and 6: what was changed while the person was at the provider is not what they consented to.
    async fn a_server_that_was_changed_meanwhile_gets_nothing(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let evil = format!("{}2", scene.peer.at("/token"));
        for (change, status) in [
            (ServerWrite { oauth2_token_url: Some(evil), oauth2_client_secret: text("s"), ..ServerWrite::default() }, 400),
            (ServerWrite { oauth2_client_id: text("another"), oauth2_client_secret: text("s"), ..ServerWrite::default() }, 400),
            // The same client and the same endpoint, but another provider; and another secret of the same client.
            (ServerWrite { oauth2_issuer: text("https://id.evil.example"), oauth2_client_secret: text("s"), ..ServerWrite::default() }, 400),
            (ServerWrite { oauth2_client_secret: text("s"), ..ServerWrite::default() }, 400),
            (ServerWrite { enabled: Some(false), ..ServerWrite::default() }, 400),
            (ServerWrite { auth_type: text("none"), ..ServerWrite::default() }, 400),
        ] {
            let query = consent(service, owner, scene.id).await;
            service.server_update(owner, scene.id, change, None).await.unwrap();
            let refused = refused(service, owner, scene.id, query).await;
            assert_eq!(refused.status, status, "{refused:?}");
            // As it was.
            let by_hand = ServerWrite {
                auth_type: text("oauth2"), enabled: Some(true), oauth2_client_id: text("ours"), oauth2_client_secret: text("canary"),
                oauth2_auth_url: Some(scene.peer.at("/authorize")), oauth2_token_url: Some(scene.peer.at("/token")),
                oauth2_issuer: Some(scene.peer.issuer()), ..ServerWrite::default()
            };
            let (wire, _) = service.server_update(owner, scene.id, by_hand, None).await.unwrap();
            scene.peer.enter_client("ours", Some("canary"), &wire.oauth2_client.unwrap().redirect_uri);
        }
        assert!(scene.peer.requests_at("/token2").is_empty());
        assert_eq!((scene.token_requests(), scene.tokens().await), (0, 0));
        connect(service, owner, scene.id).await;
    }

    /// Threat 8: without its verifier a flow is worth nothing.
    async fn without_the_verifier_no_code_is_exchanged(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let zeros = if scene.bench.db.is_postgres() { "'\\x0000'" } else { "x'0000'" };
        for damage in [format!("verifier = {zeros}"), "verifier_key_id = 'gone'".to_owned()] {
            let query = consent(service, owner, scene.id).await;
            scene.raw(&format!("UPDATE mcp_oauth_flows SET {damage}")).await;
            assert_eq!(refused(service, owner, scene.id, query).await.status, 400, "{damage}");
        }
        assert_eq!(scene.token_requests(), 0);
        // A verifier of another flow does not open either: it is sealed for its own.
        let (one, two) = (consent(service, owner, scene.id).await, consent(service, owner, scene.id).await);
        let any = "(SELECT o.verifier FROM mcp_oauth_flows o ORDER BY o.id LIMIT 1)";
        scene.raw(&format!("UPDATE mcp_oauth_flows SET verifier = {any}")).await;
        let mut worked = 0;
        for query in [one, two] {
            worked += usize::from(service.oauth_callback(owner, scene.id, query).await.is_ok());
        }
        assert_eq!((worked, scene.token_requests()), (1, 1), "the flow whose own it is");
    }

    /// Behaviour 27: callbacks that are refused are in the log with their cause in words of ours, and with nothing of what came along.
    async fn callbacks_that_are_refused_are_logged_with_their_cause(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let query = consent(service, owner, scene.id).await;
        let stateless = CallbackQuery { state: String::new(), code: "canary".to_owned(), ..CallbackQuery::default() };
        refused(service, owner, scene.id, stateless.clone()).await;
        refused(service, owner, api::Uuid::nil(), stateless.clone()).await;
        refused(service, owner, scene.id, CallbackQuery { state: "canary".to_owned(), ..stateless.clone() }).await;
        let denied = CallbackQuery { code: String::new(), error: "access_denied".to_owned(), error_description: "canary".to_owned(), ..query };
        refused(service, owner, scene.id, denied).await;
        let codeless = CallbackQuery { code: String::new(), ..consent(service, owner, scene.id).await };
        refused(service, owner, scene.id, codeless).await;
        let query = consent(service, owner, scene.id).await;
        let change = |write| service.server_update(owner, scene.id, write, None);
        change(ServerWrite { oauth2_client_secret: text("s"), ..ServerWrite::default() }).await.unwrap();
        refused(service, owner, scene.id, query).await;
        change(ServerWrite { enabled: Some(false), ..ServerWrite::default() }).await.unwrap();
        refused(service, owner, scene.id, stateless).await;
        let causes = [
            "no state", "no such server", "no such sign-in", "access_denied", "no code", "changed meanwhile", "cannot be connected",
        ];
        until("all are written", || async {
            (scene.logged("connection.callback_refused denied owner").await == causes.len()).then_some(())
        })
        .await;
        let log = scene.log().await;
        for cause in causes {
            let with = log.iter().filter(|line| line.starts_with("connection.callback_refused") && line.contains(cause));
            assert_eq!(with.count(), 1, "{cause}: {log:#?}");
        }
        assert!(!log.concat().contains("canary"), "{log:#?}");
        assert_eq!(scene.token_requests(), 0);
    }

    /// Behaviour 10: what the provider gave for a server that was switched off meanwhile is given back.
    async fn a_grant_that_nobody_keeps_is_given_back(db: TestDb) {
        let scene = Scene::new(db).await;
        let query = consent(scene.service(), &scene.owner, scene.id).await;
        scene.peer.meddle("/token", Meddle::late(Duration::from_secs(3)));
        let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
        let returning = tokio::spawn(async move { service.oauth_callback(&ctx, id, query).await });
        until("the code is exchanged", || async { (scene.peer.live_families() == 1).then_some(()) }).await;
        let off = ServerWrite { enabled: Some(false), ..ServerWrite::default() };
        scene.service().server_update(&scene.owner, scene.id, off, None).await.unwrap();
        let refused = returning.await.unwrap().unwrap_err();
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!((scene.tokens().await, scene.peer.live_families()), (0, 0));
    }

    /// Threat 98: a browser that leaves costs no code: the connection comes about, or the way back still works.
    async fn a_browser_that_leaves_costs_no_code(db: TestDb) {
        let scene = Scene::new(db).await;
        let user = user_of(&scene.owner);
        for round in 0..LEAVES {
            let query = consent(scene.service(), &scene.owner, scene.id).await;
            let (service, ctx, id, same) = (scene.service().clone(), scene.owner.clone(), scene.id, query.clone());
            let leaving = tokio::spawn(async move { service.oauth_callback(&ctx, id, same).await });
            // At another moment each time; which one it is does not matter.
            tokio::time::sleep(Duration::from_micros(round % 80 * 250)).await;
            leaving.abort();
            let _ = leaving.await;
            if scene.flows().await > 0 {
                // Begun after all, or not at all.
                let again = scene.service().oauth_callback(&scene.owner, scene.id, query).await;
                assert!(again.is_ok() || scene.flows().await == 0, "{again:?}");
            }
            until("the connection is there", || async { (scene.tokens().await == 1).then_some(()) }).await;
            scene.service().connection_remove(&scene.owner, scene.id, user).await.unwrap();
        }
        assert_eq!(scene.token_requests(), usize::try_from(LEAVES).unwrap(), "each code was exchanged, once");
    }
}
