//! Sealed values open in their own row only (behaviour 26).

use crate::bench::{Bench, service::OpContext};
use api::{
    Uuid,
    check::ConnectOutcome,
    servers::{AuthStatus, ServerWrite, UserHeader, UserHeaderValues},
    users::Role,
};
use std::collections::BTreeMap;
use testkit::{
    both_engines,
    fake_mcp::{FakeMcp, FakeTool},
};

fn keyed(slug: &str, url: &str, key: &str) -> ServerWrite {
    let text = |text: &str| Some(text.to_owned());
    ServerWrite {
        display_name: text(slug),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text(url),
        auth_type: text("api_key"),
        api_key_value: text(key),
        availability: text("default_off"),
        ..ServerWrite::default()
    }
}

fn asking(slug: &str, url: &str) -> ServerWrite {
    let header =
        UserHeader { name: "X-Token".to_owned(), description: String::new(), value_prefix: String::new() };
    ServerWrite {
        auth_type: Some("user_header".to_owned()),
        api_key_value: None,
        user_headers: Some(vec![header]),
        enabled: Some(true),
        ..keyed(slug, url, "")
    }
}

both_engines! {
    /// A reader of the database who swaps ciphertexts between rows must not get a key sent elsewhere.
    async fn a_ciphertext_moved_to_another_row_is_not_used_and_costs_no_list(db: TestDb) {
        let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let service = &bench.service;
        let (victim, _) = service.server_create(&owner, keyed("victim", "https://mcp.example.org/mcp", "the-victims-key")).await.unwrap();
        let (thief, _) = service.server_create(&owner, keyed("thief", &fake.url(), "some-other-key")).await.unwrap();
        assert_eq!(service.server_check(&owner, thief.id).await.unwrap().outcome, ConnectOutcome::Connected);
        bench
            .db
            .raw(
                "UPDATE mcp_servers SET api_key_value = (SELECT v.api_key_value FROM mcp_servers v WHERE v.slug = 'victim') \
                 WHERE slug = 'thief'",
            )
            .await
            .unwrap();
        let before = fake.requests().len();
        let report = service.server_check(&owner, thief.id).await.unwrap();
        assert_ne!(report.outcome, ConnectOutcome::Connected);
        assert!(report.error.contains("cannot be read"), "{}", report.error);
        let after = fake.requests();
        // The end of the first check's session may still arrive; anything else would be a use.
        assert!(after[before..].iter().all(|request| request.method == "DELETE"), "nothing was sent: {:?}", &after[before..]);
        assert!(!after.iter().any(|request| request.whole().contains("the-victims-key")));
        let listed = service.server_list(&owner, None, None).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().any(|server| server.id == victim.id));
        // Entered again, it works.
        let again = ServerWrite { api_key_value: Some("entered-again".to_owned()), ..ServerWrite::default() };
        service.server_update(&owner, thief.id, again, None).await.unwrap();
        assert_eq!(service.server_check(&owner, thief.id).await.unwrap().outcome, ConnectOutcome::Connected);
    }

    /// Values of one user never open as another's, nor for another server, in whatever way the row was put together.
    async fn a_users_values_open_for_that_user_and_that_server_only(db: TestDb) {
        let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (ada, _) = bench.signed_in("ada", Role::Member).await;
        let (bob, _) = bench.signed_in("bob", Role::Member).await;
        let service = &bench.service;
        let (one, _) = service.server_create(&owner, asking("one", &fake.url())).await.unwrap();
        let (two, _) = service.server_create(&owner, asking("two", &fake.url())).await.unwrap();
        let id_of = |ctx: &OpContext| ctx.caller.as_ref().unwrap().user.id;
        let literal = |id: Uuid| if bench.db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) };
        let (row_user, row_bob) = (literal(id_of(&ada)), literal(id_of(&bob)));
        let (first, second) = (literal(one.id), literal(two.id));
        let of = |server: &str, user: &str| format!("mcp_server_id = {server} AND user_id = {user}");
        for (what, sql, victim) in [
            (
                "another user's ciphertext",
                format!(
                    "UPDATE user_header_values SET header_values = (SELECT v.header_values FROM user_header_values v WHERE {}) WHERE {}",
                    of(&first, &row_user), of(&first, &row_bob)
                ),
                &bob,
            ),
            (
                "another user's whole row",
                format!(
                    "DELETE FROM user_header_values WHERE {}; UPDATE user_header_values SET user_id = {row_bob} WHERE {}",
                    of(&first, &row_bob), of(&first, &row_user)
                ),
                &bob,
            ),
            (
                "the ciphertext of another server",
                format!(
                    "UPDATE user_header_values SET header_values = (SELECT v.header_values FROM user_header_values v WHERE {}) WHERE {}",
                    of(&second, &row_user), of(&first, &row_user)
                ),
                &ada,
            ),
        ] {
            for ctx in [&ada, &bob] {
                for server in [one.id, two.id] {
                    let who = &ctx.caller.as_ref().unwrap().user.username;
                    let values = BTreeMap::from([("X-Token".to_owned(), format!("value-of-{who}"))]);
                    service.user_headers_set(ctx, server, UserHeaderValues { values }).await.unwrap();
                }
            }
            assert_eq!(service.server_check(victim, one.id).await.unwrap().outcome, ConnectOutcome::Connected, "{what}");
            bench.db.raw(&sql).await.unwrap();
            let before = fake.requests().len();
            let report = service.server_check(victim, one.id).await.unwrap();
            assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Skipped, AuthStatus::NeedsReconnect), "{what}");
            let after = fake.requests();
            assert!(after[before..].iter().all(|request| request.method == "DELETE"), "{what}: nothing was sent");
            // The list says the same, and stands.
            let listed = service.server_list(victim, None, None).await.unwrap();
            let seen = listed.iter().find(|server| server.id == one.id).unwrap();
            assert_eq!((seen.auth_status, seen.auth_connected), (AuthStatus::NeedsReconnect, false), "{what}");
            assert_eq!(seen.auth_status_reason, "undecryptable", "{what}");
            assert_eq!(listed.iter().find(|server| server.id == two.id).unwrap().auth_status, AuthStatus::Connected);
            let connections = service.connection_list(&owner, one.id, "").await.unwrap();
            assert!(connections.iter().any(|entry| entry.auth_status == AuthStatus::NeedsReconnect), "{what}");
        }
    }

    async fn a_ciphertext_in_another_column_of_its_row_is_not_used(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let text = |text: &str| Some(text.to_owned());
        let oauth2 = ServerWrite {
            auth_type: text("oauth2"),
            api_key_value: None,
            oauth2_client_id: text("c"),
            oauth2_client_secret: text("the-secret"),
            oauth2_auth_url: text("https://id.example.org/a"),
            oauth2_token_url: text("https://id.example.org/t"),
            ..keyed("s", "https://mcp.example.org/mcp", "")
        };
        let (server, _) = bench.service.server_create(&owner, oauth2).await.unwrap();
        assert_eq!(server.auth_status, AuthStatus::NotConnected);
        bench
            .db
            .raw(
                "UPDATE mcp_servers SET auth_type = 'api_key', api_key_header = 'X-Key', api_key_value = oauth2_client_secret, \
                 api_key_value_key_id = oauth2_client_secret_key_id",
            )
            .await
            .unwrap();
        let (seen, _) = bench.service.server_get(&owner, server.id).await.unwrap();
        assert_eq!((seen.auth_status, seen.auth_status_reason.as_str()), (AuthStatus::Misconfigured, "undecryptable"));
        assert_eq!(seen.config_problems.unwrap()[0].field, "api_key_value");
        let report = bench.service.server_check(&owner, server.id).await.unwrap();
        assert_eq!(report.outcome, ConnectOutcome::Skipped);
    }

    /// Every bit counts: of the user's values as of every sealed value.
    async fn a_changed_bit_of_a_users_values_is_noticed(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let service = &bench.service;
        let (server, _) = service.server_create(&owner, asking("s", "https://mcp.example.org/mcp")).await.unwrap();
        let values = || UserHeaderValues { values: BTreeMap::from([("X-Token".to_owned(), "v".to_owned())]) };
        let state = async || service.server_get(&owner, server.id).await.unwrap().0.auth_status;
        service.user_headers_set(&owner, server.id, values()).await.unwrap();
        assert_eq!(state().await, AuthStatus::Connected);
        let cut = if bench.db.is_postgres() {
            "UPDATE user_header_values SET header_values = set_byte(header_values, 20, get_byte(header_values, 20) # 1)"
        } else {
            "UPDATE user_header_values SET header_values = substr(header_values, 1, length(header_values) - 1)"
        };
        bench.db.raw(cut).await.unwrap();
        assert_eq!(state().await, AuthStatus::NeedsReconnect);
        service.user_headers_set(&owner, server.id, values()).await.unwrap();
        assert_eq!(state().await, AuthStatus::Connected);
    }
}
