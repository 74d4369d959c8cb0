//! What is in force and where it comes from, for `patchbay config`. Secrets are only said to be set.

use super::{Config, Settings};
use crate::keys::key_file;
use store::DbConfig;
use url::Url;

/// Who set a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    File,
    Default,
}

/// One setting, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// As in the file.
    pub(crate) name: &'static str,
    /// `None`: not set, and without a default.
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
}

impl Setting {
    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        variable(self.name)
    }
}

fn variable(name: &str) -> String {
    format!("PATCHBAY_{}", name.to_uppercase())
}

/// What stands for a secret.
const SET: &str = "(set, not shown)";

/// Name, the value as given and fit to be shown, and the default.
type Row = (&'static str, fn(&Settings) -> Option<String>, fn(&Config) -> Option<String>);

fn secret<T>(value: &Option<T>) -> Option<String> {
    value.as_ref().map(|_| SET.to_owned())
}

fn path(value: &Option<std::path::PathBuf>) -> Option<String> {
    value.as_ref().map(|path| path.display().to_string())
}

/// A database URL without its password; one that cannot be read is not shown at all.
fn without_password(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) => {
            if url.password().is_some() && url.set_password(Some("***")).is_err() {
                return SET.to_owned();
            }
            // Drivers also read it from here.
            if url.query_pairs().any(|(name, _)| name.to_lowercase().contains("pass")) {
                url.set_query(None);
            }
            url.to_string()
        }
        Err(_) => SET.to_owned(),
    }
}

fn none(_: &Config) -> Option<String> {
    None
}

const ROWS: &[Row] = &[
    ("config", |s| path(&s.config), none),
    ("listen", |s| s.listen.map(|listen| listen.to_string()), |c| Some(c.listen.to_string())),
    ("access_url", |s| s.access_url.clone(), |c| Some(format!("http://{}", c.listen))),
    ("data_dir", |s| path(&s.data_dir), |c| Some(c.data_dir.display().to_string())),
    (
        "database_url",
        |s| s.database_url.as_deref().map(without_password),
        |c| match &c.database {
            DbConfig::Sqlite { path } => Some(format!("sqlite:{}", path.display())),
            DbConfig::Postgres { .. } => None,
        },
    ),
    ("encryption_keys", |s| secret(&s.encryption_keys), none),
    (
        "encryption_keys_file",
        |s| path(&s.encryption_keys_file),
        // The file of our own is read only when there are no keys.
        |c| c.encryption_keys.is_none().then(|| key_file(c).display().to_string()),
    ),
    ("setup_token", |s| secret(&s.setup_token), none),
    ("setup_token_file", |s| path(&s.setup_token_file), none),
    ("admin_email", |s| s.admin_email.clone(), none),
    ("admin_password_file", |s| path(&s.admin_password_file), none),
    ("egress_allow", |s| s.egress_allow.clone(), |_| Some(String::new())),
    (
        "egress_allow_locked",
        |s| s.egress_allow_locked.map(|locked| locked.to_string()),
        |c| Some(c.egress_allow_locked.to_string()),
    ),
    ("trusted_proxies", |s| s.trusted_proxies.clone(), |_| Some(String::new())),
    ("openai_api_key", |s| secret(&s.openai_api_key), none),
    (
        "openai_base_url",
        |s| s.openai_base_url.clone(),
        |c| c.openai.as_ref().map(|openai| openai.base_url.clone()),
    ),
    ("anthropic_api_key", |s| secret(&s.anthropic_api_key), none),
    (
        "anthropic_base_url",
        |s| s.anthropic_base_url.clone(),
        |c| c.anthropic.as_ref().map(|anthropic| anthropic.base_url.clone()),
    ),
    (
        "audit_retention_days",
        |s| s.audit_retention_days.map(|days| days.to_string()),
        |c| Some(c.audit_retention_days.to_string()),
    ),
    (
        "tool_trials_per_minute",
        |s| s.tool_trials_per_minute.map(|count| count.to_string()),
        |c| Some(c.tool_trials_per_minute.to_string()),
    ),
    ("health_checks", |s| s.health_checks.map(|on| on.to_string()), |c| Some(c.health_checks.to_string())),
    ("log", |s| s.log.clone(), |c| Some(c.log.clone())),
    ("log_format", |s| s.log_format.clone(), |_| Some("text".to_owned())),
];

impl Settings {
    /// Every setting with its origin.
    ///
    /// # Errors
    /// What a start would say about the settings.
    pub(crate) fn effective(self) -> anyhow::Result<Vec<Setting>> {
        self.effective_in(|name| std::env::var(name).is_ok())
    }

    /// The command line tells flags from variables by name only, so a variable that is set counts as the one that was read.
    fn effective_in(self, in_environment: impl Fn(&str) -> bool) -> anyhow::Result<Vec<Setting>> {
        let file = self.file()?;
        let config = self.clone().load()?;
        Ok(ROWS
            .iter()
            .map(|(name, given, default)| {
                let (value, origin) = if let Some(value) = given(&self) {
                    let environment = in_environment(&variable(name));
                    (Some(value), if environment { Origin::Environment } else { Origin::Flag })
                } else if let Some(value) = given(&file) {
                    (Some(value), Origin::File)
                } else {
                    (default(&config), Origin::Default)
                };
                Setting { name, value, origin }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            data_dir: Some("/data".into()),
            database_url: Some("postgres://ada:canary-password@db.internal/patchbay".to_owned()),
            encryption_keys: Some("canary-key".to_owned()),
            setup_token: Some("canary-setup-token-of-16".to_owned()),
            openai_api_key: Some("canary-openai".to_owned()),
            anthropic_api_key: Some("canary-anthropic".to_owned()),
            ..Settings::default()
        }
    }

    fn find<'a>(all: &'a [Setting], name: &str) -> &'a Setting {
        all.iter().find(|setting| setting.name == name).unwrap()
    }

    #[test]
    fn no_secret_is_shown() {
        let all = settings().effective_in(|_| true).unwrap();
        let text = format!("{all:?}");
        assert!(!text.contains("canary"), "{text}");
        let database = find(&all, "database_url").value.as_deref();
        assert_eq!(database, Some("postgres://ada:***@db.internal/patchbay"));
        assert_eq!(find(&all, "encryption_keys").value.as_deref(), Some(SET));
        for url in ["postgres://h/d?password=canary", "postgres:// canary"] {
            assert!(!without_password(url).contains("canary"), "{url}");
        }
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let all = settings().effective_in(|name| name == "PATCHBAY_DATA_DIR").unwrap();
        assert_eq!(find(&all, "data_dir").origin, Origin::Environment);
        assert_eq!(find(&all, "setup_token").origin, Origin::Flag);
        let listen = find(&all, "listen");
        assert_eq!((listen.value.as_deref(), listen.origin), (Some("127.0.0.1:3000"), Origin::Default));
    }

    #[test]
    fn every_setting_is_listed() {
        // A struct pattern without `..`: a new field does not compile until it is named here and in ROWS.
        let Settings {
            config: _,
            listen: _,
            access_url: _,
            data_dir: _,
            database_url: _,
            encryption_keys: _,
            encryption_keys_file: _,
            setup_token: _,
            setup_token_file: _,
            admin_email: _,
            admin_password_file: _,
            egress_allow: _,
            egress_allow_locked: _,
            trusted_proxies: _,
            openai_api_key: _,
            openai_base_url: _,
            anthropic_api_key: _,
            anthropic_base_url: _,
            audit_retention_days: _,
            tool_trials_per_minute: _,
            health_checks: _,
            log: _,
            log_format: _,
        } = Settings::default();
        assert_eq!(ROWS.len(), 23);
    }
}
