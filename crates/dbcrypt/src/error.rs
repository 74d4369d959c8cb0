//! Errors, each with what to do next. None of them ever holds key material, plaintext or ciphertext.

use crate::{
    key::KeyId,
    limits::{KEYS, PLAINTEXT},
};

/// A keyring that cannot be used. Positions count from 1, in the order of the list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The list is empty.
    #[error("no encryption key is given; set PATCHBAY_ENCRYPTION_KEYS to the base64 of 32 random bytes")]
    NoKeys,
    /// More keys than [`KEYS`].
    #[error("there are more than {KEYS} encryption keys; remove those that no value uses any more")]
    TooMany,
    /// An entry is not base64.
    #[error("encryption key {position} is not base64; write each key as the base64 of 32 random bytes")]
    NotBase64 {
        /// Which entry.
        position: usize,
    },
    /// An entry has the wrong length.
    #[error(
        "encryption key {position} is not 32 bytes long; write each key as the base64 of 32 random bytes"
    )]
    WrongLength {
        /// Which entry.
        position: usize,
    },
    /// The same key twice.
    #[error("encryption key {position} is in the list twice; remove one of the two")]
    Duplicate {
        /// The second of the two.
        position: usize,
    },
    /// The ring lacks a key that it was asked for by id.
    #[error("encryption key {0} is not in the keyring; add it to PATCHBAY_ENCRYPTION_KEYS")]
    UnknownKey(KeyId),
    /// A value could not be sealed with a key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The system gave no randomness.
    #[error("the system gave no randomness; try again")]
    NoRandomness,
}

/// A text that is no key id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 16 characters of 0-9 and a-f")]
pub struct KeyIdError;

/// A value that was not sealed. Nothing may be stored in its place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Empty values are stored as they are, without a key id.
    #[error("an empty value is not encrypted; store it empty, without a key id")]
    Empty,
    /// Larger than [`PLAINTEXT`].
    #[error("the value is larger than {} MiB; shorten it", PLAINTEXT / (1024 * 1024))]
    TooLarge,
    /// The key has sealed [`crate::limits::SEALS_PER_KEY`] values.
    #[error("encryption key {0} has been used too often; put a new key in front and rotate")]
    KeyWornOut(KeyId),
    /// The system gave no randomness.
    #[error("the system gave no randomness; try again")]
    NoRandomness,
    /// The cipher refused the input; with the caps above this does not happen.
    #[error("the value could not be encrypted")]
    Cipher,
}

impl SealError {
    /// The same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoRandomness)
    }
}

/// A value that did not open. The owner of the value has to enter or grant it anew, unless [`Self::is_key_missing`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The ring has no such key.
    #[error("encryption key {0} is not in the keyring; add it to PATCHBAY_ENCRYPTION_KEYS")]
    UnknownKey(KeyId),
    /// Too short, or of an unknown version.
    #[error("the stored value has no readable format; enter the secret anew")]
    Malformed,
    /// Changed, moved from another place, or sealed with another key.
    #[error("the stored value was changed, moved or encrypted with another key; enter the secret anew")]
    Rejected,
}

impl OpenError {
    /// Adding a key to the ring makes the value readable again.
    pub fn is_key_missing(&self) -> bool {
        matches!(self, Self::UnknownKey(_))
    }
}
