//! Create and PATCH: validation, defaults, merge, and what is wiped (behaviour 5 and 6).

use super::{
    OAuth2Settings, ServerRecord, UserTokensWipe, UserValuesWipe,
    credentials::{Outcome, resolve_credentials},
    fields,
    later::refuse_later_fields,
    oauth2::ParsedOAuth2,
    user_headers,
};
use crate::{
    SecretChange, header,
    limits::{DESCRIPTION_CHARS, DISPLAY_NAME_CHARS},
    url_rules::{UrlPolicy, check_url},
    validation::{Problems, optional_lines, required_line},
};
use api::{
    Timestamp, Uuid, Validation,
    servers::{
        AuthType, Availability, CredentialsCleared, ServerWrite, ToolChangePolicy, Transport, UserHeader,
    },
};
use std::collections::BTreeMap;

/// A valid new server.
#[derive(Debug, Clone)]
pub struct ServerDraft {
    /// The fields to store; id, times, authors and versions are set by [`ServerDraft::record`].
    pub merged: ServerRecord,
    /// `Set` or `Clear` (there is none).
    pub api_key: SecretChange,
    /// `Set` or `Clear` (there are none).
    pub custom_headers: SecretChange<BTreeMap<String, String>>,
    /// `Set` or `Clear` (there is none).
    pub oauth2_secret: SecretChange,
    /// `Set` or `Clear` (there is none).
    pub signing_secret: SecretChange,
    /// `oauth2` without client and endpoints: they have to be discovered first (behaviour 5).
    pub discover: bool,
    /// Fields of other authentication types that came with the request and were dropped.
    pub cleared: CredentialsCleared,
}

impl ServerDraft {
    /// The row to insert.
    pub fn record(&self, id: Uuid, now: Timestamp, by: Option<Uuid>) -> ServerRecord {
        ServerRecord {
            id,
            created_at: now,
            updated_at: now,
            created_by: by,
            updated_by: by,
            version: 1,
            credential_version: 1,
            ..self.merged.clone()
        }
    }
}

/// A valid edit.
#[derive(Debug, Clone)]
pub struct ServerChange {
    /// The server after the edit; time, author and versions are still the old ones until [`ServerChange::record`].
    pub merged: ServerRecord,
    pub api_key: SecretChange,
    pub custom_headers: SecretChange<BTreeMap<String, String>>,
    pub oauth2_secret: SecretChange,
    pub signing_secret: SecretChange,
    /// `oauth2` without client and endpoints: they have to be discovered first (behaviour 6, point 4).
    pub discover: bool,
    /// What becomes of the tokens that users got at the provider.
    pub user_tokens: UserTokensWipe,
    /// What becomes of the values that users entered.
    pub user_values: UserValuesWipe,
    /// What the edit wipes or drops beyond what it says (behaviour 6, point 5 and 6). The counts are the store's to fill.
    pub cleared: CredentialsCleared,
    /// Open connections must not be used any more: URL, transport, authentication or a secret changed.
    pub credentials_changed: bool,
    /// Names of the changed fields, secrets included, in the order of the form. For the audit log.
    pub changed: Vec<&'static str>,
}

impl ServerChange {
    /// The row to store, with versions raised. `updated_at` passes the old one even when the clock stands still.
    pub fn record(&self, now: Timestamp, by: Option<Uuid>) -> ServerRecord {
        let before = &self.merged;
        ServerRecord {
            updated_at: now.max(Timestamp(before.updated_at.0.saturating_add(1))),
            updated_by: by,
            version: before.version + 1,
            credential_version: before.credential_version + i64::from(self.credentials_changed),
            ..before.clone()
        }
    }
}

/// Checks the body of POST and applies the defaults.
///
/// # Errors
/// Every problem of the request, one entry per field, in the order of the form.
pub fn validate_create(write: &ServerWrite, policy: &UrlPolicy) -> Result<ServerDraft, Vec<Validation>> {
    let mut problems = Problems::default();
    let parsed = Parsed::of(write, policy, &mut problems);
    for (field, missing, detail) in [
        ("display_name", write.display_name.is_none(), "Enter a name."),
        ("slug", write.slug.is_none(), "Enter a slug, such as `linear`."),
        ("url", write.url.is_none(), "Enter a URL."),
    ] {
        if missing {
            problems.refuse(field, detail);
        }
    }
    // The empty text gives the sentence that lists the choices.
    if write.transport.is_none() {
        problems.take("transport", fields::transport(""));
    }
    if write.auth_type.is_none() {
        problems.take("auth_type", fields::auth_type(""));
    }
    if write.availability.is_none() {
        problems.take("availability", fields::availability(""));
    }
    let blank = blank_record();
    let outcome = resolve_credentials(&blank, &parsed, true, &mut problems);
    problems.finish(FIELD_ORDER)?;
    let merged = merge(&blank, parsed, &outcome);
    Ok(ServerDraft {
        merged,
        api_key: outcome.api_key.or_clear(),
        custom_headers: outcome.custom_headers.or_clear(),
        oauth2_secret: outcome.oauth2_secret.or_clear(),
        signing_secret: outcome.signing_secret.or_clear(),
        discover: outcome.discover,
        cleared: CredentialsCleared { fields: outcome.cleared, ..Default::default() },
    })
}

/// Checks the body of PATCH against the stored server: omitted keeps, present replaces, `""` clears.
///
/// # Errors
/// Every problem of the request, one entry per field, in the order of the form.
pub fn merge_update(
    current: &ServerRecord,
    write: &ServerWrite,
    policy: &UrlPolicy,
) -> Result<ServerChange, Vec<Validation>> {
    let mut problems = Problems::default();
    let parsed = Parsed::of(write, policy, &mut problems);
    let outcome = resolve_credentials(current, &parsed, false, &mut problems);
    problems.finish(FIELD_ORDER)?;
    let merged = merge(current, parsed, &outcome);
    let changed = changed_fields(current, &merged, &outcome);
    let credentials_changed = changed.iter().any(|field| CONNECTION_FIELDS.contains(field));
    Ok(ServerChange {
        merged,
        api_key: outcome.api_key,
        custom_headers: outcome.custom_headers,
        oauth2_secret: outcome.oauth2_secret,
        signing_secret: outcome.signing_secret,
        discover: outcome.discover,
        user_tokens: outcome.user_tokens,
        user_values: outcome.user_values,
        cleared: CredentialsCleared { fields: outcome.cleared, ..Default::default() },
        credentials_changed,
        changed,
    })
}

/// The order in which problems are reported: that of the form and of [`ServerWrite`].
const FIELD_ORDER: &[&str] = &[
    "display_name",
    "slug",
    "description",
    "icon_url",
    "transport",
    "url",
    "auth_type",
    "api_key_header",
    "api_key_value",
    "custom_headers",
    "tool_allow_list",
    "tool_deny_list",
    "availability",
    "enabled",
    "model_intent",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_auth_url",
    "oauth2_token_url",
    "oauth2_revocation_url",
    "oauth2_scopes",
    "oauth2_issuer",
    "signing_secret",
    "oidc_trusted_origin",
    "user_headers",
    "tool_idempotent_list",
    "tool_approval_list",
    "tool_change_policy",
    "send_trace_context",
    "use_instructions",
    "allow_in_plan_mode",
    "forward_coder_headers",
    "allowed_group_ids",
];

/// After a change of one of these, an open connection must not be used.
const CONNECTION_FIELDS: &[&str] = &[
    "transport",
    "url",
    "auth_type",
    "api_key_header",
    "api_key_value",
    "custom_headers",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_auth_url",
    "oauth2_token_url",
    "oauth2_revocation_url",
    "oauth2_scopes",
    "oauth2_issuer",
    "user_headers",
    // Not the connection, but a session that began without them would go on without them.
    "signing_secret",
    "forward_coder_headers",
];

/// The fields that were sent and are valid by themselves.
pub(super) struct Parsed {
    pub(super) display_name: Option<String>,
    pub(super) slug: Option<String>,
    pub(super) description: Option<String>,
    pub(super) icon_url: Option<String>,
    pub(super) transport: Option<Transport>,
    pub(super) url: Option<String>,
    pub(super) auth_type: Option<AuthType>,
    pub(super) api_key_header: Option<String>,
    /// Empty: to be cleared.
    pub(super) api_key_value: Option<String>,
    pub(super) custom_headers: Option<BTreeMap<String, String>>,
    pub(super) oauth2: ParsedOAuth2,
    pub(super) user_headers: Option<Vec<UserHeader>>,
    pub(super) tool_allow_list: Option<Vec<String>>,
    pub(super) tool_deny_list: Option<Vec<String>>,
    pub(super) tool_idempotent_list: Option<Vec<String>>,
    pub(super) tool_approval_list: Option<Vec<String>>,
    pub(super) availability: Option<Availability>,
    pub(super) enabled: Option<bool>,
    pub(super) model_intent: Option<bool>,
    pub(super) allow_in_plan_mode: Option<bool>,
    pub(super) forward_coder_headers: Option<bool>,
    /// Empty: to be cleared.
    pub(super) signing_secret: Option<String>,
    pub(super) send_trace_context: Option<bool>,
    pub(super) use_instructions: Option<bool>,
    pub(super) tool_change_policy: Option<ToolChangePolicy>,
    pub(super) allowed_group_ids: Option<Vec<Uuid>>,
}

impl Parsed {
    fn of(write: &ServerWrite, policy: &UrlPolicy, problems: &mut Problems) -> Self {
        let mut line = |field: &str, text: &Option<String>, rule: &dyn Fn(&str) -> Result<String, String>| {
            text.as_ref().and_then(|text| problems.take(field, rule(text)))
        };
        let display_name = line("display_name", &write.display_name, &|text| {
            required_line(text, "a name", DISPLAY_NAME_CHARS)
        });
        let slug = line("slug", &write.slug, &fields::slug);
        let description =
            line("description", &write.description, &|text| optional_lines(text, DESCRIPTION_CHARS));
        let icon_url = line("icon_url", &write.icon_url, &fields::icon_url);
        let url = line("url", &write.url, &|text| check_url(text, policy));
        // An empty header is judged with the authentication type.
        let api_key_header = line("api_key_header", &write.api_key_header, &|text| match text {
            blank if blank.trim_matches([' ', '\t']).is_empty() => Ok(String::new()),
            name => header::check_name(name),
        });
        let api_key_value = line("api_key_value", &write.api_key_value, &header::check_value);
        let signing_secret = line("signing_secret", &write.signing_secret, &fields::signing_secret);
        let transport =
            write.transport.as_ref().and_then(|text| problems.take("transport", fields::transport(text)));
        let auth_type =
            write.auth_type.as_ref().and_then(|text| problems.take("auth_type", fields::auth_type(text)));
        let availability = write
            .availability
            .as_ref()
            .and_then(|text| problems.take("availability", fields::availability(text)));
        let tool_change_policy = write
            .tool_change_policy
            .as_ref()
            .and_then(|text| problems.take("tool_change_policy", fields::tool_change_policy(text)));
        let custom_headers = write
            .custom_headers
            .as_ref()
            .and_then(|map| problems.take("custom_headers", header::check_map(map)));
        let user_headers =
            write.user_headers.as_ref().and_then(|list| user_headers::check_list(list, problems));
        let oauth2 = ParsedOAuth2::of(write, problems);
        let allowed_group_ids = write
            .allowed_group_ids
            .as_ref()
            .and_then(|list| problems.take("allowed_group_ids", fields::groups(list)));
        let mut list = |field: &str, list: &Option<Vec<String>>| {
            list.as_ref().and_then(|list| problems.take(field, fields::patterns(list)))
        };
        let tool_allow_list = list("tool_allow_list", &write.tool_allow_list);
        let tool_deny_list = list("tool_deny_list", &write.tool_deny_list);
        let tool_idempotent_list = list("tool_idempotent_list", &write.tool_idempotent_list);
        let tool_approval_list = list("tool_approval_list", &write.tool_approval_list);
        refuse_later_fields(write, problems);
        Self {
            display_name,
            slug,
            description,
            icon_url,
            transport,
            url,
            auth_type,
            api_key_header,
            api_key_value,
            custom_headers,
            oauth2,
            user_headers,
            tool_allow_list,
            tool_deny_list,
            tool_idempotent_list,
            tool_approval_list,
            availability,
            enabled: write.enabled,
            model_intent: write.model_intent,
            allow_in_plan_mode: write.allow_in_plan_mode,
            forward_coder_headers: write.forward_coder_headers,
            signing_secret,
            send_trace_context: write.send_trace_context,
            use_instructions: write.use_instructions,
            tool_change_policy,
            allowed_group_ids,
        }
    }
}

fn merge(current: &ServerRecord, parsed: Parsed, outcome: &Outcome) -> ServerRecord {
    let base = current.clone();
    ServerRecord {
        display_name: parsed.display_name.unwrap_or(base.display_name),
        slug: parsed.slug.unwrap_or(base.slug),
        description: parsed.description.unwrap_or(base.description),
        icon_url: parsed.icon_url.unwrap_or(base.icon_url),
        transport: parsed.transport.unwrap_or(base.transport),
        url: parsed.url.unwrap_or(base.url),
        auth_type: parsed.auth_type.unwrap_or(base.auth_type),
        api_key_header: outcome.api_key_header.clone(),
        has_api_key: outcome.api_key.leaves_value(base.has_api_key),
        has_custom_headers: outcome.custom_headers.leaves_value(base.has_custom_headers),
        oauth2: outcome.oauth2.clone(),
        has_oauth2_secret: outcome.oauth2_secret.leaves_value(base.has_oauth2_secret),
        user_headers: outcome.user_headers.clone(),
        tool_allow_list: parsed.tool_allow_list.unwrap_or(base.tool_allow_list),
        tool_deny_list: parsed.tool_deny_list.unwrap_or(base.tool_deny_list),
        tool_idempotent_list: parsed.tool_idempotent_list.unwrap_or(base.tool_idempotent_list),
        tool_approval_list: parsed.tool_approval_list.unwrap_or(base.tool_approval_list),
        availability: parsed.availability.unwrap_or(base.availability),
        enabled: parsed.enabled.unwrap_or(base.enabled),
        model_intent: parsed.model_intent.unwrap_or(base.model_intent),
        allow_in_plan_mode: parsed.allow_in_plan_mode.unwrap_or(base.allow_in_plan_mode),
        forward_coder_headers: parsed.forward_coder_headers.unwrap_or(base.forward_coder_headers),
        has_signing_secret: outcome.signing_secret.leaves_value(base.has_signing_secret),
        send_trace_context: parsed.send_trace_context.unwrap_or(base.send_trace_context),
        use_instructions: parsed.use_instructions.unwrap_or(base.use_instructions),
        tool_change_policy: parsed.tool_change_policy.unwrap_or(base.tool_change_policy),
        allowed_group_ids: parsed.allowed_group_ids.unwrap_or(base.allowed_group_ids),
        ..base
    }
}

fn changed_fields(before: &ServerRecord, after: &ServerRecord, outcome: &Outcome) -> Vec<&'static str> {
    let oauth2 = before.oauth2.texts().into_iter().zip(after.oauth2.texts());
    let oauth2 = oauth2.map(|((field, before), (_, after))| (field, before != after));
    [
        ("display_name", before.display_name != after.display_name),
        ("slug", before.slug != after.slug),
        ("description", before.description != after.description),
        ("icon_url", before.icon_url != after.icon_url),
        ("transport", before.transport != after.transport),
        ("url", before.url != after.url),
        ("auth_type", before.auth_type != after.auth_type),
        ("api_key_header", before.api_key_header != after.api_key_header),
        ("api_key_value", outcome.api_key.is_change()),
        ("custom_headers", outcome.custom_headers.is_change()),
        ("tool_allow_list", before.tool_allow_list != after.tool_allow_list),
        ("tool_deny_list", before.tool_deny_list != after.tool_deny_list),
        ("tool_idempotent_list", before.tool_idempotent_list != after.tool_idempotent_list),
        ("tool_approval_list", before.tool_approval_list != after.tool_approval_list),
        ("availability", before.availability != after.availability),
        ("enabled", before.enabled != after.enabled),
        ("model_intent", before.model_intent != after.model_intent),
        ("signing_secret", outcome.signing_secret.is_change()),
        ("send_trace_context", before.send_trace_context != after.send_trace_context),
        ("use_instructions", before.use_instructions != after.use_instructions),
        ("tool_change_policy", before.tool_change_policy != after.tool_change_policy),
        ("allow_in_plan_mode", before.allow_in_plan_mode != after.allow_in_plan_mode),
        ("forward_coder_headers", before.forward_coder_headers != after.forward_coder_headers),
        ("oauth2_client_secret", outcome.oauth2_secret.is_change()),
        ("user_headers", before.user_headers != after.user_headers),
        ("allowed_group_ids", before.allowed_group_ids != after.allowed_group_ids),
    ]
    .into_iter()
    .chain(oauth2)
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect()
}

/// What a create merges into: the defaults of behaviour 3.
pub(crate) fn blank_record() -> ServerRecord {
    ServerRecord {
        id: Uuid::nil(),
        display_name: String::new(),
        slug: String::new(),
        description: String::new(),
        icon_url: String::new(),
        transport: Transport::StreamableHttp,
        url: String::new(),
        auth_type: AuthType::None,
        api_key_header: String::new(),
        has_api_key: false,
        has_custom_headers: false,
        oauth2: OAuth2Settings::default(),
        has_oauth2_secret: false,
        user_headers: Vec::new(),
        tool_allow_list: Vec::new(),
        tool_deny_list: Vec::new(),
        tool_idempotent_list: Vec::new(),
        tool_approval_list: Vec::new(),
        availability: Availability::DefaultOff,
        enabled: false,
        model_intent: false,
        allow_in_plan_mode: false,
        forward_coder_headers: false,
        has_signing_secret: false,
        send_trace_context: false,
        use_instructions: false,
        tool_change_policy: ToolChangePolicy::Notify,
        allowed_group_ids: Vec::new(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        created_by: None,
        updated_by: None,
        version: 0,
        credential_version: 0,
    }
}
