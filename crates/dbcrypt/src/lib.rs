//! Encryption at rest (behaviour 26, threats F): pure functions over a keyring, no IO but the system's randomness.
//!
//! A [`Keyring`] seals a secret for one place in the database, its [`Binding`]. The ciphertext opens at that place only:
//! moved to another table, column, row or owner, or set beside another key id, it is refused. One key of the ring
//! seals, all keys open, so a ring with a new key in front is half of a rotation; the other half is to open and seal
//! every value once more. Which key seals can change while the process runs ([`Keyring::seal_with`]): a new key is
//! written with only after every replica can read it.
//!
//! What this cannot notice is an older ciphertext put back at its own place: a reader of the database who can also
//! write may replay a former secret of the same row.

mod binding;
mod error;
mod failures;
mod key;
mod keyring;
pub mod limits;
mod sealed;

pub use binding::Binding;
pub use error::{KeyError, KeyIdError, OpenError, SealError};
pub use failures::OpenFailure;
pub use key::KeyId;
pub use keyring::Keyring;
pub use sealed::Sealed;
