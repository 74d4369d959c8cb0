use super::*;

fn load(toml: &str) -> anyhow::Result<Config> {
    let mut settings: Settings = toml::from_str(toml)?;
    settings.data_dir.get_or_insert_with(|| PathBuf::from("/nowhere"));
    settings.load()
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = load("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert!(config.access_url.is_none());
    assert_eq!(config.log, "info");
    assert_eq!(config.audit_retention_days, 0);
    assert!(!config.egress_allow_locked);
}

#[test]
fn the_operator_can_keep_the_private_destinations_to_themselves() {
    assert!(load("egress_allow_locked = true").unwrap().egress_allow_locked);
    assert!(load("egress_allow_locked = \"yes\"").is_err());
}

#[test]
fn what_cannot_work_is_named() {
    for (toml, names) in [
        ("listen = \"0.0.0.0:80\"", "PATCHBAY_ACCESS_URL"),
        ("access_url = \"https://x.example/path\"", "PATCHBAY_ACCESS_URL"),
        ("access_url = \"ftp://x.example\"", "PATCHBAY_ACCESS_URL"),
        ("access_url = \"http://x.example\"", "https"),
        ("log = \"a=b=c\"", "PATCHBAY_LOG"),
        ("database_url = \"mysql://x\"", "PATCHBAY_DATABASE_URL"),
        ("setup_token = \"short\"", "PATCHBAY_SETUP_TOKEN"),
        ("admin_email = \"a@b.example\"", "PATCHBAY_ADMIN_PASSWORD_FILE"),
        ("egress_allow = \"nonsense\"", "PATCHBAY_EGRESS_ALLOW"),
        ("trusted_proxies = \"proxy\"", "PATCHBAY_TRUSTED_PROXIES"),
        ("log_format = \"xml\"", "PATCHBAY_LOG_FORMAT"),
        ("audit_retention_days = 40000", "PATCHBAY_AUDIT_RETENTION_DAYS"),
        ("audit_retention_days = -1", "audit_retention_days"),
        ("colour = \"red\"", "colour"),
    ] {
        let error = load(toml).expect_err(toml);
        assert!(format!("{error:#}").contains(names), "{toml}: {error:#}");
    }
}

#[test]
fn a_flag_wins_over_the_file() {
    let flag = Settings { log: Some("debug".to_owned()), ..Settings::default() };
    let file =
        Settings { log: Some("warn".to_owned()), log_format: Some("json".to_owned()), ..Settings::default() };
    let both = flag.over(file);
    assert_eq!((both.log.as_deref(), both.log_format.as_deref()), (Some("debug"), Some("json")));
}

#[test]
fn a_provider_wants_a_key_or_a_place() {
    let config =
        load("anthropic_api_key = \"sk-ant-1\"\nopenai_base_url = \"http://127.0.0.1:11434/v1\"").unwrap();
    let anthropic = config.anthropic.unwrap();
    assert_eq!(anthropic.base_url, "https://api.anthropic.com/v1");
    assert!(anthropic.api_key.is_some());
    let openai = config.openai.unwrap();
    assert_eq!(openai.base_url, "http://127.0.0.1:11434/v1");
    assert!(openai.api_key.is_none());
    let config = load("").unwrap();
    assert!(config.openai.is_none() && config.anthropic.is_none());
}
