//! Rotation: every sealed value under the key that is first (behaviour 26, threats 77 and 78).
//!
//! It runs beside servers. A value is read, opened, sealed again and put back only where the same ciphertext still stands; a writer
//! who was quicker wins, and the next pass looks again. Each batch is a transaction of its own, so nobody waits long, and a process
//! that is killed leaves whole values under the old key or the new one. Starting again goes on with what is left.

use super::{Keys, KeysError, Replica, act_on};
use crate::OpContext;
use api::{Uuid, keys::KeyState};
use dbcrypt::{Binding, KeyId, OpenFailure, Sealed};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use store::{
    StoreError,
    changes::{ChangeKind, change_note},
    encryption_keys::{self, SEALED_COLUMNS, SealedField, SealedValue},
};

/// Values per transaction: short enough that a writer beside it does not notice.
const BATCH: i64 = 50;
/// Passes without an end mean that somebody keeps writing with an old key.
const PASSES: usize = 1000;
/// Tries of a batch while the database is busy.
const TRIES: usize = 5;
/// Until every replica has taken up a key that it can read: each looks every second.
const SWITCH_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Signs of life while it runs.
const SEEN_EVERY: Duration = Duration::from_secs(5);

/// What a rotation did.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The key that everything is under now.
    pub key: String,
    /// Values moved, by `table.column`.
    pub moved: BTreeMap<String, u64>,
    /// Keys that no value needs any more.
    pub retired: Vec<String>,
    /// Values that did not open and stay as they are.
    pub failed: Vec<OpenFailure>,
}

/// A rotation under way. It takes part as a replica that writes with the new key, so that no server starts meanwhile that could not
/// read it.
pub struct Rotation {
    replica: Replica,
    ctx: OpContext,
    key: KeyId,
    seen: Instant,
    done: Rotated,
}

impl Rotation {
    /// Checks that every running replica can read with the first key and writes with it.
    ///
    /// # Errors
    /// [`KeysError::Start`] with wrong keys, [`KeysError::Refused`] when a replica is not ready for the new key.
    pub async fn begin(keys: Keys, ctx: OpContext) -> Result<Self, KeysError> {
        let key = keys.keyring.preferred().clone();
        let replica = Replica::join(keys.clone(), keys.new_id(), &ctx).await?;
        let rotation = Self {
            replica,
            ctx,
            seen: Instant::now(),
            done: Rotated { key: key.to_string(), ..Rotated::default() },
            key,
        };
        match rotation.others_ready().await {
            Ok(()) => Ok(rotation),
            Err(error) => {
                rotation.replica.leave().await?;
                Err(error)
            }
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// [`KeysError`]; what was moved until then stays moved, and another run goes on.
    pub async fn run(mut self) -> Result<Rotated, KeysError> {
        let outcome = match self.passes().await {
            Ok(()) => self.finish().await,
            Err(error) => Err(error),
        };
        let left = self.replica.leave().await;
        outcome?;
        left?;
        Ok(self.done)
    }

    async fn others_ready(&self) -> Result<(), KeysError> {
        let begun = Instant::now();
        loop {
            let mut session = self.replica.keys().db.read().await?;
            let others = self.replica.others(&mut session).await?;
            drop(session);
            let key = self.key.as_str();
            let blind = others.iter().filter(|other| !other.reads(key)).count();
            if blind > 0 {
                return Err(KeysError::Refused(format!(
                    "key {key} is not active yet: {blind} of {} running replicas cannot read with it. Put it first in \
                     PATCHBAY_ENCRYPTION_KEYS of every replica, with the old key behind it, restart them one by one, and rotate again. A replica \
                     that was killed counts for 30 s",
                    others.len()
                )));
            }
            let late = others.iter().filter(|other| other.writes() != Some(key)).count();
            if late == 0 && !self.replica.is_waiting() {
                return Ok(());
            }
            if begun.elapsed() > SWITCH_WITHIN {
                return Err(KeysError::Refused(format!(
                    "{late} of {} running replicas still write with another key than {key}. Put it first in \
                     PATCHBAY_ENCRYPTION_KEYS of every replica, restart them one by one, and rotate again",
                    others.len()
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.replica.refresh().await?;
        }
    }

    /// Until a pass finds nothing that can be moved.
    async fn passes(&mut self) -> Result<(), KeysError> {
        for _ in 0..PASSES {
            self.done.failed.clear();
            let mut found = 0;
            for field in SEALED_COLUMNS {
                found += self.column(field).await?;
            }
            if found == 0 {
                return Ok(());
            }
        }
        Err(KeysError::Refused(format!(
            "values keep being written with another key than {}. Look with `patchbay keys status` which replica has it first, and \
             rotate again",
            self.key
        )))
    }

    /// One column once; how many values could be opened.
    async fn column(&mut self, field: &SealedField) -> Result<usize, KeysError> {
        let (mut after, mut found) = (Uuid::nil(), 0);
        loop {
            let batch = self.batch(field, after).await?;
            let Some(last) = batch.last() else { return Ok(found) };
            after = last.row;
            let mut fresh = Vec::new();
            for old in batch {
                if let Some(sealed) = self.reseal(field, &old)? {
                    fresh.push((old, sealed));
                }
            }
            found += fresh.len();
            self.put(field, &fresh).await?;
            if self.seen.elapsed() > SEEN_EVERY {
                self.replica.refresh().await?;
                self.seen = Instant::now();
            }
        }
    }

    async fn batch(&self, field: &SealedField, after: Uuid) -> Result<Vec<SealedValue>, StoreError> {
        let mut session = self.replica.keys().db.read().await?;
        encryption_keys::sealed_values_not_under(&mut session, field, self.key.as_str(), after, BATCH).await
    }

    /// The value under the new key; `None` when it does not open.
    fn reseal(&mut self, field: &SealedField, old: &SealedValue) -> Result<Option<Sealed>, KeysError> {
        let keyring = &self.replica.keys().keyring;
        let (row, owner) = (old.row.to_string(), old.owner.map(|id| id.to_string()).unwrap_or_default());
        let binding = Binding { table: field.table, column: field.column, row: &row, owner: &owner };
        let sealed = Sealed { key_id: old.key(field)?, ciphertext: old.ciphertext.clone() };
        match keyring.open(&binding, &sealed) {
            Ok(secret) => Ok(Some(keyring.seal(&binding, &secret)?)),
            Err(error) => {
                tracing::error!(
                    place = field.name(),
                    row,
                    error = &error as &dyn std::error::Error,
                    "value not rotated"
                );
                self.done.failed.push(OpenFailure {
                    table: field.table.to_owned(),
                    column: field.column.to_owned(),
                    row,
                });
                Ok(None)
            }
        }
    }

    async fn put(&mut self, field: &SealedField, fresh: &[(SealedValue, Sealed)]) -> Result<(), KeysError> {
        let mut tries = 1;
        let moved = loop {
            match self.try_put(field, fresh).await {
                Err(error) if error.is_retryable() && tries < TRIES => tries += 1,
                other => break other?,
            }
        };
        if moved > 0 {
            *self.done.moved.entry(field.name()).or_default() += moved;
        }
        Ok(())
    }

    async fn try_put(&self, field: &SealedField, fresh: &[(SealedValue, Sealed)]) -> Result<u64, StoreError> {
        if fresh.is_empty() {
            return Ok(0);
        }
        let mut write = self.replica.keys().db.write().await?;
        let mut moved = 0;
        for (old, sealed) in fresh {
            let id = sealed.key_id.as_str();
            moved += u64::from(
                encryption_keys::sealed_value_replace(&mut write, field, old, &sealed.ciphertext, id).await?,
            );
        }
        write.commit().await?;
        Ok(moved)
    }

    /// Retires the keys that nothing needs, and logs what was done.
    async fn finish(&mut self) -> Result<(), KeysError> {
        let keys = self.replica.keys().clone();
        super::failures_audit(&keys).await?;
        let mut write = keys.db.write().await?;
        encryption_keys::encryption_keys_lock(&mut write).await?;
        let uses = encryption_keys::encryption_key_use(&mut write).await?;
        let others = self.replica.others(&mut write).await?;
        for known in encryption_keys::encryption_key_list(&mut write).await? {
            let id = known.id.as_str();
            let needed = id == self.key.as_str()
                || uses.iter().any(|used| used.key_id.as_deref() == Some(id))
                || others.iter().any(|other| other.writes() == Some(id));
            if !needed
                && encryption_keys::encryption_key_move(&mut write, id, KeyState::Active, KeyState::Retired)
                    .await?
            {
                self.done.retired.push(known.id);
            }
        }
        // A second run has nothing to say.
        if !self.done.moved.is_empty() || !self.done.retired.is_empty() {
            let moved = self.done.moved.iter().map(|(place, values)| format!("{place}: {values} values"));
            let retired = self.done.retired.iter().map(|id| format!("retired {id}"));
            let act = act_on("keys.rotated", self.key.as_str()).fields(moved.chain(retired).collect());
            keys.audit(&mut write, &self.ctx, act, "ok").await?;
            change_note(&mut write, ChangeKind::Keys, "").await?;
        }
        write.commit().await?;
        Ok(())
    }
}
