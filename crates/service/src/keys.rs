//! Encryption keys (behaviour 26): the check at start, the two phases of a new key, and what `patchbay keys` does.
//!
//! A key is *introduced* when a replica starts with it, *active* once every running replica can read with it, *retired* when rotation
//! has moved every value away, *revoked* when the operator gives it up. Which key a replica writes with is decided under one lock
//! ([`Replica`]), so that at no moment a running replica meets a value it has no key for.

mod failures;
mod purge;
mod replica;
mod revoke;
mod rotate;
mod status;
mod verify;

pub use purge::{PurgePlan, keys_purge, keys_purge_plan};
pub use replica::Replica;
pub use revoke::key_revoke;
pub use rotate::{Rotated, Rotation};
pub use status::keys_status;
pub use verify::{KeyStartError, keyring_verify, keys_known};

pub(crate) use failures::failures_audit;

use crate::{OpContext, audit};
use api::Timestamp;
use dbcrypt::Keyring;
use domain::clock::{Clock, Entropy};
use std::sync::Arc;
use store::{Db, StoreError, Write};
use thiserror::Error;

/// What work on keys stands on; a command beside the server has no more.
#[derive(Clone)]
pub struct Keys {
    pub db: Db,
    pub keyring: Arc<Keyring>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Why a command did not do its work. One sentence for the operator.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The keys do not fit the database.
    #[error(transparent)]
    Start(#[from] KeyStartError),
    /// It would do harm, or cannot be done yet.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value that opened could not be sealed again.
    #[error(transparent)]
    Seal(#[from] dbcrypt::SealError),
}

impl Keys {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn new_id(&self) -> api::Uuid {
        domain::clock::new_id(&*self.clock, &*self.entropy)
    }

    async fn audit(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        act: audit::Act<'_>,
        outcome: &'static str,
    ) -> Result<(), StoreError> {
        let entry = audit::entry_of(self.new_id(), self.now(), ctx, act, outcome);
        store::audit::audit_append(write, &entry).await
    }
}

/// An entry about one key.
fn act_on(action: &'static str, key: &str) -> audit::Act<'static> {
    audit::Act {
        action,
        resource_type: "encryption_key",
        resource_id: key.to_owned(),
        resource_name: "",
        changed_fields: Vec::new(),
    }
}
