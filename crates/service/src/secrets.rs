//! Sealing and opening, each value bound to its row (behaviour 26).

use crate::{Error, Result};
use api::Uuid;
use dbcrypt::{Binding, Keyring, OpenError};
use secrecy::SecretString;
use store::SealedColumn;

/// Where a secret lies.
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: Uuid,
    /// The user it belongs to; `None` for secrets of the deployment.
    pub(crate) owner: Option<Uuid>,
}

impl Place {
    fn with<T>(&self, run: impl FnOnce(&Binding<'_>) -> T) -> T {
        let owner = self.owner.map(|id| id.to_string()).unwrap_or_default();
        run(&Binding { table: self.table, column: self.column, row: &self.row.to_string(), owner: &owner })
    }
}

/// Seals `secret` for `place`.
pub(crate) fn seal(keyring: &Keyring, place: &Place, secret: &SecretString) -> Result<SealedColumn> {
    let sealed = place
        .with(|binding| keyring.seal(binding, secret))
        .map_err(|e| Error::internal("sealing a secret", e))?;
    Ok(SealedColumn::from(Some(sealed)))
}

/// Opens what lies at `place`; `None` when nothing does. A value without a readable key id is no plaintext (threats F 75).
pub(crate) fn open(
    keyring: &Keyring,
    place: &Place,
    column: &SealedColumn,
) -> std::result::Result<Option<SecretString>, OpenError> {
    match column.sealed() {
        Some(sealed) => place.with(|binding| keyring.open(binding, &sealed)).map(Some),
        None if column.is_set() => Err(OpenError::Malformed),
        None => Ok(None),
    }
}
