//! A sealed value as two columns: ciphertext and key id.

use dbcrypt::{KeyId, Sealed};

/// What stands in a row: both or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedColumn {
    pub ciphertext: Option<Vec<u8>>,
    pub key_id: Option<String>,
}

impl From<Option<Sealed>> for SealedColumn {
    fn from(sealed: Option<Sealed>) -> Self {
        match sealed {
            Some(sealed) => {
                Self { key_id: Some(sealed.key_id.to_string()), ciphertext: Some(sealed.ciphertext) }
            }
            None => Self::default(),
        }
    }
}

impl SealedColumn {
    pub fn is_set(&self) -> bool {
        self.ciphertext.is_some()
    }

    /// The sealed value, `None` when the column is empty or its key id is no key id.
    pub fn sealed(&self) -> Option<Sealed> {
        let key_id: KeyId = self.key_id.as_deref()?.parse().ok()?;
        Some(Sealed { key_id, ciphertext: self.ciphertext.clone()? })
    }
}
