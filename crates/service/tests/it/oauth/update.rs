//! A server becomes one of type `oauth2` by an edit (behaviour 6, point 4): its provider is found before anything is written.

use super::{Scene, connect, is, server, status, text, tools};
use crate::bench::{Bench, service};
use api::{
    Uuid,
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use service::{Error, OpContext};
use std::time::Duration;
use testkit::{
    both_engines,
    fake_oauth::{Canned, FakeOauth, Meddle},
    wait::until,
};

fn to_oauth2() -> ServerWrite {
    ServerWrite { auth_type: text("oauth2"), ..ServerWrite::default() }
}

/// A server of type `none` in front of a provider.
async fn plain(db: testkit::TestDb) -> (Bench, FakeOauth, OpContext, Uuid) {
    let peer = FakeOauth::start(tools()).await;
    let bench = Bench::new(db).await;
    let (owner, _) = bench.signed_in("owner", Role::Owner).await;
    let write = ServerWrite { auth_type: text("none"), ..server("lab", &peer.url()) };
    let id = bench.service.server_create(&owner, write).await.unwrap().0.id;
    (bench, peer, owner, id)
}

both_engines! {
    /// Behaviour 6: without endpoints they are found, in the same edit.
    async fn an_edit_without_endpoints_finds_them(db: TestDb) {
        let (bench, peer, owner, id) = plain(db).await;
        let (wire, _) = bench.service.server_update(&owner, id, to_oauth2(), None).await.unwrap();
        assert_eq!((wire.oauth2_registration.as_deref(), wire.has_oauth2_secret), (Some("dcr"), true));
        assert_eq!(wire.oauth2_token_url, Some(peer.at("/token")));
        assert_eq!(wire.oauth2_client.unwrap().resource, peer.resource());
        connect(&bench.service, &owner, id).await;
        assert_eq!(status(&bench.service, &owner, id).await, is(AuthStatus::Connected));
    }

    /// Behaviour 6: what fails writes nothing.
    async fn an_edit_whose_provider_is_not_found_writes_nothing(db: TestDb) {
        let (bench, peer, owner, id) = plain(db).await;
        peer.change(|knobs| knobs.as_metadata = serde_json::json!({"code_challenge_methods_supported": null}));
        let before = bench.service.server_get(&owner, id).await.unwrap();
        let entries = bench.db.number("SELECT COUNT(*) FROM audit_log").await;
        bench.pass(1);
        let change = ServerWrite { description: text("new"), ..to_oauth2() };
        let error = bench.service.server_update(&owner, id, change, None).await.unwrap_err();
        assert!(matches!(&error, Error::Discovery { candidates, .. } if !candidates.is_empty()), "{error:?}");
        assert_eq!(bench.service.server_get(&owner, id).await.unwrap(), before);
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM audit_log").await, entries);
        assert!(peer.clients().is_empty());
    }

    /// Behaviour 4 and 6: an edit that was overtaken is stale, and the client that was made for it is given back.
    async fn an_edit_that_was_overtaken_gives_its_client_back(db: TestDb) {
        let (bench, peer, owner, id) = plain(db).await;
        peer.meddle("/register", Meddle::late(Duration::from_secs(5)));
        let (service, ctx) = (bench.service.clone(), owner.clone());
        let slow = tokio::spawn(async move { service.server_update(&ctx, id, to_oauth2(), None).await });
        until("the client is registered", || async { (peer.registrations() == 1).then_some(()) }).await;
        let quick = ServerWrite { description: text("quicker"), ..ServerWrite::default() };
        bench.service.server_update(&owner, id, quick, None).await.unwrap();
        let overtaken = slow.await.unwrap();
        assert!(matches!(overtaken, Err(Error::Stale)), "{overtaken:?}");
        assert!(peer.clients().is_empty(), "a client that nobody has is taken back");
        let wire = bench.service.server_get(&owner, id).await.unwrap().0;
        assert_eq!((wire.description.as_str(), wire.auth_type.as_str()), ("quicker", "none"));
    }

    /// Behaviour 5: a refused registration names its cause, and keeps what there was.
    async fn an_edit_whose_client_is_refused_keeps_the_old_type(db: TestDb) {
        let (bench, peer, owner, id) = plain(db).await;
        peer.meddle("/register", Meddle::instead(Canned::error(403, "access_denied", "canary")));
        let error = bench.service.server_update(&owner, id, to_oauth2(), None).await.unwrap_err();
        let Error::Discovery { message, manual, .. } = &error else { panic!("{error:?}") };
        assert!(!message.contains("canary") && manual.is_some(), "{message}");
        assert_eq!(bench.service.server_get(&owner, id).await.unwrap().0.auth_type.as_str(), "none");
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM mcp_oauth_facts WHERE found_at IS NOT NULL").await, 0);
    }

    /// Behaviour 6: another type takes the grants of all users along; their provider is told.
    async fn another_type_ends_every_grant(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        let change = ServerWrite { auth_type: text("none"), ..ServerWrite::default() };
        let (wire, _) = scene.service().server_update(&scene.owner, scene.id, change, None).await.unwrap();
        assert_eq!(wire.credentials_cleared.unwrap().user_tokens, 2);
        assert_eq!(scene.tokens().await, 0);
        until("the provider knows", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        assert_eq!(scene.logged("server.credentials_wiped ok owner lab").await, 1);
    }
}
