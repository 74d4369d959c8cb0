//! Sessions and tokens.

use crate::support::{START, assert_conflict, commit, credential, id, insert_user, read, refused, store};
use api::users::UserStatus;
use store::{credentials::*, users::user_update};
use testkit::both_engines;

both_engines! {
    async fn a_credential_is_found_by_its_hash_with_its_user(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        for (kind, hash) in [(CredentialKind::Session, b"one"), (CredentialKind::Token, b"two")] {
            let record = credential(ada.user.id, kind);
            commit!(db, |write| credential_insert(write, &record, hash));
            let found = read!(db, |session| credential_by_hash(session, hash)).unwrap();
            assert_eq!(found.user, ada.user);
            assert_eq!(format!("{:?}", found.credential), format!("{record:?}"));
        }
        assert!(read!(db, |session| credential_by_hash(session, b"three")).is_none());
    }

    async fn two_credentials_cannot_share_a_hash(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        let (first, second) = (credential(ada.user.id, CredentialKind::Token), credential(ada.user.id, CredentialKind::Token));
        commit!(db, |write| credential_insert(write, &first, b"same"));
        assert_conflict(&refused!(db, |write| credential_insert(write, &second, b"same")), "secret_hash");
    }

    async fn a_credential_of_nobody_is_refused(db: TestDb) {
        let orphan = credential(id(), CredentialKind::Token);
        let error = refused!(db, |write| credential_insert(write, &orphan, b"x"));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }

    async fn a_touch_moves_use_and_expiry(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        let record = credential(ada.user.id, CredentialKind::Session);
        commit!(db, |write| credential_insert(write, &record, b"h"));
        let (used, expires) = (START.plus_seconds(70), START.plus_seconds(9000));
        commit!(db, |write| credential_touch(write, record.id, used, expires));
        let found = read!(db, |session| credential_by_hash(session, b"h")).unwrap().credential;
        assert_eq!((found.last_used_at, found.expires_at), (Some(used), expires));
    }

    async fn credentials_are_listed_by_kind_newest_first(db: TestDb) {
        let (ada, bob) = (insert_user(&db, "ada").await, insert_user(&db, "bob").await);
        let mut ids = Vec::new();
        for (n, (owner, kind)) in [
            (&ada, CredentialKind::Token),
            (&ada, CredentialKind::Session),
            (&bob, CredentialKind::Token),
            (&ada, CredentialKind::Token),
        ]
        .into_iter()
        .enumerate()
        {
            let mut record = credential(owner.user.id, kind);
            record.created_at = START.plus_seconds(n as i64);
            commit!(db, |write| credential_insert(write, &record, &[n as u8]));
            ids.push(record.id);
        }
        let tokens = read!(db, |session| credential_list(session, ada.user.id, CredentialKind::Token));
        assert_eq!(tokens.iter().map(|record| record.id).collect::<Vec<_>>(), [ids[3], ids[0]]);
    }

    async fn only_the_owner_removes_a_credential_and_only_of_its_kind(db: TestDb) {
        let (ada, bob) = (insert_user(&db, "ada").await, insert_user(&db, "bob").await);
        let record = credential(ada.user.id, CredentialKind::Token);
        commit!(db, |write| credential_insert(write, &record, b"h"));
        for (owner, kind, goes) in [
            (bob.user.id, CredentialKind::Token, false),
            (ada.user.id, CredentialKind::Session, false),
            (ada.user.id, CredentialKind::Token, true),
            (ada.user.id, CredentialKind::Token, false),
        ] {
            assert_eq!(commit!(db, |write| credential_delete(write, owner, kind, record.id)), goes);
        }
    }

    async fn other_sessions_end_and_tokens_stay(db: TestDb) {
        let (ada, bob) = (insert_user(&db, "ada").await, insert_user(&db, "bob").await);
        let mut kept = Vec::new();
        for (n, (owner, kind)) in [
            (&ada, CredentialKind::Session),
            (&ada, CredentialKind::Session),
            (&ada, CredentialKind::Token),
            (&bob, CredentialKind::Session),
        ]
        .into_iter()
        .enumerate()
        {
            let record = credential(owner.user.id, kind);
            commit!(db, |write| credential_insert(write, &record, &[n as u8]));
            kept.push(record.id);
        }
        assert_eq!(commit!(db, |write| sessions_delete_others(write, ada.user.id, Some(kept[1]))), 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM credentials").await, 3);
        assert!(read!(db, |session| credential_by_hash(session, &[0])).is_none());
        assert_eq!(commit!(db, |write| sessions_delete_others(write, ada.user.id, None)), 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM credentials").await, 2);
    }

    async fn the_sweep_removes_what_expired_and_nothing_else(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        for (n, seconds) in [-1_i64, 0, 1].into_iter().enumerate() {
            let mut record = credential(ada.user.id, CredentialKind::Session);
            record.expires_at = START.plus_seconds(seconds);
            commit!(db, |write| credential_insert(write, &record, &[n as u8]));
        }
        assert_eq!(commit!(db, |write| credentials_sweep(write, START)), 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM credentials").await, 2);
    }

    async fn a_credential_lives_until_it_expires_is_removed_or_its_user_is_suspended(db: TestDb) {
        let mut ada = insert_user(&db, "ada").await;
        let record = credential(ada.user.id, CredentialKind::Session);
        commit!(db, |write| credential_insert(write, &record, b"h"));
        assert!(read!(db, |session| credential_alive(session, record.id, START)));
        assert!(!read!(db, |session| credential_alive(session, record.id, record.expires_at)));
        assert!(!read!(db, |session| credential_alive(session, id(), START)));
        ada.user.status = UserStatus::Suspended;
        commit!(db, |write| user_update(write, &ada));
        assert!(!read!(db, |session| credential_alive(session, record.id, START)));
        ada.user.status = UserStatus::Active;
        commit!(db, |write| user_update(write, &ada));
        assert!(read!(db, |session| credential_alive(session, record.id, START)));
        commit!(db, |write| credential_delete(write, ada.user.id, CredentialKind::Session, record.id));
        assert!(!read!(db, |session| credential_alive(session, record.id, START)));
    }
}
