//! The start-up check of the key ring (behaviour 26): a wrong or missing key ends the start and writes nothing.

use dbcrypt::{KeyId, Keyring};
use store::{Db, StoreError, encryption_keys};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum KeyStartError {
    #[error(
        "the database holds values sealed with key {0}, which is not configured. Put that key into PATCHBAY_ENCRYPTION_KEYS \
         (or PATCHBAY_ENCRYPTION_KEYS_FILE) and start again; nothing was written"
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
        "the database knows encryption keys, but none is configured and there is no key file. Restore the key file or set \
         PATCHBAY_ENCRYPTION_KEYS; nothing was written"
    )]
    NoneConfigured,
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

/// Checks every configured key against its canary and every key in use against the ring. Reads only, so it runs before migrations;
/// the answer is the keys that the database does not know yet.
///
/// # Errors
/// [`KeyStartError`], one sentence that says what to do.
pub async fn keyring_verify(db: &Db, keyring: &Keyring) -> Result<Vec<KeyId>, KeyStartError> {
    let mut session = db.read().await?;
    let known = encryption_keys::encryption_key_list(&mut session).await?;
    let in_use = encryption_keys::encryption_keys_in_use(&mut session).await?;
    drop(session);
    for id in in_use {
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
        match known.iter().find(|key| key.id == id.to_string()) {
            Some(key) if key.state == "revoked" => return Err(KeyStartError::Revoked(id.to_string())),
            Some(key) => {
                keyring.check_canary(id, &key.canary).map_err(|_| KeyStartError::Wrong(id.to_string()))?;
            }
            None => unknown.push(id.clone()),
        }
    }
    // A key ring that shares no key with a database that knows some is another deployment's.
    if !known.is_empty() && unknown.len() == keyring.ids().count() {
        return Err(KeyStartError::Missing(known[0].id.clone()));
    }
    Ok(unknown)
}

/// Makes keys known, after the schema is up to date.
///
/// # Errors
/// [`KeyStartError::Store`].
pub async fn keyring_register(
    db: &Db,
    keyring: &Keyring,
    unknown: Vec<KeyId>,
    now: api::Timestamp,
) -> Result<(), KeyStartError> {
    if unknown.is_empty() {
        return Ok(());
    }
    let mut write = db.write().await?;
    for id in unknown {
        let canary = keyring.canary(&id).map_err(|_| KeyStartError::Wrong(id.to_string()))?;
        encryption_keys::encryption_key_insert(&mut write, &id.to_string(), &canary, now).await?;
    }
    write.commit().await?;
    Ok(())
}
