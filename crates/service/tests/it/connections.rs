//! What the audit log says of connections (behaviour 27): own values entered, replaced, taken back, ended by an admin, wiped by an
//! edit. Names of headers, never a value.

use crate::bench::{Bench, service};
use api::{
    Uuid,
    servers::{ServerWrite, UserHeader, UserHeaderValues},
    users::Role,
};
use service::OpContext;
use testkit::both_engines;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn asked(names: &[&str]) -> Option<Vec<UserHeader>> {
    let header = |name: &&str| UserHeader {
        name: (*name).to_owned(),
        description: String::new(),
        value_prefix: String::new(),
    };
    Some(names.iter().map(header).collect())
}

async fn personal_server(bench: &Bench, owner: &OpContext) -> Uuid {
    let write = ServerWrite {
        display_name: text("Notes"),
        slug: text("notes"),
        transport: text("streamable_http"),
        url: text("https://mcp.example.org/mcp"),
        auth_type: text("user_header"),
        user_headers: asked(&["X-Token", "X-Team"]),
        availability: text("default_off"),
        enabled: Some(true),
        ..ServerWrite::default()
    };
    bench.service.server_create(owner, write).await.unwrap().0.id
}

async fn enter(bench: &Bench, user: &OpContext, server: Uuid) {
    let values = ["X-Token", "X-Team"].map(|name| (name.to_owned(), "canary-of-mine".to_owned()));
    let values = UserHeaderValues { values: values.into_iter().collect() };
    bench.service.user_headers_set(user, server, values).await.unwrap();
    bench.pass(1);
}

/// Entries since the last look, as `actor action outcome type/name [fields]`.
struct Log {
    seen: usize,
}

impl Log {
    async fn fresh(&mut self, bench: &Bench) -> Vec<String> {
        let sql = "SELECT actor_name || ' ' || action || ' ' || outcome || ' ' || resource_type || '/' || resource_name || ' ' || \
                   CAST(changed_fields AS TEXT) FROM audit_log ORDER BY at, id";
        let mut lines = bench.db.texts(sql).await;
        assert!(lines.iter().all(|line| !line.contains("canary")), "{lines:#?}");
        let fresh = lines.split_off(self.seen);
        self.seen += fresh.len();
        // PostgreSQL writes a blank between the fields.
        fresh.into_iter().map(|line| line.replace("\", \"", "\",\"")).collect()
    }
}

both_engines! {
    async fn own_values_entered_replaced_and_taken_back_leave_their_entries(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (ada, _) = bench.signed_in("ada", Role::Member).await;
        let server = personal_server(&bench, &owner).await;
        bench.pass(1);
        let mut log = Log { seen: 0 };
        log.fresh(&bench).await;
        enter(&bench, &ada, server).await;
        enter(&bench, &ada, server).await;
        assert_eq!(log.fresh(&bench).await, [
            r#"ada connection.user_headers_set ok mcp_server/notes ["x-token set","x-team set"]"#,
            r#"ada connection.user_headers_set ok mcp_server/notes ["x-token changed","x-team changed"]"#,
        ]);
        let incomplete = UserHeaderValues { values: [("X-Token".to_owned(), "canary".to_owned())].into() };
        bench.service.user_headers_set(&ada, server, incomplete).await.unwrap_err();
        bench.service.user_headers_remove(&ada, server).await.unwrap();
        bench.pass(1);
        enter(&bench, &ada, server).await;
        bench.service.server_disconnect(&ada, server).await.unwrap();
        bench.pass(1);
        assert_eq!(log.fresh(&bench).await, [
            "ada connection.user_headers_removed ok mcp_server/notes []",
            r#"ada connection.user_headers_set ok mcp_server/notes ["x-token set","x-team set"]"#,
            "ada connection.disconnected ok mcp_server/notes []",
        ]);
        // Nothing there, nothing done, nothing said; also of servers that are none.
        for id in [server, Uuid::nil()] {
            bench.service.user_headers_remove(&ada, id).await.unwrap();
            bench.service.server_disconnect(&ada, id).await.unwrap();
        }
        assert!(log.fresh(&bench).await.is_empty());
    }

    async fn connections_ended_by_an_admin_are_logged_with_whose_they_were(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let mut people = Vec::new();
        for name in ["ada", "bob", "eve"] {
            people.push(bench.signed_in(name, Role::Member).await.0);
        }
        let server = personal_server(&bench, &owner).await;
        for person in &people {
            enter(&bench, person, server).await;
        }
        let mut log = Log { seen: 0 };
        log.fresh(&bench).await;
        let ada = people[0].require().unwrap().user.id;
        for _ in 0..2 {
            bench.service.connection_remove(&owner, server, ada).await.unwrap();
            bench.pass(1);
        }
        bench.service.connection_remove_all(&owner, server).await.unwrap();
        bench.pass(1);
        assert_eq!(log.fresh(&bench).await, [
            format!(r#"owner connection.removed ok mcp_server/notes ["user {ada}"]"#),
            r#"owner connection.removed ok mcp_server/notes ["user_header_values 2"]"#.to_owned(),
        ]);
        bench.service.connection_remove_all(&owner, server).await.unwrap();
        assert!(log.fresh(&bench).await.is_empty(), "nobody was left");
    }

    async fn what_an_edit_takes_from_users_is_logged_with_its_count(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let server = personal_server(&bench, &owner).await;
        let mut log = Log { seen: 0 };
        let headers = |names| ServerWrite { user_headers: asked(names), ..ServerWrite::default() };
        for (names, change, wiped) in [
            (&["ada", "bob"][..], headers(&["X-Token"]), &["server.credentials_wiped user_header_values 2", "server.update user_headers"][..]),
            (
                &["eve"],
                ServerWrite { url: text("https://other.example.org/mcp"), ..ServerWrite::default() },
                &["server.credentials_wiped user_header_values 3", "server.update url"],
            ),
            (&[], ServerWrite { description: text("Nobody is left"), ..ServerWrite::default() }, &["server.update description"]),
        ] {
            bench.service.server_update(&owner, server, headers(&["X-Token", "X-Team"]), None).await.unwrap();
            for name in names {
                let (person, _) = bench.signed_in(name, Role::Member).await;
                enter(&bench, &person, server).await;
            }
            log.fresh(&bench).await;
            bench.service.server_update(&owner, server, change, None).await.unwrap();
            bench.pass(1);
            let mut fresh = log.fresh(&bench).await;
            fresh.sort();
            let expected = wiped.iter().map(|line| line.split_once(' ').unwrap());
            let expected: Vec<String> =
                expected.map(|(action, field)| format!(r#"owner {action} ok mcp_server/notes ["{field}"]"#)).collect();
            assert_eq!(fresh, expected);
        }
    }
}
