//! A server that refuses a credential that looked good, at *Test connection* and *Try a tool* (protocol.md R3): one renewal, one retry, and
//! then the truth.

use super::{Scene, connect, is, needs_reconnect, status};
use crate::bench::service;
use api::{
    check::{CheckReport, ConnectOutcome},
    messages::ToolOutcome,
    servers::AuthStatus,
    tools::{ToolTried, ToolTry},
};
use service::Error;
use std::collections::BTreeSet;
use testkit::{
    both_engines,
    fake_oauth::{Canned, Meddle},
};

impl Scene {
    async fn check(&self) -> CheckReport {
        self.service().server_check(&self.owner, self.id).await.unwrap()
    }

    async fn try_tool(&self) -> Result<ToolTried, Error> {
        let arguments = serde_json::Map::from_iter([("text".to_owned(), "x".into())]);
        let call = ToolTry { arguments, definition_hash: None };
        self.service().tool_call(&self.owner, self.id, "notes", call).await
    }

    /// Tokens that the server was sent since `from`, each once.
    fn tokens_sent(&self, from: usize) -> usize {
        let sent = self.peer.requests_at("/mcp").into_iter().skip(from);
        let tokens = sent.filter_map(|request| request.header("authorization").map(str::to_owned));
        tokens.collect::<BTreeSet<_>>().len()
    }

    fn sent(&self) -> usize {
        self.peer.requests_at("/mcp").len()
    }
}

both_engines! {
    /// Protocol R3: a check renews what was refused, once, and goes on with what it got.
    async fn a_check_renews_what_was_refused(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.expire_access_tokens();
        let from = scene.sent();
        let report = scene.check().await;
        assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Connected, AuthStatus::Connected));
        assert_eq!((scene.refreshes(), scene.tokens_sent(from)), (1, 2), "the old one, then the new one");
        assert_eq!(scene.status().await, is(AuthStatus::Connected));
    }

    /// Protocol R3: refused twice, a check says so, and neither it nor anybody else tries once more.
    async fn a_check_that_is_refused_twice_ends_the_connection(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.change(|knobs| knobs.reject_tokens = true);
        let from = scene.sent();
        let report = scene.check().await;
        assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Error, AuthStatus::NeedsReconnect));
        assert!(!report.error.is_empty() && report.tools.is_empty(), "{report:?}");
        assert_eq!((scene.refreshes(), scene.tokens_sent(from)), (1, 2));
        assert_eq!(scene.status().await, needs_reconnect("rejected_by_server"));
        assert_eq!(scene.logged("connection.ended failed").await, 1);
        let from = scene.sent();
        let again = scene.check().await;
        assert_eq!((again.outcome, again.auth_status), (ConnectOutcome::Skipped, AuthStatus::NeedsReconnect));
        assert!(again.error.contains("connected again"), "{}", again.error);
        assert_eq!((scene.sent(), scene.refreshes()), (from, 1));
    }

    /// Protocol R3: a call by hand whose token is refused, at the first connection or on one that is open, is made once, with another one.
    async fn a_call_by_hand_renews_what_was_refused(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.expire_access_tokens();
        assert_eq!(scene.try_tool().await.unwrap().outcome, ToolOutcome::Ok);
        assert_eq!((scene.refreshes(), scene.peer.calls().len()), (1, 1));
        scene.pause_is_over().await;
        scene.peer.expire_access_tokens();
        let from = scene.sent();
        assert_eq!(scene.try_tool().await.unwrap().outcome, ToolOutcome::Ok);
        assert_eq!((scene.refreshes(), scene.peer.calls().len(), scene.tokens_sent(from)), (2, 2, 2));
        assert_eq!((scene.logged("server.tool_called ok").await, scene.logged("server.tool_answered ok").await), (2, 2), "one entry each");
    }

    /// Protocol R3: refused twice, a call by hand is not carried out, and the connection has ended.
    async fn a_call_by_hand_that_is_refused_twice_ends_the_connection(db: TestDb) {
        for open in [false, true] {
            let scene = Scene::connected(if db.is_postgres() { testkit::TestDb::postgres().await } else { testkit::TestDb::sqlite().await }).await;
            if open {
                scene.try_tool().await.unwrap();
            }
            let (from, calls) = (scene.sent(), scene.peer.calls().len());
            scene.peer.change(|knobs| knobs.reject_tokens = true);
            match scene.try_tool().await {
                // On an open connection the call itself is refused, which is what came of it.
                Ok(tried) => assert_eq!((open, tried.outcome, tried.is_error), (true, ToolOutcome::Error, true)),
                Err(error) => assert!(!open && matches!(error, Error::Invalid { .. }), "{error:?}"),
            }
            assert_eq!((scene.refreshes(), scene.tokens_sent(from), scene.peer.calls().len()), (1, 2, calls));
            assert_eq!(scene.status().await, needs_reconnect("rejected_by_server"));
            let from = scene.sent();
            assert!(matches!(scene.try_tool().await, Err(Error::Invalid { .. })));
            assert_eq!((scene.sent(), scene.refreshes()), (from, 1));
        }
    }

    /// Protocol R8: where the provider cannot renew what was refused, it counts as expired: it is sent nowhere, and is tried again later.
    async fn a_refusal_while_the_provider_is_down_ends_nothing(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/token", Meddle::instead(Canned::status(503)));
        scene.peer.expire_access_tokens();
        let report = scene.check().await;
        assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Error, AuthStatus::ExpiredRefreshable));
        let from = scene.sent();
        assert_eq!(scene.check().await.outcome, ConnectOutcome::Skipped);
        assert!(matches!(scene.try_tool().await, Err(Error::Invalid { .. })));
        assert_eq!((scene.sent(), scene.refreshes()), (from, 1));
        scene.peer.honest("/token");
        scene.pause_is_over().await;
        assert_eq!(scene.check().await.outcome, ConnectOutcome::Connected);
        assert_eq!(scene.logged("connection.ended").await, 0);
    }

    /// Behaviour 3: what a member is told of a refusal names no address.
    async fn a_member_hears_of_a_refusal_without_the_address(db: TestDb) {
        let scene = Scene::new(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.peer.change(|knobs| knobs.reject_tokens = true);
        let report = scene.service().server_check(&ada, scene.id).await.unwrap();
        assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Error, AuthStatus::NeedsReconnect));
        assert!(!report.error.contains("127.0.0.1") && !report.error.is_empty(), "{}", report.error);
        assert_eq!(status(scene.service(), &ada, scene.id).await, needs_reconnect("rejected_by_server"));
    }
}
