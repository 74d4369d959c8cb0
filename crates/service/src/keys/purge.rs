//! Giving up the values of lost keys, so that the system can start again and people enter or connect anew.

use super::{Keys, KeysError, act_on};
use crate::OpContext;
use api::keys::KeyState;
use dbcrypt::Keyring;
use store::{
    Session, StoreError,
    changes::{ChangeKind, change_note},
    encryption_keys::{self, KeyUse},
    replicas,
};

/// What a purge deletes.
#[derive(Debug, Default)]
pub struct PurgePlan {
    /// Values per column and lost key.
    pub values: Vec<KeyUse>,
    /// Lost keys that are at work, also those without values.
    pub keys: Vec<String>,
}

impl PurgePlan {
    /// There is nothing to give up.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.keys.is_empty()
    }
}

/// What [`keys_purge`] would delete.
///
/// # Errors
/// [`KeysError::Store`].
pub async fn keys_purge_plan(keys: &Keys) -> Result<PurgePlan, KeysError> {
    let mut session = keys.db.read().await?;
    Ok(plan(&mut session, &keys.keyring).await?)
}

/// Deletes every value whose key is not configured, and retires those keys. All or nothing.
///
/// # Errors
/// [`KeysError::Refused`] while a running replica has one of the keys: then it is not lost.
pub async fn keys_purge(keys: &Keys, ctx: &OpContext) -> Result<PurgePlan, KeysError> {
    let mut write = keys.db.write().await?;
    encryption_keys::encryption_keys_lock(&mut write).await?;
    let plan = plan(&mut write, &keys.keyring).await?;
    let live = replicas::replicas_live(&mut write).await?;
    if let Some(key) = plan.keys.iter().find(|key| live.iter().any(|replica| replica.reads(key))) {
        return Err(KeysError::Refused(format!(
            "a running replica can read with key {key}, so it is not lost. Configure it here too, or stop that replica first"
        )));
    }
    for id in &plan.keys {
        let mut fields = Vec::new();
        for used in plan.values.iter().filter(|used| used.key_id.as_deref() == Some(id)) {
            let gone = encryption_keys::sealed_values_purge(&mut write, &used.field, id, keys.now()).await?;
            fields.push(format!("{}: {gone} values cleared", used.field.name()));
        }
        for state in [KeyState::Introduced, KeyState::Active] {
            encryption_keys::encryption_key_move(&mut write, id, state, KeyState::Retired).await?;
        }
        keys.audit(&mut write, ctx, act_on("keys.purged", id).fields(fields), "ok").await?;
    }
    if !plan.is_empty() {
        for kind in [ChangeKind::Servers, ChangeKind::Models, ChangeKind::Keys] {
            change_note(&mut write, kind, "").await?;
        }
    }
    write.commit().await?;
    Ok(plan)
}

async fn plan(session: &mut Session, keyring: &Keyring) -> Result<PurgePlan, StoreError> {
    let lost = |id: &str| !keyring.ids().any(|own| own.as_str() == id);
    let mut values = encryption_keys::encryption_key_use(session).await?;
    values.retain(|used| used.key_id.as_deref().is_some_and(lost));
    let known = encryption_keys::encryption_key_list(session).await?;
    let at_work =
        known.into_iter().filter(|key| matches!(key.state, KeyState::Introduced | KeyState::Active));
    let mut keys: Vec<String> = at_work.map(|key| key.id).filter(|id| lost(id)).collect();
    keys.extend(values.iter().filter_map(|used| used.key_id.clone()));
    keys.sort();
    keys.dedup();
    Ok(PurgePlan { values, keys })
}
