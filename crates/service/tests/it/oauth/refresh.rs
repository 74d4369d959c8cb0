//! How tokens are renewed and how they end (behaviour 10, protocol.md R4 to R8).

use super::{Scene, connect, is, needs_reconnect, status};
use api::{check::ConnectOutcome, servers::AuthStatus};
use futures::future::join_all;
use std::time::{Duration, Instant};
use testkit::{
    both_engines,
    fake_oauth::{Canned, Knobs, Meddle},
    wait::until,
};

/// Lists and reads wait for renewals, all in all.
const WAIT: Duration = Duration::from_secs(2);
/// What a busy machine may take on top, for all of them at once.
const ROOM: Duration = Duration::from_secs(3);

both_engines! {
    /// Threat 97: an expired token is renewed by whoever lists or reads, each time with the refresh token that came last.
    async fn lists_and_reads_renew_what_has_expired(db: TestDb) {
        let scene = Scene::connected(db).await;
        for round in 1..=4 {
            scene.expire().await;
            let shown = if round % 2 == 0 {
                scene.wire().await
            } else {
                scene.service().server_list(&scene.owner, None, None).await.unwrap().remove(0)
            };
            assert_eq!((shown.auth_status, shown.auth_connected), (AuthStatus::Connected, true));
            assert_eq!((scene.refreshes(), scene.peer.families()[0].rotations), (round, round + 1));
        }
        assert_eq!((scene.peer.live_families(), scene.peer.revoked_families()), (1, 0));
        assert_eq!(scene.service().server_check(&scene.owner, scene.id).await.unwrap().outcome, ConnectOutcome::Connected);
    }

    /// Protocol R7: where no new refresh token comes, the old one stays.
    async fn a_refresh_token_that_does_not_rotate_stays(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { rotate: false, ..Knobs::default() }).await;
        for round in 1..=3 {
            scene.expire().await;
            assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::Connected), round));
        }
    }

    /// Threat 97: where nothing has expired nobody is asked anything, nor for tokens of others, nor by whoever may not renew.
    async fn where_nothing_has_expired_nobody_is_asked(db: TestDb) {
        let scene = Scene::connected(db).await;
        let before = scene.peer.requests().len();
        scene.bench.pass(3600 - 11);
        for _ in 0..5 {
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
            scene.service().server_list(&scene.owner, None, None).await.unwrap();
        }
        scene.bench.pass(1);
        let member = scene.member("ada").await;
        assert_eq!(status(scene.service(), &member, scene.id).await, is(AuthStatus::NotConnected));
        scene.service().connection_list(&scene.owner, scene.id, "").await.unwrap();
        assert_eq!(scene.peer.requests().len(), before);
        assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::Connected), 1), "ten seconds before its end it counts as expired");
    }

    /// Threat 97: 50 at once while the provider hangs: one token request, and an answer when the two seconds for renewals are over. That
    /// one is transient: the connection stays, is tried again, and works.
    async fn a_provider_that_hangs_holds_nobody_up(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/token", Meddle::hang().times(1));
        scene.expire().await;
        let started = Instant::now();
        let asking = (0..50).map(|number| {
            let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
            tokio::spawn(async move {
                if number % 2 == 0 {
                    service.server_get(&ctx, id).await.unwrap().0
                } else {
                    service.server_list(&ctx, None, None).await.unwrap().remove(0)
                }
            })
        });
        for shown in join_all(asking).await {
            let shown = shown.unwrap();
            assert_eq!((shown.auth_status, shown.auth_connected), (AuthStatus::ExpiredRefreshable, true));
        }
        let took = started.elapsed();
        assert!(WAIT <= took && took < WAIT + ROOM, "{took:?}");
        assert_eq!(scene.refreshes(), 1);
        until("its time is over", || async {
            (scene.count("SELECT COUNT(*) FROM mcp_user_tokens WHERE refresh_failures = 1").await == 1).then_some(())
        }).await;
        assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::ExpiredRefreshable), 1));
        scene.pause_is_over().await;
        assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::Connected), 2));
    }

    /// Behaviour 10: a refresh token that the provider does not know any more ends the connection, under whatever status it says so;
    /// a word of ours is kept, no secret.
    async fn a_dead_refresh_token_ends_the_connection(db: TestDb) {
        let scene = Scene::connected(db).await;
        for answer in [
            Canned::error(400, "invalid_grant", "canary"),
            Canned::error(200, "bad_refresh_token", "canary"),
            Canned::error(401, "invalid_grant", "canary"),
        ] {
            scene.peer.meddle("/token", Meddle::instead(answer));
            scene.expire().await;
            let sent = scene.refreshes();
            for _ in 0..3 {
                assert_eq!((scene.status().await, scene.refreshes()), (needs_reconnect("refresh_rejected"), sent + 1));
            }
            assert!(!scene.wire().await.auth_connected);
            let left = "SELECT COUNT(*) FROM mcp_user_tokens WHERE access_token IS NULL AND refresh_token IS NULL AND expires_at IS NULL";
            assert_eq!((scene.count(left).await, scene.tokens().await), (1, 1));
            let listed = scene.service().connection_list(&scene.owner, scene.id, "").await.unwrap().remove(0);
            assert!(!listed.last_error.is_empty() && !listed.last_error.contains("canary"), "{}", listed.last_error);
            let report = scene.service().server_check(&scene.owner, scene.id).await.unwrap();
            assert_eq!(report.outcome, ConnectOutcome::Skipped);
            scene.peer.honest("/token");
            connect(scene.service(), &scene.owner, scene.id).await;
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
        }
        // The same from the provider itself.
        scene.peer.revoke_all();
        scene.expire().await;
        assert_eq!(scene.status().await, needs_reconnect("refresh_rejected"));
        assert_eq!(scene.logged("connection.ended failed").await, 4);
    }

    /// Protocol R8: everything else may pass. The connection stays, the provider is left alone for a while, the expired token is sent to
    /// nobody, and what the provider says of a pause counts.
    async fn what_may_pass_is_tried_again_later(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.service().server_check(&scene.owner, scene.id).await.unwrap();
        let calls = scene.peer.requests_at("/mcp").len();
        scene.expire().await;
        let answers = [
            Canned::status(500).body("{\"error\":\"invalid_grant\"}"),
            Canned::error(503, "temporarily_unavailable", "canary"),
            Canned::error(429, "slow_down", "canary").header("retry-after", "1800"),
            Canned::error(400, "invalid_request", "canary"),
            Canned::error(400, "invalid_scope", "canary"),
            Canned::status(200).body("<h1>canary</h1>"),
            Canned::json(200, &serde_json::json!({"access_token": "x", "token_type": "mac"})),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            scene.peer.meddle("/token", Meddle::instead(answer));
            for _ in 0..3 {
                assert_eq!(scene.status().await, is(AuthStatus::ExpiredRefreshable), "{number}");
            }
            assert_eq!(scene.refreshes(), number + 1, "left alone after each");
            let report = scene.service().server_check(&scene.owner, scene.id).await.unwrap();
            assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Skipped, AuthStatus::ExpiredRefreshable));
            let pause = "SELECT (refresh_not_before - updated_at) / 1000000 FROM mcp_user_tokens";
            if number == 2 {
                assert!(scene.count(pause).await >= 1700, "it asked for half an hour");
            }
            scene.peer.honest("/token");
            scene.pause_is_over().await;
        }
        assert_eq!(scene.peer.requests_at("/mcp").len(), calls, "the expired token went nowhere");
        let longer = "SELECT refresh_failures FROM mcp_user_tokens";
        assert_eq!(scene.count(longer).await, 7);
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "the refresh token is as good as before");
        assert_eq!(scene.count(longer).await, 0);
    }

    /// Behaviour 10: who disconnects while a renewal is under way stays disconnected.
    async fn a_renewal_does_not_bring_a_connection_back(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/token", Meddle::late(Duration::from_millis(1200)).only_with("refresh_token"));
        scene.expire().await;
        let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
        let reading = tokio::spawn(async move { service.server_get(&ctx, id).await });
        until("the provider has answered", || async { (scene.peer.families()[0].rotations == 2).then_some(()) }).await;
        scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap();
        let shown = reading.await.unwrap().unwrap().0;
        assert_eq!((shown.auth_status, scene.tokens().await), (AuthStatus::NotConnected, 0));
        assert_eq!(scene.peer.live_families(), 0, "what it answered is of no use either");
    }

    /// Behaviour 10: who connects anew while a renewal is under way keeps what is newer.
    async fn a_renewal_does_not_undo_a_new_connection(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/token", Meddle::late(Duration::from_millis(1500)).only_with("grant_type=refresh_token"));
        scene.expire().await;
        let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
        let reading = tokio::spawn(async move { service.server_get(&ctx, id).await });
        until("the provider has answered", || async { (scene.peer.families()[0].rotations == 2).then_some(()) }).await;
        connect(scene.service(), &scene.owner, scene.id).await;
        reading.await.unwrap().unwrap();
        assert_eq!((scene.status().await, scene.tokens().await), (is(AuthStatus::Connected), 1));
        scene.service().server_check(&scene.owner, scene.id).await.unwrap();
        let sent = scene.peer.requests_at("/mcp").pop().unwrap();
        let token = sent.header("authorization").unwrap().trim_start_matches("Bearer ").to_owned();
        assert_eq!(scene.peer.family_of(&token), Some(1));
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "its refresh token, too");
    }
}
