//! What one process learned or did shows on the others at once: what they answer is read from the database each time (behaviour 10;
//! threats 20 and 97). PostgreSQL alone has others.

use super::{Scene, connect, is, needs_reconnect, status, text, tools, user_of};
use crate::bench::{Bench, service};
use api::{
    Uuid,
    check::ConnectOutcome,
    servers::{AuthStatus, ServerWrite},
};
use chatd::{ServerSource as _, TurnScope};
use domain::oauth::challenge::Challenge;
use service::{Error, OpContext};
use std::time::{Duration, Instant};
use testkit::{TestDb, fake_oauth::FakeOauth};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long anything may take to show elsewhere.
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(5);

/// Another process.
pub(super) struct Other {
    pub(super) bench: Bench,
    _following: DropGuard,
}

/// Follows what others change, as the server does it, until the answer is dropped.
async fn following(bench: &Bench) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(bench.follower().await.run(stop.clone()));
    stop.drop_guard()
}

/// Three processes at work on one database; on the first of them the owner has added a server and connected to it.
pub(super) async fn three_processes() -> (Scene, [Other; 2], DropGuard) {
    let bench = Bench::new(TestDb::postgres().await).await;
    // Before anything is sealed: until then the database knows no key.
    let first = following(&bench).await;
    let scene = Scene::on(bench, FakeOauth::start(tools()).await).await;
    connect(scene.service(), &scene.owner, scene.id).await;
    let others = [Other::of(&scene, 7).await, Other::of(&scene, 8).await];
    (scene, others, first)
}

impl Other {
    async fn of(scene: &Scene, seed: u64) -> Self {
        let bench = scene.bench.replica(seed).await;
        let following = following(&bench).await;
        Self { bench, _following: following }
    }

    async fn get(&self, ctx: &OpContext, id: Uuid) -> (AuthStatus, String) {
        status(&self.bench.service, ctx, id).await
    }

    async fn listed(&self, ctx: &OpContext, id: Uuid) -> Option<(AuthStatus, String)> {
        let all = self.bench.service.server_list(ctx, None, None).await.unwrap();
        let one = all.into_iter().find(|one| one.id == id)?;
        Some((one.auth_status, one.auth_status_reason))
    }

    /// Whether a turn of this user would be given something to call with.
    async fn dials(&self, ctx: &OpContext, id: Uuid) -> bool {
        let step = self.bench.sources.call_server(TurnScope::normal(user_of(ctx), &[id]), id).await.unwrap();
        step.is_some_and(|step| step.access.is_ok())
    }
}

/// The scene's process, two others, and a member who is connected as well.
struct Three {
    scene: Scene,
    others: [Other; 2],
    ada: OpContext,
    _following: DropGuard,
}

impl Three {
    async fn new() -> Self {
        let (scene, others, following) = three_processes().await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        let three = Self { scene, others, ada, _following: following };
        three.shows_to(&three.scene.owner, is(AuthStatus::Connected)).await;
        three.shows_to(&three.ada, is(AuthStatus::Connected)).await;
        three
    }

    /// Reading, listing and turns say so on the others, in time, without a request to the provider.
    async fn shows_to(&self, ctx: &OpContext, expected: (AuthStatus, String)) {
        let (began, asked) = (Instant::now(), self.scene.peer.requests_at("/token").len());
        for other in &self.others {
            assert_eq!(other.get(ctx, self.scene.id).await, expected);
            assert_eq!(other.listed(ctx, self.scene.id).await.as_ref(), Some(&expected));
            let usable = matches!(expected.0, AuthStatus::Connected | AuthStatus::NeedsPermission);
            assert_eq!(other.dials(ctx, self.scene.id).await, usable, "{expected:?}");
        }
        assert!(began.elapsed() < SHOWS_WITHIN, "{:?}", began.elapsed());
        assert_eq!(self.scene.peer.requests_at("/token").len(), asked, "nobody is asked for what is known");
    }

    async fn update(&self, change: ServerWrite) {
        self.scene.service().server_update(&self.scene.owner, self.scene.id, change, None).await.unwrap();
    }
}

/// Behaviour 10: a 401 that the server repeats ends the connection on every process; ada's stays, until hers is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_the_server_refused_is_refused_everywhere() {
    let three = Three::new().await;
    let (scene, owner) = (&three.scene, &three.scene.owner);
    scene.peer.change(|knobs| knobs.reject_tokens = true);
    let report = scene.service().server_check(owner, scene.id).await.unwrap();
    assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Error, AuthStatus::NeedsReconnect));
    three.shows_to(owner, needs_reconnect("rejected_by_server")).await;
    three.shows_to(&three.ada, is(AuthStatus::Connected)).await;
    // What another process learns shows here.
    let report = three.others[1].bench.service.server_check(&three.ada, scene.id).await.unwrap();
    assert_eq!(report.auth_status, AuthStatus::NeedsReconnect);
    three.shows_to(&three.ada, needs_reconnect("rejected_by_server")).await;
    assert_eq!(status(scene.service(), &three.ada, scene.id).await, needs_reconnect("rejected_by_server"));
    // And whoever connects again on one is connected on all.
    scene.peer.change(|knobs| knobs.reject_tokens = false);
    connect(&three.others[0].bench.service, owner, scene.id).await;
    three.shows_to(owner, is(AuthStatus::Connected)).await;
    assert_eq!(scene.status().await, is(AuthStatus::Connected));
}

/// Behaviour 10: a refresh token that the provider refused on one process is sent by no other, and all say why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_was_refused_is_refused_everywhere() {
    let three = Three::new().await;
    let (scene, owner) = (&three.scene, &three.scene.owner);
    scene.peer.revoke_family(0);
    scene.expire().await;
    assert_eq!(scene.status().await, needs_reconnect("refresh_rejected"));
    three.shows_to(owner, needs_reconnect("refresh_rejected")).await;
    // A provider that forgot us is learned the same way: one of them renews in vain, all say so.
    scene.peer.forget_clients();
    let ended = needs_reconnect("client_changed");
    assert_eq!(three.others[0].get(&three.ada, scene.id).await, ended);
    assert_eq!(status(scene.service(), &three.ada, scene.id).await, ended);
    three.shows_to(&three.ada, ended).await;
    let wire = three.others[1].bench.service.server_get(owner, scene.id).await.unwrap().0;
    assert_eq!(wire.oauth2_client_id, scene.wire().await.oauth2_client_id, "and all use the new client");
}

/// The provider knows the client that the admin entered, and ada connects with it.
async fn connect_by_hand(three: &Three) {
    let facts = three.scene.wire().await.oauth2_client.unwrap();
    three.scene.peer.enter_client("another", Some("s"), &facts.redirect_uri);
    connect(three.scene.service(), &three.ada, three.scene.id).await;
}

/// Behaviour 6: what an admin takes away, by an edit or by hand, is gone on every process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_admin_ends_is_ended_everywhere() {
    let three = Three::new().await;
    let (scene, owner) = (&three.scene, &three.scene.owner);
    scene.service().connection_remove(owner, scene.id, user_of(&three.ada)).await.unwrap();
    three.shows_to(&three.ada, is(AuthStatus::NotConnected)).await;
    three.shows_to(owner, is(AuthStatus::Connected)).await;
    // A client of another id: what was granted to the old one is not sent any more.
    three
        .update(ServerWrite {
            oauth2_client_id: text("another"),
            oauth2_client_secret: text("s"),
            ..ServerWrite::default()
        })
        .await;
    three.shows_to(owner, is(AuthStatus::NotConnected)).await;
    // Another origin, at whose provider everybody has to consent anew.
    let (moved, ada) = (FakeOauth::start(tools()).await, &three.ada);
    connect_by_hand(&three).await;
    three.shows_to(ada, is(AuthStatus::Connected)).await;
    three
        .update(ServerWrite {
            url: Some(moved.url()),
            oauth2_client_secret: text("s"),
            ..ServerWrite::default()
        })
        .await;
    three.shows_to(ada, is(AuthStatus::NotConnected)).await;
    // Switched off, it is there for nobody but admins.
    three.update(ServerWrite { enabled: Some(false), ..ServerWrite::default() }).await;
    for other in &three.others {
        let hidden = other.bench.service.server_get(&three.ada, scene.id).await;
        assert!(matches!(hidden, Err(Error::NotFound)), "{hidden:?}");
        assert_eq!(other.listed(&three.ada, scene.id).await, None);
        assert!(!other.dials(owner, scene.id).await);
    }
}

/// Behaviour 10: who disconnects, and who is asked for more, is so on every process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_and_a_question_show_everywhere() {
    let three = Three::new().await;
    let (scene, owner) = (&three.scene, &three.scene.owner);
    let challenge =
        Challenge { scope: text("notes:write"), error: text("insufficient_scope"), ..Challenge::default() };
    scene.bench.sources.permission_wanted(user_of(owner), scene.id, "write", &challenge).await.unwrap();
    three.shows_to(owner, (AuthStatus::NeedsPermission, "insufficient_scope".to_owned())).await;
    three.others[0].bench.service.permission_decline(owner, scene.id).await.unwrap();
    three.shows_to(owner, is(AuthStatus::Connected)).await;
    three.others[1].bench.service.server_disconnect(owner, scene.id).await.unwrap();
    three.shows_to(owner, is(AuthStatus::NotConnected)).await;
    assert_eq!(scene.status().await, is(AuthStatus::NotConnected));
    three.shows_to(&three.ada, is(AuthStatus::Connected)).await;
}
