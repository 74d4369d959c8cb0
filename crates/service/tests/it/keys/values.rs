//! Values that do not open: per value, logged, never the end of a list; and what followers notice.

use super::{NEW, OLD, actions, id, insert, joined, key, keys, provider, service};
use crate::bench::Bench;
use api::{
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use dbcrypt::Binding;
use secrecy::SecretString;
use service::{OpContext, Rotation};
use store::changes::{ChangeKind, change_note};
use testkit::both_engines;

fn write(slug: &str, url: &str) -> ServerWrite {
    let text = |text: &str| Some(text.to_owned());
    ServerWrite {
        display_name: text(slug),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text(url),
        auth_type: text("api_key"),
        api_key_value: text("a-key"),
        availability: text("default_on"),
        enabled: Some(true),
        ..ServerWrite::default()
    }
}

/// A row of `user_header_values` as the use case would write it.
async fn insert_header_values(bench: &Bench, server: api::Uuid, user: api::Uuid, secret: &str) {
    let row = id();
    let (row_text, owner) = (row.to_string(), user.to_string());
    let place =
        Binding { table: "user_header_values", column: "header_values", row: &row_text, owner: &owner };
    let sealed = bench.keyring.seal(&place, &SecretString::from(secret)).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let postgres = bench.db.is_postgres();
    let bytes =
        |bytes: &[u8]| if postgres { format!("'\\x{}'", hex(bytes)) } else { format!("x'{}'", hex(bytes)) };
    let uuid = |id: api::Uuid| if postgres { format!("'{id}'") } else { bytes(id.as_bytes()) };
    let sql = format!(
        "INSERT INTO user_header_values (id, mcp_server_id, user_id, header_values, header_values_key_id, names, version, \
         created_at, updated_at) VALUES ({}, {}, {}, {}, '{}', '[]', 1, 1, 1)",
        uuid(row),
        uuid(server),
        uuid(user),
        bytes(&sealed.ciphertext),
        sealed.key_id,
    );
    bench.db.raw(&sql).await.unwrap();
}

both_engines! {
    /// Threat 73. Rotation opens every value at its place, so it finds each one that was put elsewhere.
    async fn values_swapped_between_rows_columns_and_users_never_open(db: TestDb) {
        let bench = Bench::with_keys(db, &[OLD]).await;
        joined(&bench.db, &[OLD]).await.1.leave().await.unwrap();
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (ada, _) = bench.signed_in("ada", Role::Member).await;
        let ada = ada.caller.unwrap().user.id;
        bench.signed_in("bob", Role::Member).await;
        let (one, _) = bench.service.server_create(&owner, write("one", "https://one.example.org/mcp")).await.unwrap();
        let headers = ServerWrite {
            auth_type: Some("custom_headers".to_owned()),
            api_key_value: None,
            custom_headers: Some([("X-A".to_owned(), "v".to_owned())].into()),
            ..write("two", "https://two.example.org/mcp")
        };
        let (two, _) = bench.service.server_create(&owner, headers).await.unwrap();
        for server in [one.id, two.id] {
            insert_header_values(&bench, server, ada, "{\"X-B\":\"w\"}").await;
        }
        for sql in [
            "CREATE TABLE saved AS SELECT slug, api_key_value, custom_headers FROM mcp_servers",
            // another column of another row
            "UPDATE mcp_servers SET api_key_value = (SELECT custom_headers FROM saved WHERE slug = 'two') WHERE slug = 'one'",
            "UPDATE mcp_servers SET custom_headers = (SELECT api_key_value FROM saved WHERE slug = 'one') WHERE slug = 'two'",
            // the same place, but said to be somebody else's
            "UPDATE user_header_values SET user_id = (SELECT id FROM users WHERE username = 'bob') \
             WHERE mcp_server_id = (SELECT id FROM mcp_servers WHERE slug = 'one')",
        ] {
            bench.db.raw(sql).await.unwrap();
        }
        let rotation = Rotation::begin(keys(&bench.db, &[NEW, OLD]), OpContext::default()).await.unwrap();
        let done = rotation.run().await.unwrap();
        let mut failed: Vec<_> = done.failed.iter().map(|failure| failure.column.as_str()).collect();
        failed.sort_unstable();
        assert_eq!(failed, ["api_key_value", "custom_headers", "header_values"]);
        assert_eq!(done.moved.into_iter().collect::<Vec<_>>(), [("user_header_values.header_values".to_owned(), 1)]);
        assert!(done.retired.is_empty());
        assert_eq!(bench.service.server_list(&owner, None, None).await.unwrap().len(), 2, "no list ends");
        let logged = bench.db.number("SELECT COUNT(*) FROM audit_log WHERE action = 'keys.decryption_failed'").await;
        assert_eq!(logged, 3);
    }

    async fn a_secret_that_does_not_open_makes_its_server_misconfigured_and_no_other(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (member, _) = bench.signed_in("member", Role::Member).await;
        for slug in ["good", "bad"] {
            bench.service.server_create(&owner, write(slug, "https://mcp.example.org/mcp")).await.unwrap();
        }
        let other = "(SELECT v.api_key_value FROM mcp_servers v WHERE v.slug = 'good')";
        bench.db.raw(&format!("UPDATE mcp_servers SET api_key_value = {other} WHERE slug = 'bad'")).await.unwrap();
        for ctx in [&owner, &member] {
            let listed = bench.service.server_list(ctx, None, None).await.unwrap();
            let find = |slug: &str| listed.iter().find(|server| server.slug == slug).unwrap();
            assert_eq!(find("good").auth_status, AuthStatus::NotRequired);
            assert_eq!(find("bad").auth_status, AuthStatus::Misconfigured);
            assert_eq!(find("bad").auth_status_reason, "undecryptable");
        }
        let bad = bench.service.server_list(&owner, None, None).await.unwrap();
        let bad = bad.iter().find(|server| server.slug == "bad").unwrap();
        assert!(bad.has_api_key, "it is there, and cannot be read");
        assert_eq!(bad.config_problems.as_ref().unwrap()[0].field, "api_key_value");
        let again = ServerWrite { api_key_value: Some("entered again".to_owned()), ..ServerWrite::default() };
        let (mended, _) = bench.service.server_update(&owner, bad.id, again, None).await.unwrap();
        assert_eq!(mended.auth_status, AuthStatus::NotRequired);
    }

    /// A failing value is met at every turn and in every list: one entry an hour is enough.
    async fn a_value_that_does_not_open_is_logged_once_an_hour(db: TestDb) {
        let bench = Bench::new(db).await;
        let mut follower = bench.follower().await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        bench.service.server_create(&owner, write("bad", "https://mcp.example.org/mcp")).await.unwrap();
        let flip = if bench.db.is_postgres() {
            "UPDATE mcp_servers SET api_key_value = set_byte(api_key_value, 20, get_byte(api_key_value, 20) # 1)"
        } else {
            "UPDATE mcp_servers SET api_key_value = randomblob(40)"
        };
        bench.db.raw(flip).await.unwrap();
        let failed = "SELECT COUNT(*) FROM audit_log WHERE action = 'keys.decryption_failed' AND outcome = 'failed'";
        for (pass, entries) in [(0, 1), (60, 1), (3_600, 2), (60, 2)] {
            bench.pass(pass);
            for _ in 0..3 {
                bench.service.server_list(&owner, None, None).await.unwrap();
                follower.step().await.unwrap();
            }
            assert_eq!(bench.db.number(failed).await, entries, "after {pass} s more");
        }
        let resource = bench.db.texts("SELECT DISTINCT resource_id FROM audit_log WHERE action = 'keys.decryption_failed'").await;
        assert!(resource[0].starts_with("mcp_servers.api_key_value:"), "{resource:?}");
    }

    async fn a_follower_takes_up_a_key_that_others_have_learnt(db: TestDb) {
        let (_old, one) = joined(&db, &[OLD]).await;
        let bench = Bench::with_keys(db.clone(), &[NEW, OLD]).await;
        let mut follower = bench.follower().await;
        assert_eq!(bench.keyring.primary(), &key(OLD));
        follower.step().await.unwrap();
        assert_eq!(bench.keyring.primary(), &key(OLD));
        one.leave().await.unwrap();
        follower.step().await.unwrap();
        assert_eq!(bench.keyring.primary(), &key(NEW));
        insert(&db, &provider(&bench.keyring, "x")).await;
        assert_eq!(actions(&db).await, ["keys.created", "keys.created"]);
    }

    /// Another process (a command, a replica) changed a server: no pooled connection outlives the next look.
    async fn a_follower_closes_the_connections_of_a_server_that_was_changed_elsewhere(db: TestDb) {
        let fake = testkit::fake_mcp::FakeMcp::start(vec![testkit::fake_mcp::FakeTool::of_text("t", "x")]).await;
        let bench = Bench::new(db).await;
        let mut follower = bench.follower().await;
        let (server, user) = (id(), id());
        let target = mcpclient::Target {
            server_id: server,
            user_id: user,
            slug: "s".to_owned(),
            url: fake.url().parse().unwrap(),
            transport: mcpclient::Transport::StreamableHttp,
            wire: None,
            forwarding: None,
            headers: Vec::new(),
            credential_version: 1,
        };
        let ended = || fake.requests().iter().filter(|request| request.method == "DELETE").count();
        for (subject, sessions) in [(id().to_string(), 0), (server.to_string(), 1), (String::new(), 2)] {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
            bench.mcp.catalogue(&target, deadline).await.unwrap();
            let mut write = bench.db.write().await.unwrap();
            change_note(&mut write, ChangeKind::Servers, &subject).await.unwrap();
            write.commit().await.unwrap();
            follower.step().await.unwrap();
            if sessions == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                assert_eq!(ended(), 0, "another server's change closes nothing here");
            } else {
                testkit::wait::until("the session to end", || async { (ended() >= sessions).then_some(()) }).await;
            }
        }
    }
}
