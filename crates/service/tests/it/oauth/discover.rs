//! Discovery by a button (behaviour 4 and 8): what it would change is shown first; applied, it ends what belongs to the old provider.

use super::{Scene, connect, is, needs_reconnect, text};
use crate::bench::service;
use api::{
    oauth::DiscoverRequest,
    servers::{AuthStatus, ServerWrite},
};
use service::Error;
use std::time::Duration;
use testkit::{both_engines, fake_oauth::Meddle, wait::until};

const LOOK: DiscoverRequest = DiscoverRequest { apply: false, issuer: None, register_again: false };
pub(super) const APPLY: DiscoverRequest = DiscoverRequest { apply: true, ..LOOK };

fn fields(discovery: &api::oauth::Discovery) -> Vec<&str> {
    discovery.changes.iter().map(|change| change.field.as_str()).collect()
}

both_engines! {
    /// Threat 6: a look writes nothing and asks for no client; without changes nobody would lose anything.
    async fn a_look_changes_nothing(db: TestDb) {
        let scene = Scene::connected(db).await;
        let before = (scene.wire().await, scene.log().await.len(), scene.peer.registrations());
        let same = scene.service().server_discover(&scene.owner, scene.id, LOOK).await.unwrap();
        assert_eq!((fields(&same).len(), same.user_tokens, same.applied), (0, 0, false));
        assert_eq!((same.found.issuer.as_str(), same.found.registration.as_str()), (scene.peer.issuer().as_str(), "dcr"));
        assert!(same.candidates.iter().any(|candidate| candidate.used));
        scene.peer.change(|knobs| knobs.tenant = "/tenant1".to_owned());
        let moved = scene.service().server_discover(&scene.owner, scene.id, LOOK).await.unwrap();
        assert_eq!(fields(&moved), ["oauth2_client_id", "oauth2_issuer"]);
        assert_eq!((moved.changes[0].new.as_str(), moved.user_tokens, moved.applied), (Some("(new)"), 1, false));
        assert_eq!((scene.wire().await, scene.log().await.len(), scene.peer.registrations()), before);
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        let member = scene.member("ada").await;
        let forbidden = scene.service().server_discover(&member, scene.id, LOOK).await;
        assert!(matches!(forbidden, Err(Error::Forbidden(_))), "{forbidden:?}");
    }

    /// Protocol 14.11: another issuer gets a client of its own; the old grants end, and the old provider is told with the old client.
    async fn applied_it_moves_to_the_new_provider(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, old_client) = (scene.service(), scene.peer.clients()[0].id.clone());
        scene.peer.change(|knobs| knobs.tenant = "/tenant1".to_owned());
        let applied = service.server_discover(&scene.owner, scene.id, APPLY).await.unwrap();
        assert_eq!((applied.applied, applied.user_tokens), (true, 1));
        let wire = scene.wire().await;
        assert_eq!(wire.oauth2_issuer, Some(scene.peer.issuer()));
        assert!(wire.oauth2_issuer.unwrap().ends_with("/tenant1") && wire.oauth2_client_id != Some(old_client.clone()));
        assert_eq!((scene.status().await, scene.tokens().await), (is(AuthStatus::NotConnected), 0));
        until("the grant is given back", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        assert_eq!(scene.peer.families()[0].client_id, old_client);
        assert_eq!(scene.logged("server.discovered ok owner lab").await, 1);
        connect(service, &scene.owner, scene.id).await;
        let again = service.server_discover(&scene.owner, scene.id, APPLY).await.unwrap();
        assert_eq!((fields(&again).len(), again.user_tokens), (0, 0));
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "nothing changed, so nobody loses anything");
    }

    /// Behaviour 6: another endpoint of the same issuer keeps the client and ends the grants.
    async fn another_endpoint_keeps_the_client(db: TestDb) {
        let scene = Scene::connected(db).await;
        let patch = serde_json::json!({"token_endpoint": format!("{}?v=2", scene.peer.at("/token"))});
        scene.peer.change(|knobs| knobs.as_metadata = patch);
        let seen = scene.service().server_discover(&scene.owner, scene.id, LOOK).await.unwrap();
        assert_eq!((fields(&seen), seen.user_tokens), (vec!["oauth2_token_url"], 1));
        let applied = scene.service().server_discover(&scene.owner, scene.id, APPLY).await.unwrap();
        assert_eq!((applied.user_tokens, scene.peer.registrations()), (1, 1));
        connect(scene.service(), &scene.owner, scene.id).await;
        assert!(scene.peer.requests().last().is_some());
        assert_eq!(scene.peer.requests_at("/token").last().unwrap().target, "/token?v=2");
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
    }

    /// Behaviour 4: what was found for a server that somebody changed meanwhile is not stored; a client made for it is given back.
    async fn a_server_that_was_changed_meanwhile_is_left_alone(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.change(|knobs| knobs.tenant = "/tenant1".to_owned());
        scene.peer.meddle("/register", Meddle::late(Duration::from_secs(5)));
        let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
        let slow = tokio::spawn(async move { service.server_discover(&ctx, id, APPLY).await });
        until("the client is registered", || async { (scene.peer.registrations() == 2).then_some(()) }).await;
        let quick = ServerWrite { description: text("quicker"), ..ServerWrite::default() };
        scene.service().server_update(&scene.owner, scene.id, quick, None).await.unwrap();
        let overtaken = slow.await.unwrap();
        assert!(matches!(overtaken, Err(Error::Conflict { .. })), "{overtaken:?}");
        assert_eq!(scene.peer.clients().len(), 1);
        assert_eq!((scene.status().await, scene.wire().await.description.as_str()), (is(AuthStatus::Connected), "quicker"));
    }

    /// Protocol 14.5: a secret that ends soon is renewed before anybody is sent away with it, once.
    async fn a_secret_that_ends_is_renewed_before_a_sign_in(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ends = scene.bench.now().plus_seconds(600).0;
        // Whoever registered a moment ago goes on with what there is: no click asks for one more.
        scene.raw(&format!("UPDATE mcp_oauth_facts SET secret_expires_at = {ends}")).await;
        scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        assert_eq!((scene.peer.registrations(), scene.status().await), (1, super::is(api::servers::AuthStatus::Connected)));
        let before = scene.bench.now().plus_seconds(-7200).0;
        scene.raw(&format!("UPDATE mcp_oauth_facts SET registered_at = {before}")).await;
        let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        assert_eq!(scene.peer.registrations(), 2);
        let client = scene.wire().await.oauth2_client_id.unwrap();
        assert!(url.contains(&client), "the new client in the address: {url}");
        assert_eq!(scene.status().await, needs_reconnect("client_changed"));
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(scene.peer.registrations(), 2, "the new one does not end");
        assert_eq!(scene.logged("server.registered_anew ok").await, 1);
    }
}
