//! Nothing that opens a door is in the audit log or in any text for people (behaviour 26 and 27; threats 66 and 72).

use super::{Scene, connect, consent, refused, server, text, user_of};
use crate::bench::service;
use api::servers::ServerWrite;
use chatd::{ServerSource as _, TurnScope};
use domain::oauth::challenge::Challenge;
use service::CallbackQuery;
use testkit::{
    both_engines,
    fake_oauth::{Canned, FakeOauth, Meddle},
};

/// Everything secret that passed between Patchbay and this provider.
fn secrets(peer: &FakeOauth) -> Vec<String> {
    let clients = peer.clients();
    let mut all: Vec<String> =
        clients.into_iter().flat_map(|client| [client.secret, client.registration_token]).flatten().collect();
    for request in peer.requests() {
        let named = ["code", "code_verifier", "refresh_token", "token", "client_secret"];
        all.extend(
            request
                .form()
                .into_iter()
                .filter(|(name, _)| named.contains(&name.as_str()))
                .map(|(_, value)| value),
        );
        all.extend(request.query().into_iter().filter(|(name, _)| name == "state").map(|(_, value)| value));
        all.extend(
            request.header("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned()),
        );
    }
    all.sort();
    all.dedup();
    all
}

both_engines! {
    /// Threats 66 and 72: a whole life of a connection, and then every text is searched.
    async fn no_text_holds_a_secret(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, owner, peer) = (scene.service(), &scene.owner, &scene.peer);
        let mut told = Vec::new();
        told.push(format!("{:?}", service.server_check(owner, scene.id).await.unwrap()));
        scene.expire().await;
        told.push(format!("{:?}", scene.wire().await));
        let canary = || Canned::error(400, "invalid_grant", "canary at-0-9 rt-0-9");
        // Refused callbacks.
        let query = consent(service, owner, scene.id).await;
        told.push(format!("{:?}", refused(service, owner, scene.id, CallbackQuery { iss: Some("https://evil.example".to_owned()), ..query }).await));
        peer.meddle("/token", Meddle::instead(canary()));
        let query = consent(service, owner, scene.id).await;
        told.push(format!("{:?}", refused(service, owner, scene.id, query.clone()).await));
        told.push(format!("{:?}", refused(service, owner, scene.id, query).await));
        scene.expire().await;
        told.push(format!("{:?}", scene.wire().await));
        peer.honest("/token");
        told.push(format!("{:?}", service.connection_list(owner, scene.id, "").await.unwrap()));
        // Ended by the server, registered anew, discovered, disconnected.
        connect(service, owner, scene.id).await;
        let version = scene.credential_version().await;
        let next = scene.bench.sources.credential_refused(TurnScope::normal(user_of(owner), &[]), scene.id, version, Some(&Challenge::default())).await.unwrap();
        told.push(format!("{next:?}"));
        peer.forget_clients();
        scene.expire().await;
        told.push(format!("{:?}", scene.wire().await));
        connect(service, owner, scene.id).await;
        told.push(format!("{:?}", service.server_discover(owner, scene.id, crate::oauth::discover::APPLY).await.unwrap()));
        peer.meddle("/revoke", Meddle::instead(canary()));
        told.push(format!("{:?}", service.server_disconnect(owner, scene.id).await.unwrap()));
        peer.meddle("/register", Meddle::instead(canary()));
        told.push(format!("{:?}", service.server_create(owner, server("twin", &peer.url())).await.unwrap_err()));
        let half = ServerWrite { oauth2_client_secret: text("canary of mine"), ..server("half", &peer.url()) };
        told.push(format!("{:?}", service.server_create(owner, half).await.unwrap_err()));
        let log = scene.log().await;
        for action in [
            "connection.connected ok", "connection.disconnected ok", "connection.ended failed", "connection.revoked failed",
            "connection.issuer_refused denied", "connection.exchange_failed denied", "server.discovered ok", "server.registered_anew ok",
            "server.create ok",
        ] {
            assert!(log.iter().any(|line| line.starts_with(action)), "{action} is missing in {log:#?}");
        }
        told.extend(log);
        let everything = told.join("\n");
        let secrets = secrets(peer);
        assert!(secrets.len() > 20, "there was something to find: {secrets:?}");
        for secret in secrets.iter().map(String::as_str).chain(["canary", "at-0-", "rt-0-", "s+3cr%t", "code-"]) {
            assert!(!everything.contains(secret), "{secret} in {everything}");
        }
    }

    /// Behaviour 26: at rest nothing of it can be read.
    async fn nothing_is_stored_in_the_clear(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::instead(Canned::status(503)));
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.service().server_disconnect(&ada, scene.id).await.unwrap();
        consent(scene.service(), &ada, scene.id).await;
        for (table, column) in [
            ("mcp_user_tokens", "access_token"), ("mcp_user_tokens", "refresh_token"), ("mcp_servers", "oauth2_client_secret"),
            ("mcp_oauth_facts", "registration_token"), ("mcp_oauth_flows", "verifier"), ("mcp_oauth_flows", "state_hash"),
            ("mcp_revocations", "refresh_token"), ("mcp_revocations", "access_token"), ("mcp_revocations", "client_secret"),
        ] {
            let hex = if scene.bench.db.is_postgres() { format!("encode({column}, 'hex')") } else { format!("lower(hex({column}))") };
            let stored = scene.bench.db.texts(&format!("SELECT {hex} FROM {table} WHERE {column} IS NOT NULL")).await;
            assert_eq!(stored.len(), 1, "{table}.{column}");
            for secret in secrets(&scene.peer).iter().map(String::as_str).chain(["at-", "rt-"]) {
                let plain: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(plain.len() < 12 || !stored[0].contains(&plain), "{table}.{column}");
            }
        }
    }
}
