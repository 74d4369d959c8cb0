//! Giving a key up for good.

use super::{Keys, KeysError, act_on};
use crate::OpContext;
use api::keys::KeyState;
use dbcrypt::KeyId;
use store::{
    changes::{ChangeKind, change_note},
    encryption_keys, replicas,
};

/// Revokes a key: no start with it from now on. Revoking it again changes nothing.
///
/// # Errors
/// [`KeysError::Refused`] while a value needs it, somebody writes with it, or the next start here would.
pub async fn key_revoke(keys: &Keys, ctx: &OpContext, id: &KeyId) -> Result<(), KeysError> {
    let id = id.as_str();
    let refused = |why: String| Err(KeysError::Refused(why));
    let mut write = keys.db.write().await?;
    encryption_keys::encryption_keys_lock(&mut write).await?;
    let known = encryption_keys::encryption_key_list(&mut write).await?;
    let Some(record) = known.into_iter().find(|key| key.id == id) else {
        return refused(format!("the database knows no key {id}; `patchbay keys status` lists them"));
    };
    let uses = encryption_keys::encryption_key_use(&mut write).await?;
    let needed: Vec<String> = uses
        .iter()
        .filter(|used| used.key_id.as_deref() == Some(id))
        .map(|used| format!("{} ({} values)", used.field.name(), used.values))
        .collect();
    if !needed.is_empty() {
        return refused(format!(
            "key {id} is needed by {}. Run `patchbay keys rotate` first",
            needed.join(", ")
        ));
    }
    let live = replicas::replicas_live(&mut write).await?;
    if live.iter().any(|replica| replica.writes() == Some(id)) {
        return refused(format!(
            "a running replica writes with key {id}. Put another key first there and restart it"
        ));
    }
    if keys.keyring.preferred().as_str() == id {
        return refused(format!(
            "key {id} is the first one configured here. Put another key first in PATCHBAY_ENCRYPTION_KEYS"
        ));
    }
    if encryption_keys::encryption_key_move(&mut write, id, record.state, KeyState::Revoked).await?
        && record.state != KeyState::Revoked
    {
        keys.audit(&mut write, ctx, act_on("keys.revoked", id), "ok").await?;
        change_note(&mut write, ChangeKind::Keys, id).await?;
    }
    write.commit().await?;
    Ok(())
}
