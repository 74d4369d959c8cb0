//! A sealed value as it lies in the database.

use std::fmt;

use crate::{error::OpenError, key::KeyId};

/// First byte of every ciphertext. Another layout gets another number; there is no number for plaintext.
pub(crate) const VERSION: u8 = 1;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// A ciphertext and the id of its key, to be stored side by side.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key_id: KeyId,
    /// Version byte, nonce (12 bytes), ciphertext with tag (16 bytes).
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("key_id", &self.key_id)
            .field("bytes", &self.ciphertext.len())
            .finish_non_exhaustive()
    }
}

/// Splits a ciphertext into nonce and body. A sealed value is never empty, so the shortest has one byte and the tag.
pub(crate) fn split(ciphertext: &[u8]) -> Result<(&[u8; NONCE_BYTES], &[u8]), OpenError> {
    let (version, rest) = ciphertext.split_first().ok_or(OpenError::Malformed)?;
    let (nonce, body) = rest.split_first_chunk().ok_or(OpenError::Malformed)?;
    if *version != VERSION || body.len() <= TAG_BYTES {
        return Err(OpenError::Malformed);
    }
    Ok((nonce, body))
}
