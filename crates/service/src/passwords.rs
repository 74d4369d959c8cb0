//! Password hashing: argon2id, 19 MiB each, so at most a few at a time and never on an async worker.

use crate::{Error, Result};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Hashes computed at once; more wait.
const PARALLEL: usize = 2;

pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// Verified against when the account does not exist, so that the answer takes as long.
    decoy: tokio::sync::OnceCell<String>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(PARALLEL)), decoy: tokio::sync::OnceCell::new() }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let permit =
            self.permits.clone().acquire_owned().await.map_err(|e| Error::internal("password queue", e))?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|e| Error::internal("password task", e))
    }

    /// The PHC string of `password`.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.run(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|e| Error::internal("password hash", e.to_string()))
    }

    /// True when `password` is the one behind `hash`; without a hash the same time passes and the answer is no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self
                .decoy
                .get_or_try_init(|| self.hash("a decoy, never a password".to_owned()))
                .await?
                .clone(),
        };
        let matches = self
            .run(move || {
                PasswordHash::new(&hash).is_ok_and(|parsed| {
                    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
                })
            })
            .await?;
        Ok(matches && known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OWASP asks of argon2id at least: 19 MiB, two passes, one lane; and a salt of its own for each.
    #[tokio::test]
    async fn stored_hashes_are_argon2id_with_19_mib_and_a_salt_of_their_own() {
        let passwords = Passwords::new();
        let mut hashes = Vec::new();
        for _ in 0..2 {
            hashes.push(passwords.hash("a fine long password".to_owned()).await.unwrap());
        }
        for hash in &hashes {
            let rest = hash.strip_prefix("$argon2id$v=19$m=19456,t=2,p=1$").expect(hash);
            let (salt, digest) = rest.split_once('$').expect(hash);
            assert!(salt.len() >= 22 && digest.len() >= 43, "16 and 32 bytes in base64: {hash}");
            assert!(passwords.verify("a fine long password".to_owned(), Some(hash.clone())).await.unwrap());
            assert!(!passwords.verify("a fine long Password".to_owned(), Some(hash.clone())).await.unwrap());
        }
        assert_ne!(hashes[0], hashes[1]);
        assert!(!passwords.verify("a decoy, never a password".to_owned(), None).await.unwrap());
    }
}
