//! The place a value belongs to.

use crate::key::KeyId;

/// One cell of the database and whose it is. Sealed into the ciphertext as associated data: a value opens only with the
/// binding it was sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Table name.
    pub table: &'a str,
    /// Column name.
    pub column: &'a str,
    /// The row's id, which never changes.
    pub row: &'a str,
    /// The user the secret belongs to; empty for secrets of the deployment.
    pub owner: &'a str,
}

impl Binding<'_> {
    /// The associated data. Every part has its length in front, so that no two bindings have the same bytes
    /// ("ab" + "c" against "a" + "bc").
    pub(crate) fn associated_data(&self, key: &KeyId) -> Vec<u8> {
        const DOMAIN: &str = "patchbay/dbcrypt/aad/v1";
        let parts = [DOMAIN, key.as_str(), self.table, self.column, self.row, self.owner];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}
