//! Accounts.

use crate::support::{
    START, assert_conflict, commit, credential, id, insert_user, read, refused, store, user,
};
use api::users::{Role, UserStatus};
use store::{credentials::CredentialKind, users::*};
use testkit::both_engines;

both_engines! {
    async fn an_account_is_read_back_as_it_was_written(db: TestDb) {
        assert!(!read!(db, |session| users_exist(session)));
        let mut record = user("ada");
        record.user.roles = Role::ALL.to_vec();
        commit!(db, |write| user_insert(write, &record));
        assert!(read!(db, |session| users_exist(session)));
        let found = read!(db, |session| user_get(session, record.user.id)).unwrap();
        assert_eq!((found.user, found.password_hash), (record.user, record.password_hash));
        assert!(read!(db, |session| user_get(session, id())).is_none());
    }

    async fn every_set_of_roles_survives(db: TestDb) {
        for bits in 1..16_usize {
            let mut record = user(&format!("u{bits}"));
            record.user.roles = Role::ALL.into_iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, role)| role).collect();
            commit!(db, |write| user_insert(write, &record));
            assert_eq!(read!(db, |session| user_get(session, record.user.id)).unwrap().user.roles, record.user.roles);
        }
    }

    async fn email_and_username_are_unique_whatever_their_case(db: TestDb) {
        insert_user(&db, "ada").await;
        let mut other = user("bob");
        other.user.email = "ADA@Example.org".to_owned();
        assert_conflict(&refused!(db, |write| user_insert(write, &other)), "email");
        let other = user("ADA2");
        commit!(db, |write| user_insert(write, &other));
        let mut third = user("ada3");
        third.user.username = "aDa2".to_owned();
        let error = refused!(db, |write| user_insert(write, &third));
        assert_conflict(&error, "username");
        assert!(!error.is_conflict_on("email"));
        third.user.username = "ada3".to_owned();
        commit!(db, |write| user_insert(write, &third));
        third.user.email = other.user.email.to_uppercase();
        assert_conflict(&refused!(db, |write| user_update(write, &third)), "email");
    }

    async fn an_update_writes_every_field_and_keeps_the_birthday(db: TestDb) {
        let before = insert_user(&db, "ada").await;
        let mut after = user("grace");
        after.user.id = before.user.id;
        after.user.roles = vec![Role::Owner, Role::Auditor];
        after.user.status = UserStatus::Suspended;
        after.user.updated_at = START.plus_seconds(5);
        after.user.created_at = START.plus_seconds(99);
        after.password_hash = None;
        commit!(db, |write| user_update(write, &after));
        let found = commit!(db, |write| user_get_for_update(write, before.user.id)).unwrap();
        after.user.created_at = START;
        assert_eq!((found.user, found.password_hash), (after.user, None));
    }

    async fn an_account_is_found_by_its_email_whatever_its_case(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        insert_user(&db, "bob").await;
        let found = read!(db, |session| user_by_email(session, "ADA@EXAMPLE.ORG")).unwrap();
        assert_eq!(found.user.id, ada.user.id);
        assert!(read!(db, |session| user_by_email(session, "ad_@example.org")).is_none());
    }

    async fn accounts_are_listed_by_name_without_regard_to_case_in_pages(db: TestDb) {
        for name in ["delta", "Bravo", "alpha", "Charlie"] {
            insert_user(&db, name).await;
        }
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = read!(db, |session| user_list(session, "", &after, 2));
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 2);
            after = last.user.username.clone();
            seen.extend(page.into_iter().map(|record| record.user.username));
        }
        assert_eq!(seen, ["alpha", "Bravo", "Charlie", "delta"]);
    }

    async fn accounts_are_found_by_a_part_of_what_they_are_called(db: TestDb) {
        for (username, name) in [("ada", "Lovelace"), ("bob", "Ada's 100% fan"), ("c_d", "x"), ("cxd", "y!")] {
            let mut record = user(username);
            record.user.name = name.to_owned();
            commit!(db, |write| user_insert(write, &record));
        }
        for (q, expected) in [
            ("", vec!["ada", "bob", "c_d", "cxd"]),
            ("ADA", vec!["ada", "bob"]),
            ("lovel", vec!["ada"]),
            ("bob@EXAMPLE", vec!["bob"]),
            ("c_d", vec!["c_d"]),
            ("100%", vec!["bob"]),
            ("%", vec!["bob"]),
            ("y!", vec!["cxd"]),
            ("'", vec!["bob"]),
            ("nobody", vec![]),
        ] {
            let found = read!(db, |session| user_list(session, q, "", 10));
            assert_eq!(found.into_iter().map(|record| record.user.username).collect::<Vec<_>>(), expected, "{q}");
        }
        let page = read!(db, |session| user_list(session, "ada", "ada", 10));
        assert_eq!(page.into_iter().map(|record| record.user.username).collect::<Vec<_>>(), ["bob"]);
    }

    async fn only_active_owners_are_counted(db: TestDb) {
        for (name, roles, status) in [
            ("a", vec![Role::Owner], UserStatus::Active),
            ("b", vec![Role::Owner, Role::Member], UserStatus::Active),
            ("c", vec![Role::Owner], UserStatus::Suspended),
            ("d", vec![Role::Admin, Role::Auditor, Role::Member], UserStatus::Active),
        ] {
            let mut record = user(name);
            record.user.roles = roles;
            record.user.status = status;
            commit!(db, |write| user_insert(write, &record));
        }
        assert_eq!(read!(db, |session| owners_count(session)), 2);
    }

    async fn a_user_may_act_while_there_and_active(db: TestDb) {
        let mut ada = insert_user(&db, "ada").await;
        assert!(read!(db, |session| user_is_active(session, ada.user.id)));
        assert!(!read!(db, |session| user_is_active(session, id())));
        ada.user.status = UserStatus::Suspended;
        commit!(db, |write| user_update(write, &ada));
        assert!(!read!(db, |session| user_is_active(session, ada.user.id)));
    }

    async fn a_deleted_account_takes_its_credentials_along(db: TestDb) {
        let ada = insert_user(&db, "ada").await;
        let own = credential(ada.user.id, CredentialKind::Session);
        commit!(db, |write| store::credentials::credential_insert(write, &own, b"hash"));
        assert!(commit!(db, |write| user_delete(write, ada.user.id)));
        assert!(!commit!(db, |write| user_delete(write, ada.user.id)));
        assert_eq!(db.number("SELECT COUNT(*) FROM credentials").await, 0);
    }

    async fn the_lock_for_the_first_owner_lets_one_through_at_a_time(db: TestDb) {
        let attempts = (0..8).map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut write = db.write().await.unwrap();
                users_lock(&mut write).await.unwrap();
                if users_exist(&mut write).await.unwrap() {
                    return false;
                }
                user_insert(&mut write, &user(&format!("owner{n}"))).await.unwrap();
                write.commit().await.unwrap();
                true
            })
        });
        let won = futures_all(attempts).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM users").await, 1);
    }
}

async fn futures_all<T>(tasks: impl Iterator<Item = tokio::task::JoinHandle<T>>) -> Vec<T> {
    // Collected first: all of them run at once.
    let tasks: Vec<_> = tasks.collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
