//! Where the keys come from (behaviour 26): the setting, else the key file, else a new key file.

use crate::config::Config;
use anyhow::Context as _;
use dbcrypt::Keyring;
use secrecy::{ExposeSecret as _, SecretString};
use std::{fs::File, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};
use store::Db;

/// The key file, made when no keys are configured.
pub(crate) fn key_file(config: &Config) -> PathBuf {
    config.data_dir.join("encryption.key")
}

/// The configured keys, else those of the key file; `None` when there are neither.
///
/// # Errors
/// One sentence for the operator; never a key.
pub(crate) fn keyring_configured(config: &Config) -> anyhow::Result<Option<Keyring>> {
    if let Some(keys) = &config.encryption_keys {
        return Keyring::parse(keys).map(Some).context("PATCHBAY_ENCRYPTION_KEYS is not valid");
    }
    let path = key_file(config);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the key file {}", path.display()))?;
    Keyring::parse(&SecretString::from(text.trim().to_owned()))
        .map(Some)
        .with_context(|| format!("the key file {} is not valid", path.display()))
}

/// The same; on a database that knows no keys, a new key file of mode 0600.
///
/// # Errors
/// One sentence for the operator.
pub(crate) async fn keyring_or_new(config: &Config, db: &Db) -> anyhow::Result<Keyring> {
    if let Some(keyring) = keyring_configured(config)? {
        return Ok(keyring);
    }
    if service::keys_known(db).await? {
        return Err(service::KeyStartError::NoneConfigured.into());
    }
    let path = key_file(config);
    let (keyring, encoded) = Keyring::generate().context("cannot make an encryption key")?;
    let mut file = File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write the key file {}", path.display()))?;
    file.write_all(encoded.expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .context("cannot write the key file")?;
    tracing::info!(path = %path.display(), "made a new encryption key; back it up: without it stored secrets cannot be read");
    Ok(keyring)
}
