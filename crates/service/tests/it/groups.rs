//! Groups and settings: what REST cannot show yet, or shows too slowly.

use crate::bench::{Bench, service};
use api::{
    PageQuery, Uuid,
    groups::{GroupCreate, GroupSource, GroupUpdate},
    settings::EgressAllowWrite,
    users::Role,
};
use service::Error;
use store::groups::GroupRecord;
use testkit::both_engines;

/// Actions and changed fields about groups and settings, in the order of their writing.
async fn log(bench: &Bench) -> Vec<String> {
    let sql = "SELECT action || ' ' || resource_name || ' ' || CAST(changed_fields AS TEXT) FROM audit_log \
               WHERE resource_type IN ('group', 'setting') ORDER BY id";
    bench.db.texts(sql).await
}

fn named(name: &str) -> GroupCreate {
    GroupCreate { name: name.to_owned(), display_name: None }
}

fn fields(error: Error) -> Vec<String> {
    match error {
        Error::Invalid { validations, .. } | Error::Conflict { validations, .. } => {
            validations.into_iter().map(|wrong| wrong.field).collect()
        }
        other => panic!("{other:?}"),
    }
}

both_engines! {
    async fn every_change_of_a_group_is_logged_with_who_came_and_went(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (ada, _) = bench.signed_in("ada", Role::Member).await;
        let ada = ada.caller.unwrap().user.id;
        let service = &bench.service;
        let group = service.group_create(&owner, named("web")).await.unwrap();
        bench.pass(1);
        let join = GroupUpdate { add_users: vec![ada], name: Some("ops".to_owned()), ..GroupUpdate::default() };
        let joined = service.group_update(&owner, group.id, join).await.unwrap();
        assert!(joined.updated_at > group.updated_at);
        bench.pass(1);
        // A refused edit leaves nothing, in the group or in the log.
        let wrong = GroupUpdate { remove_users: vec![ada], add_users: vec![Uuid::nil()], ..GroupUpdate::default() };
        assert_eq!(fields(service.group_update(&owner, group.id, wrong).await.unwrap_err()), ["add_users[0]"]);
        let leave = GroupUpdate { remove_users: vec![ada], ..GroupUpdate::default() };
        assert_eq!(service.group_update(&owner, group.id, leave).await.unwrap().members, []);
        bench.pass(1);
        service.group_delete(&owner, group.id).await.unwrap();
        let log = log(&bench).await;
        let expected = [
            "group.create web []", "group.update ops [\"name\",\"joined ada\"]", "group.update ops [\"left ada\"]", "group.delete ops []",
        ];
        assert_eq!(log.iter().map(|line| line.replace("\", \"", "\",\"")).collect::<Vec<_>>(), expected);
        // Who left is told to the other replicas, which hold connections of theirs.
        let told = bench.db.texts(&format!("SELECT kind FROM changes WHERE subject = '{ada}'")).await;
        assert_eq!(told, ["users"]);
    }

    async fn a_group_of_the_identity_provider_keeps_its_members_and_its_name(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let me = owner.caller.as_ref().unwrap().user.id;
        let record = GroupRecord {
            id: Uuid::from_u128(7),
            name: "/acme/web".to_owned(),
            display_name: String::new(),
            source: GroupSource::Oidc,
            created_at: bench.now(),
            updated_at: bench.now(),
        };
        let mut write = bench.db.db().write().await.unwrap();
        store::groups::group_insert(&mut write, &record).await.unwrap();
        store::groups::member_insert(&mut write, record.id, me, bench.now()).await.unwrap();
        write.commit().await.unwrap();
        let update = |update| bench.service.group_update(&owner, record.id, update);
        let other = GroupUpdate { add_users: vec![me], ..GroupUpdate::default() };
        assert_eq!(fields(update(other).await.unwrap_err()), ["add_users"]);
        let other = GroupUpdate { remove_users: vec![me], ..GroupUpdate::default() };
        assert_eq!(fields(update(other).await.unwrap_err()), ["remove_users"]);
        let other = GroupUpdate { name: Some("web".to_owned()), ..GroupUpdate::default() };
        assert_eq!(fields(update(other).await.unwrap_err()), ["name"]);
        // The form sends the name along with the display name.
        let same = GroupUpdate {
            name: Some("/acme/web".to_owned()), display_name: Some("Web".to_owned()), ..GroupUpdate::default()
        };
        let changed = update(same).await.unwrap();
        assert_eq!((changed.label(), changed.members.len()), ("Web", 1));
        bench.service.group_delete(&owner, record.id).await.unwrap();
    }

    async fn groups_and_their_members_have_an_end(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let mut write = bench.db.db().write().await.unwrap();
        for n in 0..domain::limits::GROUPS {
            let record = GroupRecord {
                id: Uuid::from_u128(n as u128 + 1),
                name: format!("g{n:04}"),
                display_name: String::new(),
                source: GroupSource::Admin,
                created_at: bench.now(),
                updated_at: bench.now(),
            };
            store::groups::group_insert(&mut write, &record).await.unwrap();
        }
        write.commit().await.unwrap();
        let error = bench.service.group_create(&owner, named("one-more")).await.unwrap_err();
        assert!(matches!(&error, Error::Conflict { message, .. } if message.contains("1000")), "{error:?}");
        let query = PageQuery { after: "g0998".to_owned(), ..PageQuery::default() };
        let page = bench.service.group_list(&owner, &query).await.unwrap();
        assert_eq!((page.rows.len(), page.next), (1, None));
        let query = PageQuery { limit: Some(2), ..PageQuery::default() };
        let page = bench.service.group_list(&owner, &query).await.unwrap();
        assert_eq!(page.next.as_deref(), Some("g0001"));
    }

    async fn what_owners_allow_is_logged_and_reaches_other_replicas(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let put = |entries: &[&str]| {
            let write = EgressAllowWrite { entries: entries.iter().map(|entry| (*entry).to_owned()).collect() };
            bench.service.egress_allow_put(&owner, write, None)
        };
        put(&["mcp.corp.lan:443", "10.0.0.0/8:*"]).await.unwrap();
        bench.pass(1);
        put(&["10.0.0.0/8:*", "mcp.corp.lan:443"]).await.unwrap();
        bench.pass(1);
        put(&["10.0.0.0/8:*", "x.corp.lan:1"]).await.unwrap();
        assert_eq!(bench.service.egress_allow(&owner).unwrap(), "10.0.0.0/8:*,x.corp.lan:1");
        let log = log(&bench).await;
        assert_eq!(log.len(), 2, "an order is no change: {log:?}");
        assert!(log[0].starts_with("settings.update egress-allow") && log[0].contains("added mcp.corp.lan:443"), "{log:?}");
        assert!(log[1].contains("added x.corp.lan:1") && log[1].contains("removed mcp.corp.lan:443"), "{log:?}");
        assert_eq!(bench.db.texts("SELECT kind FROM changes").await, ["settings", "settings"]);
        // As another replica left it.
        bench.db.raw("UPDATE settings SET value = '[\"a.corp.lan:1\",\"not readable\"]' WHERE key = 'egress.allow'").await.unwrap();
        bench.service.egress_allow_reload().await.unwrap();
        assert_eq!(bench.service.egress_allow(&owner).unwrap(), "a.corp.lan:1");
        bench.db.raw("UPDATE settings SET value = 'rubbish' WHERE key = 'egress.allow'").await.unwrap();
        bench.service.egress_allow_reload().await.unwrap();
        assert_eq!(bench.service.egress_allow(&owner).unwrap(), "");
    }
}
