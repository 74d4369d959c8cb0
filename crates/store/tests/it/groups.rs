//! Groups and their members.

use crate::support::{START, assert_conflict, commit, id, insert_user, read, refused, server, store};
use api::groups::GroupSource;
use store::{groups::*, users::user_delete};
use testkit::{TestDb, both_engines};

fn group(name: &str) -> GroupRecord {
    GroupRecord {
        id: id(),
        name: name.to_owned(),
        display_name: format!("The {name}"),
        source: GroupSource::Admin,
        created_at: START,
        updated_at: START,
    }
}

async fn insert_group(db: &TestDb, name: &str) -> GroupRecord {
    let record = group(name);
    commit!(db, |write| group_insert(write, &record));
    record
}

/// Limits a new server to the group.
async fn limit_server(db: &TestDb, slug: &str, group: &GroupRecord) {
    let stored = server(slug);
    commit!(db, |write| store::mcp_servers::server_insert(write, &stored));
    db.raw(&format!(
        "INSERT INTO mcp_server_groups (mcp_server_id, group_id) SELECT s.id, g.id FROM mcp_servers s, groups g \
         WHERE s.slug = '{slug}' AND g.name = '{}'",
        group.name
    ))
    .await
    .unwrap();
}

both_engines! {
    async fn a_group_is_read_back_as_it_was_written(db: TestDb) {
        let mut record = group("web");
        record.source = GroupSource::Oidc;
        commit!(db, |write| group_insert(write, &record));
        assert_eq!(read!(db, |session| group_get(session, record.id)), Some(record.clone()));
        record.name = "ops".to_owned();
        record.display_name = String::new();
        record.updated_at = START.plus_seconds(5);
        commit!(db, |write| group_update(write, &record));
        assert_eq!(commit!(db, |write| group_get_for_update(write, record.id)), Some(record));
        assert_eq!(read!(db, |session| group_get(session, id())), None);
        assert_eq!(read!(db, |session| groups_count(session)), 1);
    }

    async fn group_names_are_unique_whatever_their_case(db: TestDb) {
        insert_group(&db, "web").await;
        let mut ops = insert_group(&db, "ops").await;
        let other = group("WEB");
        assert_conflict(&refused!(db, |write| group_insert(write, &other)), "name");
        ops.name = "Web".to_owned();
        assert_conflict(&refused!(db, |write| group_update(write, &ops)), "name");
    }

    async fn groups_are_listed_by_name_with_their_counts_in_pages(db: TestDb) {
        let ada = insert_user(&db, "ada").await.user.id;
        let bob = insert_user(&db, "bob").await.user.id;
        for name in ["delta", "Bravo", "alpha"] {
            insert_group(&db, name).await;
        }
        let web = insert_group(&db, "web").await;
        for user in [ada, bob] {
            assert!(commit!(db, |write| member_insert(write, web.id, user, START)));
        }
        limit_server(&db, "linear", &web).await;
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = read!(db, |session| group_list(session, &after, 2));
            let Some(last) = page.last() else { break };
            after = last.name.clone();
            seen.extend(page.into_iter().map(|group| (group.name, group.member_count, group.server_count)));
        }
        let expected = [("alpha", 0, 0), ("Bravo", 0, 0), ("delta", 0, 0), ("web", 2, 1)];
        assert_eq!(seen, expected.map(|(name, members, servers)| (name.to_owned(), members, servers)));
    }

    async fn members_join_and_leave_once(db: TestDb) {
        let web = insert_group(&db, "web").await;
        let zoe = insert_user(&db, "zoe").await.user.id;
        let ada = insert_user(&db, "Ada").await.user.id;
        assert!(commit!(db, |write| member_insert(write, web.id, zoe, START)));
        assert!(!commit!(db, |write| member_insert(write, web.id, zoe, START)));
        assert!(commit!(db, |write| member_insert(write, web.id, ada, START)));
        let members = read!(db, |session| group_members(session, web.id));
        assert_eq!(members.iter().map(|member| member.username.as_str()).collect::<Vec<_>>(), ["Ada", "zoe"]);
        assert_eq!(members[0].email, "Ada@example.org");
        assert_eq!(read!(db, |session| group_members_count(session, web.id)), 2);
        assert_eq!(read!(db, |session| groups_of_user(session, ada)), [web.id]);
        assert!(commit!(db, |write| member_delete(write, web.id, ada)));
        assert!(!commit!(db, |write| member_delete(write, web.id, ada)));
        assert!(read!(db, |session| groups_of_user(session, ada)).is_empty());
        for (group, user) in [(web.id, id()), (id(), zoe)] {
            let error = refused!(db, |write| member_insert(write, group, user, START));
            assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
        }
    }

    async fn memberships_go_with_their_user_and_their_group(db: TestDb) {
        let (web, ops) = (insert_group(&db, "web").await, insert_group(&db, "ops").await);
        let (ada, bob) = (insert_user(&db, "ada").await.user.id, insert_user(&db, "bob").await.user.id);
        for group in [web.id, ops.id] {
            for user in [ada, bob] {
                commit!(db, |write| member_insert(write, group, user, START));
            }
        }
        let mut both = [web.id, ops.id];
        both.sort();
        assert_eq!(read!(db, |session| groups_of_user(session, ada)), both);
        assert!(commit!(db, |write| user_delete(write, ada)));
        assert_eq!(db.number("SELECT COUNT(*) FROM group_members").await, 2);
        assert!(commit!(db, |write| group_delete(write, ops.id)));
        assert!(!commit!(db, |write| group_delete(write, ops.id)));
        assert_eq!(read!(db, |session| groups_of_user(session, bob)), [web.id]);
    }

    async fn a_group_that_limits_a_server_stays(db: TestDb) {
        let web = insert_group(&db, "web").await;
        limit_server(&db, "linear", &web).await;
        let error = refused!(db, |write| group_delete(write, web.id));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
        let servers = read!(db, |session| group_servers(session, web.id));
        assert_eq!(servers.iter().map(|server| server.display_name.as_str()).collect::<Vec<_>>(), ["Server linear"]);
        commit!(db, |write| store::mcp_servers::server_delete(write, servers[0].id));
        assert!(commit!(db, |write| group_delete(write, web.id)));
    }
}
