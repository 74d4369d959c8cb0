//! What people see of their own sign-in (protocol.md 14.8 and 14.9, R8): what was granted, whether it lasts, and that it is being renewed.

use super::{Scene, connect, is, user_of};
use api::{oauth::OwnConnection, servers::AuthStatus};
use chatd::ServerSource as _;
use domain::oauth::challenge::Challenge;
use serde_json::json;
use testkit::{
    both_engines,
    fake_oauth::{Canned, Knobs, Meddle},
};

async fn own(scene: &Scene) -> Option<OwnConnection> {
    scene.wire().await.connection
}

both_engines! {
    /// Protocol 14.8: the granted scopes, and that it stays; nobody else sees it, and it ends with the connection.
    async fn people_see_what_was_granted(db: TestDb) {
        let scene = Scene::with(db, Knobs::default()).await;
        assert_eq!(own(&scene).await, None);
        connect(scene.service(), &scene.owner, scene.id).await;
        let seen = own(&scene).await.unwrap();
        assert_eq!(seen.scopes, scene.peer.families()[0].scope);
        let ends = scene.bench.now().plus_seconds(3600);
        assert_eq!((seen.renews, seen.retrying, seen.expires_at, seen.wanted_scopes.as_str()), (true, false, Some(ends), ""));
        let ada = scene.member("ada").await;
        assert_eq!(scene.service().server_get(&ada, scene.id).await.unwrap().0.connection, None);
        let challenge = Challenge { scope: Some("notes:write".to_owned()), error: Some("insufficient_scope".to_owned()), ..Challenge::default() };
        scene.bench.sources.permission_wanted(user_of(&scene.owner), scene.id, "write", &challenge).await.unwrap();
        assert_eq!(own(&scene).await.unwrap().wanted_scopes, "notes:write");
        scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap();
        assert_eq!(own(&scene).await, None);
    }

    /// Protocol 14.8: without a refresh token it lasts as long as the access token.
    async fn people_see_when_they_will_be_asked_again(db: TestDb) {
        let patch = json!({"refresh_token": null, "expires_in": 3600});
        let scene = Scene::connected_with(db, Knobs { token_answer: patch, ..Knobs::default() }).await;
        let seen = own(&scene).await.unwrap();
        assert_eq!((seen.renews, seen.expires_at), (false, Some(scene.bench.now().plus_seconds(3600))));
    }

    /// Protocol R8: a renewal that failed for now is said to be tried again, until it works.
    async fn people_see_that_a_renewal_is_tried_again(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/token", Meddle::instead(Canned::status(503)).times(1));
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::ExpiredRefreshable));
        assert!(own(&scene).await.unwrap().retrying);
        scene.pause_is_over().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        assert!(!own(&scene).await.unwrap().retrying);
    }
}
