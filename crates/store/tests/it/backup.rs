//! Copies of a database, and what a restored one must not act on (threats 80, 103).

use crate::{
    oauth_tokens::{get, pair, put, token},
    support::{START, commit, credential, insert_chat, insert_user, read, store},
};
use api::chats::{ChatStatus, TurnError};
use std::time::Duration;
use store::{
    Db, DbConfig,
    backup::*,
    chats::{chat_get_any, compaction_request_get, compaction_request_put, lease_claim},
    credentials::{CredentialKind, credential_insert},
};
use testkit::{TestDb, both_engines, temp::TempDir};

fn under_way() -> TurnError {
    TurnError { code: "restored".to_owned(), message: "check it".to_owned(), retryable: true }
}

async fn put_credential(db: &TestDb, kind: CredentialKind, hash: u8) {
    let user = insert_user(db, &format!("u{hash}")).await;
    let record = credential(user.user.id, kind);
    commit!(db, |write| credential_insert(write, &record, &[hash; 32]));
}

both_engines! {
    async fn a_restored_database_forgets_what_may_have_been_used_since(db: TestDb) {
        let (server, user) = pair(&db).await;
        let with = put(&db, token(server, user)).await;
        assert!(with.refresh_token.ciphertext.is_some());
        put_credential(&db, CredentialKind::Session, 1).await;
        put_credential(&db, CredentialKind::Token, 2).await;
        let mut busy = Vec::new();
        for status in [ChatStatus::Running, ChatStatus::Interrupting, ChatStatus::RequiresAction] {
            busy.push(insert_chat(&db, status).await);
        }
        let idle = insert_chat(&db, ChatStatus::Waiting).await;
        let holder = crate::support::id();
        let held = commit!(&db, |write| lease_claim(write, busy[0].id, holder, Duration::from_secs(10))).unwrap();
        // One waited for a place, one was to be summarised.
        db.raw("UPDATE chats SET queued_for_capacity = TRUE WHERE status = 'running'").await.unwrap();
        commit!(&db, |write| compaction_request_put(write, busy[0].id, false, START));

        let now = START.plus_seconds(60);
        let done = commit!(&db, |write| restored(write, &under_way(), now));
        assert_eq!(done, Restored { sessions: 1, tokens: 1, refresh_tokens: 1, turns: 3 });
        let after = get(&db, &with).await.unwrap();
        assert!(after.refresh_token.ciphertext.is_none(), "nothing is left that could be replayed");
        assert_eq!(after.access_token, with.access_token, "it lasts as long as it lasts");
        assert!(after.version > with.version, "whoever holds the old row writes nothing over it");
        for chat in &busy {
            let chat = read!(&db, |session| chat_get_any(session, chat.id)).unwrap();
            assert_eq!((chat.status, chat.last_error), (ChatStatus::Error, Some(under_way())));
            assert_eq!((chat.lease_holder, chat.lease_expires_at), (None, None));
        }
        let taken = read!(&db, |session| chat_get_any(session, busy[0].id)).unwrap();
        assert!(!taken.queued_for_capacity);
        assert_eq!(read!(&db, |session| compaction_request_get(session, busy[0].id)), None, "nobody wishes it any more");
        assert!(taken.lease_epoch > held.lease_epoch);
        assert_eq!(read!(&db, |session| chat_get_any(session, idle.id)).unwrap(), idle);
        let again = commit!(&db, |write| restored(write, &under_way(), now));
        assert_eq!(again, Restored { tokens: 1, ..Restored::default() }, "it can be repeated");
    }
}

async fn sqlite(path: std::path::PathBuf) -> Db {
    Db::open(&DbConfig::Sqlite { path }).await.unwrap()
}

#[tokio::test]
async fn a_copy_made_among_writers_is_whole() {
    let folder = TempDir::new();
    let (path, copy) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
    let db = sqlite(path.clone()).await;
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            for n in 0..200 {
                let mut write = db.write().await.unwrap();
                let user = crate::support::user(&format!("w{n}"));
                store::users::user_insert(&mut write, &user).await.unwrap();
                write.commit().await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    database_copy(&path, &copy).await.unwrap();
    writer.await.unwrap();
    let counts = database_verify(&copy).await.unwrap();
    let users = counts.iter().find(|(table, _)| table == "users").unwrap().1;
    assert!((0..=200).contains(&users), "{users}");
    assert!(counts.iter().any(|(table, _)| table == "messages"), "{counts:?}");
    // It is a database of this build, and what is in it counts the same.
    let opened = sqlite(copy.clone()).await;
    assert!(opened.migrations_pending().await.unwrap().is_empty());
    opened.close().await;
    database_settle(&copy).await.unwrap();
    assert_eq!(database_verify(&copy).await.unwrap(), counts);
    db.close().await;
}

#[tokio::test]
async fn a_damaged_file_is_found_out() {
    let folder = TempDir::new();
    let path = folder.path().join("a.sqlite");
    let db = sqlite(path.clone()).await;
    for n in 0..50 {
        let mut write = db.write().await.unwrap();
        store::users::user_insert(&mut write, &crate::support::user(&format!("w{n}"))).await.unwrap();
        write.commit().await.unwrap();
    }
    db.close().await;
    database_settle(&path).await.unwrap();
    assert!(database_verify(&path).await.is_ok());
    let mut bytes = std::fs::read(&path).unwrap();
    // Everything but the header and the schema.
    let from = bytes.len() / 3;
    bytes[from..].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    assert!(database_verify(&path).await.is_err());
    std::fs::write(
        &path,
        "no database at all, but long enough to be read as the header of one, which is a hundred bytes long",
    )
    .unwrap();
    assert!(database_verify(&path).await.is_err());
    assert!(database_verify(&folder.path().join("absent")).await.is_err());
}

#[tokio::test]
async fn what_was_taken_away_since_stays_away() {
    use api::users::UserStatus;
    let folder = TempDir::new();
    let (path, copy) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
    let db = sqlite(path.clone()).await;
    let mut owner = crate::support::user("owner");
    owner.user.roles = vec![api::users::Role::Owner];
    let (gone, suspended) = (crate::support::user("gone"), crate::support::user("suspended"));
    let (kept, revoked) =
        (credential(owner.user.id, CredentialKind::Token), credential(owner.user.id, CredentialKind::Token));
    let mut write = db.write().await.unwrap();
    for user in [&owner, &gone, &suspended] {
        store::users::user_insert(&mut write, user).await.unwrap();
    }
    credential_insert(&mut write, &kept, &[1; 32]).await.unwrap();
    credential_insert(&mut write, &revoked, &[2; 32]).await.unwrap();
    write.commit().await.unwrap();
    database_copy(&path, &copy).await.unwrap();

    let mut write = db.write().await.unwrap();
    store::credentials::credential_delete(&mut write, owner.user.id, CredentialKind::Token, revoked.id)
        .await
        .unwrap();
    store::users::user_delete(&mut write, gone.user.id).await.unwrap();
    let mut now = suspended.clone();
    now.user.status = UserStatus::Suspended;
    store::users::user_update(&mut write, &now).await.unwrap();
    write.commit().await.unwrap();
    db.close().await;
    database_settle(&path).await.unwrap();

    assert_eq!(deletions_keep(&copy, &path).await.unwrap(), 3);
    let back = sqlite(copy.clone()).await;
    let mut session = back.read().await.unwrap();
    for (user, status) in
        [(&owner, UserStatus::Active), (&gone, UserStatus::Suspended), (&suspended, UserStatus::Suspended)]
    {
        let found = store::users::user_get(&mut session, user.user.id).await.unwrap().unwrap();
        assert_eq!(found.user.status, status, "{}", user.user.username);
    }
    let tokens = store::credentials::credential_list(&mut session, owner.user.id, CredentialKind::Token)
        .await
        .unwrap();
    assert_eq!(tokens.iter().map(|token| token.id).collect::<Vec<_>>(), [kept.id]);
    drop(session);
    back.close().await;

    // A database that has nothing to do with it takes nothing away.
    let other = folder.path().join("c.sqlite");
    sqlite(other.clone()).await.close().await;
    database_settle(&other).await.unwrap();
    assert_eq!(deletions_keep(&copy, &other).await.unwrap(), 0);
}
