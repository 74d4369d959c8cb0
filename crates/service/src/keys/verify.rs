//! The start-up check of the key ring: a wrong or missing key ends the start and writes nothing.

use api::keys::KeyState;
use dbcrypt::{KeyId, Keyring};
use store::{Db, Session, StoreError, encryption_keys};
use thiserror::Error;

/// Why a start is refused: one sentence that says what to do.
#[derive(Debug, Error)]
pub enum KeyStartError {
    #[error(
        "the database holds values sealed with key {0}, which is not configured. Put that key into PATCHBAY_ENCRYPTION_KEYS \
         (or PATCHBAY_ENCRYPTION_KEYS_FILE) and start again, or give its values up with `patchbay keys purge`; nothing was written"
    )]
    Missing(String),
    #[error(
        "key {0} was revoked. Remove it from PATCHBAY_ENCRYPTION_KEYS and start again; nothing was written"
    )]
    Revoked(String),
    #[error(
        "key {0} does not open the canary stored for it: it is not the key this database was written with; nothing was written"
    )]
    Wrong(String),
    #[error(
        "{0} holds values without a key id, which Patchbay never writes; restore a backup; nothing was written"
    )]
    Unkeyed(String),
    #[error(
        "the database knows encryption keys, but none is configured and there is no key file. Restore the key file or set \
         PATCHBAY_ENCRYPTION_KEYS; nothing was written"
    )]
    NoneConfigured,
    #[error(
        "another replica writes with key {0}, which is not configured here. Add it to PATCHBAY_ENCRYPTION_KEYS and start again"
    )]
    WrittenElsewhere(String),
    #[error(
        "key {0} cannot be written with yet, because another replica does not have it, and no other key configured here is active. \
         Put the key in use behind it in PATCHBAY_ENCRYPTION_KEYS until every replica has both"
    )]
    NothingToWriteWith(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// True when the database knows any key: then a missing key file must not be replaced by a new one.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn keys_known(db: &Db) -> Result<bool, StoreError> {
    let mut session = db.read().await?;
    Ok(!encryption_keys::encryption_key_list(&mut session).await?.is_empty())
}

/// Checks every configured key against its canary and every key in use against the ring. Reads only, so it runs before migrations.
///
/// # Errors
/// [`KeyStartError`].
pub async fn keyring_verify(db: &Db, keyring: &Keyring) -> Result<(), KeyStartError> {
    let mut session = db.read().await?;
    unknown_keys(&mut session, keyring).await.map(|_| ())
}

/// The same check; the answer is the configured keys that the database does not know yet.
pub(super) async fn unknown_keys(
    session: &mut Session,
    keyring: &Keyring,
) -> Result<Vec<KeyId>, KeyStartError> {
    let known = encryption_keys::encryption_key_list(session).await?;
    for used in encryption_keys::encryption_key_use(session).await? {
        let Some(id) = used.key_id else { return Err(KeyStartError::Unkeyed(used.field.name())) };
        let configured = id.parse::<KeyId>().is_ok_and(|id| keyring.contains(&id));
        if !configured {
            return Err(KeyStartError::Missing(id));
        }
        if !known.iter().any(|key| key.id == id) {
            return Err(KeyStartError::Wrong(id));
        }
    }
    let mut unknown = Vec::new();
    for id in keyring.ids() {
        match known.iter().find(|key| key.id == id.as_str()) {
            Some(key) if key.state == KeyState::Revoked => {
                return Err(KeyStartError::Revoked(id.to_string()));
            }
            Some(key) => {
                keyring.check_canary(id, &key.canary).map_err(|_| KeyStartError::Wrong(id.to_string()))?;
            }
            None => unknown.push(id.clone()),
        }
    }
    // A key ring that shares no key with a database that works with some is another deployment's. After a purge of lost keys none
    // of those known is at work.
    let at_work = known.iter().find(|key| matches!(key.state, KeyState::Introduced | KeyState::Active));
    match at_work {
        Some(key) if unknown.len() == keyring.ids().count() => Err(KeyStartError::Missing(key.id.clone())),
        _ => Ok(unknown),
    }
}
