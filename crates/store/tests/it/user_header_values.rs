//! What users entered for servers.

use crate::support::{EVERYTHING, START, commit, id, insert_user, read, sealed, server, store};
use api::Uuid;
use store::{mcp_servers::*, user_header_values::*};
use testkit::both_engines;

pub(crate) fn values(server: Uuid, user: Uuid, version: i64) -> UserHeaderRecord {
    UserHeaderRecord {
        id: id(),
        mcp_server_id: server,
        user_id: user,
        values: sealed(b"cipher", "0123456789abcdef"),
        names: vec!["x-team".to_owned(), "x-token".to_owned()],
        version,
        created_at: START,
        updated_at: START,
    }
}

both_engines! {
    async fn values_are_found_by_their_owner_only(db: TestDb) {
        let (ada, bob) = (insert_user(&db, "ada").await.user.id, insert_user(&db, "bob").await.user.id);
        let stored = server("s");
        commit!(db, |write| server_insert(write, &stored));
        let entry = values(stored.record.id, ada, 7);
        commit!(db, |write| user_values_put(write, &entry));
        for (user, expected) in [(ada, Some(&entry)), (bob, None)] {
            let reader = Reader { user_id: user, ..EVERYTHING };
            let found = read!(db, |session| server_get(session, reader, stored.record.id)).unwrap();
            assert_eq!(found.values.as_ref(), expected);
            let listed = read!(db, |session| server_list(session, reader, None, None));
            assert_eq!(listed[0].values.as_ref(), expected);
        }
    }

    async fn a_second_entry_replaces_the_first_and_its_version_is_higher(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let stored = server("s");
        commit!(db, |write| server_insert(write, &stored));
        let first = values(stored.record.id, ada, 100);
        commit!(db, |write| user_values_put(write, &first));
        // A clock that stands still, goes back, goes on.
        for (version, expected) in [(100, 101), (50, 102), (200, 200)] {
            let mut next = values(stored.record.id, ada, version);
            next.values = sealed(b"other", "fedcba9876543210");
            next.names = vec!["x".to_owned()];
            next.updated_at = START.plus_seconds(version);
            commit!(db, |write| user_values_put(write, &next));
            let reader = Reader { user_id: ada, ..EVERYTHING };
            let found = read!(db, |session| server_get(session, reader, stored.record.id)).unwrap().values.unwrap();
            assert_eq!(found, UserHeaderRecord { version: expected, ..next });
        }
        assert_eq!(read!(db, |session| user_values_count(session, stored.record.id)), 1);
    }

    async fn values_go_with_their_owner_and_their_server(db: TestDb) {
        let mut users = Vec::new();
        for name in ["ada", "bob", "Cy"] {
            users.push(insert_user(&db, name).await.user.id);
        }
        let (one, two) = (server("one"), server("two"));
        for stored in [&one, &two] {
            commit!(db, |write| server_insert(write, stored));
            for user in &users {
                commit!(db, |write| user_values_put(write, &values(stored.record.id, *user, 1)));
            }
        }
        let (one, two) = (one.record.id, two.record.id);
        let page = read!(db, |session| user_values_list(session, one, "ADA", 10));
        assert_eq!(page.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["bob", "Cy"]);
        assert_eq!(read!(db, |session| user_values_list(session, one, "", 1)).len(), 1);
        assert!(commit!(db, |write| user_values_delete(write, one, users[0])));
        assert!(!commit!(db, |write| user_values_delete(write, one, users[0])), "once");
        commit!(db, |write| store::users::user_delete(write, users[1]));
        assert_eq!(read!(db, |session| user_values_count(session, one)), 1);
        commit!(db, |write| server_delete(write, one));
        assert_eq!(read!(db, |session| user_values_count(session, one)), 0);
        assert_eq!(commit!(db, |write| user_values_delete_all(write, two)), 2);
    }
}
