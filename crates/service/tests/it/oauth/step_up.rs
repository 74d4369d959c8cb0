//! A server that wants more than was granted (protocol.md 14.10; threat 19): two questions an hour for a tool, then it stops.

use super::{Scene, connect, is, query_of, status, user_of};
use crate::bench::service;
use api::{check::ConnectOutcome, servers::AuthStatus};
use chatd::{PermissionAsk, ServerSource as _};
use domain::oauth::challenge::Challenge;
use service::Error;
use testkit::{
    both_engines,
    fake_oauth::{Knobs, approve, browser::parameters},
};

/// The owner's call of a tool was refused for want of these scopes.
async fn wanted(scene: &Scene, tool: &str, scopes: &str) -> PermissionAsk {
    let challenge = Challenge {
        scope: Some(scopes.to_owned()),
        error: Some("insufficient_scope".to_owned()),
        ..Challenge::default()
    };
    scene.bench.sources.permission_wanted(user_of(&scene.owner), scene.id, tool, &challenge).await.unwrap()
}

fn asks_for_more() -> (AuthStatus, String) {
    (AuthStatus::NeedsPermission, "insufficient_scope".to_owned())
}

async fn scope_of_connect(scene: &Scene) -> String {
    let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
    parameters(&url)["scope"].clone()
}

both_engines! {
    /// Threat 19: twice for a tool, whatever it asks for; another tool is another question.
    async fn a_tool_makes_its_user_be_asked_twice_an_hour(db: TestDb) {
        let scene = Scene::connected(db).await;
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Asked);
        assert_eq!(wanted(&scene, "write", "notes:delete").await, PermissionAsk::Asked);
        for scopes in ["notes:write", "notes:delete", "notes:other"] {
            assert_eq!(wanted(&scene, "write", scopes).await, PermissionAsk::Exhausted);
        }
        assert_eq!(wanted(&scene, "other", "notes:write").await, PermissionAsk::Asked);
        scene.raw("UPDATE mcp_step_ups SET window_started_at = window_started_at - 3600000000").await;
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Asked);
        assert_eq!((scene.status().await, scene.token_requests()), (asks_for_more(), 1), "nobody was asked behind the person's back");
    }

    /// Behaviour 10: the server stays in use meanwhile; Connect asks for what there was and what is wanted, and that settles it.
    async fn a_grant_of_more_settles_it(db: TestDb) {
        let scene = Scene::connected(db).await;
        assert_eq!(wanted(&scene, "write", "notes:write mcp:tools").await, PermissionAsk::Asked);
        assert_eq!((scene.status().await, scene.wire().await.auth_connected), (asks_for_more(), false));
        assert_eq!(scene.service().server_check(&scene.owner, scene.id).await.unwrap().outcome, ConnectOutcome::Connected);
        let member = scene.member("ada").await;
        assert_eq!(status(scene.service(), &member, scene.id).await, is(AuthStatus::NotConnected));
        assert_eq!(scope_of_connect(&scene).await, "mcp:tools offline_access notes:write");
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        assert_eq!(scene.peer.families()[1].scope, "mcp:tools offline_access notes:write");
        // It has that now: a server that still wants it asks in vain.
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Exhausted);
        assert_eq!(wanted(&scene, "write", "").await, PermissionAsk::Exhausted);
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        // A renewal keeps what was granted.
        scene.expire().await;
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Exhausted);
    }

    /// Threat 19: a provider that never grants what its server wants, or a server that wants something else after each grant, makes no
    /// loop: two questions, however often the person connects.
    async fn a_grant_does_not_begin_the_count_anew(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { granted_scope: Some("mcp:tools".to_owned()), ..Knobs::default() }).await;
        let mut asked = 0;
        for round in 0..6 {
            match wanted(&scene, "write", "notes:write").await {
                PermissionAsk::Asked => asked += 1,
                PermissionAsk::Exhausted => assert!(round >= 2, "twice it may ask"),
                PermissionAsk::Declined => panic!("nobody declined"),
            }
            connect(scene.service(), &scene.owner, scene.id).await;
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
        }
        assert_eq!(asked, 2);
        scene.peer.change(|knobs| knobs.granted_scope = None);
        for number in 0..6 {
            asked += usize::from(wanted(&scene, "delete", &format!("notes:{number}")).await == PermissionAsk::Asked);
            connect(scene.service(), &scene.owner, scene.id).await;
        }
        assert_eq!(asked, 4, "two for each tool");
    }

    /// Behaviour 10: "not now" is remembered for what was asked, and leaves what was granted; whoever connects anew may be asked anew.
    async fn a_no_is_remembered(db: TestDb) {
        let scene = Scene::connected(db).await;
        let decline = async || scene.service().permission_decline(&scene.owner, scene.id).await;
        assert!(matches!(decline().await, Err(Error::NotFound)), "nothing is asked for");
        wanted(&scene, "write", "notes:write").await;
        decline().await.unwrap();
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
        for _ in 0..3 {
            assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Declined);
            assert_eq!(scene.status().await, is(AuthStatus::Connected), "nothing is asked for");
        }
        assert_eq!(scope_of_connect(&scene).await, "mcp:tools offline_access");
        let anybody = service::OpContext::default();
        assert!(matches!(scene.service().permission_decline(&anybody, scene.id).await, Err(Error::Unauthorized)));
        connect(scene.service(), &scene.owner, scene.id).await;
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Asked, "the second question of this hour");
        assert_eq!(wanted(&scene, "write", "notes:other").await, PermissionAsk::Exhausted);
    }

    /// Threat 19: what is no scope is not asked for, and whoever has no connection is not asked.
    async fn nonsense_is_asked_of_nobody(db: TestDb) {
        let scene = Scene::connected(db).await;
        for scopes in ["\u{202e}\"", "  ", "mcp:tools"] {
            assert_eq!(wanted(&scene, "write", scopes).await, PermissionAsk::Exhausted, "{scopes}");
        }
        assert_eq!(scene.count("SELECT COUNT(*) FROM mcp_step_ups").await, 0);
        scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap();
        assert_eq!(wanted(&scene, "write", "notes:write").await, PermissionAsk::Exhausted);
        // An attacker's answer to a question that was never asked changes nothing.
        let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
        scene.service().oauth_callback(&scene.owner, scene.id, query_of(&approve(&url).await)).await.unwrap();
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
    }
}
