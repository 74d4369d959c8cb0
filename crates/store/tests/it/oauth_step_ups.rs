//! Questions for more permission (threats 19).

use crate::{
    oauth_tokens::pair,
    support::{commit, insert_user, store},
};
use api::Uuid;
use store::{Micros, oauth::*};
use testkit::{TestDb, both_engines};

const HOUR: i64 = 3_600_000_000;

async fn prompt(db: &TestDb, (server, user): (Uuid, Uuid), tool: &str, scopes: &str) -> StepUp {
    commit!(db, |write| step_up_prompt(write, server, user, tool, scopes, 2, HOUR))
}

async fn decline(db: &TestDb, (server, user): (Uuid, Uuid)) -> u64 {
    commit!(db, |write| step_ups_decline(write, server, user))
}

async fn an_hour_passes(db: &TestDb) {
    db.raw("UPDATE mcp_step_ups SET window_started_at = window_started_at - 3600000000").await.unwrap();
}

both_engines! {
    async fn a_user_is_asked_twice_in_an_hour_for_a_tool(db: TestDb) {
        let of = pair(&db).await;
        let other = (of.0, insert_user(&db, "bob").await.user.id);
        for scopes in ["a", "a b"] {
            assert_eq!(prompt(&db, of, "write", scopes).await, StepUp::Prompt);
        }
        // Whatever it asks for.
        for scopes in ["a b", "a", "c"] {
            assert_eq!(prompt(&db, of, "write", scopes).await, StepUp::Exhausted);
        }
        assert_eq!(prompt(&db, of, "delete", "a").await, StepUp::Prompt);
        assert_eq!(prompt(&db, other, "write", "a").await, StepUp::Prompt);
        an_hour_passes(&db).await;
        for expected in [StepUp::Prompt, StepUp::Prompt, StepUp::Exhausted] {
            assert_eq!(prompt(&db, of, "write", "a").await, expected);
        }
    }

    async fn a_no_holds_for_the_scopes_it_was_said_to(db: TestDb) {
        let of = pair(&db).await;
        assert_eq!(decline(&db, of).await, 0, "never asked");
        assert_eq!(prompt(&db, of, "write", "a").await, StepUp::Prompt);
        assert_eq!(decline(&db, of).await, 1);
        let StepUp::Declined { at: Micros(at) } = prompt(&db, of, "write", "a").await else { panic!("declined") };
        an_hour_passes(&db).await;
        assert_eq!(prompt(&db, of, "write", "a").await, StepUp::Declined { at: Micros(at) }, "for longer than an hour");
        assert_eq!(prompt(&db, of, "another", "a").await, StepUp::Declined { at: Micros(at) }, "whatever the tool is called");
        // Another set is another question, and counts.
        assert_eq!(prompt(&db, of, "write", "a b").await, StepUp::Prompt);
        assert_eq!(decline(&db, of).await, 1);
        assert!(matches!(prompt(&db, of, "write", "a b").await, StepUp::Declined { .. }));
        assert_eq!(prompt(&db, of, "write", "c").await, StepUp::Prompt);
        assert_eq!(prompt(&db, of, "write", "d").await, StepUp::Exhausted);
    }

    async fn a_no_to_all_holds_for_what_each_tool_asked_last(db: TestDb) {
        let (of, other) = (pair(&db).await, pair(&db).await);
        for (key, tool, scopes) in [(of, "write", "a"), (of, "write", "b"), (of, "delete", "c"), (other, "write", "b")] {
            assert_eq!(prompt(&db, key, tool, scopes).await, StepUp::Prompt);
        }
        assert_eq!((decline(&db, of).await, decline(&db, of).await), (2, 0));
        an_hour_passes(&db).await;
        for (tool, scopes) in [("write", "b"), ("delete", "c")] {
            assert!(matches!(prompt(&db, of, tool, scopes).await, StepUp::Declined { .. }), "{tool}");
        }
        assert_eq!(prompt(&db, of, "write", "a").await, StepUp::Prompt);
        assert_eq!(prompt(&db, other, "write", "b").await, StepUp::Prompt);
    }

    async fn a_new_grant_forgets_both(db: TestDb) {
        let of = pair(&db).await;
        let other = pair(&db).await;
        for key in [of, other] {
            prompt(&db, key, "write", "a").await;
            decline(&db, key).await;
        }
        commit!(db, |write| step_ups_forget(write, of.0, of.1));
        for expected in [StepUp::Prompt, StepUp::Prompt, StepUp::Exhausted] {
            assert_eq!(prompt(&db, of, "write", "a").await, expected);
        }
        assert!(matches!(prompt(&db, other, "write", "a").await, StepUp::Declined { .. }));
        commit!(db, |write| store::users::user_delete(write, of.1));
        commit!(db, |write| store::mcp_servers::server_delete(write, other.0));
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_step_ups").await, 0);
    }

    async fn questions_at_once_are_all_counted(db: TestDb) {
        let of = pair(&db).await;
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { prompt(&db, of, "write", "a").await })
            })
            .collect();
        let mut asked = 0;
        for task in tasks {
            asked += usize::from(task.await.unwrap() == StepUp::Prompt);
        }
        assert_eq!(asked, 2);
    }
}
