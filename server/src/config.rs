//! Settings: environment, flags and a TOML file with the same names (behaviour 30).

mod effective;

use anyhow::{Context as _, bail};
use api::models::ProviderType;
use clap::Args;
pub(crate) use effective::{Origin, Setting};
use secrecy::SecretString;
use serde::Deserialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};
use store::DbConfig;
use url::Url;

/// Enough to try things out, too little to work through a server by hand.
const TOOL_TRIALS_PER_MINUTE: u32 = 30;
/// A century: more is a slip of the finger.
const AUDIT_DAYS_MAX: u32 = 36_500;

/// As given: every field optional. A flag wins over the environment, that over the file, that over the default.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// TOML file with the same names as these flags, in snake case.
    #[arg(long, global = true, env = "PATCHBAY_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes any and prints it. Default 127.0.0.1:3000.
    #[arg(long, global = true, env = "PATCHBAY_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Public URL. Needed for anything but loopback.
    #[arg(long, global = true, env = "PATCHBAY_ACCESS_URL")]
    pub access_url: Option<String>,
    /// Folder for the SQLite file, the key file and stored results. Default: the platform's data folder.
    #[arg(long, global = true, env = "PATCHBAY_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// sqlite:PATH or postgres://… Default: SQLite in the data folder.
    #[arg(long, global = true, env = "PATCHBAY_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Comma-separated base64 keys of 32 bytes; the first encrypts, all decrypt.
    #[arg(long, global = true, env = "PATCHBAY_ENCRYPTION_KEYS", hide_env_values = true)]
    pub encryption_keys: Option<String>,
    /// File with the keys.
    #[arg(long, global = true, env = "PATCHBAY_ENCRYPTION_KEYS_FILE")]
    pub encryption_keys_file: Option<PathBuf>,
    /// Token for the first owner. Default: random, printed once.
    #[arg(long, global = true, env = "PATCHBAY_SETUP_TOKEN", hide_env_values = true)]
    pub setup_token: Option<String>,
    /// File with the token.
    #[arg(long, global = true, env = "PATCHBAY_SETUP_TOKEN_FILE")]
    pub setup_token_file: Option<PathBuf>,
    /// E-mail of the first owner, made without the page.
    #[arg(long, global = true, env = "PATCHBAY_ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// File with their password.
    #[arg(long, global = true, env = "PATCHBAY_ADMIN_PASSWORD_FILE")]
    pub admin_password_file: Option<PathBuf>,
    /// Private destinations that may be dialled: comma-separated host:port or cidr:port, * for any port.
    #[arg(long, global = true, env = "PATCHBAY_EGRESS_ALLOW")]
    pub egress_allow: Option<String>,
    /// Owners may not allow further private destinations in the settings. Default: they may.
    #[arg(
        long,
        global = true,
        env = "PATCHBAY_EGRESS_ALLOW_LOCKED",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub egress_allow_locked: Option<bool>,
    /// Proxies whose X-Forwarded-For counts, for client addresses only: comma-separated addresses.
    #[arg(long, global = true, env = "PATCHBAY_TRUSTED_PROXIES")]
    pub trusted_proxies: Option<String>,
    /// Key of an OpenAI-compatible provider, made at start when absent.
    #[arg(long, global = true, env = "PATCHBAY_OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<String>,
    /// Its base URL. Default https://api.openai.com/v1.
    #[arg(long, global = true, env = "PATCHBAY_OPENAI_BASE_URL")]
    pub openai_base_url: Option<String>,
    /// Key of an Anthropic provider, made at start when absent.
    #[arg(long, global = true, env = "PATCHBAY_ANTHROPIC_API_KEY", hide_env_values = true)]
    pub anthropic_api_key: Option<String>,
    /// Its base URL. Default https://api.anthropic.com/v1.
    #[arg(long, global = true, env = "PATCHBAY_ANTHROPIC_BASE_URL")]
    pub anthropic_base_url: Option<String>,
    /// Days that audit entries are kept. Default 0: for ever.
    #[arg(long, global = true, env = "PATCHBAY_AUDIT_RETENTION_DAYS")]
    pub audit_retention_days: Option<u32>,
    /// Calls of tools by hand per admin and minute. Default 30; 0 limits nothing.
    #[arg(long, global = true, env = "PATCHBAY_TOOL_TRIALS_PER_MINUTE")]
    pub tool_trials_per_minute: Option<u32>,
    /// Check enabled servers of which nothing was heard for ten minutes. Default: true.
    #[arg(
        long,
        global = true,
        env = "PATCHBAY_HEALTH_CHECKS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub health_checks: Option<bool>,
    /// Log filter, e.g. info or patchbay=debug.
    #[arg(long, global = true, env = "PATCHBAY_LOG")]
    pub log: Option<String>,
    /// text or json.
    #[arg(long, global = true, env = "PATCHBAY_LOG_FORMAT")]
    pub log_format: Option<String>,
}

/// Complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// `None`: from the listener, once its port is known (loopback only).
    pub access_url: Option<Url>,
    pub data_dir: PathBuf,
    pub database: DbConfig,
    pub encryption_keys: Option<SecretString>,
    pub setup_token: Option<String>,
    pub admin: Option<(String, SecretString)>,
    pub egress_allow: egress::AllowList,
    pub egress_allow_locked: bool,
    pub trusted_proxies: Vec<IpAddr>,
    pub openai: Option<ProviderFromEnvironment>,
    pub anthropic: Option<ProviderFromEnvironment>,
    /// 0: for ever.
    pub audit_retention_days: u32,
    /// 0 limits nothing.
    pub tool_trials_per_minute: u32,
    pub health_checks: bool,
    pub log: String,
    pub log_json: bool,
}

/// A provider the environment asks for.
#[derive(Debug, Clone)]
pub struct ProviderFromEnvironment {
    pub base_url: String,
    pub api_key: Option<SecretString>,
}

impl ProviderFromEnvironment {
    /// `None` where neither is set. A base URL is enough alone, for servers without a key.
    fn of(kind: ProviderType, base_url: Option<String>, api_key: Option<String>) -> Option<Self> {
        if base_url.is_none() && api_key.is_none() {
            return None;
        }
        Some(Self {
            base_url: base_url.unwrap_or_else(|| kind.default_base_url().to_owned()),
            api_key: api_key.filter(|key| !key.trim().is_empty()).map(SecretString::from),
        })
    }
}

macro_rules! first_of {
    ($a:expr, $b:expr, $($field:ident),+ $(,)?) => { Settings { $($field: $a.$field.or($b.$field)),+ } };
}

impl Settings {
    /// These settings, with `other` filling the gaps.
    #[must_use]
    pub fn over(self, other: Settings) -> Settings {
        first_of!(
            self,
            other,
            config,
            listen,
            access_url,
            data_dir,
            database_url,
            encryption_keys,
            encryption_keys_file,
            setup_token,
            setup_token_file,
            admin_email,
            admin_password_file,
            egress_allow,
            egress_allow_locked,
            trusted_proxies,
            openai_api_key,
            openai_base_url,
            anthropic_api_key,
            anthropic_base_url,
            audit_retention_days,
            tool_trials_per_minute,
            health_checks,
            log,
            log_format,
        )
    }

    /// Reads the file, fills in the defaults and checks everything.
    ///
    /// # Errors
    /// One sentence naming the setting.
    pub fn load(self) -> anyhow::Result<Config> {
        let file = self.file()?;
        self.over(file).check()
    }

    /// What the file says; nothing without one.
    fn file(&self) -> anyhow::Result<Settings> {
        let Some(path) = &self.config else { return Ok(Settings::default()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("the configuration file {} is not valid", path.display()))
    }

    fn check(self) -> anyhow::Result<Config> {
        let listen = self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 3000)));
        let access_url = self.access_url.as_deref().map(parse_access_url).transpose()?;
        if access_url.is_none() && !listen.ip().is_loopback() {
            bail!(
                "PATCHBAY_ACCESS_URL is needed when listening on {listen}: links, cookies and redirects are built from it"
            );
        }
        let data_dir = self.data_dir.map_or_else(default_data_dir, Ok)?;
        let database = match &self.database_url {
            Some(url) => DbConfig::parse(url).map_err(anyhow::Error::msg)?,
            None => DbConfig::Sqlite { path: data_dir.join("patchbay.sqlite") },
        };
        let encryption_keys =
            one_of("PATCHBAY_ENCRYPTION_KEYS", self.encryption_keys, self.encryption_keys_file.as_deref())?;
        let setup_token = one_of("PATCHBAY_SETUP_TOKEN", self.setup_token, self.setup_token_file.as_deref())?;
        if setup_token.as_ref().is_some_and(|token| token.len() < 16) {
            bail!("PATCHBAY_SETUP_TOKEN is shorter than 16 characters; choose a longer one or leave it out");
        }
        let admin = match (self.admin_email, self.admin_password_file) {
            (Some(email), Some(path)) => {
                Some((email, SecretString::from(read_secret("PATCHBAY_ADMIN_PASSWORD_FILE", &path)?)))
            }
            (None, None) => None,
            _ => bail!(
                "PATCHBAY_ADMIN_EMAIL and PATCHBAY_ADMIN_PASSWORD_FILE belong together; one of them is missing"
            ),
        };
        let egress_allow = self
            .egress_allow
            .unwrap_or_default()
            .parse()
            .map_err(|error| anyhow::anyhow!("PATCHBAY_EGRESS_ALLOW: {error}"))?;
        let trusted_proxies = self
            .trusted_proxies
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse().with_context(|| format!("PATCHBAY_TRUSTED_PROXIES: {text} is not an address"))
            })
            .collect::<anyhow::Result<Vec<IpAddr>>>()?;
        let from_environment = ProviderFromEnvironment::of;
        let openai = from_environment(ProviderType::Openai, self.openai_base_url, self.openai_api_key);
        let anthropic =
            from_environment(ProviderType::Anthropic, self.anthropic_base_url, self.anthropic_api_key);
        let audit_retention_days = self.audit_retention_days.unwrap_or(0);
        if audit_retention_days > AUDIT_DAYS_MAX {
            bail!(
                "PATCHBAY_AUDIT_RETENTION_DAYS takes 0 (for ever) to {AUDIT_DAYS_MAX}, not {audit_retention_days}"
            );
        }
        let log_json = match self.log_format.as_deref() {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => bail!("PATCHBAY_LOG_FORMAT takes text or json, not {other}"),
        };
        let log = self.log.unwrap_or_else(|| "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log) {
            bail!("PATCHBAY_LOG: {log} is not a filter ({error}); try info or patchbay_chatd=debug");
        }
        Ok(Config {
            listen,
            access_url,
            data_dir,
            database,
            encryption_keys: encryption_keys.map(SecretString::from),
            setup_token,
            admin,
            egress_allow,
            egress_allow_locked: self.egress_allow_locked.unwrap_or(false),
            trusted_proxies,
            openai,
            anthropic,
            audit_retention_days,
            tool_trials_per_minute: self.tool_trials_per_minute.unwrap_or(TOOL_TRIALS_PER_MINUTE),
            health_checks: self.health_checks.unwrap_or(true),
            log,
            log_json,
        })
    }
}

fn parse_access_url(text: &str) -> anyhow::Result<Url> {
    let url: Url = text.parse().with_context(|| format!("PATCHBAY_ACCESS_URL: {text} is not a URL"))?;
    let plain =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !plain {
        bail!("PATCHBAY_ACCESS_URL takes http(s)://HOST[:PORT] and nothing more, not {text}");
    }
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    // Without https the session cookie would travel in the clear (behaviour 2).
    if url.scheme() == "http" && !loopback {
        bail!("PATCHBAY_ACCESS_URL: {text} needs https; plain http is for loopback only");
    }
    Ok(url)
}

fn one_of(name: &str, value: Option<String>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    match (value, file) {
        (Some(_), Some(_)) => bail!("{name} and {name}_FILE are both set; keep one"),
        (Some(value), None) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        (None, Some(path)) => read_secret(&format!("{name}_FILE"), path).map(Some),
        (None, None) => Ok(None),
    }
}

fn read_secret(name: &str, path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{name}: cannot read {}", path.display()))?;
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!("{name}: {} is empty", path.display());
    }
    Ok(text)
}

/// XDG on Linux, Application Support on macOS; Windows is not served.
fn default_data_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir).join("patchbay"));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = PathBuf::from(
        home.context("neither PATCHBAY_DATA_DIR nor HOME is set; say where data may be stored")?,
    );
    let below = if cfg!(target_os = "macos") {
        "Library/Application Support/patchbay"
    } else {
        ".local/share/patchbay"
    };
    Ok(home.join(below))
}

#[cfg(test)]
mod tests;
