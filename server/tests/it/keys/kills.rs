//! `kill -9` in the middle of a rotation, again and again (threats 78).

use super::{id_of, list, ring};
use crate::process::patchbay;
use dbcrypt::{Binding, Keyring};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use store::{Db, SealedColumn, providers::ProviderRecord};
use testkit::{TestDb, temp::TempDir};

/// In CI; a rotation by hand can take more.
const KILLS: usize = 20;
/// Enough that a rotation is seen at work.
const VALUES: usize = 1500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_loses_nothing_and_the_next_one_ends_it_on_sqlite() {
    kills(TestDb::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_loses_nothing_and_the_next_one_ends_it_on_postgres() {
    kills(TestDb::postgres().await).await;
}

fn uuid(n: usize) -> api::Uuid {
    api::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n as u128)
}

fn place(row: &str) -> Binding<'_> {
    Binding { table: "llm_providers", column: "api_key", row, owner: "" }
}

async fn fill(db: &Db, keyring: &Keyring) {
    let mut write = db.write().await.unwrap();
    for n in 0..VALUES {
        let id = uuid(n);
        let sealed =
            keyring.seal(&place(&id.to_string()), &SecretString::from(format!("secret {n}"))).unwrap();
        let at = api::Timestamp(1_793_491_200_000_000);
        let record = ProviderRecord {
            id,
            name: format!("P{n:05}"),
            provider_type: api::models::ProviderType::Openai,
            base_url: "https://models.example.org/v1".to_owned(),
            api_key: SealedColumn::from(Some(sealed)),
            enabled: true,
            created_at: at,
            updated_at: at,
        };
        store::providers::provider_insert(&mut write, &record).await.unwrap();
    }
    write.commit().await.unwrap();
}

/// Every value is there, opens, and says what it said.
async fn intact(db: &Db, keyring: &Keyring) {
    let mut session = db.read().await.unwrap();
    let all = store::providers::provider_list(&mut session).await.unwrap();
    assert_eq!(all.len(), VALUES);
    for (n, record) in all.iter().enumerate() {
        let row = record.id.to_string();
        let opened = keyring.open(&place(&row), &record.api_key.sealed().unwrap()).unwrap();
        assert_eq!(opened.expose_secret(), format!("secret {n}"));
    }
}

async fn kills(db: TestDb) {
    let folder = TempDir::new();
    let url = match db.config() {
        store::DbConfig::Sqlite { path } => format!("sqlite:{}", path.display()),
        store::DbConfig::Postgres { url } => url.clone(),
    };
    let both = ring(&[1, 2]);
    fill(&db, &ring(&[1])).await;
    let (mut from, mut to) = (1, 2);
    let known: Keyring = ring(&[1]);
    make_known(&db, &known).await;
    let (mut killed, mut in_the_middle) = (0, 0);
    while killed < KILLS {
        let keys = list(&[to, from]);
        let settings = [
            ("PATCHBAY_DATA_DIR", folder.path().to_str().unwrap()),
            ("PATCHBAY_DATABASE_URL", url.as_str()),
            ("PATCHBAY_ENCRYPTION_KEYS", keys.as_str()),
        ];
        let moved = format!("SELECT COUNT(*) FROM llm_providers WHERE api_key_key_id = '{}'", id_of(to));
        let before = db.number(&moved).await;
        let mut child = patchbay(&["keys", "rotate"], &settings).spawn().unwrap();
        // Some before it has begun, most while it is at work.
        let patience =
            if killed % 5 == 0 { Duration::from_millis(20 * killed as u64) } else { Duration::from_secs(60) };
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline
            && db.number(&moved).await == before
            && child.try_wait().unwrap().is_none()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "it ended by itself: {}", error_of(child).await);
        } else {
            child.kill().await.unwrap();
            killed += 1;
        }
        let after = db.number(&moved).await;
        in_the_middle += usize::from(0 < after && after < VALUES as i64);
        intact(&db, &both).await;
        if after == VALUES as i64 {
            // What 30 s without a sign of life do to the row of one that was killed.
            db.raw("DELETE FROM replicas").await.unwrap();
            (from, to) = (to, from);
        }
    }
    assert!(in_the_middle >= KILLS / 2, "only {in_the_middle} of {killed} kills met a rotation at work");
    let keys = list(&[to, from]);
    let settings = [
        ("PATCHBAY_DATA_DIR", folder.path().to_str().unwrap()),
        ("PATCHBAY_DATABASE_URL", url.as_str()),
        ("PATCHBAY_ENCRYPTION_KEYS", keys.as_str()),
    ];
    super::commands::succeeded(&["keys", "rotate"], &settings).await;
    let left = format!("SELECT COUNT(*) FROM llm_providers WHERE api_key_key_id <> '{}'", id_of(to));
    assert_eq!(db.number(&left).await, 0);
    intact(&db, &ring(&[to])).await;
    let retired = db.texts("SELECT id FROM encryption_keys WHERE state = 'retired'").await;
    assert_eq!(retired, [id_of(from)]);
}

/// As the first start with this key would.
async fn make_known(db: &Db, keyring: &Keyring) {
    let mut write = db.write().await.unwrap();
    let id = keyring.primary().clone();
    let canary = keyring.canary(&id).unwrap();
    store::encryption_keys::encryption_key_insert(&mut write, id.as_str(), &canary, api::Timestamp(1))
        .await
        .unwrap();
    let (introduced, active) = (api::keys::KeyState::Introduced, api::keys::KeyState::Active);
    store::encryption_keys::encryption_key_move(&mut write, id.as_str(), introduced, active).await.unwrap();
    write.commit().await.unwrap();
}

async fn error_of(child: tokio::process::Child) -> String {
    String::from_utf8_lossy(&child.wait_with_output().await.unwrap().stderr).into_owned()
}
