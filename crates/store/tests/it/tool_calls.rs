//! The ledger of tool calls (behaviour 15).

use crate::support::{START, commit, id, insert_chat, read, refused, store};
use api::{
    chats::ChatStatus,
    messages::{ResultContent, ToolOutcome, ToolResultPart},
};
use store::{chats::*, messages::message_insert, tool_calls::*};
use testkit::{TestDb, both_engines};

pub(crate) fn intent(chat: &ChatRecord, message_id: i64, tool_call_id: &str) -> ToolCallIntent {
    ToolCallIntent {
        id: id(),
        chat_id: chat.id,
        message_id,
        tool_call_id: tool_call_id.to_owned(),
        position: 0,
        mcp_server_id: id(),
        exposed_name: "s__create".to_owned(),
        original_name: "create".to_owned(),
        definition_hash: "d".repeat(64),
        argument_hash: "a".repeat(64),
        credential_version: 3,
        lease_epoch: chat.lease_epoch,
        intent_at: START,
    }
}

fn result(text: &str) -> ToolResultPart {
    ToolResultPart {
        tool_call_id: "c1".to_owned(),
        tool_name: "s__create".to_owned(),
        mcp_server_config_id: None,
        result: vec![ResultContent::Text { text: text.to_owned() }],
        is_error: false,
        is_media: false,
        provider_executed: false,
        outcome: ToolOutcome::Ok,
        truncated: false,
        total_bytes: None,
        needs: None,
        html: None,
        created_at: START,
    }
}

async fn begin(db: &TestDb) -> (ChatRecord, i64) {
    let chat = insert_chat(db, ChatStatus::Running).await;
    let message = commit!(db, |write| message_insert(write, crate::messages::user_message(chat.id, "hi")));
    (chat, message.id)
}

fn outcome<'a>(
    chat: &ChatRecord,
    message_id: i64,
    tool_call_id: &'a str,
    outcome: ToolOutcome,
) -> OutcomeWrite<'a> {
    OutcomeWrite {
        chat_id: chat.id,
        message_id,
        tool_call_id,
        outcome,
        result: None,
        at: START.plus_seconds(2),
        lease_epoch: chat.lease_epoch,
    }
}

both_engines! {
    async fn an_intent_is_open_until_its_outcome_is_written(db: TestDb) {
        let (chat, message) = begin(&db).await;
        let intent = intent(&chat, message, "c1");
        commit!(db, |write| tool_call_intent_insert(write, &intent));
        let open = read!(db, |session| tool_calls_open(session, chat.id));
        let expected =
            ToolCallRecord { intent: intent.clone(), outcome: None, result: None, outcome_at: None, attempts: 1 };
        assert_eq!(open, [expected]);
        let part = result("42");
        let done = OutcomeWrite { result: Some(&part), ..outcome(&chat, message, "c1", ToolOutcome::Ok) };
        assert!(commit!(db, |write| tool_call_outcome(write, done)));
        assert!(read!(db, |session| tool_calls_open(session, chat.id)).is_empty());
        let rows = read!(db, |session| tool_calls_of(session, chat.id, message));
        let expected = ToolCallRecord {
            intent, outcome: Some(ToolOutcome::Ok), result: Some(part), outcome_at: Some(START.plus_seconds(2)), attempts: 1,
        };
        assert_eq!(rows, [expected]);
    }

    async fn every_outcome_survives(db: TestDb) {
        let (chat, message) = begin(&db).await;
        use ToolOutcome::{Cancelled, Denied, Error, Ok, Unknown};
        for (n, kind) in [Ok, Error, Cancelled, Denied, Unknown].into_iter().enumerate() {
            let call = format!("c{n}");
            let intent = ToolCallIntent { position: 4 - n as i64, ..intent(&chat, message, &call) };
            commit!(db, |write| tool_call_intent_insert(write, &intent));
            assert!(commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, &call, kind))));
        }
        let kinds: Vec<_> =
            read!(db, |session| tool_calls_of(session, chat.id, message)).into_iter().map(|row| row.outcome.unwrap()).collect();
        assert_eq!(kinds, [Unknown, Denied, Cancelled, Error, Ok], "in the order of their positions");
    }

    async fn an_outcome_is_written_once(db: TestDb) {
        let (chat, message) = begin(&db).await;
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        assert!(commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, "c1", ToolOutcome::Unknown))));
        assert!(!commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, "c1", ToolOutcome::Ok))));
        let rows = read!(db, |session| tool_calls_of(session, chat.id, message));
        assert_eq!(rows[0].outcome, Some(ToolOutcome::Unknown));
        assert!(!commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, "c2", ToolOutcome::Ok))));
    }

    async fn a_runner_that_lost_its_lease_writes_no_outcome(db: TestDb) {
        let (chat, message) = begin(&db).await;
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        let lasting = std::time::Duration::from_secs(10);
        let taken = commit!(db, |write| lease_claim(write, chat.id, id(), lasting)).unwrap();
        assert!(!commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, "c1", ToolOutcome::Ok))));
        assert_eq!(read!(db, |session| tool_calls_open(session, chat.id)).len(), 1);
        assert!(commit!(db, |write| tool_call_outcome(write, outcome(&taken, message, "c1", ToolOutcome::Unknown))));
    }

    /// Behaviour 15: another sending is in the ledger before it happens, under the lease of who sends.
    async fn a_call_is_sent_again_at_most_so_often_and_only_by_who_holds_the_lease(db: TestDb) {
        let (chat, message) = begin(&db).await;
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        let lasting = std::time::Duration::from_secs(10);
        let taken = commit!(db, |write| lease_claim(write, chat.id, id(), lasting)).unwrap();
        let again = |chat: &ChatRecord| ResendWrite {
            chat_id: chat.id,
            message_id: message,
            tool_call_id: "c1",
            credential_version: 8,
            lease_epoch: chat.lease_epoch,
            most: 3,
        };
        assert_eq!(commit!(db, |write| tool_call_resend(write, again(&chat))), None, "the runner that was");
        let sent = [
            commit!(db, |write| tool_call_resend(write, again(&taken))),
            commit!(db, |write| tool_call_resend(write, again(&taken))),
            commit!(db, |write| tool_call_resend(write, again(&taken))),
        ];
        assert_eq!(sent, [Some(2), Some(3), None]);
        let rows = read!(db, |session| tool_calls_of(session, chat.id, message));
        let row = &rows[0];
        let now = (row.attempts, row.intent.lease_epoch, row.intent.credential_version, row.outcome);
        assert_eq!(now, (3, taken.lease_epoch, 8, None));
        assert_eq!(row.intent.intent_at, START, "when it began stays");
    }

    async fn a_call_is_not_sent_again_once_it_has_ended_or_the_turn_is_stopped(db: TestDb) {
        let (chat, message) = begin(&db).await;
        for call in ["c1", "c2"] {
            commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, call)));
        }
        let again = |call| ResendWrite {
            chat_id: chat.id,
            message_id: message,
            tool_call_id: call,
            credential_version: 3,
            lease_epoch: chat.lease_epoch,
            most: 3,
        };
        assert!(commit!(db, |write| tool_call_outcome(write, outcome(&chat, message, "c1", ToolOutcome::Unknown))));
        assert_eq!(commit!(db, |write| tool_call_resend(write, again("c1"))), None);
        let stop = Transition::to(ChatStatus::Interrupting, START.plus_seconds(3));
        commit!(db, |write| chat_transition(write, &chat.fence(), &stop)).unwrap();
        assert_eq!(commit!(db, |write| tool_call_resend(write, again("c2"))), None);
        let attempts: Vec<_> =
            read!(db, |session| tool_calls_of(session, chat.id, message)).iter().map(|row| row.attempts).collect();
        assert_eq!(attempts, [1, 1]);
    }

    async fn a_message_has_each_call_once(db: TestDb) {
        let (chat, message) = begin(&db).await;
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        let error = refused!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        assert!(error.is_conflict_on("tool_call"), "{error:?}");
        // Another message may: providers count anew.
        let next = commit!(db, |write| message_insert(write, crate::messages::user_message(chat.id, "more")));
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, next.id, "c1")));
        assert_eq!(read!(db, |session| tool_calls_open(session, chat.id)).len(), 2);
    }

    async fn a_nul_in_a_result_does_not_cost_the_outcome(db: TestDb) {
        let (chat, message) = begin(&db).await;
        commit!(db, |write| tool_call_intent_insert(write, &intent(&chat, message, "c1")));
        let part = result("a\0b");
        let done = OutcomeWrite { result: Some(&part), ..outcome(&chat, message, "c1", ToolOutcome::Ok) };
        assert!(commit!(db, |write| tool_call_outcome(write, done)));
        let rows = read!(db, |session| tool_calls_of(session, chat.id, message));
        assert_eq!(rows[0].result, Some(result("a\u{fffd}b")));
    }
}
