//! The key table.

use crate::support::{START, assert_conflict, commit, provider, read, refused, sealed, server, store};
use store::{encryption_keys::*, mcp_servers::server_insert, providers::provider_insert};
use testkit::both_engines;

const ONE: &str = "1111111111111111";
const TWO: &str = "2222222222222222";
const THREE: &str = "3333333333333333";

both_engines! {
    async fn a_key_is_known_once_and_comes_back_with_its_canary(db: TestDb) {
        assert!(read!(db, |session| encryption_key_list(session)).is_empty());
        commit!(db, |write| encryption_key_insert(write, ONE, &[1, 0, 255], START.plus_seconds(2)));
        commit!(db, |write| encryption_key_insert(write, TWO, &[2], START));
        let error = refused!(db, |write| encryption_key_insert(write, ONE, &[3], START));
        assert_conflict(&error, "encryption_keys");
        let keys = read!(db, |session| encryption_key_list(session));
        let seen: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.state.as_str(), key.canary.as_slice())).collect();
        assert_eq!(seen, [(TWO, "active", &[2][..]), (ONE, "active", &[1, 0, 255][..])]);
    }

    async fn every_sealed_column_counts_as_use_of_its_key(db: TestDb) {
        assert!(read!(db, |session| encryption_keys_in_use(session)).is_empty());
        let mut stored = server("s");
        stored.api_key = sealed(b"x", TWO);
        stored.custom_headers = sealed(b"x", THREE);
        commit!(db, |write| server_insert(write, &stored));
        let mut record = provider("P");
        record.api_key = sealed(b"x", ONE);
        commit!(db, |write| provider_insert(write, &record));
        assert_eq!(read!(db, |session| encryption_keys_in_use(session)), [ONE, TWO, THREE]);
    }

    /// Rotation and the start-up check walk the list: a column that is missing there would keep an old key for ever (behaviour 26).
    async fn the_list_of_sealed_columns_names_every_column_with_a_key_id(db: TestDb) {
        let mut listed: Vec<String> = SEALED_COLUMNS.iter().map(|(table, _, key)| format!("{table}.{key}")).collect();
        listed.sort();
        let in_schema: Vec<String> = db
            .columns()
            .await
            .into_iter()
            .map(|column| column.trim_end_matches(" null").to_owned())
            .filter(|column| column.ends_with("_key_id"))
            .collect();
        assert_eq!(listed, in_schema);
        for (table, value, key) in SEALED_COLUMNS {
            assert_eq!(*key, format!("{value}_key_id"), "{table}");
        }
    }
}
