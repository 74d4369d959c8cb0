//! Keys in use: one seals, all open.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aes_gcm::{
    Nonce,
    aead::{Aead as _, Payload},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT},
};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::{
    binding::Binding,
    error::{KeyError, OpenError, SealError},
    failures::{Failures, OpenFailure},
    key::{KEY_BYTES, Key, KeyId},
    limits::{KEYS, PLAINTEXT},
    sealed::{NONCE_BYTES, Sealed, TAG_BYTES, VERSION, split},
};

/// What a canary says when its key is the right one.
const CANARY: &str = "patchbay canary v1";
const CANARY_TABLE: &str = "encryption_keys";
const CANARY_COLUMN: &str = "canary";

/// The keys of this deployment. Clones share them; `Debug` shows their ids only.
#[derive(Clone)]
pub struct Keyring {
    /// Never empty.
    keys: Arc<[Key]>,
    /// Which of them seals: changes while others seal, so it is a number and no lock.
    sealing: Arc<AtomicUsize>,
    failures: Arc<Failures>,
}

impl Keyring {
    /// Reads `PATCHBAY_ENCRYPTION_KEYS` or the key file: comma-separated base64 of 32 bytes each, with or without
    /// padding, white space around entries ignored.
    ///
    /// # Errors
    /// [`KeyError`] names the position of the bad entry, never its content.
    pub fn parse(encoded: &SecretString) -> Result<Self, KeyError> {
        let text = encoded.expose_secret().trim();
        if text.is_empty() {
            return Err(KeyError::NoKeys);
        }
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text.split(',').map(str::trim).enumerate() {
            let position = index + 1;
            if keys.len() == KEYS {
                return Err(KeyError::TooMany);
            }
            let key = Key::new(&*decode(entry, position)?);
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyError::Duplicate { position });
            }
            keys.push(key);
        }
        Ok(Self::of(keys.into()))
    }

    fn of(keys: Arc<[Key]>) -> Self {
        Self { keys, sealing: Arc::default(), failures: Arc::default() }
    }

    /// A ring with one new random key, and that key in the form that [`Self::parse`] reads.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<(Self, SecretString), KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyError::NoRandomness)?;
        let encoded = SecretString::from(STANDARD.encode(bytes.as_slice()));
        Ok((Self::of([Key::new(&bytes)].into()), encoded))
    }

    /// The id of the key that seals: the first of the list, until [`Self::seal_with`] names another.
    pub fn primary(&self) -> &KeyId {
        &self.sealing_key().id
    }

    /// The id of the key that the operator put first: the one that shall seal as soon as everybody can read it.
    pub fn preferred(&self) -> &KeyId {
        &self.keys[0].id
    }

    /// From now on this key seals, for all clones. False when the ring lacks it; then nothing changes.
    pub fn seal_with(&self, id: &KeyId) -> bool {
        let Some(at) = self.keys.iter().position(|key| key.id == *id) else { return false };
        self.sealing.store(at, Ordering::Release);
        true
    }

    /// The ids of all keys, in the order of the list.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|key| &key.id)
    }

    /// Whether values of this key can be opened.
    pub fn contains(&self, id: &KeyId) -> bool {
        self.find(id).is_some()
    }

    /// Encrypts a value for one place, with the key that seals.
    ///
    /// # Errors
    /// [`SealError::Empty`] for an empty value: those are stored as they are.
    pub fn seal(&self, binding: &Binding<'_>, plaintext: &SecretString) -> Result<Sealed, SealError> {
        let key = self.sealing_key();
        let ciphertext = seal_with(key, binding, plaintext.expose_secret())?;
        Ok(Sealed { key_id: key.id.clone(), ciphertext })
    }

    /// Decrypts a value at its place.
    ///
    /// # Errors
    /// See [`OpenError`]. One bad value says nothing about its neighbours.
    pub fn open(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<SecretString, OpenError> {
        self.open_parts(binding, &sealed.key_id, &sealed.ciphertext)
            .inspect_err(|_| self.failures.note(binding))
    }

    /// The places whose values did not open since the last call, each once: for the audit log. Kept here because every reader
    /// comes by, so none can forget to report.
    pub fn take_failures(&self) -> Vec<OpenFailure> {
        self.failures.take()
    }

    /// A value that proves, on the next start, that the ring still has the same key under this id. To be stored in the
    /// key table.
    ///
    /// # Errors
    /// [`KeyError::UnknownKey`] when the ring lacks the key, [`KeyError::Seal`] without randomness.
    pub fn canary(&self, id: &KeyId) -> Result<Vec<u8>, KeyError> {
        let key = self.find(id).ok_or_else(|| KeyError::UnknownKey(id.clone()))?;
        Ok(seal_with(key, &canary_binding(id), CANARY)?)
    }

    /// Opens a stored canary.
    ///
    /// # Errors
    /// [`OpenError::UnknownKey`] when the ring lacks the key; anything else means that the table was changed. In both
    /// cases the process must not start.
    pub fn check_canary(&self, id: &KeyId, canary: &[u8]) -> Result<(), OpenError> {
        let text = self.open_parts(&canary_binding(id), id, canary)?;
        if text.expose_secret() == CANARY { Ok(()) } else { Err(OpenError::Rejected) }
    }

    fn open_parts(
        &self,
        binding: &Binding<'_>,
        id: &KeyId,
        ciphertext: &[u8],
    ) -> Result<SecretString, OpenError> {
        let key = self.find(id).ok_or_else(|| OpenError::UnknownKey(id.clone()))?;
        let (nonce, body) = split(ciphertext)?;
        if body.len() > PLAINTEXT + TAG_BYTES {
            return Err(OpenError::Malformed);
        }
        let aad = binding.associated_data(&key.id);
        let plain = key
            .cipher
            .decrypt(&Nonce::from(*nonce), Payload { msg: body, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Rejected)?;
        // Only texts are sealed, and the tag has just said that this is what was sealed.
        let text = std::str::from_utf8(&plain).map_err(|_| OpenError::Rejected)?;
        // A copy of exact size; the buffer that held the tag as well is wiped.
        Ok(SecretString::from(text))
    }

    fn sealing_key(&self) -> &Key {
        &self.keys[self.sealing.load(Ordering::Acquire)]
    }

    fn find(&self, id: &KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == *id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("ids", &self.ids().map(KeyId::as_str).collect::<Vec<_>>()).finish()
    }
}

fn decode(entry: &str, position: usize) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    // Room for more than a key, so that a longer one is told from bad base64; on the stack, so that it can be wiped.
    let mut room = Zeroizing::new([0; 2 * KEY_BYTES]);
    let length = STANDARD_PAD_INDIFFERENT.decode_slice(entry, &mut *room).map_err(|error| match error {
        base64::DecodeSliceError::OutputSliceTooSmall => KeyError::WrongLength { position },
        base64::DecodeSliceError::DecodeError(_) => KeyError::NotBase64 { position },
    })?;
    if length != KEY_BYTES {
        return Err(KeyError::WrongLength { position });
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&room[..KEY_BYTES]);
    Ok(key)
}

fn seal_with(key: &Key, binding: &Binding<'_>, plaintext: &str) -> Result<Vec<u8>, SealError> {
    if plaintext.is_empty() {
        return Err(SealError::Empty);
    }
    if plaintext.len() > PLAINTEXT {
        return Err(SealError::TooLarge);
    }
    if !key.count_seal() {
        return Err(SealError::KeyWornOut(key.id.clone()));
    }
    // Random, not counted: replicas share a key without talking to each other.
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
    let aad = binding.associated_data(&key.id);
    let body = key
        .cipher
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext.as_bytes(), aad: &aad })
        .map_err(|_| SealError::Cipher)?;
    let mut ciphertext = Vec::with_capacity(1 + NONCE_BYTES + body.len());
    ciphertext.push(VERSION);
    ciphertext.extend_from_slice(&nonce);
    ciphertext.extend_from_slice(&body);
    Ok(ciphertext)
}

fn canary_binding(id: &KeyId) -> Binding<'_> {
    Binding { table: CANARY_TABLE, column: CANARY_COLUMN, row: id.as_str(), owner: "" }
}

#[cfg(test)]
mod tests;
