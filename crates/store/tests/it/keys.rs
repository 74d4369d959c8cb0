//! The key table, and the columns whose values need a key.

use crate::support::{
    START, assert_conflict, commit, id, insert_user, provider, read, refused, sealed, server, store,
};
use api::{Uuid, keys::KeyState};
use store::{encryption_keys::*, mcp_servers::server_insert, providers::provider_insert, replicas::*};
use testkit::{TestDb, both_engines};

const ONE: &str = "1111111111111111";
const TWO: &str = "2222222222222222";
const THREE: &str = "3333333333333333";

/// A row in `user_header_values`, and the user it belongs to.
async fn insert_header_values(db: &TestDb, ciphertext: &[u8], key: &str) -> (Uuid, Uuid) {
    let user = insert_user(db, &format!("u{}", testkit::temp::unique())).await.user.id;
    let of = server(&format!("s-{}", testkit::temp::unique()));
    commit!(db, |write| server_insert(write, &of));
    let row = id();
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let literal = |value: &[u8]| {
        if db.is_postgres() { format!("'\\x{}'", bytes(value)) } else { format!("x'{}'", bytes(value)) }
    };
    let uuid = |id: Uuid| if db.is_postgres() { format!("'{id}'") } else { literal(id.as_bytes()) };
    db.raw(&format!(
        "INSERT INTO user_header_values (id, mcp_server_id, user_id, header_values, header_values_key_id, names, version, \
         created_at, updated_at) VALUES ({}, {}, {}, {}, '{key}', '[]', 1, 1, 1)",
        uuid(row),
        uuid(of.record.id),
        uuid(user),
        literal(ciphertext),
    ))
    .await
    .unwrap();
    (row, user)
}

fn field(column: &str) -> &'static SealedField {
    SEALED_COLUMNS.iter().find(|field| field.column == column).unwrap()
}

both_engines! {
    async fn a_key_is_known_once_and_comes_back_with_its_canary(db: TestDb) {
        assert!(read!(db, |session| encryption_key_list(session)).is_empty());
        commit!(db, |write| encryption_key_insert(write, ONE, &[1, 0, 255], START.plus_seconds(2)));
        commit!(db, |write| encryption_key_insert(write, TWO, &[2], START));
        let error = refused!(db, |write| encryption_key_insert(write, ONE, &[3], START));
        assert_conflict(&error, "encryption_keys");
        let keys = read!(db, |session| encryption_key_list(session));
        let seen: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.state, key.canary.as_slice())).collect();
        assert_eq!(seen, [(TWO, KeyState::Introduced, &[2][..]), (ONE, KeyState::Introduced, &[1, 0, 255][..])]);
    }

    async fn a_key_moves_from_the_state_it_is_in_only(db: TestDb) {
        use KeyState::{Active, Introduced, Retired, Revoked};
        commit!(db, |write| encryption_key_insert(write, ONE, &[1], START));
        for (from, to, moves) in [
            (Active, Retired, false),
            (Introduced, Active, true),
            (Introduced, Active, false),
            (Active, Retired, true),
            (Retired, Revoked, true),
        ] {
            assert_eq!(commit!(db, |write| encryption_key_move(write, ONE, from, to)), moves, "{from:?} to {to:?}");
        }
        assert!(!commit!(db, |write| encryption_key_move(write, TWO, Introduced, Active)), "not known");
        assert_eq!(read!(db, |session| encryption_key_list(session))[0].state, Revoked);
    }

    async fn every_sealed_column_counts_as_use_of_its_key(db: TestDb) {
        assert!(read!(db, |session| encryption_key_use(session)).is_empty());
        let mut stored = server("s");
        stored.api_key = sealed(b"x", TWO);
        stored.custom_headers = sealed(b"x", THREE);
        commit!(db, |write| server_insert(write, &stored));
        let mut record = provider("P");
        record.api_key = sealed(b"x", ONE);
        commit!(db, |write| provider_insert(write, &record));
        insert_header_values(&db, b"x", ONE).await;
        insert_header_values(&db, b"x", ONE).await;
        let uses = read!(db, |session| encryption_key_use(session));
        let seen: Vec<_> = uses.iter().map(|used| (used.field.name(), used.key_id.as_deref().unwrap(), used.values)).collect();
        assert_eq!(
            seen,
            [
                ("mcp_servers.api_key_value".to_owned(), TWO, 1),
                ("mcp_servers.custom_headers".to_owned(), THREE, 1),
                ("user_header_values.header_values".to_owned(), ONE, 2),
                ("llm_providers.api_key".to_owned(), ONE, 1),
            ]
        );
    }

    /// Rotation and the start-up check walk the list: a column that is missing there would keep an old key for ever (behaviour 26).
    async fn the_list_of_sealed_columns_names_every_column_with_a_key_id(db: TestDb) {
        let mut listed: Vec<String> =
            SEALED_COLUMNS.iter().map(|field| format!("{}.{}", field.table, field.key_column)).collect();
        listed.sort();
        let columns = db.columns().await;
        let plain: Vec<&str> = columns.iter().map(|column| column.strip_suffix(" null").unwrap_or(column)).collect();
        let in_schema: Vec<&str> = plain.iter().copied().filter(|column| column.ends_with("_key_id")).collect();
        assert_eq!(listed, in_schema);
        for field in SEALED_COLUMNS {
            assert_eq!(field.key_column, format!("{}_key_id", field.column), "{}", field.name());
            assert!(plain.contains(&field.name().as_str()), "{}", field.name());
            assert!(plain.contains(&format!("{}.id", field.table).as_str()), "rows are named by id: {}", field.table);
            if let Some(owner) = field.owner_column {
                assert!(plain.contains(&format!("{}.{owner}", field.table).as_str()), "{owner}");
            }
        }
    }

    async fn values_under_other_keys_are_found_page_by_page_with_their_owner(db: TestDb) {
        let mut rows = Vec::new();
        for n in 0..5_u8 {
            rows.push(insert_header_values(&db, &[n], if n == 2 { TWO } else { ONE }).await);
        }
        let column = field("header_values");
        let page = |after, limit| {
            let db = db.clone();
            async move { read!(db, |session| sealed_values_not_under(session, column, TWO, after, limit)) }
        };
        let first = page(Uuid::nil(), 3).await;
        let mut seen: Vec<_> = first.iter().map(|value| (value.row, value.owner.unwrap())).collect();
        let second = page(first.last().unwrap().row, 3).await;
        seen.extend(second.iter().map(|value| (value.row, value.owner.unwrap())));
        let mut expected: Vec<_> = rows.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, row)| *row).collect();
        expected.sort();
        assert_eq!((first.len(), second.len(), seen), (3, 1, expected));
        assert_eq!((first[0].key_id.as_str(), first[0].ciphertext.len()), (ONE, 1));
        let mut stored = server("s");
        stored.api_key = sealed(b"x", ONE);
        commit!(db, |write| server_insert(write, &stored));
        let api_keys = read!(db, |session| sealed_values_not_under(session, field("api_key_value"), TWO, Uuid::nil(), 9));
        assert_eq!((api_keys.len(), api_keys[0].owner), (1, None), "a secret of the deployment belongs to nobody");
    }

    async fn a_value_is_replaced_only_where_it_still_stands(db: TestDb) {
        insert_header_values(&db, b"old", ONE).await;
        let column = field("header_values");
        let old = read!(db, |session| sealed_values_not_under(session, column, TWO, Uuid::nil(), 9)).remove(0);
        assert!(commit!(db, |write| sealed_value_replace(write, column, &old, b"new", TWO)));
        assert!(!commit!(db, |write| sealed_value_replace(write, column, &old, b"late", TWO)), "somebody else wrote");
        assert!(read!(db, |session| sealed_values_not_under(session, column, TWO, Uuid::nil(), 9)).is_empty());
        let under = read!(db, |session| sealed_values_not_under(session, column, ONE, Uuid::nil(), 9));
        assert_eq!(under[0].ciphertext, b"new");
        let other_key = SealedValue { key_id: THREE.to_owned(), ciphertext: b"new".to_vec(), ..old };
        assert!(!commit!(db, |write| sealed_value_replace(write, column, &other_key, b"x", ONE)), "the key counts too");
    }

    async fn a_purge_clears_the_values_of_one_key_and_marks_their_rows_as_changed(db: TestDb) {
        let (mut lost, mut kept) = (server("lost"), server("kept"));
        lost.api_key = sealed(b"x", ONE);
        lost.custom_headers = sealed(b"y", TWO);
        kept.api_key = sealed(b"x", TWO);
        for stored in [&lost, &kept] {
            commit!(db, |write| server_insert(write, stored));
        }
        insert_header_values(&db, b"x", ONE).await;
        insert_header_values(&db, b"x", TWO).await;
        let now = START.plus_seconds(60);
        let mut gone = Vec::new();
        for column in SEALED_COLUMNS {
            gone.push(commit!(db, |write| sealed_values_purge(write, column, ONE, now)));
        }
        assert_eq!(gone.len(), SEALED_COLUMNS.len());
        assert_eq!((&gone[..5], gone[5..].iter().sum::<u64>()), (&[1, 0, 0, 0, 1][..], 0));
        let after = commit!(db, |write| store::mcp_servers::server_get_for_update(write, lost.record.id)).unwrap();
        assert!(!after.api_key.is_set() && after.custom_headers.is_set());
        assert_eq!((after.record.version, after.record.credential_version, after.record.updated_at), (2, 2, now));
        let after = commit!(db, |write| store::mcp_servers::server_get_for_update(write, kept.record.id)).unwrap();
        assert_eq!((after.record.version, &after.api_key), (1, &kept.api_key), "a value under another key stays");
        assert_eq!(db.number("SELECT COUNT(*) FROM user_header_values").await, 1, "a row is nothing without its values");
    }

    async fn replicas_count_while_they_are_heard_of(db: TestDb) {
        // Both may begin in the same millisecond; then the smaller id comes first.
        let mut ids = [id(), id()];
        ids.sort();
        let [one, two] = ids;
        let keys = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let record = |id, ids: &[&str]| ReplicaRecord { id, key_ids: keys(ids) };
        commit!(db, |write| replica_seen(write, &record(one, &[ONE])));
        commit!(db, |write| replica_seen(write, &record(two, &[TWO, ONE])));
        commit!(db, |write| replica_seen(write, &record(one, &[ONE, TWO])));
        let live = read!(db, |session| replicas_live(session));
        assert_eq!(live, [record(one, &[ONE, TWO]), record(two, &[TWO, ONE])]);
        assert!(live[0].reads(TWO) && !live[0].reads(THREE));
        assert_eq!(live[1].writes(), Some(TWO));
        // Silent for longer than 30 s: it no longer counts, and after an hour it is gone.
        db.raw("UPDATE replicas SET seen_at = seen_at - 31000000").await.unwrap();
        assert!(read!(db, |session| replicas_live(session)).is_empty());
        commit!(db, |write| replica_seen(write, &record(two, &[TWO])));
        assert_eq!(read!(db, |session| replicas_live(session)), [record(two, &[TWO])]);
        commit!(db, |write| replica_gone(write, two));
        assert!(read!(db, |session| replicas_live(session)).is_empty());
        db.raw("UPDATE replicas SET seen_at = seen_at - 3600000000").await.unwrap();
        assert_eq!(commit!(db, |write| replicas_sweep(write)), 1);
    }
}
