//! A database that is busy for a moment when a provider has just given what it gives only once (threats 13 and 98): PostgreSQL gives up
//! waiting for a lock after three seconds, and what was given is stored all the same.

use super::{Scene, consent, is, needs_reconnect};
use api::servers::AuthStatus;
use std::time::Duration;
use store::mcp_servers::server_get_for_update;
use testkit::{TestDb, fake_oauth::Meddle, wait::until};

/// Between the answer of the provider and its storing there is time to take the lock.
const ANSWERS_AFTER: Duration = Duration::from_secs(2);
/// Longer than anybody waits for a lock.
const HELD: Duration = Duration::from_millis(5500);

/// Nobody can write the server for a while.
async fn hold(scene: &Scene) {
    let mut write = scene.bench.db.write().await.unwrap();
    server_get_for_update(&mut write, scene.id).await.unwrap().unwrap();
    tokio::time::sleep(HELD).await;
}

/// Threat 98: the code is spent, so its grant is stored when the database can again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_database_costs_no_sign_in() {
    let scene = Scene::new(TestDb::postgres().await).await;
    let query = consent(scene.service(), &scene.owner, scene.id).await;
    scene.peer.meddle("/token", Meddle::late(ANSWERS_AFTER));
    let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
    let returning = tokio::spawn(async move { service.oauth_callback(&ctx, id, query).await });
    until("the code is exchanged", || async { (scene.peer.live_families() == 1).then_some(()) }).await;
    hold(&scene).await;
    returning.await.unwrap().unwrap();
    assert_eq!((scene.status().await, scene.peer.live_families()), (is(AuthStatus::Connected), 1));
}

/// Threat 13: one new registration, which is stored when the database can again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_database_costs_no_new_client() {
    let scene = Scene::connected(TestDb::postgres().await).await;
    scene.expire().await;
    scene.peer.forget_clients();
    scene.peer.meddle("/register", Meddle::late(ANSWERS_AFTER));
    let (service, ctx, id) = (scene.service().clone(), scene.owner.clone(), scene.id);
    let reading = tokio::spawn(async move { service.server_get(&ctx, id).await });
    until("there is a new client", || async { (scene.peer.registrations() == 2).then_some(()) }).await;
    hold(&scene).await;
    reading.await.unwrap().unwrap();
    until("it is stored", || async {
        (scene.status().await == needs_reconnect("client_changed")).then_some(())
    })
    .await;
    assert_eq!((scene.peer.registrations(), scene.peer.clients().len()), (2, 1));
    assert_eq!(scene.wire().await.oauth2_client_id.as_deref(), Some(scene.peer.clients()[0].id.as_str()));
}
