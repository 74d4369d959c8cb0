//! Servers, narrowed and in pages.

use crate::support::{commit, id, insert_user, read, server, store};
use store::mcp_servers::*;
use testkit::{TestDb, both_engines};

async fn insert(db: &TestDb, slug: &str, name: &str, url: &str, enabled: bool) {
    let mut stored = server(slug);
    stored.record.display_name = name.to_owned();
    stored.record.url = url.to_owned();
    stored.record.enabled = enabled;
    commit!(db, |write| server_insert(write, &stored));
}

fn slugs(found: Vec<FoundServer>) -> Vec<String> {
    found.into_iter().map(|found| found.stored.record.slug).collect()
}

both_engines! {
    async fn servers_are_searched_by_what_the_reader_may_see(db: TestDb) {
        insert(&db, "linear", "Linear", "https://mcp.acme.example/l", true).await;
        insert(&db, "sentry", "Sentry", "https://mcp.acme.example/s", false).await;
        insert(&db, "a_b", "100% own", "https://own.example", true).await;
        let everything = Reader::of_everything(id());
        let member = Reader { user_id: insert_user(&db, "ada").await.user.id, disabled: false, every_group: false };
        for (reader, q, enabled, expected) in [
            (everything, "", None, vec!["a_b", "linear", "sentry"]),
            (everything, "ACME", None, vec!["linear", "sentry"]),
            (everything, "acme", Some(false), vec!["sentry"]),
            (everything, "", Some(true), vec!["a_b", "linear"]),
            (everything, "a_b", None, vec!["a_b"]),
            (everything, "100%", None, vec!["a_b"]),
            (everything, "%", None, vec!["a_b"]),
            (everything, "LINE", None, vec!["linear"]),
            (member, "", None, vec!["a_b", "linear"]),
            (member, "", Some(false), vec![]),
            // Where it is, a member cannot guess.
            (member, "acme", None, vec![]),
            (member, "linear", None, vec!["linear"]),
        ] {
            let found = read!(db, |session| server_search(session, reader, Wanted { q, enabled }, None, 10));
            assert_eq!(slugs(found), expected, "{q} {enabled:?} {reader:?}");
        }
    }

    async fn a_search_goes_on_behind_a_server(db: TestDb) {
        for (slug, name) in [("s1", "mike"), ("s2", "Alpha q"), ("s3", "Mike"), ("s4", "zulu q")] {
            insert(&db, slug, name, "https://mcp.example.org/mcp", true).await;
        }
        let reader = Reader::of_everything(id());
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = read!(db, |session| server_search(session, reader, Wanted::default(), after.clone(), 1));
            let Some(last) = page.first() else { break };
            let last = last.stored.record.id;
            after = read!(db, |session| server_cursor(session, reader, last));
            seen.extend(page.into_iter().map(|found| found.stored.record.display_name.to_lowercase()));
        }
        assert_eq!(seen, ["alpha q", "mike", "mike", "zulu q"]);
        let wanted = Wanted { q: "q", enabled: None };
        let first = read!(db, |session| server_search(session, reader, wanted, None, 1));
        let cursor = read!(db, |session| server_cursor(session, reader, first[0].stored.record.id));
        let rest = read!(db, |session| server_search(session, reader, wanted, cursor, 10));
        assert_eq!(slugs(rest), ["s4"]);
    }
}
