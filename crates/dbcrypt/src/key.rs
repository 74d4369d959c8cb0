//! One key and its name.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use aes_gcm::{Aes256Gcm, Key as AesKey, KeyInit as _};
use sha2::{Digest as _, Sha256};

use crate::{error::KeyIdError, limits::SEALS_PER_KEY};

/// Length of a key in bytes.
pub(crate) const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
/// Separates this use of SHA-256 over a key from any other, so that the public id says nothing elsewhere.
const ID_DOMAIN: &[u8] = b"patchbay/dbcrypt/key-id/v1\0";

/// The name of a key: 16 hex characters derived from the key, so that equal keys have equal names everywhere and no
/// operator has to invent one. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    pub(crate) fn of(key: &[u8; KEY_BYTES]) -> Self {
        let digest = Sha256::new().chain_update(ID_DOMAIN).chain_update(key).finalize();
        let mut text = String::with_capacity(2 * ID_BYTES);
        for byte in digest.iter().take(ID_BYTES) {
            write!(text, "{byte:02x}").expect("a String takes any text");
        }
        Self(text)
    }

    /// The 16 characters, as stored beside each value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    /// Lower case only: a second spelling of one id would be a second id in the database.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 2 * ID_BYTES && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyIdError)
        }
    }
}

/// A key ready for use. The cipher wipes its schedule when dropped (feature `zeroize` of aes-gcm).
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) cipher: Aes256Gcm,
    seals: AtomicU64,
}

impl Key {
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let cipher = Aes256Gcm::new(<&AesKey<Aes256Gcm>>::from(bytes));
        Self { id: KeyId::of(bytes), cipher, seals: AtomicU64::new(0) }
    }

    /// Counts one use; false when the key must not seal any more.
    pub(crate) fn count_seal(&self) -> bool {
        self.seals.fetch_add(1, Ordering::Relaxed) < SEALS_PER_KEY
    }

    #[cfg(test)]
    pub(crate) fn wear_out(&self) {
        self.seals.store(SEALS_PER_KEY, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_stable() {
        // Stored beside every value: if this derivation changes, no database opens any more. The figures are
        // `printf 'patchbay/dbcrypt/key-id/v1\0' | cat - KEY | sha256sum`.
        assert_eq!(KeyId::of(&[0; 32]).as_str(), "4430233e7386abcc");
        assert_eq!(KeyId::of(&[7; 32]).as_str(), "c79735339868064f");
    }

    #[test]
    fn ids_read_back_and_nothing_else_does() {
        let id = KeyId::of(&[1; 32]);
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        for text in
            ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg", "plaintext"]
        {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text}");
        }
    }
}
