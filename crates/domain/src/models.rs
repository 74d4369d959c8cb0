//! Model providers and models: what may be stored (behaviour 30).

use crate::{
    SecretChange,
    chat_settings::check_threshold,
    header::check_value,
    limits::{
        CONTEXT_LIMIT_MAX_TOKENS, CONTEXT_LIMIT_MIN_TOKENS, CONTEXT_LIMIT_TOKENS, DISPLAY_NAME_CHARS,
        MODEL_ID_CHARS, OUTPUT_LIMIT_TOKENS,
    },
    text::quote,
    url_rules::{UrlPolicy, check_url, same_origin},
    validation::{Problems, listed, optional_line, required_line},
};
use api::{
    Uuid, Validation,
    models::{ModelCreate, ModelUpdate, Provider, ProviderCreate, ProviderType, ProviderUpdate},
};

/// A valid new provider.
#[derive(Debug, Clone)]
pub struct ProviderDraft {
    pub name: String,
    pub provider_type: ProviderType,
    /// Empty for `demo`.
    pub base_url: String,
    /// `Set` or `Clear` (there is none).
    pub api_key: SecretChange,
    pub enabled: bool,
}

/// A valid edit of a provider: every field as it shall be afterwards.
#[derive(Debug, Clone)]
pub struct ProviderChange {
    pub name: String,
    pub base_url: String,
    pub api_key: SecretChange,
    pub enabled: bool,
    /// The key was wiped because the base URL moved to another origin and no key came with it: a stored secret goes only where it was
    /// meant for, as with servers (behaviour 6, point 5).
    pub api_key_wiped: bool,
    /// Names of the changed fields, for the audit log.
    pub changed: Vec<&'static str>,
}

/// A valid model, new or edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDraft {
    pub provider_id: Uuid,
    /// As the provider calls it.
    pub model: String,
    pub display_name: String,
    /// Tokens.
    pub context_limit: i64,
    /// Tokens.
    pub max_output_tokens: i64,
    /// Percent of the context from which a chat is summarised; 0: as the deployment says.
    pub compaction_threshold: i64,
    pub enabled: bool,
    pub is_default: bool,
}

const PROVIDER_FIELDS: &[&str] = &["name", "type", "base_url", "api_key", "enabled"];
const MODEL_FIELDS: &[&str] = &[
    "provider_id",
    "model",
    "display_name",
    "context_limit",
    "max_output_tokens",
    "compaction_threshold",
    "enabled",
    "is_default",
];

/// Checks a new provider. Enabled unless said otherwise.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_provider_create(
    create: &ProviderCreate,
    policy: &UrlPolicy,
) -> Result<ProviderDraft, Vec<Validation>> {
    let mut problems = Problems::default();
    let name = problems.take("name", required_line(&create.name, "a name", DISPLAY_NAME_CHARS));
    let provider_type = problems.take("type", check_type(&create.provider_type));
    let base_url = provider_type
        .and_then(|kind| problems.take("base_url", check_base_url(kind, &create.base_url, policy)));
    let key = create.api_key.as_deref().unwrap_or_default();
    let key = problems.take("api_key", check_key(provider_type, key));
    problems.finish(PROVIDER_FIELDS)?;
    Ok(ProviderDraft {
        name: name.unwrap_or_default(),
        provider_type: provider_type.unwrap_or(ProviderType::Demo),
        base_url: base_url.unwrap_or_default(),
        api_key: key.filter(|key| !key.is_empty()).map_or(SecretChange::Clear, SecretChange::Set),
        enabled: create.enabled.unwrap_or(true),
    })
}

/// Checks an edit of a provider: omitted keeps, present replaces, an empty key is removed. The type never changes.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_provider_update(
    current: &Provider,
    update: &ProviderUpdate,
    policy: &UrlPolicy,
) -> Result<ProviderChange, Vec<Validation>> {
    let mut problems = Problems::default();
    let kind = current.provider_type;
    let name = match &update.name {
        Some(name) => {
            problems.take("name", required_line(name, "a name", DISPLAY_NAME_CHARS)).unwrap_or_default()
        }
        None => current.name.clone(),
    };
    let base_url = match &update.base_url {
        Some(url) => problems.take("base_url", check_base_url(kind, url, policy)).unwrap_or_default(),
        None => current.base_url.clone(),
    };
    let key = update.api_key.as_deref().and_then(|key| problems.take("api_key", check_key(Some(kind), key)));
    problems.finish(PROVIDER_FIELDS)?;

    let moved = base_url != current.base_url && !same_origin(&base_url, &current.base_url);
    let api_key_wiped = key.is_none() && current.has_api_key && moved;
    let api_key = match key {
        Some(key) if !key.is_empty() => SecretChange::Set(key),
        Some(_) if current.has_api_key => SecretChange::Clear,
        _ if api_key_wiped => SecretChange::Clear,
        _ => SecretChange::Keep,
    };
    let enabled = update.enabled.unwrap_or(current.enabled);
    let changed = [
        ("name", name != current.name),
        ("base_url", base_url != current.base_url),
        ("api_key", api_key.is_change()),
        ("enabled", enabled != current.enabled),
    ];
    let changed = changed.into_iter().filter_map(|(field, changed)| changed.then_some(field)).collect();
    Ok(ProviderChange { name, base_url, api_key, enabled, api_key_wiped, changed })
}

/// Checks a new model. Without a display name its id is shown; enabled unless said otherwise. Whether the provider exists is the
/// caller's to ask.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_model_create(create: &ModelCreate) -> Result<ModelDraft, Vec<Validation>> {
    let mut problems = Problems::default();
    if create.provider_id.is_none() {
        problems.refuse("provider_id", "Choose a provider.");
    }
    let context_limit = create.context_limit.unwrap_or(CONTEXT_LIMIT_TOKENS);
    let draft = ModelDraft {
        provider_id: create.provider_id.unwrap_or_default(),
        model: create.model.clone(),
        display_name: create.display_name.clone(),
        context_limit,
        // The default must not refuse a small model.
        max_output_tokens: create.max_output_tokens.unwrap_or_else(|| OUTPUT_LIMIT_TOKENS.min(context_limit)),
        compaction_threshold: create.compaction_threshold.unwrap_or_default(),
        enabled: create.enabled.unwrap_or(true),
        is_default: create.is_default.unwrap_or(false),
    };
    checked_model(draft, problems)
}

/// Checks an edit of a model: omitted keeps, present replaces. The provider never changes. The merged model is checked as a whole.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_model_update(
    current: &ModelDraft,
    update: &ModelUpdate,
) -> Result<ModelDraft, Vec<Validation>> {
    let draft = ModelDraft {
        provider_id: current.provider_id,
        model: update.model.clone().unwrap_or_else(|| current.model.clone()),
        display_name: update.display_name.clone().unwrap_or_else(|| current.display_name.clone()),
        context_limit: update.context_limit.unwrap_or(current.context_limit),
        max_output_tokens: update.max_output_tokens.unwrap_or(current.max_output_tokens),
        compaction_threshold: update.compaction_threshold.unwrap_or(current.compaction_threshold),
        enabled: update.enabled.unwrap_or(current.enabled),
        is_default: update.is_default.unwrap_or(current.is_default),
    };
    checked_model(draft, Problems::default())
}

/// Names of the fields that differ, for the audit log.
pub fn changed_model_fields(before: &ModelDraft, after: &ModelDraft) -> Vec<String> {
    let changed = [
        ("model", before.model != after.model),
        ("display_name", before.display_name != after.display_name),
        ("context_limit", before.context_limit != after.context_limit),
        ("max_output_tokens", before.max_output_tokens != after.max_output_tokens),
        ("compaction_threshold", before.compaction_threshold != after.compaction_threshold),
        ("enabled", before.enabled != after.enabled),
        ("is_default", before.is_default != after.is_default),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(field, _)| field.to_owned()).collect()
}

fn checked_model(mut draft: ModelDraft, mut problems: Problems) -> Result<ModelDraft, Vec<Validation>> {
    let model = required_line(&draft.model, "the model's id at its provider", MODEL_ID_CHARS);
    draft.model = problems.take("model", model).unwrap_or_default();
    let shown = optional_line(&draft.display_name, DISPLAY_NAME_CHARS);
    draft.display_name = problems.take("display_name", shown).unwrap_or_default();
    if draft.display_name.is_empty() {
        draft.display_name = draft.model.chars().take(DISPLAY_NAME_CHARS).collect();
    }
    let context = CONTEXT_LIMIT_MIN_TOKENS..=CONTEXT_LIMIT_MAX_TOKENS;
    if !context.contains(&draft.context_limit) {
        problems.refuse("context_limit", format!("Enter {} to {} tokens.", context.start(), context.end()));
    } else if !(1..=draft.context_limit).contains(&draft.max_output_tokens) {
        let detail =
            format!("Enter 1 to {} tokens: an answer must fit into the context.", draft.context_limit);
        problems.refuse("max_output_tokens", detail);
    }
    if let Err(detail) = check_threshold(draft.compaction_threshold, true) {
        problems.refuse("compaction_threshold", detail);
    }
    if draft.is_default && !draft.enabled {
        problems.refuse(
            "is_default",
            "A disabled model cannot be the default. Enable it or choose another default.",
        );
    }
    problems.finish(MODEL_FIELDS)?;
    Ok(draft)
}

fn check_type(text: &str) -> Result<ProviderType, String> {
    let allowed = listed(&ProviderType::ALL.map(ProviderType::as_str));
    match ProviderType::parse(text.trim()) {
        Some(kind) => Ok(kind),
        None if text.trim().is_empty() => Err(format!("Choose a type: {allowed}.")),
        None => Err(format!("`{}` is not a type. Use {allowed}.", quote(text.trim(), 40))),
    }
}

fn check_base_url(kind: ProviderType, text: &str, policy: &UrlPolicy) -> Result<String, String> {
    if kind == ProviderType::Demo {
        return match text.trim() {
            "" => Ok(String::new()),
            _ => Err("The demo model runs inside Patchbay and has no URL. Leave it empty.".into()),
        };
    }
    if text.trim().is_empty() {
        return Err(format!("Enter the base URL, such as {}.", kind.default_base_url()));
    }
    let url = check_url(text, policy)?;
    // Paths are appended to it.
    if url.contains('?') {
        return Err("The base URL has a query. Remove the part from ? on.".into());
    }
    Ok(url)
}

fn check_key(kind: Option<ProviderType>, text: &str) -> Result<String, String> {
    let key = check_value(text)?;
    if kind == Some(ProviderType::Demo) && !key.is_empty() {
        return Err("The demo model needs no key. Leave it empty.".into());
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
