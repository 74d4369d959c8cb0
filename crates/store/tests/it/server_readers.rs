//! Who finds which server (behaviour 2).

use crate::support::{EVERYTHING, commit, id, insert_group, insert_user, read, refused, server, store};
use api::{Uuid, servers::Availability};
use store::mcp_servers::*;
use testkit::{TestDb, both_engines};

/// A server of this slug; limited to `groups`.
async fn insert(db: &TestDb, slug: &str, enabled: bool, groups: &[Uuid]) -> Uuid {
    let mut stored = server(slug);
    stored.record.enabled = enabled;
    stored.record.allowed_group_ids = groups.to_vec();
    commit!(db, |write| server_insert(write, &stored));
    stored.record.id
}

fn member(user_id: Uuid) -> Reader {
    Reader { user_id, disabled: false, every_group: false }
}

async fn slugs(db: &TestDb, reader: Reader) -> Vec<String> {
    let found = read!(db, |session| server_list(session, reader, None, None));
    found.into_iter().map(|found| found.stored.record.slug).collect()
}

both_engines! {
    async fn a_member_finds_enabled_servers_of_no_group_or_of_their_own(db: TestDb) {
        let (ada, bob) = (insert_user(&db, "ada").await.user.id, insert_user(&db, "bob").await.user.id);
        let one = insert_group(&db, "one", &[ada]).await;
        let two = insert_group(&db, "two", &[ada, bob]).await;
        let empty = insert_group(&db, "empty", &[]).await;
        for (slug, enabled, groups) in [
            ("a-open", true, vec![]),
            ("b-off", false, vec![]),
            ("c-one", true, vec![one]),
            ("d-two", true, vec![two]),
            ("e-both", true, vec![one, two]),
            ("f-nobody", true, vec![empty]),
            ("g-off-one", false, vec![one]),
        ] {
            insert(&db, slug, enabled, &groups).await;
        }
        assert_eq!(slugs(&db, member(ada)).await, ["a-open", "c-one", "d-two", "e-both"]);
        assert_eq!(slugs(&db, member(bob)).await, ["a-open", "d-two", "e-both"]);
        assert_eq!(slugs(&db, member(id())).await, ["a-open"]);
        assert_eq!(slugs(&db, EVERYTHING).await.len(), 7);
        let auditor = Reader { disabled: true, ..member(bob) };
        assert_eq!(slugs(&db, auditor).await, ["a-open", "b-off", "d-two", "e-both"]);
        let admin_in_a_chat = Reader { every_group: true, ..member(bob) };
        assert_eq!(slugs(&db, admin_in_a_chat).await, ["a-open", "c-one", "d-two", "e-both", "f-nobody"]);
    }

    /// Lists, single reads, cursors and chats must not disagree.
    async fn every_way_to_a_server_finds_the_same(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let mine = insert_group(&db, "mine", &[ada]).await;
        let other = insert_group(&db, "other", &[]).await;
        let mut all = Vec::new();
        for (n, (enabled, groups)) in
            [(true, vec![]), (false, vec![]), (true, vec![mine]), (true, vec![other]), (true, vec![mine, other])].into_iter().enumerate()
        {
            all.push(insert(&db, &format!("s{n}"), enabled, &groups).await);
        }
        for reader in [member(ada), member(id()), EVERYTHING, Reader { disabled: true, ..member(ada) }] {
            let listed: Vec<Uuid> = read!(db, |session| server_list(session, reader, None, None))
                .iter()
                .map(|found| found.stored.record.id)
                .collect();
            let chosen = read!(db, |session| server_candidates(session, reader, Candidates::Forced, &all));
            for server in &all {
                let is_listed = listed.contains(server);
                let found = read!(db, |session| server_get(session, reader, *server));
                assert_eq!(found.is_some(), is_listed, "get {server} {reader:?}");
                let cursor = read!(db, |session| server_cursor(session, reader, *server));
                assert_eq!(cursor.is_some(), is_listed, "cursor {server} {reader:?}");
                assert_eq!(chosen.iter().any(|found| found.stored.record.id == *server), is_listed, "chat {server} {reader:?}");
            }
        }
    }

    async fn a_record_always_tells_its_groups(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let mut groups = vec![insert_group(&db, "one", &[ada]).await, insert_group(&db, "two", &[]).await];
        groups.sort_unstable();
        let open = insert(&db, "open", true, &[]).await;
        let limited = insert(&db, "limited", true, &groups).await;
        for reader in [member(ada), EVERYTHING] {
            let listed = read!(db, |session| server_list(session, reader, None, Some(10)));
            for (server, expected) in [(open, &[][..]), (limited, &groups[..])] {
                let of_list = listed.iter().find(|found| found.stored.record.id == server).unwrap();
                let of_get = read!(db, |session| server_get(session, reader, server)).unwrap();
                assert_eq!(of_list.stored.record.allowed_group_ids, expected, "{reader:?}");
                assert_eq!(of_get.stored.record.allowed_group_ids, expected, "{reader:?}");
            }
        }
        let locked = commit!(db, |write| server_get_for_update(write, limited)).unwrap();
        assert_eq!(locked.record.allowed_group_ids, groups);
        commit!(db, |write| server_groups_replace(write, limited, &groups[..1]));
        assert_eq!(commit!(db, |write| server_get_for_update(write, limited)).unwrap().record.allowed_group_ids, groups[..1]);
        commit!(db, |write| server_groups_replace(write, limited, &[]));
        assert!(commit!(db, |write| server_get_for_update(write, limited)).unwrap().record.allowed_group_ids.is_empty());
    }

    async fn groups_that_do_not_exist_are_named_and_refused(db: TestDb) {
        let group = insert_group(&db, "one", &[]).await;
        let (open, unknown) = (insert(&db, "open", true, &[]).await, id());
        assert_eq!(commit!(db, |write| groups_unknown(write, &[group, unknown])), [unknown]);
        let error = refused!(db, |write| server_groups_replace(write, open, &[unknown]));
        assert!(!error.is_retryable(), "{error:?}");
        // A group that limits a server cannot go: the server would be open to everybody.
        commit!(db, |write| server_groups_replace(write, open, &[group]));
        db.raw("DELETE FROM groups").await.unwrap_err();
        assert!(commit!(db, |write| server_delete(write, open)));
        assert_eq!(db.raw("DELETE FROM groups").await.unwrap(), 1);
    }

    async fn pages_follow_each_other_without_gap_or_repetition(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let group = insert_group(&db, "mine", &[ada]).await;
        for n in 0..11 {
            let mut stored = server(&format!("s{n}"));
            // Twins, and names that differ in case only.
            stored.record.display_name = ["same", "Same", "other"][n % 3].to_owned();
            stored.record.enabled = n % 4 != 0;
            stored.record.allowed_group_ids = if n % 5 == 0 { vec![group] } else { vec![] };
            commit!(db, |write| server_insert(write, &stored));
        }
        for reader in [EVERYTHING, member(ada), member(id())] {
            let whole: Vec<Uuid> = read!(db, |session| server_list(session, reader, None, None))
                .iter()
                .map(|found| found.stored.record.id)
                .collect();
            for limit in 1..=4 {
                let (mut paged, mut after) = (Vec::new(), None);
                loop {
                    let page = read!(db, |session| server_list(session, reader, after, Some(limit)));
                    let Some(last) = page.last() else { break };
                    assert!(page.len() <= limit as usize);
                    after = read!(db, |session| server_cursor(session, reader, last.stored.record.id));
                    paged.extend(page.iter().map(|found| found.stored.record.id));
                }
                assert_eq!(paged, whole, "{limit} {reader:?}");
            }
        }
    }

    async fn candidates_are_the_forced_ones_the_defaults_and_the_chosen(db: TestDb) {
        let mut ids = Vec::new();
        for (slug, availability, enabled) in [
            ("a", Availability::ForceOn, true),
            ("b", Availability::DefaultOn, true),
            ("c", Availability::DefaultOff, true),
            ("d", Availability::ForceOn, false),
            ("e", Availability::DefaultOff, true),
        ] {
            let mut stored = server(slug);
            stored.record.availability = availability;
            stored.record.enabled = enabled;
            commit!(db, |write| server_insert(write, &stored));
            ids.push(stored.record.id);
        }
        let found = async |which, chosen: &[Uuid]| {
            let found = read!(db, |session| server_candidates(session, member(id()), which, chosen));
            found.into_iter().map(|found| found.stored.record.slug).collect::<Vec<_>>().concat()
        };
        assert_eq!(found(Candidates::Forced, &[]).await, "a");
        assert_eq!(found(Candidates::Defaults, &[]).await, "ab");
        assert_eq!(found(Candidates::Forced, &[ids[4], ids[0], ids[3], id(), ids[4]]).await, "ae");
    }
}
