//! Grants that end here (behaviour 10, protocol.md 14.13; threat 20): gone at once, then given back at the provider, three times at most.

use super::{Scene, connect, is, status, user_of};
use crate::bench::service;
use api::servers::{AuthStatus, ServerWrite};
use service::{Error, Revocation};
use testkit::{
    both_engines,
    fake_oauth::{Canned, Knobs, Meddle},
    wait::until,
};

const WAITING: &str = "SELECT COUNT(*) FROM mcp_revocations";

/// What was to be told becomes due.
async fn due(scene: &Scene) {
    scene.raw("UPDATE mcp_revocations SET next_try_at = 1").await;
    scene.service().connections_look().await.unwrap();
}

fn told(scene: &Scene) -> Vec<String> {
    let hint = |fields: Vec<(String, String)>| {
        fields.into_iter().find(|(name, _)| name == "token_type_hint").map(|(_, hint)| hint)
    };
    scene.peer.requests_at("/revoke").iter().filter_map(|request| hint(request.form())).collect()
}

both_engines! {
    /// Threat 20: the provider takes the refresh token back, with the client's own login; another time there is nothing.
    async fn a_grant_is_given_back(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        assert_eq!(service.server_disconnect(owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!((scene.peer.live_families(), told(&scene)), (0, vec!["refresh_token".to_owned()]));
        assert!(scene.peer.requests_at("/revoke")[0].header("authorization").unwrap().starts_with("Basic "));
        assert_eq!((scene.status().await, scene.tokens().await, scene.count(WAITING).await), (is(AuthStatus::NotConnected), 0, 0));
        for id in [scene.id, api::Uuid::nil()] {
            assert_eq!(service.server_disconnect(owner, id).await.unwrap(), Revocation::None);
        }
        assert!(matches!(service.server_disconnect(&service::OpContext::default(), scene.id).await, Err(Error::Unauthorized)));
        assert_eq!(scene.logged("connection.disconnected ok owner lab").await, 1);
        assert_eq!(scene.logged("connection.revoked ok owner lab").await, 1);
        // Also of a server that is not open to them any more.
        let ada = scene.member("ada").await;
        connect(service, &ada, scene.id).await;
        service.server_update(owner, scene.id, ServerWrite { enabled: Some(false), ..ServerWrite::default() }, None).await.unwrap();
        assert_eq!(service.server_disconnect(&ada, scene.id).await.unwrap(), Revocation::Revoked);
    }

    /// Threat 20: a provider that is down changes nothing here; it is told later, three times in all, by whichever process looks.
    async fn a_provider_that_is_down_is_told_three_times(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::instead(Canned::status(503).body("canary")));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        assert_eq!((scene.tokens().await, scene.count(WAITING).await, told(&scene).len()), (0, 1, 1));
        assert_eq!(scene.logged("connection.revoked failed owner lab").await, 1);
        scene.service().connections_look().await.unwrap();
        assert_eq!(told(&scene).len(), 1, "not at once");
        for tries in [2, 3, 3, 3] {
            due(&scene).await;
            assert_eq!(told(&scene).len(), tries);
        }
        scene.raw("UPDATE mcp_revocations SET created_at = created_at - 3700000000").await;
        scene.service().connections_look().await.unwrap();
        assert_eq!(scene.count(WAITING).await, 0, "and forgotten after an hour");
    }

    /// Threat 20: it is up again before that.
    async fn a_provider_that_comes_back_is_told(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::lose().times(1));
        scene.peer.meddle("/revoke", Meddle::instead(Canned::status(429)).times(1));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        // Who connects again meanwhile has another grant, and keeps it.
        connect(scene.service(), &scene.owner, scene.id).await;
        due(&scene).await;
        due(&scene).await;
        assert_eq!((told(&scene).len(), scene.count(WAITING).await), (3, 0));
        let revoked: Vec<bool> = scene.peer.families().iter().map(|family| family.revoked).collect();
        assert_eq!((revoked, scene.status().await), (vec![true, false], is(AuthStatus::Connected)));
    }

    /// Protocol 14.13: the access token only where there is no refresh token, or where that kind is not taken back.
    async fn the_access_token_is_given_back_where_nothing_else_can_be(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { refresh_tokens: false, ..Knobs::default() }).await;
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!(told(&scene), ["access_token"]);
        scene.peer.change(|knobs| knobs.refresh_tokens = true);
        connect(scene.service(), &scene.owner, scene.id).await;
        let refusal = Canned::error(400, "unsupported_token_type", "x");
        scene.peer.meddle("/revoke", Meddle::instead(refusal).only_with("token_type_hint=refresh_token"));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!(told(&scene), ["access_token", "refresh_token", "access_token"]);
    }

    /// Behaviour 10: a refusal is final, and where there is no endpoint nobody can be told.
    async fn a_refusal_is_final(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::instead(Canned::error(400, "invalid_request", "canary")));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        assert_eq!(scene.count(WAITING).await, 0);
        let patch = serde_json::json!({"revocation_endpoint": null});
        let silent = Scene::connected_with(testkit::TestDb::sqlite().await, Knobs { as_metadata: patch, ..Knobs::default() }).await;
        assert_eq!(silent.service().server_disconnect(&silent.owner, silent.id).await.unwrap(), Revocation::None);
        assert_eq!((silent.tokens().await, silent.count(WAITING).await), (0, 0));
    }

    /// Behaviour 4: an admin ends one connection or all of them, and sees how each stands.
    async fn an_admin_sees_and_ends_connections(db: TestDb) {
        let scene = Scene::connected(db).await;
        let service = scene.service();
        let (ada, bob) = (scene.member("ada").await, scene.member("bob").await);
        connect(service, &ada, scene.id).await;
        connect(service, &bob, scene.id).await;
        scene.peer.revoke_family(1);
        scene.expire().await;
        assert_eq!(status(service, &ada, scene.id).await.1, "refresh_rejected");
        assert_eq!(status(service, &bob, scene.id).await, is(AuthStatus::Connected));
        let listed = service.connection_list(&scene.owner, scene.id, "").await.unwrap();
        let seen: Vec<_> = listed.iter().map(|one| (one.username.as_str(), one.auth_status, one.last_error.is_empty())).collect();
        let expected = [
            ("ada", AuthStatus::NeedsReconnect, false),
            ("bob", AuthStatus::Connected, true),
            ("owner", AuthStatus::ExpiredRefreshable, true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(service.connection_list(&scene.owner, scene.id, "bob").await.unwrap().len(), 1);
        for attempt in [service.connection_remove(&ada, scene.id, user_of(&bob)).await, service.connection_remove_all(&ada, scene.id).await] {
            assert!(matches!(attempt, Err(Error::Forbidden(_))), "{attempt:?}");
        }
        service.connection_remove(&scene.owner, scene.id, user_of(&bob)).await.unwrap();
        until("bob's provider knows", || async { scene.peer.families()[2].revoked.then_some(()) }).await;
        assert_eq!((status(service, &bob, scene.id).await, scene.tokens().await), (is(AuthStatus::NotConnected), 2));
        service.connection_remove_all(&scene.owner, scene.id).await.unwrap();
        until("everybody's does", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        assert_eq!(scene.tokens().await, 0);
        // Of the one that had failed nothing was left to be told.
        assert_eq!(scene.peer.requests_at("/revoke").len(), 2);
        assert_eq!(scene.logged("connection.removed ok owner lab").await, 2);
    }

    /// Threat 20: a server that is removed gives back its grants first, and then its client, which the grants are given back with.
    async fn a_removed_server_gives_back_grants_and_client(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.peer.meddle("/revoke", Meddle::late(std::time::Duration::from_millis(300)));
        scene.service().server_delete(&scene.owner, scene.id, None).await.unwrap();
        until("the client is gone", || async { scene.peer.clients().is_empty().then_some(()) }).await;
        assert_eq!((scene.peer.live_families(), scene.peer.revoked_families()), (0, 2));
        let register = "SELECT COUNT(*) FROM mcp_oauth_facts";
        assert_eq!((scene.count(WAITING).await, scene.count(register).await, scene.tokens().await), (0, 0, 0));
    }

    /// Behaviour 6: with an account its grants go, at the provider as well.
    async fn a_removed_account_gives_back_its_grants(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        let id = ada.caller.unwrap().user.id.to_string();
        scene.service().user_delete(&scene.owner, &id).await.unwrap();
        until("the provider knows", || async { (scene.peer.revoked_families() == 1).then_some(()) }).await;
        assert_eq!((scene.peer.live_families(), scene.tokens().await), (1, 1), "the owner's stays");
    }
}
