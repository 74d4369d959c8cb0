//! Stored tokens that do not open (behaviour 10 and 26; threat 73): moved between users, servers, rows or columns, or sealed with a key that
//! is gone. Each is a state of its own connection, and none of them is ever sent.

use super::{Scene, connect, is, needs_reconnect, server, status, tools, user_of};
use crate::{
    bench::{Bench, service},
    keys::{NEW, OLD, joined, keys},
};
use api::{check::ConnectOutcome, servers::AuthStatus};
use chatd::{ServerSource as _, TurnScope};
use service::{OpContext, Rotation};
use testkit::{both_engines, fake_oauth::FakeOauth};

/// A token of `column` from the row of another user, server or column.
fn from(column: &str, user: &str, slug: &str) -> String {
    format!(
        "(SELECT s.{column} FROM saved s WHERE s.user_id = (SELECT id FROM users WHERE username = '{user}') \
         AND s.mcp_server_id = (SELECT id FROM mcp_servers WHERE slug = '{slug}'))"
    )
}

/// What is read of the owner's connection to `lab` is this.
async fn put(scene: &Scene, column: &str, value: &str) {
    let row = "user_id = (SELECT id FROM users WHERE username = 'owner') \
               AND mcp_server_id = (SELECT id FROM mcp_servers WHERE slug = 'lab')";
    scene.raw(&format!("UPDATE mcp_user_tokens SET {column} = {value} WHERE {row}")).await;
}

/// Nobody is sent anything, and the person is asked to connect again.
async fn is_of_no_use(scene: &Scene, what: &str) {
    let before = scene.peer.requests().len();
    assert_eq!(scene.status().await, needs_reconnect("undecryptable"), "{what}");
    let step = scene
        .bench
        .sources
        .call_server(TurnScope::normal(user_of(&scene.owner), &[scene.id]), scene.id)
        .await
        .unwrap()
        .unwrap();
    let unusable = step.access.unwrap_err();
    assert_eq!(unusable.outcome, ConnectOutcome::Skipped, "{what}");
    assert!(unusable.message.contains("cannot be read"), "{what}: {}", unusable.message);
    let listed = scene.service().connection_list(&scene.owner, scene.id, "owner").await.unwrap();
    assert!(listed.iter().all(|one| !one.last_error.is_empty()), "{what}");
    assert_eq!(scene.peer.requests().len(), before, "{what}");
}

both_engines! {
    /// Threat 73: a token that was put elsewhere does not open there, expired or not, and whoever connects again has one of their own.
    async fn tokens_that_were_swapped_never_open(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        let twin = scene.service().server_create(&scene.owner, server("twin", &scene.peer.url())).await.unwrap().0.id;
        connect(scene.service(), &ada, scene.id).await;
        connect(scene.service(), &scene.owner, twin).await;
        scene.raw("CREATE TABLE saved AS SELECT * FROM mcp_user_tokens").await;
        let mut tried = 0;
        for column in ["access_token", "refresh_token"] {
            let other = if column == "access_token" { "refresh_token" } else { "access_token" };
            for (from, what) in [
                (from(column, "ada", "lab"), "another user's"),
                (from(column, "owner", "twin"), "another server's"),
                (from(other, "owner", "lab"), "the other column's"),
                (from(other, "ada", "lab"), "another user's other column's"),
            ] {
                put(&scene, column, &from).await;
                is_of_no_use(&scene, &format!("{column} is {what}")).await;
                if column == "refresh_token" {
                    put(&scene, "expires_at", "1").await;
                    is_of_no_use(&scene, &format!("{column} is {what}, expired")).await;
                    put(&scene, "expires_at", &self::from("expires_at", "owner", "lab")).await;
                }
                put(&scene, column, &self::from(column, "owner", "lab")).await;
                assert_eq!(scene.status().await, is(AuthStatus::Connected), "as it was");
                tried += 1;
            }
        }
        // A whole row that is said to be another user's.
        let bob = scene.member("bob").await;
        put(&scene, "user_id", "(SELECT id FROM users WHERE username = 'bob')").await;
        assert_eq!((tried, scene.status().await), (8, is(AuthStatus::NotConnected)));
        assert_eq!(status(scene.service(), &bob, scene.id).await, needs_reconnect("undecryptable"));
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "and a new one opens");
        // Nobody else noticed.
        for (ctx, id) in [(&ada, scene.id), (&scene.owner, twin)] {
            assert_eq!(status(scene.service(), ctx, id).await, is(AuthStatus::Connected));
        }
    }

    /// Threat 73: a rotation of the keys opens every token at its place, and says which ones do not.
    async fn a_rotation_finds_tokens_that_were_swapped(db: TestDb) {
        joined(&db, &[OLD]).await.1.leave().await.unwrap();
        let scene = Scene::on(Bench::with_keys(db.clone(), &[OLD]).await, FakeOauth::start(tools()).await).await;
        connect(scene.service(), &scene.owner, scene.id).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.raw("CREATE TABLE saved AS SELECT * FROM mcp_user_tokens").await;
        put(&scene, "access_token", &from("refresh_token", "owner", "lab")).await;
        put(&scene, "refresh_token", &from("refresh_token", "ada", "lab")).await;
        let rotation = Rotation::begin(keys(&db, &[NEW, OLD]), OpContext::default()).await.unwrap();
        let done = rotation.run().await.unwrap();
        let mut failed: Vec<_> = done.failed.iter().map(|failure| failure.column.as_str()).collect();
        failed.sort_unstable();
        assert_eq!(failed, ["access_token", "refresh_token"]);
        assert_eq!(done.moved["mcp_user_tokens.access_token"], 1, "ada's went along");
    }

    /// Behaviour 10: sealed with a key that is gone, a token needs its user to connect again; the server and everybody else go on.
    async fn a_token_of_a_key_that_is_gone_is_asked_for_again(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        for column in ["access_token_key_id", "refresh_token_key_id"] {
            put(&scene, column, "'gone'").await;
            is_of_no_use(&scene, column).await;
            let listed = scene.service().server_list(&scene.owner, None, None).await.unwrap();
            assert_eq!((listed.len(), listed[0].auth_status, listed[0].auth_connected), (1, AuthStatus::NeedsReconnect, false));
            // Also a background that looks after connections leaves it alone.
            scene.expire().await;
            scene.service().connections_look().await.unwrap();
            assert_eq!(scene.refreshes(), 0);
            connect(scene.service(), &scene.owner, scene.id).await;
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
        }
        assert_eq!(scene.service().server_disconnect(&ada, scene.id).await.unwrap(), service::Revocation::Revoked);
    }
}
