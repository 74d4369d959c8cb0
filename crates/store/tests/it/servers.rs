//! MCP servers.

use crate::support::{
    EVERYTHING, START, assert_conflict, commit, id, insert_user, read, refused, sealed, server, store,
};
use api::servers::{AuthType, Availability, OAuth2Registration, Transport, UserHeader};
use domain::mcp_server::OAuth2Settings;
use store::mcp_servers::*;
use testkit::both_engines;

both_engines! {
    async fn a_server_is_read_back_as_it_was_written(db: TestDb) {
        let author = insert_user(&db, "ada").await;
        for auth_type in AuthType::ALL {
            for transport in Transport::ALL {
                for availability in Availability::ALL {
                    let mut stored = server(&format!("s-{}-{}-{}", auth_type.as_str(), transport.as_str(), availability.as_str()));
                    stored.record.auth_type = *auth_type;
                    stored.record.transport = *transport;
                    stored.record.availability = *availability;
                    stored.record.created_by = Some(author.user.id);
                    commit!(db, |write| server_insert(write, &stored));
                    let found = read!(db, |session| server_get(session, EVERYTHING, stored.record.id)).unwrap().stored;
                    assert_eq!(found.record, stored.record);
                    assert!(!found.api_key.is_set() && !found.custom_headers.is_set());
                }
            }
        }
        assert!(read!(db, |session| server_get(session, EVERYTHING, id())).is_none());
    }

    async fn sealed_values_come_back_byte_for_byte_and_set_the_flags(db: TestDb) {
        let mut stored = server("sealed");
        stored.api_key = sealed(&[0, 1, 255, 0], "0123456789abcdef");
        stored.custom_headers = sealed(&[9; 300], "fedcba9876543210");
        commit!(db, |write| server_insert(write, &stored));
        let found = read!(db, |session| server_get(session, EVERYTHING, stored.record.id)).unwrap().stored;
        assert_eq!((&found.api_key, &found.custom_headers), (&stored.api_key, &stored.custom_headers));
        assert!(found.record.has_api_key && found.record.has_custom_headers);
        assert_eq!(found.api_key.sealed().unwrap().ciphertext, [0, 1, 255, 0]);
    }

    async fn slugs_are_unique_whatever_their_case(db: TestDb) {
        commit!(db, |write| server_insert(write, &server("GitHub")));
        assert_conflict(&refused!(db, |write| server_insert(write, &server("github"))), "slug");
        let mut other = server("linear");
        commit!(db, |write| server_insert(write, &other));
        other.record.slug = "GITHUB".to_owned();
        assert_conflict(&refused!(db, |write| server_update(write, &other)), "slug");
    }

    async fn an_update_writes_every_field_and_keeps_the_birthday(db: TestDb) {
        let author = insert_user(&db, "ada").await;
        let before = server("before");
        commit!(db, |write| server_insert(write, &before));
        let mut after = server("after");
        after.record.id = before.record.id;
        after.record.display_name = "Other".to_owned();
        after.record.description = String::new();
        after.record.icon_url = String::new();
        after.record.transport = Transport::Sse;
        after.record.url = "http://10.0.0.1:9/x".to_owned();
        after.record.auth_type = AuthType::ApiKey;
        after.record.api_key_header = "X-Key".to_owned();
        after.record.has_api_key = true;
        after.record.tool_allow_list = vec![];
        after.record.tool_deny_list = vec!["*".to_owned()];
        after.record.tool_idempotent_list = vec!["Read_*".to_owned(), "ping".to_owned()];
        after.record.tool_approval_list = vec!["*".to_owned()];
        after.record.availability = Availability::ForceOn;
        after.record.enabled = false;
        after.record.model_intent = false;
        after.record.updated_at = START.plus_seconds(9);
        after.record.updated_by = Some(author.user.id);
        after.record.oauth2 = OAuth2Settings {
            client_id: "client".to_owned(),
            auth_url: "https://id.example/a".to_owned(),
            token_url: "https://id.example/t".to_owned(),
            revocation_url: "https://id.example/r".to_owned(),
            scopes: "a b".to_owned(),
            issuer: "https://id.example".to_owned(),
            registration: Some(OAuth2Registration::Cimd),
            secret_wiped: true,
        };
        after.record.has_oauth2_secret = true;
        after.record.user_headers = vec![UserHeader {
            name: "X-Token".to_owned(),
            description: "two\nlines".to_owned(),
            value_prefix: "Bearer ".to_owned(),
        }];
        after.record.version = 2;
        after.record.credential_version = 7;
        after.api_key = sealed(b"cipher", "0123456789abcdef");
        after.oauth2_client_secret = sealed(b"secret", "fedcba9876543210");
        commit!(db, |write| server_update(write, &after));
        let found = commit!(db, |write| server_get_for_update(write, before.record.id)).unwrap();
        assert_eq!(found.record, after.record);
        assert_eq!((&found.api_key, &found.oauth2_client_secret), (&after.api_key, &after.oauth2_client_secret));
    }

    async fn servers_are_listed_by_display_name_without_regard_to_case_then_id(db: TestDb) {
        let mut twins = Vec::new();
        for (slug, name, enabled) in
            [("s1", "zulu", true), ("s2", "Alpha", false), ("s3", "mike", true), ("s4", "Mike", true), ("s5", "alpha2", true)]
        {
            let mut stored = server(slug);
            stored.record.display_name = name.to_owned();
            stored.record.enabled = enabled;
            commit!(db, |write| server_insert(write, &stored));
            if name.eq_ignore_ascii_case("mike") {
                twins.push(stored.record.id);
            }
        }
        let all = read!(db, |session| server_list(session, EVERYTHING, None, None));
        let names: Vec<String> = all.iter().map(|found| found.stored.record.display_name.to_lowercase()).collect();
        assert_eq!(names, ["alpha", "alpha2", "mike", "mike", "zulu"]);
        twins.sort();
        assert_eq!([all[2].stored.record.id, all[3].stored.record.id], twins[..]);
        let enabled = read!(db, |session| server_list(session, Reader { disabled: false, ..EVERYTHING }, None, None));
        assert_eq!(enabled.len(), 4);
        assert!(enabled.iter().all(|found| found.stored.record.enabled));
    }

    async fn a_server_outlives_its_author(db: TestDb) {
        let author = insert_user(&db, "ada").await;
        let mut stored = server("s");
        stored.record.created_by = Some(author.user.id);
        stored.record.updated_by = Some(author.user.id);
        commit!(db, |write| server_insert(write, &stored));
        commit!(db, |write| store::users::user_delete(write, author.user.id));
        let found = read!(db, |session| server_get(session, EVERYTHING, stored.record.id)).unwrap().stored;
        assert_eq!((found.record.created_by, found.record.updated_by), (None, None));
    }

    async fn a_server_is_deleted_once(db: TestDb) {
        let stored = server("s");
        commit!(db, |write| server_insert(write, &stored));
        assert!(commit!(db, |write| server_delete(write, stored.record.id)));
        assert!(!commit!(db, |write| server_delete(write, stored.record.id)));
    }

    async fn a_value_that_this_build_does_not_know_is_an_error_that_names_the_row(db: TestDb) {
        let stored = server("s");
        commit!(db, |write| server_insert(write, &stored));
        if db.is_postgres() {
            db.raw("ALTER TABLE mcp_servers DROP CONSTRAINT mcp_servers_auth_type_check").await.unwrap();
            db.raw("UPDATE mcp_servers SET auth_type = 'telepathy'").await.unwrap();
        } else {
            db.raw("PRAGMA ignore_check_constraints = ON; UPDATE mcp_servers SET auth_type = 'telepathy'").await.unwrap();
        }
        let mut session = db.read().await.unwrap();
        let error = server_list(&mut session, EVERYTHING, None, None).await.unwrap_err().to_string();
        assert!(error.contains("mcp_servers.auth_type") && error.contains(&stored.record.id.to_string()), "{error}");
        // The start asks for them by name, and does not begin.
        let unknown = servers_of_unknown_type(&mut session).await.unwrap();
        assert_eq!(unknown, [("s".to_owned(), "telepathy".to_owned())]);
    }
}
