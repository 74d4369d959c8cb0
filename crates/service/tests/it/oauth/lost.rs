//! Answers that are lost: the connection breaks, or the process dies between the answer and the commit (threat 96).

use super::{Scene, connect, is, needs_reconnect};
use api::servers::AuthStatus;
use testkit::{
    both_engines,
    fake_oauth::{Knobs, Meddle},
};

/// The provider took so many refresh requests of a process that died before it could store an answer.
async fn died(scene: &Scene, sends: u32) {
    scene.expire().await;
    let sql = format!(
        "UPDATE mcp_user_tokens SET refresh_sends = {sends}, refresh_lease_id = id, refresh_lease_until = 1, refresh_failures = 0"
    );
    scene.raw(&sql).await;
}

/// The provider renewed, and nobody here knows of it: as after a crash.
async fn lost(scene: &Scene) {
    scene.peer.meddle("/token", Meddle::lose().times(1));
    scene.expire().await;
    assert_eq!(scene.status().await, is(AuthStatus::ExpiredRefreshable));
    died(scene, 1).await;
}

both_engines! {
    /// Threat 96: the old refresh token is tried once more; a provider that forgives goes on.
    async fn a_lost_answer_is_asked_for_once_more(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { reuse_detection: false, ..Knobs::default() }).await;
        lost(&scene).await;
        let sent = scene.refreshes();
        assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::Connected), sent + 1));
        assert_eq!(scene.count("SELECT refresh_sends FROM mcp_user_tokens").await, 0);
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "and goes on");
    }

    /// Threat 96: a strict provider ends the grant at the retry: one prompt, and no more requests.
    async fn a_strict_provider_makes_one_prompt_of_it(db: TestDb) {
        let scene = Scene::connected(db).await;
        lost(&scene).await;
        let sent = scene.refreshes();
        for _ in 0..5 {
            scene.pause_is_over().await;
            assert_eq!((scene.status().await, scene.refreshes()), (needs_reconnect("refresh_rejected"), sent + 1));
        }
        assert_eq!(scene.logged("connection.ended failed").await, 1);
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
    }

    /// Threat 96: a process that dies at the retry, too, leaves a prompt and no third request.
    async fn two_lost_answers_are_enough(db: TestDb) {
        let scene = Scene::connected(db).await;
        died(&scene, 2).await;
        for _ in 0..5 {
            assert_eq!((scene.status().await, scene.refreshes()), (needs_reconnect("refresh_rejected"), 0));
        }
        let listed = scene.service().connection_list(&scene.owner, scene.id, "").await.unwrap().remove(0);
        assert!(listed.last_error.contains("lost"), "{}", listed.last_error);
    }

    /// Threats 95 and 96: while somebody holds the lease, nobody else sends anything; who is dead holds it no longer than it runs.
    async fn a_lease_of_a_dead_process_runs_out(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.expire().await;
        scene.raw("UPDATE mcp_user_tokens SET refresh_lease_id = id, refresh_lease_until = 9000000000000000, refresh_sends = 1").await;
        assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::ExpiredRefreshable), 0));
        scene.raw("UPDATE mcp_user_tokens SET refresh_lease_until = 1").await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        assert_eq!((scene.refreshes(), scene.peer.live_families()), (1, 1));
    }

    /// Behaviour 10: a connection that breaks is no crash: it may pass, and is tried again with pauses, without a prompt.
    async fn broken_connections_may_pass(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { reuse_detection: false, ..Knobs::default() }).await;
        scene.peer.meddle("/token", Meddle::lose().times(4));
        scene.expire().await;
        for sent in 1..=4 {
            assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::ExpiredRefreshable), sent));
            assert_eq!((scene.status().await, scene.refreshes()), (is(AuthStatus::ExpiredRefreshable), sent), "left alone");
            scene.pause_is_over().await;
        }
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
    }
}
