//! Leases (behaviour 18).

use crate::support::{START, commit, id, insert_chat, read, store};
use api::{Uuid, chats::ChatStatus};
use std::time::Duration;
use store::chats::*;
use testkit::{TestDb, both_engines};

const LASTING: Duration = Duration::from_secs(10);

async fn expire(db: &TestDb) {
    db.raw("UPDATE chats SET lease_expires_at = 1 WHERE lease_expires_at IS NOT NULL").await.unwrap();
}

both_engines! {
    async fn only_a_chat_that_is_due_can_be_claimed(db: TestDb) {
        for status in ChatStatus::ALL {
            if status == ChatStatus::Error {
                continue;
            }
            let record = insert_chat(&db, status).await;
            let claimed = commit!(db, |write| lease_claim(write, record.id, id(), LASTING));
            let due = matches!(status, ChatStatus::Running | ChatStatus::Interrupting);
            assert_eq!(claimed.is_some(), due, "{status:?}");
        }
        assert!(commit!(db, |write| lease_claim(write, id(), id(), LASTING)).is_none());
    }

    async fn a_claim_raises_epoch_and_attempt(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        let holder = id();
        let claimed = commit!(db, |write| lease_claim(write, record.id, holder, LASTING)).unwrap();
        let mut expected = record.clone();
        expected.lease_holder = Some(holder);
        expected.lease_epoch += 1;
        expected.generation_attempt += 1;
        expected.snapshot_version += 1;
        expected.lease_expires_at = claimed.lease_expires_at;
        assert_eq!(claimed, expected);
        let left = read!(db, |session| lease_seconds_left(session, record.id, holder)).unwrap();
        assert!((5.0..=10.1).contains(&left), "{left}");
        assert_eq!(read!(db, |session| lease_seconds_left(session, record.id, id())), None);
    }

    async fn a_held_lease_is_taken_only_after_it_ran_out_or_by_its_holder(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        let (first, second) = (id(), id());
        commit!(db, |write| lease_claim(write, record.id, first, LASTING)).unwrap();
        assert!(commit!(db, |write| lease_claim(write, record.id, second, LASTING)).is_none());
        let again = commit!(db, |write| lease_claim(write, record.id, first, LASTING)).unwrap();
        assert_eq!(again.lease_epoch, record.lease_epoch + 2);
        expire(&db).await;
        let taken = commit!(db, |write| lease_claim(write, record.id, second, LASTING)).unwrap();
        assert_eq!((taken.lease_holder, taken.lease_epoch), (Some(second), record.lease_epoch + 3));
    }

    async fn whoever_lost_the_lease_can_neither_renew_release_nor_write(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        let (first, second) = (id(), id());
        let old = commit!(db, |write| lease_claim(write, record.id, first, LASTING)).unwrap();
        expire(&db).await;
        let new = commit!(db, |write| lease_claim(write, record.id, second, LASTING)).unwrap();
        assert_eq!(commit!(db, |write| lease_renew(write, record.id, first, old.lease_epoch, LASTING)), None);
        assert!(!commit!(db, |write| lease_release(write, record.id, first, old.lease_epoch)));
        let step = Transition::to(ChatStatus::Waiting, START).history();
        assert!(commit!(db, |write| chat_transition(write, &old.fence(), &step)).is_none());
        assert_eq!(
            commit!(db, |write| lease_renew(write, record.id, second, new.lease_epoch, LASTING)),
            Some(ChatStatus::Running)
        );
        assert!(commit!(db, |write| lease_release(write, record.id, second, new.lease_epoch)));
        let freed = read!(db, |session| chat_get_any(session, record.id)).unwrap();
        assert_eq!((freed.lease_holder, freed.lease_expires_at, freed.lease_epoch), (None, None, new.lease_epoch));
    }

    async fn a_renewal_lasts_longer_and_tells_the_status(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        let holder = id();
        let claimed = commit!(db, |write| lease_claim(write, record.id, holder, LASTING)).unwrap();
        let step = Transition::to(ChatStatus::Interrupting, START);
        commit!(db, |write| chat_transition(write, &claimed.fence(), &step)).unwrap();
        let long = Duration::from_secs(100);
        let status = commit!(db, |write| lease_renew(write, record.id, holder, claimed.lease_epoch, long));
        assert_eq!(status, Some(ChatStatus::Interrupting));
        assert!(read!(db, |session| lease_seconds_left(session, record.id, holder)).unwrap() > 90.0);
    }

    async fn parallel_claims_give_the_lease_once(db: TestDb) {
        for _ in 0..5 {
            let record = insert_chat(&db, ChatStatus::Running).await;
            let tasks: Vec<_> = (0..6)
                .map(|_| {
                    let db = db.clone();
                    tokio::spawn(async move { commit!(db, |write| lease_claim(write, record.id, id(), LASTING)).is_some() })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += usize::from(task.await.unwrap());
            }
            assert_eq!(won, 1);
        }
    }

    async fn due_chats_are_those_that_nobody_works_on_the_longest_waiting_first(db: TestDb) {
        let mut due = Vec::new();
        for (n, status) in [ChatStatus::Running, ChatStatus::Waiting, ChatStatus::Interrupting, ChatStatus::Running]
            .into_iter()
            .enumerate()
        {
            let record = insert_chat(&db, status).await;
            db.raw(&format!("UPDATE chats SET updated_at = {} WHERE updated_at = {}", 100 - n, START.0)).await.unwrap();
            if status != ChatStatus::Waiting {
                due.insert(0, record.id);
            }
        }
        let due: Vec<(Uuid, bool)> = due.into_iter().map(|id| (id, false)).collect();
        assert_eq!(read!(db, |session| chats_due(session, 10)), due);
        assert_eq!(read!(db, |session| chats_due(session, 2)), due[..2]);
        commit!(db, |write| lease_claim(write, due[0].0, id(), LASTING)).unwrap();
        assert_eq!(read!(db, |session| chats_due(session, 10)), due[1..]);
        expire(&db).await;
        assert_eq!(read!(db, |session| chats_due(session, 10)), due);
    }

    async fn a_lone_process_forgets_the_leases_of_the_dead(db: TestDb) {
        let record = insert_chat(&db, ChatStatus::Running).await;
        insert_chat(&db, ChatStatus::Running).await;
        commit!(db, |write| lease_claim(write, record.id, id(), LASTING)).unwrap();
        assert_eq!(commit!(db, |write| leases_forget(write)), 1);
        assert_eq!(commit!(db, |write| leases_forget(write)), 0);
        assert!(commit!(db, |write| lease_claim(write, record.id, id(), LASTING)).is_some());
    }
}
