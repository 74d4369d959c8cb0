//! Many at once, on three processes that share one database: what may happen once happens once (threats 9, 13 and 95).

use super::{Scene, connect, consent, is, needs_reconnect, status, user_of};
use crate::bench::{Bench, service};
use api::{Uuid, servers::AuthStatus};
use chatd::{ServerSource as _, StepServer, TurnScope};
use futures::future::join_all;
use service::{OpContext, Service, Sources};
use std::{sync::Arc, time::Duration};
use testkit::{
    TestDb, both_engines,
    fake_oauth::{Canned, Meddle},
    wait::until,
};

/// Callbacks with one state.
const REPLAYS: usize = 1000;
/// Callers of one expired token on each process.
const CALLERS: usize = 200;
/// Times that it expires.
const ROUNDS: usize = 100;
/// Users whose tokens expire when the provider has forgotten us, and sign-ins that are under way then.
const RENEWALS: usize = 30;
const SIGN_INS: usize = 20;

/// The scene's own process and two more.
async fn three(scene: &Scene) -> [Bench; 2] {
    [scene.bench.replica(7).await, scene.bench.replica(8).await]
}

/// A turn that is about to call: the version of the credential that it is given. A database that is busy is asked again.
async fn caller(sources: Arc<Sources>, user: Uuid, id: Uuid) -> i64 {
    until("a caller has a token", || async {
        match sources.call_server(TurnScope::normal(user, &[id]), id).await {
            Ok(Some(StepServer { access: Ok(target), .. })) => Some(target.credential_version),
            _ => None,
        }
    })
    .await
}

/// Threat 95: each round one token request, whose token all use; a provider with reuse detection revokes nothing.
async fn refresh_race(scene: &Scene, processes: &[Arc<Sources>]) {
    scene.peer.meddle("/token", Meddle::slow(Duration::from_millis(50)));
    let user = user_of(&scene.owner);
    for round in 1..=ROUNDS {
        scene.raw("UPDATE mcp_user_tokens SET expires_at = 1, refresh_not_before = NULL").await;
        let callers = processes.iter().flat_map(|sources| (0..CALLERS).map(move |_| sources.clone()));
        let callers: Vec<_> = callers.map(|sources| tokio::spawn(caller(sources, user, scene.id))).collect();
        let versions: Vec<i64> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
        assert!(
            versions.iter().all(|version| *version == versions[0]),
            "all use the same token: {versions:?}"
        );
        assert_eq!(scene.refreshes(), round, "one request per round");
    }
    assert_eq!((scene.peer.live_families(), scene.peer.revoked_families()), (1, 0));
    assert_eq!(scene.peer.families()[0].rotations, ROUNDS + 1);
    scene.peer.honest("/token");
    scene.service().server_check(&scene.owner, scene.id).await.unwrap();
    assert_eq!(scene.status().await, is(AuthStatus::Connected));
}

/// Threat 95.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_three_processes_make_one_token_request() {
    let scene = Scene::connected(TestDb::postgres().await).await;
    let others = three(&scene).await;
    let processes = [&scene.bench.sources, &others[0].sources, &others[1].sources].map(Arc::clone);
    refresh_race(&scene, &processes).await;
}

/// Threat 95, on the engine that has one process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_on_sqlite_make_one_token_request() {
    let scene = Scene::connected(TestDb::sqlite().await).await;
    let processes = [Arc::clone(&scene.bench.sources)];
    refresh_race(&scene, &processes).await;
}

/// Threat 9: of a thousand callbacks with one state one makes an exchange, wherever they arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_replays_on_three_processes_make_one_exchange() {
    let scene = Scene::new(TestDb::postgres().await).await;
    let others = three(&scene).await;
    let services = [scene.service(), &others[0].service, &others[1].service];
    let query = consent(scene.service(), &scene.owner, scene.id).await;
    let replays: Vec<_> = (0..REPLAYS)
        .map(|number| {
            let (service, ctx, id) = (services[number % 3].clone(), scene.owner.clone(), scene.id);
            let query = query.clone();
            tokio::spawn(async move { service.oauth_callback(&ctx, id, query).await })
        })
        .collect();
    let answers: Vec<_> = join_all(replays).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!((scene.token_requests(), scene.peer.families().len()), (1, 1));
    assert_eq!((scene.peer.live_families(), scene.tokens().await), (1, 1));
    // 503: the database had too much to do to say more.
    let odd = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .find(|page| !matches!(page.status, 400 | 503));
    assert!(odd.is_none(), "{odd:?}");
    assert_eq!(status(&others[0].service, &scene.owner, scene.id).await, is(AuthStatus::Connected));
}

/// Signs in so many people and connects them.
async fn people(scene: &Scene, count: usize) -> Vec<OpContext> {
    let mut people = Vec::new();
    for number in 0..count {
        let person = scene.member(&format!("person{number}")).await;
        connect(scene.service(), &person, scene.id).await;
        people.push(person);
    }
    people
}

/// Threat 13: the provider forgets us while 30 renew and 20 sign in on these processes: one new registration, everybody connects anew.
async fn forgotten(scene: &Scene, services: &[Service]) {
    let people = people(scene, RENEWALS).await;
    let mut queries = Vec::new();
    for _ in 0..SIGN_INS {
        queries.push(consent(scene.service(), &scene.owner, scene.id).await);
    }
    scene.expire().await;
    scene.peer.forget_clients();
    let on = |number: usize| services[number % services.len()].clone();
    let renewals = people.iter().enumerate().map(|(number, person)| {
        let (service, ctx, id) = (on(number), person.clone(), scene.id);
        tokio::spawn(async move { drop(service.server_get(&ctx, id).await) })
    });
    let sign_ins = queries.into_iter().enumerate().map(|(number, query)| {
        let (service, ctx, id) = (on(number), scene.owner.clone(), scene.id);
        tokio::spawn(async move { assert!(service.oauth_callback(&ctx, id, query).await.is_err()) })
    });
    for done in join_all(renewals.chain(sign_ins).collect::<Vec<_>>()).await {
        done.unwrap();
    }
    for (number, person) in people.iter().enumerate() {
        until("everybody has to connect anew", || async {
            let found = on(number).server_get(person, scene.id).await.ok()?.0;
            ((found.auth_status, found.auth_status_reason) == needs_reconnect("client_changed")).then_some(())
        })
        .await;
    }
    assert_eq!((scene.peer.registrations(), scene.peer.clients().len()), (2, 1));
    assert_eq!(scene.logged("server.registered_anew ok").await, 1);
    // The same id in the way there and in the exchange.
    let before = (scene.token_requests(), scene.peer.requests_at("/register").len());
    connect(&on(1), &people[0], scene.id).await;
    assert_eq!(status(&on(2), &people[0], scene.id).await, is(AuthStatus::Connected));
    let client = scene.wire().await.oauth2_client_id.unwrap();
    assert_eq!(scene.peer.clients()[0].id, client);
    assert_eq!(scene.peer.families().last().unwrap().client_id, client);
    assert_eq!(scene.token_requests(), before.0 + 1, "what has ended is not tried any more");
    // Forgotten again within the hour: no loop.
    scene.peer.forget_clients();
    let query = consent_despite(scene, &people[1]).await;
    assert!(query.is_none(), "the provider sends nobody back for a client that it does not know");
    scene
        .raw("UPDATE mcp_user_tokens SET expires_at = 1, refresh_not_before = NULL WHERE failure = ''")
        .await;
    for _ in 0..5 {
        assert_eq!(status(&on(0), &people[0], scene.id).await, is(AuthStatus::ExpiredRefreshable));
        scene.pause_is_over().await;
    }
    assert_eq!((scene.peer.registrations(), scene.peer.requests_at("/register").len()), (2, before.1));
}

/// The provider's page, when it sends the browser back.
async fn consent_despite(scene: &Scene, person: &OpContext) -> Option<String> {
    let url = scene.service().oauth_connect(person, scene.id, None).await.unwrap();
    let shown = testkit::fake_oauth::browser::open(&url).await;
    shown.header("location").map(str::to_owned)
}

/// Threat 13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_forgot_us_is_asked_for_one_new_client_by_three_processes() {
    let scene = Scene::new(TestDb::postgres().await).await;
    let others = three(&scene).await;
    let services = [scene.service().clone(), others[0].service.clone(), others[1].service.clone()];
    forgotten(&scene, &services).await;
}

/// Threat 13, on the engine that has one process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_forgot_us_is_asked_for_one_new_client_on_sqlite() {
    let scene = Scene::new(TestDb::sqlite().await).await;
    let services = [scene.service().clone()];
    forgotten(&scene, &services).await;
}

both_engines! {
    /// Threat 13: a provider that forgot us and registers nobody is not asked by everybody, and nobody loses what they have.
    async fn a_refused_registration_ends_nothing(db: TestDb) {
        let scene = Scene::connected(db).await;
        let mut queries = Vec::new();
        for _ in 0..8 {
            queries.push(consent(scene.service(), &scene.owner, scene.id).await);
        }
        scene.expire().await;
        scene.peer.forget_clients();
        // Long enough for all to come while one is at it.
        scene.peer.meddle("/register", Meddle::instead(Canned::status(500)).after(Duration::from_secs(3)));
        let before = scene.peer.requests_at("/register").len();
        let returning = queries.into_iter().map(|query| scene.service().oauth_callback(&scene.owner, scene.id, query));
        for page in join_all(returning).await {
            assert_eq!(page.unwrap_err().status, 502);
        }
        // One, and at most one more of somebody who was late.
        let asked = scene.peer.requests_at("/register").len() - before;
        assert!((1..=2).contains(&asked), "{asked}");
        assert_eq!(scene.status().await, is(AuthStatus::ExpiredRefreshable));
        assert_eq!((scene.tokens().await, scene.logged("server.registered_anew").await), (1, 0));
    }
}
