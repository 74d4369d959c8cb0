//! The state of the editor: what is typed, what is stored, what the difference means.

use super::{
    conflict::Conflict, headers::HeaderRows, oauth::OAuthInput, user_headers::UserHeaderRows,
    wipes::removed_by_save,
};
use crate::{
    components::SecretInput,
    error::UiError,
    pages::admin::servers::words::{etag, is_unusable},
    server_fns::servers::ServerState,
};
use api::{
    Uuid,
    check::CheckReport,
    servers::{
        AuthType, Availability, McpServer, ServerConnection, ServerWrite, ToolChangePolicy, Transport,
    },
};
use leptos::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Fields of the form, by section; an error elsewhere is shown above the form.
pub(super) const CONNECTION_FIELDS: [&str; 6] =
    ["display_name", "slug", "description", "icon_url", "transport", "url"];
pub(super) const AUTHENTICATION_FIELDS: [&str; 12] = [
    "auth_type",
    "api_key_header",
    "api_key_value",
    "custom_headers",
    "user_headers",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_auth_url",
    "oauth2_token_url",
    "oauth2_revocation_url",
    "oauth2_scopes",
    "oauth2_issuer",
];
pub(super) const BEHAVIOUR_FIELDS: [&str; 3] = ["availability", "model_intent", "allow_in_plan_mode"];
pub(super) const TOOLS_FIELDS: [&str; 5] =
    ["tool_allow_list", "tool_deny_list", "tool_idempotent_list", "tool_approval_list", "tool_change_policy"];
pub(super) const FORWARDING_FIELDS: [&str; 4] =
    ["forward_coder_headers", "signing_secret", "send_trace_context", "use_instructions"];
pub(super) const ACCESS_FIELDS: [&str; 1] = ["allowed_group_ids"];
/// Every field that shows its own refusals.
pub(super) const ALL_FIELDS: [&[&str]; 6] = [
    &CONNECTION_FIELDS,
    &AUTHENTICATION_FIELDS,
    &BEHAVIOUR_FIELDS,
    &TOOLS_FIELDS,
    &FORWARDING_FIELDS,
    &ACCESS_FIELDS,
];

/// What the page is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    No,
    Saving,
    Checking,
    Deleting,
}

/// All signals of one editor. Cheap to copy into views and handlers.
#[derive(Clone, Copy)]
pub(super) struct EditorForm {
    /// As the server answered last; None while new.
    pub(super) saved: RwSignal<Option<McpServer>>,
    pub(super) display_name: RwSignal<String>,
    pub(super) slug: RwSignal<String>,
    /// Once edited the slug no longer follows the name.
    pub(super) slug_edited: RwSignal<bool>,
    pub(super) description: RwSignal<String>,
    pub(super) icon_url: RwSignal<String>,
    pub(super) transport: RwSignal<String>,
    pub(super) url: RwSignal<String>,
    pub(super) auth_type: RwSignal<String>,
    pub(super) api_key_header: RwSignal<String>,
    pub(super) api_key: RwSignal<SecretInput>,
    pub(super) headers: HeaderRows,
    pub(super) user_headers: UserHeaderRows,
    pub(super) oauth: OAuthInput,
    pub(super) availability: RwSignal<String>,
    pub(super) model_intent: RwSignal<bool>,
    pub(super) allow_in_plan_mode: RwSignal<bool>,
    pub(super) forward_coder_headers: RwSignal<bool>,
    pub(super) signing_secret: RwSignal<SecretInput>,
    pub(super) send_trace_context: RwSignal<bool>,
    pub(super) use_instructions: RwSignal<bool>,
    /// One pattern a line.
    pub(super) allow: RwSignal<String>,
    /// One pattern a line.
    pub(super) deny: RwSignal<String>,
    /// One pattern a line.
    pub(super) idempotent: RwSignal<String>,
    pub(super) approval: RwSignal<String>,
    pub(super) tool_change_policy: RwSignal<String>,
    /// Groups the server is limited to; none: everybody.
    pub(super) groups: RwSignal<BTreeSet<Uuid>>,
    /// What the groups are called; empty until known.
    pub(super) group_names: RwSignal<BTreeMap<Uuid, String>>,
    pub(super) enabled: RwSignal<bool>,
    /// Why the last save was refused.
    pub(super) error: RwSignal<Option<UiError>>,
    pub(super) busy: RwSignal<Busy>,
    pub(super) report: RwSignal<Option<CheckReport>>,
    /// Somebody else saved since the form was loaded.
    pub(super) conflict: RwSignal<Option<Conflict>>,
    /// Who is connected; None until known.
    pub(super) connections: RwSignal<Option<Vec<ServerConnection>>>,
    /// What saving would have sent right after loading; the form is dirty when that differs.
    untouched: RwSignal<ServerWrite>,
}

impl EditorForm {
    pub(super) fn new(server: Option<McpServer>) -> Self {
        let form = Self {
            saved: RwSignal::new(None),
            display_name: RwSignal::default(),
            slug: RwSignal::default(),
            slug_edited: RwSignal::new(false),
            description: RwSignal::default(),
            icon_url: RwSignal::default(),
            transport: RwSignal::new(Transport::StreamableHttp.as_str().to_owned()),
            url: RwSignal::default(),
            auth_type: RwSignal::new(AuthType::None.as_str().to_owned()),
            api_key_header: RwSignal::new("Authorization".to_owned()),
            api_key: RwSignal::default(),
            headers: HeaderRows::new(),
            user_headers: UserHeaderRows::new(),
            oauth: OAuthInput::default(),
            availability: RwSignal::new(Availability::DefaultOff.as_str().to_owned()),
            // The API's default is off (behaviour 3); the form proposes what makes calls readable, and says so.
            model_intent: RwSignal::new(true),
            allow_in_plan_mode: RwSignal::new(false),
            forward_coder_headers: RwSignal::new(false),
            signing_secret: RwSignal::default(),
            send_trace_context: RwSignal::new(false),
            use_instructions: RwSignal::new(false),
            allow: RwSignal::default(),
            deny: RwSignal::default(),
            idempotent: RwSignal::default(),
            approval: RwSignal::default(),
            tool_change_policy: RwSignal::new(ToolChangePolicy::Notify.as_str().to_owned()),
            groups: RwSignal::default(),
            group_names: RwSignal::default(),
            enabled: RwSignal::new(false),
            error: RwSignal::new(None),
            busy: RwSignal::new(Busy::No),
            report: RwSignal::new(None),
            conflict: RwSignal::new(None),
            connections: RwSignal::new(None),
            untouched: RwSignal::new(ServerWrite::default()),
        };
        match server {
            Some(server) => form.load(server),
            None => form.untouched.set(form.to_write_untracked()),
        }
        form
    }

    /// Takes over a server as answered; what was typed is saved or given up.
    pub(super) fn load(self, server: McpServer) {
        self.display_name.set(server.display_name.clone());
        self.slug.set(server.slug.clone());
        self.slug_edited.set(true);
        self.description.set(server.description.clone());
        self.icon_url.set(server.icon_url.clone());
        self.transport.set(server.transport.clone());
        self.url.set(server.url.clone());
        self.auth_type.set(server.auth_type.as_str().to_owned());
        self.api_key_header.set(server.api_key_header.clone().unwrap_or_else(|| "Authorization".to_owned()));
        self.api_key.set(SecretInput::Keep);
        self.headers.clear();
        self.user_headers.load(&server.user_headers);
        self.oauth.load(&server);
        self.availability.set(server.availability.as_str().to_owned());
        self.model_intent.set(server.model_intent);
        self.allow_in_plan_mode.set(server.allow_in_plan_mode);
        self.forward_coder_headers.set(server.forward_coder_headers);
        self.signing_secret.set(SecretInput::Keep);
        self.send_trace_context.set(server.send_trace_context);
        self.use_instructions.set(server.use_instructions);
        self.allow.set(server.tool_allow_list.join("\n"));
        self.deny.set(server.tool_deny_list.join("\n"));
        self.idempotent.set(server.tool_idempotent_list.join("\n"));
        self.approval.set(server.tool_approval_list.join("\n"));
        self.tool_change_policy.set(server.tool_change_policy.as_str().to_owned());
        self.groups.set(server.allowed_group_ids.iter().flatten().copied().collect());
        self.enabled.set(server.enabled);
        self.error.set(None);
        self.conflict.set(None);
        self.saved.set(Some(server));
        self.untouched.set(self.to_write_untracked());
    }

    fn to_write_untracked(self) -> ServerWrite {
        untrack(|| self.to_write())
    }

    /// The request that saving sends: every field of the form, secrets only when entered.
    pub(super) fn to_write(self) -> ServerWrite {
        let auth_type = self.auth_type.get();
        let mut write = ServerWrite {
            display_name: Some(self.display_name.get()),
            slug: Some(self.slug.get()),
            description: Some(self.description.get()),
            icon_url: Some(self.icon_url.get()),
            transport: Some(self.transport.get()),
            url: Some(self.url.get()),
            availability: Some(self.availability.get()),
            enabled: Some(self.enabled.get()),
            model_intent: Some(self.model_intent.get()),
            allow_in_plan_mode: Some(self.allow_in_plan_mode.get()),
            forward_coder_headers: Some(self.forward_coder_headers.get()),
            signing_secret: self.signing_secret.get().to_wire().filter(|_| self.shows_signing_secret()),
            send_trace_context: Some(self.send_trace_context.get()),
            use_instructions: Some(self.use_instructions.get()),
            tool_allow_list: Some(lines(&self.allow.get())),
            tool_deny_list: Some(lines(&self.deny.get())),
            tool_idempotent_list: Some(lines(&self.idempotent.get())),
            tool_approval_list: Some(lines(&self.approval.get())),
            tool_change_policy: Some(self.tool_change_policy.get()),
            allowed_group_ids: Some(self.groups.get().into_iter().collect()),
            ..ServerWrite::default()
        };
        match AuthType::parse(&auth_type) {
            Some(AuthType::ApiKey) => {
                write.api_key_header = Some(self.api_key_header.get());
                write.api_key_value = self.api_key.get().to_wire();
            }
            Some(AuthType::CustomHeaders) => write.custom_headers = self.headers.to_wire(),
            Some(AuthType::UserHeader) => write.user_headers = Some(self.user_headers.to_wire()),
            Some(AuthType::Oauth2) => {
                self.saved.with(|saved| self.oauth.write(&mut write, saved.as_ref()));
            }
            _ => {}
        }
        write.auth_type = Some(auth_type);
        write
    }

    /// What is not shown is not sent either.
    pub(super) fn shows_signing_secret(self) -> bool {
        self.forward_coder_headers.get()
            || self.saved.with(|saved| saved.as_ref().is_some_and(|server| server.has_signing_secret))
    }

    pub(super) fn is_dirty(self) -> bool {
        self.untouched.with(|untouched| *untouched != self.to_write())
    }

    /// Whether anything beside the switch waits to be saved.
    pub(super) fn is_dirty_but_for_enabled(self) -> bool {
        let mut now = self.to_write();
        self.untouched.with(|untouched| {
            now.enabled = untouched.enabled;
            *untouched != now
        })
    }

    /// Takes over what the server says it stored, and leaves what is typed.
    pub(super) fn adopt(self, server: McpServer) {
        self.untouched.update(|untouched| untouched.enabled = Some(server.enabled));
        self.saved.set(Some(server));
    }

    /// Takes over the viewer's own connection, which is no part of what is saved here. True when something is new.
    pub(super) fn hear(self, state: &ServerState) -> bool {
        let heard = self.saved.try_maybe_update(|saved| {
            let new = saved.as_mut().is_some_and(|saved| state.apply(saved));
            (new, new)
        });
        heard == Some(true)
    }

    /// `If-Match` of the next save.
    pub(super) fn if_match(self) -> Option<String> {
        self.saved.with_untracked(|saved| saved.as_ref().map(etag))
    }

    /// The message that stands at a field: why it was refused, else what is wrong with what is stored. Entries of maps and lists
    /// (`custom_headers.X`, `tool_allow_list[3]`) stand at the whole.
    pub(super) fn error_at(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || {
            let found = self.refusals(|at| belongs_to(at, field));
            let found = if found.is_empty() { self.problems_at(field) } else { found };
            (!found.is_empty()).then(|| found.join(" "))
        })
    }

    /// Details of the refusals whose field `wanted` lets through; tracks.
    pub(super) fn refusals(self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.error.with(|error| {
            let refused = error.iter().flat_map(|error| &error.body.validations);
            refused.filter(|v| wanted(&v.field)).map(|v| v.detail.clone()).collect()
        })
    }

    /// What the server says is wrong with the stored field; nothing once another authentication is chosen.
    fn problems_at(self, field: &str) -> Vec<String> {
        self.saved.with(|saved| {
            let Some(saved) = saved else { return Vec::new() };
            if self.auth_type.with(|chosen| chosen != saved.auth_type.as_str()) {
                return Vec::new();
            }
            // What does not keep the server from being used is no error of a field.
            let problems = saved.config_problems.iter().flatten().filter(|_| is_unusable(saved));
            problems.filter(|p| belongs_to(&p.field, field)).map(|p| p.detail.clone()).collect()
        })
    }

    /// How many of these fields show a message.
    pub(super) fn to_fix_in(self, fields: &[&str]) -> usize {
        match self.errors_in(fields) {
            0 => fields.iter().map(|field| self.problems_at(field).len()).sum(),
            refused => refused,
        }
    }

    /// How many refusals stand at these fields.
    pub(super) fn errors_in(self, fields: &[&str]) -> usize {
        self.error.with(|error| {
            error
                .iter()
                .flat_map(|error| &error.body.validations)
                .filter(|v| fields.iter().any(|field| belongs_to(&v.field, field)))
                .count()
        })
    }

    /// What saving now would remove beside what is replaced (behaviour 6, point 5).
    pub(super) fn wipes(self) -> Vec<String> {
        let write = self.to_write();
        self.saved.with(|saved| {
            let Some(saved) = saved else { return Vec::new() };
            self.connections.with(|connections| removed_by_save(saved, &write, connections.as_deref()))
        })
    }
}

/// Whether a refusal named `at` stands at `field` or inside it.
pub(super) fn belongs_to(at: &str, field: &str) -> bool {
    at.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Trimmed, blanks dropped.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_entries_stand_at_the_whole() {
        assert!(belongs_to("custom_headers.X-A", "custom_headers") && belongs_to("url", "url"));
        assert!(!belongs_to("url_x", "url") && !belongs_to("", "url"));
    }

    #[test]
    fn patterns_are_trimmed_lines() {
        assert_eq!(lines(" a*\r\n\n  b \n"), vec!["a*", "b"]);
    }
}
