//! Keys: who writes with which, rotation beside writers, what is refused (behaviour 26, threats F).

mod replicas;
mod rotation;
mod values;

use crate::bench::service;
use api::{Timestamp, Uuid, models::ProviderType};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dbcrypt::{Binding, KeyId, Keyring, Sealed};
use domain::clock::{Clock as _, Entropy, ManualClock, SeededEntropy, new_id};
use secrecy::{ExposeSecret as _, SecretString};
use service::{Keys, OpContext, Replica};
use std::sync::{Arc, LazyLock};
use store::{SealedColumn, providers::ProviderRecord};
use testkit::TestDb;

/// One source for all, so that no two ids are the same.
static ENTROPY: LazyLock<Arc<SeededEntropy>> = LazyLock::new(Arc::default);

pub(super) const OLD: u8 = 1;
pub(super) const NEW: u8 = 2;

/// A ring of keys made of one byte each.
pub(crate) fn ring(bytes: &[u8]) -> Keyring {
    let list = bytes.iter().map(|byte| STANDARD.encode([*byte; 32])).collect::<Vec<_>>().join(",");
    Keyring::parse(&SecretString::from(list)).unwrap()
}

pub(super) fn key(byte: u8) -> KeyId {
    ring(&[byte]).primary().clone()
}

pub(super) fn keys(db: &TestDb, bytes: &[u8]) -> Keys {
    Keys {
        db: db.db().clone(),
        keyring: Arc::new(ring(bytes)),
        clock: Arc::new(ManualClock::default()),
        entropy: ENTROPY.clone(),
    }
}

pub(super) fn id() -> Uuid {
    let entropy: &dyn Entropy = &**ENTROPY;
    new_id(&ManualClock::default(), entropy)
}

pub(super) fn now() -> Timestamp {
    ManualClock::default().now()
}

/// A replica with these keys.
pub(super) async fn joined(db: &TestDb, bytes: &[u8]) -> (Keys, Replica) {
    let keys = keys(db, bytes);
    let replica = Replica::join(keys.clone(), id(), &OpContext::default()).await.unwrap();
    (keys, replica)
}

pub(super) fn seal(keyring: &Keyring, row: Uuid, secret: &str) -> SealedColumn {
    let row = row.to_string();
    let sealed = keyring.seal(&place(&row), &SecretString::from(secret)).unwrap();
    SealedColumn::from(Some(sealed))
}

pub(super) fn place(row: &str) -> Binding<'_> {
    Binding { table: "llm_providers", column: "api_key", row, owner: "" }
}

/// What the stored key of a provider says.
pub(super) fn open(keyring: &Keyring, record: &ProviderRecord) -> Result<String, dbcrypt::OpenError> {
    let sealed: Sealed = record.api_key.sealed().unwrap();
    let row = record.id.to_string();
    keyring.open(&place(&row), &sealed).map(|text| text.expose_secret().to_owned())
}

/// A provider whose key is sealed with this ring.
pub(super) fn provider(keyring: &Keyring, secret: &str) -> ProviderRecord {
    let id = id();
    ProviderRecord {
        id,
        name: format!("P {id}"),
        provider_type: ProviderType::Openai,
        base_url: "https://models.example.org/v1".to_owned(),
        api_key: seal(keyring, id, secret),
        enabled: true,
        created_at: now(),
        updated_at: now(),
    }
}

pub(super) async fn insert(db: &TestDb, record: &ProviderRecord) {
    let mut write = db.write().await.unwrap();
    store::providers::provider_insert(&mut write, record).await.unwrap();
    write.commit().await.unwrap();
}

pub(super) async fn all(db: &TestDb) -> Vec<ProviderRecord> {
    let mut session = db.read().await.unwrap();
    store::providers::provider_list(&mut session).await.unwrap()
}

/// State of every known key, by id.
pub(super) async fn states(db: &TestDb) -> Vec<(String, &'static str)> {
    let mut session = db.read().await.unwrap();
    let known = store::encryption_keys::encryption_key_list(&mut session).await.unwrap();
    let mut states: Vec<_> = known.into_iter().map(|key| (key.id, key.state.as_str())).collect();
    states.sort();
    states
}

pub(super) fn sorted(mut states: Vec<(String, &'static str)>) -> Vec<(String, &'static str)> {
    states.sort();
    states
}

/// Actions of the audit log, in order.
pub(super) async fn actions(db: &TestDb) -> Vec<String> {
    db.texts("SELECT action FROM audit_log ORDER BY id").await
}
