//! `patchbay doctor`: what a start would meet, without starting. It writes nothing but a probe into the data directory.

use crate::{
    config::{Config, Settings},
    keys::{key_file, keyring_configured},
    serve::announce,
    wiring::open_database,
};
use anyhow::{Context as _, bail, ensure};
use service::OperatorEgress;
use std::{net::IpAddr, os::unix::fs::PermissionsExt as _};
use store::{Db, DbConfig};
use url::Host;

/// Checks everything and prints a line each.
///
/// # Errors
/// When a check failed; the lines say which and what to do.
pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut failed = 0;
    let loaded = settings.load();
    report(&mut failed, "configuration", loaded.as_ref().map(|_| "valid".to_owned()));
    // Without settings there is nothing else to look at.
    if let Ok(config) = &loaded {
        report(&mut failed, "data directory", data_dir(config).as_ref().cloned());
        let db = database(config).await;
        report(&mut failed, "database", db.as_ref().map(|(_, words)| words.clone()));
        let mut owners = Err(anyhow::anyhow!("the database could not be opened"));
        if let Ok((db, _)) = &db {
            report(&mut failed, "keys", keys(config, db.as_ref()).await.as_ref().cloned());
            owners = owners_allow(config, db.as_ref()).await;
        }
        if let Ok((Some(db), _)) = db {
            db.close().await;
        }
        report(&mut failed, "access URL", access_url(config).as_ref().cloned());
        report(&mut failed, "private destinations", egress(config, &owners).as_ref().cloned());
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 check failed"),
        many => bail!("{many} checks failed"),
    }
}

fn report(failed: &mut usize, name: &str, outcome: Result<String, &anyhow::Error>) {
    match outcome {
        Ok(words) => announce(&format!("ok    {name}: {words}")),
        Err(error) => {
            *failed += 1;
            announce(&format!("fail  {name}: {}", format!("{error:#}").replace('\n', " ")));
        }
    }
}

fn data_dir(config: &Config) -> anyhow::Result<String> {
    let dir = &config.data_dir;
    if !dir.exists() {
        return Ok(format!("{} will be made at the first start", dir.display()));
    }
    let probe = dir.join(".writable");
    std::fs::File::create(&probe).with_context(|| {
        format!("{} is not writable; set PATCHBAY_DATA_DIR to a writable folder", dir.display())
    })?;
    std::fs::remove_file(probe).context("the probe file cannot be removed")?;
    Ok(dir.display().to_string())
}

/// The database, when there is one yet.
async fn database(config: &Config) -> anyhow::Result<(Option<Db>, String)> {
    if let DbConfig::Sqlite { path } = &config.database
        && !path.exists()
    {
        return Ok((None, format!("{} will be made at the first start", path.display())));
    }
    let db = open_database(&config.database).await?;
    let pending = db.migrations_pending().await.context("the schema is not that of this build")?;
    let words = if pending.is_empty() {
        format!("{}, schema up to date", db.engine_name())
    } else {
        format!(
            "{}, the next start or `patchbay migrate` will apply {}",
            db.engine_name(),
            pending.join(", ")
        )
    };
    Ok((Some(db), words))
}

async fn keys(config: &Config, db: Option<&Db>) -> anyhow::Result<String> {
    let file = key_file(config);
    if config.encryption_keys.is_none() && file.exists() {
        let mode =
            std::fs::metadata(&file).context("cannot read the key file's mode")?.permissions().mode() & 0o777;
        ensure!(
            mode & 0o077 == 0,
            "others can read the key file {0} (mode {mode:o}); run: chmod 600 {0}",
            file.display()
        );
    }
    let Some(keyring) = keyring_configured(config)? else {
        if let Some(db) = db
            && service::keys_known(db).await?
        {
            return Err(service::KeyStartError::NoneConfigured.into());
        }
        return Ok(format!("none yet; the first start makes {}", file.display()));
    };
    if let Some(db) = db {
        service::keyring_verify(db, &keyring).await?;
    }
    Ok(format!("{} configured, first {}", keyring.ids().count(), keyring.preferred()))
}

fn access_url(config: &Config) -> anyhow::Result<String> {
    let Some(url) = &config.access_url else {
        return Ok(format!("http://{}, for this machine only", config.listen));
    };
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    ensure!(
        !loopback || config.listen.ip().is_loopback(),
        "{url} leads to this machine only, but {} listens for others; set PATCHBAY_ACCESS_URL to the address people use",
        config.listen
    );
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What owners set beside the operator's list, in its notation; None where they have no say.
async fn owners_allow(config: &Config, db: Option<&Db>) -> anyhow::Result<Option<String>> {
    if config.egress_allow_locked {
        return Ok(None);
    }
    let Some(db) = db else { return Ok(Some(String::new())) };
    // Alone: what the operator allows as well would not be told apart.
    let list = service::egress_allow_of(db, &OperatorEgress::default()).await?;
    Ok(Some(list.to_string()))
}

fn egress(config: &Config, owners: &anyhow::Result<Option<String>>) -> anyhow::Result<String> {
    let list = config.egress_allow.to_string();
    let owners = match owners {
        Ok(None) => "what owners set under Settings does not count (PATCHBAY_EGRESS_ALLOW_LOCKED)".to_owned(),
        Ok(Some(list)) if list.is_empty() => "none set by owners under Settings".to_owned(),
        Ok(Some(list)) => format!("{list} set by owners under Settings"),
        Err(error) => format!("what owners set under Settings could not be read: {error:#}"),
    };
    if list.is_empty() {
        return Ok(format!("none by PATCHBAY_EGRESS_ALLOW; {owners}"));
    }
    let wide = list.split(',').map(str::trim).find(|entry| entry.contains("/0:") || entry.contains("/0]"));
    if let Some(entry) = wide {
        bail!("{entry} in PATCHBAY_EGRESS_ALLOW opens every private address; name the hosts instead");
    }
    Ok(format!("{list} by PATCHBAY_EGRESS_ALLOW; {owners}"))
}
