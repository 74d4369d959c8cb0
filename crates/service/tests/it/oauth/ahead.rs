//! Renewals ahead of time (behaviour 10): for users whose chats were used lately, so that their turns do not wait.

use super::{Scene, connect, is, status};
use api::{
    chats::{ChatCreate, ChatStatus, InputPart},
    servers::{AuthStatus, ServerWrite},
};
use std::time::Duration;
use testkit::{
    both_engines,
    fake_oauth::{Canned, Knobs, Meddle},
    wait::until,
};

/// A chat with a turn that is over: one that still runs would use the chat at whatever time the test makes it by then.
async fn chats(scene: &Scene, ctx: &crate::bench::service::OpContext) {
    let request =
        ChatCreate { content: vec![InputPart::Text { text: "hi".to_owned() }], ..ChatCreate::default() };
    let chat = scene.service().chat_create(ctx, request, None).await.unwrap().chat.id;
    until("the turn is over", || async {
        let status = scene.service().chat_get(ctx, chat).await.unwrap().status;
        (status != ChatStatus::Running).then_some(())
    })
    .await;
}

async fn look(scene: &Scene) -> usize {
    scene.service().connections_look().await.unwrap();
    scene.refreshes()
}

both_engines! {
    /// Threat 97 and behaviour 10: what ends within five minutes is renewed for who chats, and only once.
    async fn who_chats_does_not_wait_for_a_renewal(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.bench.pass(3600 - 301);
        chats(&scene, &ada).await;
        assert_eq!(look(&scene).await, 0, "not so early");
        scene.bench.pass(301 - 170);
        for _ in 0..3 {
            assert_eq!(look(&scene).await, 1);
        }
        // Ada's, whose grant is the second one; the owner has no chat.
        let rotations: Vec<usize> = scene.peer.families().iter().map(|family| family.rotations).collect();
        assert_eq!(rotations, [1, 2]);
        scene.bench.pass(170);
        let before = scene.peer.requests().len();
        assert_eq!(status(scene.service(), &ada, scene.id).await, is(AuthStatus::Connected));
        assert_eq!(scene.peer.requests().len(), before, "hers is good for another hour");
    }

    /// Behaviour 10: chats of the day before, servers that are off, and what has failed a moment ago are left alone.
    async fn nobody_renews_for_nobody(db: TestDb) {
        let two_days = Knobs { access_lifetime: Duration::from_secs(2 * 24 * 3600), ..Knobs::default() };
        let scene = Scene::connected_with(db, two_days).await;
        chats(&scene, &scene.owner).await;
        scene.bench.pass(2 * 24 * 3600 - 100);
        assert_eq!(look(&scene).await, 0, "the chat is of the day before yesterday");
        chats(&scene, &scene.owner).await;
        let switch = |on| ServerWrite { enabled: Some(on), ..ServerWrite::default() };
        scene.service().server_update(&scene.owner, scene.id, switch(false), None).await.unwrap();
        assert_eq!(look(&scene).await, 0, "it is switched off");
        scene.service().server_update(&scene.owner, scene.id, switch(true), None).await.unwrap();
        scene.peer.meddle("/token", Meddle::instead(Canned::status(503)));
        for _ in 0..3 {
            assert_eq!(look(&scene).await, 1, "left alone after a failure");
        }
        assert_eq!(scene.status().await, is(AuthStatus::Connected), "it still has a minute");
        scene.peer.honest("/token");
        scene.pause_is_over().await;
        assert_eq!((look(&scene).await, look(&scene).await), (2, 2));
    }

    /// Behaviour 10: replicas do not all take the same token for due at the same moment. Each look draws when: five minutes ahead at the
    /// earliest and three at the latest.
    async fn replicas_do_not_renew_at_the_same_moment(db: TestDb) {
        let scene = Scene::connected(db).await;
        chats(&scene, &scene.owner).await;
        let others = [scene.bench.replica(7).await, scene.bench.replica(8).await];
        scene.peer.meddle("/token", Meddle::instead(Canned::status(503)));
        scene.bench.pass(3600 - 301);
        for (passes, what) in [(0, "before"), (61, "between"), (61, "after")] {
            scene.bench.pass(passes);
            let mut seen = Vec::new();
            for other in &others {
                seen.push(draws(&scene, &other.service).await);
            }
            let count = |one: &Vec<bool>| one.iter().filter(|due| **due).count();
            let counts: Vec<usize> = seen.iter().map(count).collect();
            match what {
                "before" => assert_eq!(counts, [0, 0]),
                "after" => assert_eq!(counts, [LOOKS, LOOKS]),
                _ => {
                    assert!(counts.iter().all(|due| 0 < *due && *due < LOOKS), "{seen:?}");
                    assert_ne!(seen[0], seen[1], "each draws its own");
                }
            }
        }
    }
}

/// Looks of one replica at one moment.
const LOOKS: usize = 24;

/// Whether the one token was due in each of so many looks; the provider renews nothing.
async fn draws(scene: &Scene, replica: &crate::bench::service::Service) -> Vec<bool> {
    let mut draws = Vec::new();
    for _ in 0..LOOKS {
        scene.pause_is_over().await;
        let before = scene.refreshes();
        replica.connections_look().await.unwrap();
        draws.push(scene.refreshes() > before);
    }
    draws
}
