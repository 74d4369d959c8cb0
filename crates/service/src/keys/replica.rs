//! A running process and the key it writes with (behaviour 26): "replicas learn a new key before any of them writes with it".
//!
//! Each process has a row in `replicas` with the keys it can read, the one it writes with first. Under one lock it looks at the rows
//! of the others and decides. It writes with the key that the operator put first once all others can read it; until then with an
//! active key that it has. A process that starts meanwhile takes the same lock, and is refused when it could not read what others
//! write. So there is no moment at which a value is written that a running process cannot open.

use super::{KeyStartError, Keys, act_on, verify::unknown_keys};
use crate::OpContext;
use api::{Uuid, keys::KeyState};
use dbcrypt::KeyId;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{
    StoreError, Write,
    changes::{ChangeKind, change_note},
    encryption_keys::{self, EncryptionKeyRecord},
    replicas::{self, ReplicaRecord},
};

/// This process among those that read sealed values.
pub struct Replica {
    keys: Keys,
    id: Uuid,
    /// False while another replica writes with a key that this one lacks.
    readable: Arc<AtomicBool>,
}

/// What came out of a look at the others.
struct Settled {
    /// `None`: no key that this process has may be written with.
    writes: Option<KeyId>,
    /// A key that another writes with and this process lacks.
    foreign: Option<String>,
}

impl Replica {
    /// Checks the ring once more, makes new keys known, and takes part from now on. `id` is the same at every start where only one
    /// process can serve (SQLite): then the row of one that was killed does not count beside the new one.
    ///
    /// # Errors
    /// [`KeyStartError`]; then nothing was written.
    pub async fn join(keys: Keys, id: Uuid, ctx: &OpContext) -> Result<Self, KeyStartError> {
        let replica = Self { keys, id, readable: Arc::new(AtomicBool::new(true)) };
        let mut write = replica.keys.db.write().await?;
        encryption_keys::encryption_keys_lock(&mut write).await?;
        let unknown = unknown_keys(&mut write, &replica.keys.keyring).await?;
        replica.introduce(&mut write, ctx, unknown).await?;
        let settled = replica.settle(&mut write).await?;
        if let Some(key) = settled.foreign {
            return Err(KeyStartError::WrittenElsewhere(key));
        }
        let Some(writes) = settled.writes else {
            return Err(KeyStartError::NothingToWriteWith(replica.keys.keyring.preferred().to_string()));
        };
        replica.take_part(&mut write, &writes).await?;
        change_note(&mut write, ChangeKind::Keys, "").await?;
        write.commit().await?;
        replica.keys.keyring.seal_with(&writes);
        Ok(replica)
    }

    /// Says that this process lives, and takes up the key that it shall write with as soon as all can read it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let keyring = &self.keys.keyring;
        let mut write = self.keys.db.write().await?;
        encryption_keys::encryption_keys_lock(&mut write).await?;
        let settled = self.settle(&mut write).await?;
        let before = keyring.primary().clone();
        let writes = settled.writes.unwrap_or_else(|| before.clone());
        self.take_part(&mut write, &writes).await?;
        if writes != before {
            change_note(&mut write, ChangeKind::Keys, writes.as_str()).await?;
        }
        write.commit().await?;
        if writes != before {
            keyring.seal_with(&writes);
            tracing::info!(key = %writes, "new values are encrypted with this key from now on");
        }
        let readable = settled.foreign.is_none();
        if let Some(key) = settled.foreign
            && self.readable.swap(false, Ordering::Relaxed)
        {
            tracing::error!(
                key,
                "another replica writes with a key that is not configured here; add it and start again"
            );
        }
        self.readable.store(readable, Ordering::Relaxed);
        Ok(())
    }

    /// Ends taking part.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; after 30 s without a sign of life the others go on without this process anyway.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let mut write = self.keys.db.write().await?;
        replicas::replica_gone(&mut write, self.id).await?;
        change_note(&mut write, ChangeKind::Keys, "").await?;
        write.commit().await
    }

    /// Whether this process waits for the others to learn the key that it shall write with.
    pub fn is_waiting(&self) -> bool {
        self.keys.keyring.primary() != self.keys.keyring.preferred()
    }

    /// False while another replica writes what this one cannot read: then it is not ready.
    pub fn readable(&self) -> Arc<AtomicBool> {
        self.readable.clone()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The other processes that count.
    pub(super) async fn others(
        &self,
        session: &mut store::Session,
    ) -> Result<Vec<ReplicaRecord>, StoreError> {
        let mut live = replicas::replicas_live(session).await?;
        live.retain(|other| other.id != self.id);
        Ok(live)
    }

    async fn introduce(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        unknown: Vec<KeyId>,
    ) -> Result<(), KeyStartError> {
        let keyring = &self.keys.keyring;
        // A release from before the table `replicas` may run beside this one on PostgreSQL, and nothing here tells.
        let is_first = encryption_keys::encryption_key_list(write).await?.is_empty();
        if !is_first && !unknown.is_empty() && matches!(self.keys.db, store::Db::Postgres(_)) {
            tracing::warn!(
                "a new encryption key is made known; replicas of a release that does not register itself (schema 0001) are not \
                 counted and could not read it: make sure that none runs"
            );
        }
        for id in unknown {
            let canary = keyring.canary(&id).map_err(|_| KeyStartError::Wrong(id.to_string()))?;
            encryption_keys::encryption_key_insert(write, id.as_str(), &canary, self.keys.now()).await?;
            self.keys.audit(write, ctx, act_on("keys.created", id.as_str()), "ok").await?;
        }
        // Put first again by the operator, a retired key begins anew.
        let first = keyring.preferred().as_str();
        if encryption_keys::encryption_key_move(write, first, KeyState::Retired, KeyState::Introduced).await?
        {
            let act = act_on("keys.created", first).fields(vec!["state changed".to_owned()]);
            self.keys.audit(write, ctx, act, "ok").await?;
        }
        Ok(())
    }

    async fn settle(&self, write: &mut Write) -> Result<Settled, StoreError> {
        let keyring = &self.keys.keyring;
        let others = self.others(write).await?;
        let mut known = encryption_keys::encryption_key_list(write).await?;
        let first = keyring.preferred().as_str();
        let all_read = |key: &str| others.iter().all(|other| other.reads(key));
        if all_read(first)
            && encryption_keys::encryption_key_move(write, first, KeyState::Introduced, KeyState::Active)
                .await?
        {
            known = encryption_keys::encryption_key_list(write).await?;
        }
        let usable = |key: &&KeyId| is_active(&known, key.as_str()) && all_read(key.as_str());
        let current = keyring.primary();
        let writes = Some(keyring.preferred())
            .filter(usable)
            .or_else(|| Some(current).filter(usable))
            .or_else(|| keyring.ids().find(usable))
            .cloned();
        let foreign = others
            .iter()
            .filter_map(ReplicaRecord::writes)
            .find(|key| !keyring.ids().any(|own| own.as_str() == *key))
            .map(str::to_owned);
        Ok(Settled { writes, foreign })
    }

    async fn take_part(&self, write: &mut Write, writes: &KeyId) -> Result<(), StoreError> {
        let rest = self.keys.keyring.ids().filter(|id| *id != writes);
        let key_ids = std::iter::once(writes).chain(rest).map(KeyId::to_string).collect();
        replicas::replica_seen(write, &ReplicaRecord { id: self.id, key_ids }).await
    }
}

fn is_active(known: &[EncryptionKeyRecord], id: &str) -> bool {
    known.iter().any(|key| key.id == id && key.state == KeyState::Active)
}
