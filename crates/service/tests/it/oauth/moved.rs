//! A server's URL moves (behaviour 6, point 5; threat 11): credentials belong to where they were meant for.

use super::{Scene, connect, is, needs_reconnect, server, text, tools};
use crate::bench::{Bench, service};
use api::{
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use service::Error;
use testkit::{both_engines, fake_oauth::FakeOauth, wait::until};

fn to_url(url: &str) -> ServerWrite {
    ServerWrite { url: text(url), ..ServerWrite::default() }
}

/// Everything that the old provider gave or knows.
fn credentials(old: &FakeOauth) -> Vec<String> {
    let mut all: Vec<String> =
        old.clients().into_iter().flat_map(|client| [Some(client.id), client.secret]).flatten().collect();
    for request in old.requests() {
        all.extend(
            request
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "))
                .map(str::to_owned),
        );
        all.extend(
            request
                .form()
                .into_iter()
                .filter(|(name, _)| name == "refresh_token" || name == "token")
                .map(|(_, value)| value),
        );
    }
    all
}

both_engines! {
    /// Threat 11: at a new origin tokens are gone, the client is another, and nothing of the old one arrives there.
    async fn another_origin_gets_nothing_of_the_old_one(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let ada = scene.member("ada").await;
        connect(service, &ada, scene.id).await;
        service.server_check(owner, scene.id).await.unwrap();
        scene.expire().await;
        scene.status().await;
        let new = FakeOauth::start(tools()).await;
        let (wire, _) = service.server_update(owner, scene.id, to_url(&new.url()), None).await.unwrap();
        let cleared = wire.credentials_cleared.unwrap();
        assert_eq!(cleared.user_tokens, 2);
        assert!(cleared.fields.contains(&"oauth2_client_secret".to_owned()), "{cleared:?}");
        assert_eq!((wire.oauth2_issuer, wire.auth_status), (Some(new.issuer()), AuthStatus::NotConnected));
        assert_eq!(wire.oauth2_token_url, Some(new.at("/token")));
        assert_eq!(wire.oauth2_client_id.as_deref(), Some(new.clients()[0].id.as_str()));
        until("the old provider knows", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        connect(service, owner, scene.id).await;
        service.server_check(owner, scene.id).await.unwrap();
        for credential in credentials(&scene.peer) {
            assert!(new.saw(&credential).is_empty(), "{credential} went to the new origin");
        }
        assert_eq!(scene.logged("server.credentials_wiped ok owner lab").await, 1);
        assert_eq!(service.connection_list(owner, scene.id, "").await.unwrap().len(), 1, "the other one has to consent anew");
    }

    /// Threat 11: of a client made by hand the secret has to be entered again; until then nobody is sent anywhere.
    async fn a_secret_by_hand_is_entered_again(db: TestDb) {
        let peer = FakeOauth::start(tools()).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let by_hand = ServerWrite {
            oauth2_client_id: text("ours"), oauth2_client_secret: text("canary-by-hand"), oauth2_auth_url: Some(peer.at("/authorize")),
            oauth2_token_url: Some(peer.at("/token")), oauth2_issuer: Some(peer.issuer()), ..server("lab", &peer.url())
        };
        let (made, _) = bench.service.server_create(&owner, by_hand).await.unwrap();
        peer.enter_client("ours", Some("canary-by-hand"), &made.oauth2_client.unwrap().redirect_uri);
        connect(&bench.service, &owner, made.id).await;
        let new = FakeOauth::start(tools()).await;
        let (wire, _) = bench.service.server_update(&owner, made.id, to_url(&new.url()), None).await.unwrap();
        assert_eq!((wire.auth_status, wire.has_oauth2_secret), (AuthStatus::Misconfigured, false));
        let cleared = wire.credentials_cleared.unwrap();
        assert_eq!((cleared.user_tokens, cleared.fields), (1, vec!["oauth2_client_secret".to_owned()]));
        let sent = bench.service.oauth_connect(&owner, made.id, None).await;
        assert!(matches!(sent, Err(Error::Invalid { .. })), "{sent:?}");
        bench.service.server_check(&owner, made.id).await.unwrap();
        assert!(new.requests().is_empty(), "nobody went there");
        let again = ServerWrite { oauth2_client_secret: text("canary-by-hand"), ..ServerWrite::default() };
        let (wire, _) = bench.service.server_update(&owner, made.id, again, None).await.unwrap();
        assert_eq!(wire.auth_status, AuthStatus::NotConnected);
    }

    /// Behaviour 6: another path of the same origin keeps the client, and only grants whose resource does not fit go.
    async fn another_path_keeps_what_still_fits(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let (wire, _) = service.server_update(owner, scene.id, to_url(&format!("{}/deeper", scene.peer.url())), None).await.unwrap();
        assert_eq!(wire.credentials_cleared.unwrap().user_tokens, 0);
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        let (wire, _) = service.server_update(owner, scene.id, to_url(&scene.peer.at("/other")), None).await.unwrap();
        assert_eq!((wire.credentials_cleared.unwrap().user_tokens, wire.has_oauth2_secret), (1, true));
        assert_eq!((scene.status().await, scene.tokens().await), (is(AuthStatus::NotConnected), 0));
        until("the provider knows", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        // What was published for the old path is not asked for any more.
        let sent = service.oauth_connect(owner, scene.id, None).await.unwrap();
        let asked = testkit::fake_oauth::browser::parameters(&sent)["resource"].clone();
        assert_eq!(asked, scene.peer.at("/other"));
    }

    /// Behaviour 6: a new origin whose provider is not found leaves all as it was.
    async fn a_move_that_fails_takes_nothing_away(db: TestDb) {
        let scene = Scene::connected(db).await;
        let gone = FakeOauth::start(tools()).await;
        let url = gone.url();
        gone.stop();
        let failed = scene.service().server_update(&scene.owner, scene.id, to_url(&url), None).await;
        assert!(matches!(failed, Err(Error::Discovery { .. })), "{failed:?}");
        assert_eq!((scene.status().await, scene.wire().await.url), (is(AuthStatus::Connected), scene.peer.url()));
        assert_eq!(scene.peer.live_families(), 1);
    }

    /// Threat 11: what a token was issued to is compared where it is used, not only where it is wiped.
    async fn a_token_of_another_client_is_not_sent(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.service().server_check(&scene.owner, scene.id).await.unwrap();
        let sent = scene.peer.requests_at("/mcp").len();
        for change in ["client_id = 'another'", "issuer = 'https://id.evil.example'", "resource = 'https://evil.example/mcp'", "token_url = 'https://evil.example/token'"] {
            scene.raw(&format!("UPDATE mcp_user_tokens SET {change}, expires_at = 1")).await;
            assert_eq!(scene.status().await, needs_reconnect("client_changed"), "{change}");
            scene.service().server_check(&scene.owner, scene.id).await.unwrap();
            connect(scene.service(), &scene.owner, scene.id).await;
        }
        assert_eq!((scene.peer.requests_at("/mcp").len(), scene.refreshes()), (sent, 0));
    }
}
