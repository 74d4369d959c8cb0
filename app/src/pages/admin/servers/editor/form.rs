//! The state of the editor: what is typed, what is stored, what the difference means.

use super::headers::HeaderRows;
use crate::{
    components::SecretInput,
    error::UiError,
    pages::admin::servers::words::{etag, origin},
};
use api::{
    check::CheckReport,
    servers::{AuthType, Availability, McpServer, ServerWrite, Transport},
};
use leptos::prelude::*;

/// Fields of the form, by section; an error elsewhere is shown above the form.
pub(super) const CONNECTION_FIELDS: [&str; 5] = ["display_name", "slug", "description", "icon_url", "url"];
pub(super) const AUTHENTICATION_FIELDS: [&str; 4] =
    ["auth_type", "api_key_header", "api_key_value", "custom_headers"];
pub(super) const BEHAVIOUR_FIELDS: [&str; 2] = ["availability", "model_intent"];
pub(super) const TOOLS_FIELDS: [&str; 2] = ["tool_allow_list", "tool_deny_list"];

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
    pub(super) url: RwSignal<String>,
    pub(super) auth_type: RwSignal<String>,
    pub(super) api_key_header: RwSignal<String>,
    pub(super) api_key: RwSignal<SecretInput>,
    pub(super) headers: HeaderRows,
    pub(super) availability: RwSignal<String>,
    pub(super) model_intent: RwSignal<bool>,
    /// One pattern a line.
    pub(super) allow: RwSignal<String>,
    /// One pattern a line.
    pub(super) deny: RwSignal<String>,
    pub(super) enabled: RwSignal<bool>,
    /// Why the last save was refused.
    pub(super) error: RwSignal<Option<UiError>>,
    pub(super) busy: RwSignal<Busy>,
    pub(super) report: RwSignal<Option<CheckReport>>,
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
            url: RwSignal::default(),
            auth_type: RwSignal::new(AuthType::None.as_str().to_owned()),
            api_key_header: RwSignal::new("Authorization".to_owned()),
            api_key: RwSignal::default(),
            headers: HeaderRows::new(),
            availability: RwSignal::new(Availability::DefaultOff.as_str().to_owned()),
            model_intent: RwSignal::new(false),
            allow: RwSignal::default(),
            deny: RwSignal::default(),
            enabled: RwSignal::new(false),
            error: RwSignal::new(None),
            busy: RwSignal::new(Busy::No),
            report: RwSignal::new(None),
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
        self.url.set(server.url.clone());
        self.auth_type.set(server.auth_type.as_str().to_owned());
        self.api_key_header.set(server.api_key_header.clone().unwrap_or_else(|| "Authorization".to_owned()));
        self.api_key.set(SecretInput::Keep);
        self.headers.clear();
        self.availability.set(server.availability.as_str().to_owned());
        self.model_intent.set(server.model_intent);
        self.allow.set(server.tool_allow_list.join("\n"));
        self.deny.set(server.tool_deny_list.join("\n"));
        self.enabled.set(server.enabled);
        self.error.set(None);
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
            transport: Some(Transport::StreamableHttp.as_str().to_owned()),
            url: Some(self.url.get()),
            availability: Some(self.availability.get()),
            enabled: Some(self.enabled.get()),
            model_intent: Some(self.model_intent.get()),
            tool_allow_list: Some(lines(&self.allow.get())),
            tool_deny_list: Some(lines(&self.deny.get())),
            ..ServerWrite::default()
        };
        match AuthType::parse(&auth_type) {
            Some(AuthType::ApiKey) => {
                write.api_key_header = Some(self.api_key_header.get());
                write.api_key_value = self.api_key.get().to_wire();
            }
            Some(AuthType::CustomHeaders) => write.custom_headers = self.headers.to_wire(),
            _ => {}
        }
        write.auth_type = Some(auth_type);
        write
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

    /// `If-Match` of the next save.
    pub(super) fn if_match(self) -> Option<String> {
        self.saved.with_untracked(|saved| saved.as_ref().map(etag))
    }

    /// The message that stands at a field. Entries of maps and lists (`custom_headers.X`, `tool_allow_list[3]`) stand at the whole.
    pub(super) fn error_at(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || {
            self.error.with(|error| {
                let found: Vec<String> = error
                    .iter()
                    .flat_map(|error| &error.body.validations)
                    .filter(|v| belongs_to(&v.field, field))
                    .map(|v| v.detail.clone())
                    .collect();
                (!found.is_empty()).then(|| found.join(" "))
            })
        })
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

    /// Names of the stored secrets that saving now would wipe (behaviour 6, point 5).
    pub(super) fn wipes(self) -> Vec<&'static str> {
        let write = self.to_write();
        self.saved.with(|saved| saved.as_ref().map(|saved| wiped_secrets(saved, &write)).unwrap_or_default())
    }
}

/// Whether a refusal named `at` stands at `field` or inside it.
fn belongs_to(at: &str, field: &str) -> bool {
    at.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Trimmed, blanks dropped.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A secret goes when its type is left, or when the origin moves and it is not sent again.
fn wiped_secrets(saved: &McpServer, write: &ServerWrite) -> Vec<&'static str> {
    let moved = write.url.as_deref().is_some_and(|url| origin(url) != origin(&saved.url));
    let kept_type = write.auth_type.as_deref() == Some(saved.auth_type.as_str());
    let mut gone = Vec::new();
    if saved.has_api_key && (!kept_type || (moved && write.api_key_value.is_none())) {
        gone.push("the API key");
    }
    if saved.has_custom_headers && (!kept_type || (moved && write.custom_headers.is_none())) {
        gone.push("the custom headers");
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> McpServer {
        serde_json::from_value(serde_json::json!({
            "id": "01900000-0000-7000-8000-000000000001", "display_name": "Linear", "slug": "linear", "description": "", "icon_url": "",
            "transport": "streamable_http", "url": "https://mcp.example.com/mcp", "auth_type": "api_key", "has_oauth2_secret": false,
            "has_api_key": true, "has_custom_headers": false, "has_signing_secret": false, "user_headers": [],
            "tool_allow_list": [], "tool_deny_list": [], "tool_idempotent_list": [], "tool_approval_list": [],
            "tool_change_policy": "notify", "send_trace_context": false, "use_instructions": false,
            "availability": "default_on", "enabled": false, "model_intent": true, "allow_in_plan_mode": false,
            "forward_coder_headers": false, "auth_connected": true, "auth_status": "not_required",
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"
        }))
        .unwrap()
    }

    fn write(url: &str, auth_type: &str, key: Option<&str>) -> ServerWrite {
        ServerWrite {
            url: Some(url.into()),
            auth_type: Some(auth_type.into()),
            api_key_value: key.map(str::to_owned),
            ..ServerWrite::default()
        }
    }

    #[test]
    fn what_an_edit_wipes_is_said_before() {
        let key = vec!["the API key"];
        for (edit, gone) in [
            (write("https://mcp.example.com/mcp", "api_key", None), vec![]),
            (write("https://mcp.example.com/other", "api_key", None), vec![]),
            (write("https://evil.example.com/mcp", "api_key", None), key.clone()),
            (write("https://evil.example.com/mcp", "api_key", Some("new")), vec![]),
            (write("https://mcp.example.com/mcp", "none", None), key.clone()),
            (write("http://mcp.example.com/mcp", "api_key", None), key),
        ] {
            assert_eq!(wiped_secrets(&stored(), &edit), gone, "{edit:?}");
        }
    }

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
