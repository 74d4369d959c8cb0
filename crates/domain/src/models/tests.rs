use super::*;
use api::Timestamp;

fn policy() -> UrlPolicy {
    UrlPolicy::new(|host, port| host == "127.0.0.1" && port == 11434)
}

fn openai() -> ProviderCreate {
    ProviderCreate {
        name: " OpenAI ".into(),
        provider_type: "openai".into(),
        base_url: "https://api.example.com/v1".into(),
        api_key: Some(" sk-123 ".into()),
        enabled: None,
    }
}

fn fields<T: std::fmt::Debug>(result: Result<T, Vec<Validation>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|problem| problem.field).collect()
}

#[test]
fn a_provider_is_trimmed_and_enabled() {
    let draft = validate_provider_create(&openai(), &policy()).unwrap();
    assert_eq!((draft.name.as_str(), draft.enabled), ("OpenAI", true));
    assert_eq!(draft.api_key, SecretChange::Set("sk-123".to_owned()));
    assert!(!format!("{draft:?}").contains("sk-123"));
    let local = ProviderCreate { base_url: "http://127.0.0.1:11434/v1".into(), api_key: None, ..openai() };
    assert_eq!(validate_provider_create(&local, &policy()).unwrap().api_key, SecretChange::Clear);
}

#[test]
fn types_of_this_build() {
    for (kind, why) in [("gemini", "`openai`, `anthropic` or `demo`"), ("", "Choose")] {
        let wanted = ProviderCreate { provider_type: kind.into(), ..openai() };
        let problems = validate_provider_create(&wanted, &policy()).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].field == "type" && problems[0].detail.contains(why), "{problems:?}");
    }
    let anthropic = ProviderCreate { provider_type: "anthropic".into(), ..openai() };
    let draft = validate_provider_create(&anthropic, &policy()).unwrap();
    assert_eq!(draft.provider_type, ProviderType::Anthropic);
    let nowhere = ProviderCreate { base_url: String::new(), ..anthropic };
    let problems = validate_provider_create(&nowhere, &policy()).unwrap_err();
    assert!(problems[0].detail.contains("https://api.anthropic.com/v1"), "{problems:?}");
    let demo =
        ProviderCreate { name: "Demo".into(), provider_type: "demo".into(), ..ProviderCreate::default() };
    assert_eq!(validate_provider_create(&demo, &policy()).unwrap().base_url, "");
    let overfilled = ProviderCreate { provider_type: "demo".into(), ..openai() };
    assert_eq!(fields(validate_provider_create(&overfilled, &policy())), ["base_url", "api_key"]);
}

#[test]
fn provider_mistakes_come_in_one_answer() {
    let wanted = ProviderCreate {
        name: String::new(),
        base_url: "http://127.0.0.1:8000".into(),
        api_key: Some("a\r\nb".into()),
        ..openai()
    };
    let problems = validate_provider_create(&wanted, &policy()).unwrap_err();
    assert_eq!(
        problems.iter().map(|p| p.field.as_str()).collect::<Vec<_>>(),
        ["name", "base_url", "api_key"]
    );
    assert!(problems[1].detail.contains("PATCHBAY_EGRESS_ALLOW=127.0.0.1:8000"));
    for bad in ["", "https://x.example/v1?key=1", "ftp://x"] {
        let wanted = ProviderCreate { base_url: bad.into(), ..openai() };
        assert_eq!(fields(validate_provider_create(&wanted, &policy())), ["base_url"], "{bad}");
    }
}

fn stored() -> Provider {
    Provider {
        id: Uuid::from_u128(1),
        name: "OpenAI".into(),
        provider_type: ProviderType::Openai,
        base_url: "https://api.example.com/v1".into(),
        has_api_key: true,
        enabled: true,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

#[test]
fn a_key_does_not_follow_to_another_origin() {
    let update = |base_url: &str, api_key: Option<&str>| {
        let update = ProviderUpdate {
            base_url: Some(base_url.into()),
            api_key: api_key.map(str::to_owned),
            ..ProviderUpdate::default()
        };
        validate_provider_update(&stored(), &update, &policy()).unwrap()
    };
    let same = update("https://api.example.com/v2", None);
    assert_eq!(
        (same.api_key, same.api_key_wiped, same.changed),
        (SecretChange::Keep, false, vec!["base_url"])
    );
    let moved = update("https://evil.example.com/v1", None);
    assert_eq!((moved.api_key, moved.api_key_wiped), (SecretChange::Clear, true));
    let sent_again = update("https://evil.example.com/v1", Some("new"));
    assert_eq!((sent_again.api_key, sent_again.api_key_wiped), (SecretChange::Set("new".into()), false));
}

#[test]
fn provider_edits() {
    let edit = |update: ProviderUpdate| validate_provider_update(&stored(), &update, &policy());
    assert!(edit(ProviderUpdate::default()).unwrap().changed.is_empty());
    let cleared = edit(ProviderUpdate { api_key: Some(String::new()), ..ProviderUpdate::default() }).unwrap();
    assert_eq!((cleared.api_key, cleared.api_key_wiped), (SecretChange::Clear, false));
    let off = edit(ProviderUpdate { enabled: Some(false), ..ProviderUpdate::default() }).unwrap();
    assert_eq!((off.enabled, off.changed), (false, vec!["enabled"]));
    let bad =
        ProviderUpdate { name: Some(" ".into()), base_url: Some(String::new()), ..ProviderUpdate::default() };
    assert_eq!(fields(edit(bad)), ["name", "base_url"]);
}

fn model() -> ModelCreate {
    ModelCreate { provider_id: Some(Uuid::from_u128(1)), model: "gpt-5".into(), ..ModelCreate::default() }
}

#[test]
fn model_defaults() {
    let draft = validate_model_create(&model()).unwrap();
    assert_eq!(draft.display_name, "gpt-5");
    assert_eq!((draft.context_limit, draft.max_output_tokens), (128_000, 32_000));
    assert_eq!((draft.enabled, draft.is_default), (true, false));
    let small = ModelCreate { context_limit: Some(8192), ..model() };
    assert_eq!(validate_model_create(&small).unwrap().max_output_tokens, 8192);
}

#[test]
fn model_mistakes() {
    assert_eq!(fields(validate_model_create(&ModelCreate::default())), ["provider_id", "model"]);
    for (bad, field) in [
        (ModelCreate { model: "a\nb".into(), ..model() }, "model"),
        (ModelCreate { display_name: "x".repeat(129), ..model() }, "display_name"),
        (ModelCreate { context_limit: Some(0), ..model() }, "context_limit"),
        (ModelCreate { context_limit: Some(i64::MAX), ..model() }, "context_limit"),
        (ModelCreate { max_output_tokens: Some(0), ..model() }, "max_output_tokens"),
        (ModelCreate { max_output_tokens: Some(128_001), ..model() }, "max_output_tokens"),
        (ModelCreate { enabled: Some(false), is_default: Some(true), ..model() }, "is_default"),
    ] {
        assert_eq!(fields(validate_model_create(&bad)), [field]);
    }
}

#[test]
fn model_edits_are_checked_as_a_whole() {
    let stored = validate_model_create(&model()).unwrap();
    assert_eq!(validate_model_update(&stored, &ModelUpdate::default()), Ok(stored.clone()));
    let shrunk = ModelUpdate { context_limit: Some(16_000), ..ModelUpdate::default() };
    assert_eq!(fields(validate_model_update(&stored, &shrunk)), ["max_output_tokens"]);
    let blank = ModelUpdate { display_name: Some(" ".into()), ..ModelUpdate::default() };
    assert_eq!(validate_model_update(&stored, &blank).unwrap().display_name, "gpt-5");
}
