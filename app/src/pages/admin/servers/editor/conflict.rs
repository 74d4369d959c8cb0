//! Two admins at one server: what the other saved stands beside what is typed here, and nothing is lost.

use super::{
    form::{Busy, EditorForm},
    save::Saver,
};
use crate::{
    components::{BusyButton, Glyph, Icon},
    pages::admin::servers::words::{auth_label, availability_label, change_policy_label, transport_label},
};
use api::{
    Uuid,
    servers::{AuthType, Availability, McpServer, ServerWrite, ToolChangePolicy, Transport},
};
use leptos::{prelude::*, task::spawn_local};
use std::collections::BTreeMap;

/// What was found when a save was refused as stale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conflict {
    /// As the form was loaded.
    pub(super) base: McpServer,
    /// As it is stored now.
    pub(super) theirs: McpServer,
    /// Who stored it; empty when that cannot be told.
    pub(super) by: String,
}

/// A field that the other changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    label: &'static str,
    was: String,
    now: String,
    /// None where the form still holds what it was loaded with.
    yours: Option<String>,
}

/// Nothing while nobody else saved.
#[component]
pub(super) fn ConflictNotice(form: EditorForm, saver: Saver) -> impl IntoView {
    move || {
        form.conflict.get().map(|conflict| {
            // As typed when the refusal came: the lines must not run while somebody reads them.
            let mine = untrack(|| form.to_write());
            let save_over = Callback::new(move |()| spawn_local(saver.save_over()));
            let take_theirs = Callback::new(move |()| saver.take_theirs());
            view! { <ConflictView conflict mine form save_over take_theirs/> }
        })
    }
}

#[component]
pub(super) fn ConflictView(
    conflict: Conflict,
    mine: ServerWrite,
    form: EditorForm,
    save_over: Callback<()>,
    take_theirs: Callback<()>,
) -> impl IntoView {
    let found = form.group_names.with_untracked(|names| differences(&conflict, &mine, names));
    let by = if conflict.by.is_empty() { "Somebody".to_owned() } else { conflict.by };
    let nothing = found.is_empty().then(|| {
        view! { <p>"None of the fields shown here differs: a stored secret was replaced, for example."</p> }
    });
    let lines = found
        .into_iter()
        .map(|difference| {
            let Difference { label, was, now, yours } = difference;
            view! {
                <div class="conflict-line">
                    <dt>{label}</dt>
                    <dd><span class="conflict-word">"was"</span><bdi>{was}</bdi></dd>
                    <dd><span class="conflict-word">"is now"</span><bdi>{now}</bdi></dd>
                    <dd>
                        <span class="conflict-word">"yours"</span>
                        {match yours {
                            Some(yours) => view! { <bdi>{yours}</bdi> }.into_any(),
                            None => view! { <span class="text-fg-muted">"not changed"</span> }.into_any(),
                        }}
                    </dd>
                </div>
            }
        })
        .collect_view();
    let busy = Signal::derive(move || form.busy.get() != Busy::No);
    view! {
        <section id="conflict" class="notice tone-warn" role="alert" tabindex="-1" aria-label="Changed meanwhile">
            <Icon glyph=Glyph::Warn/>
            <div class="notice-text conflict">
                <strong class="notice-title">"Changed meanwhile by " <bdi>{by}</bdi></strong>
                <p>"Nothing of yours is saved, and nothing of it is lost: it still stands below."</p>
                {nothing}
                <dl class="conflict-lines">{lines}</dl>
                <div class="btn-row">
                    <BusyButton label="Save mine over it" class="btn-primary" busy on_press=save_over/>
                    <button type="button" class="btn" disabled=move || busy.get() on:click=move |_| take_theirs.run(())>"Take theirs"</button>
                    <span class="field-hint">"“Save mine” stores all fields as they stand below. “Take theirs” gives up what you typed."</span>
                </div>
            </div>
        </section>
    }
}

/// Field by field, in the order of the form.
fn differences(
    conflict: &Conflict,
    mine: &ServerWrite,
    group_names: &BTreeMap<Uuid, String>,
) -> Vec<Difference> {
    let yours = face(&typed_over(&conflict.base, mine), group_names);
    let (was, now) = (face(&conflict.base, group_names), face(&conflict.theirs, group_names));
    was.into_iter()
        .zip(now)
        .zip(yours)
        .filter(|(((_, was), (_, now)), _)| was != now)
        .map(|(((label, was), (_, now)), (_, yours))| {
            let yours = (yours != was).then(|| words(yours));
            Difference { label, was: words(was), now: words(now), yours }
        })
        .collect()
}

fn words(text: String) -> String {
    if text.is_empty() { "empty".to_owned() } else { text }
}

/// The base with what is typed in the form.
fn typed_over(base: &McpServer, mine: &ServerWrite) -> McpServer {
    let text = |sent: &Option<String>, stored: &str| sent.as_deref().unwrap_or(stored).trim().to_owned();
    let maybe = |sent: &Option<String>, stored: &Option<String>| match sent {
        Some(sent) => Some(sent.trim().to_owned()).filter(|text| !text.is_empty()),
        None => stored.clone(),
    };
    let secret = |sent: &Option<String>, stored: bool| sent.as_ref().map_or(stored, |sent| !sent.is_empty());
    McpServer {
        display_name: text(&mine.display_name, &base.display_name),
        slug: text(&mine.slug, &base.slug),
        url: text(&mine.url, &base.url),
        transport: text(&mine.transport, &base.transport),
        description: text(&mine.description, &base.description),
        icon_url: text(&mine.icon_url, &base.icon_url),
        auth_type: mine.auth_type.as_deref().and_then(AuthType::parse).unwrap_or(base.auth_type),
        api_key_header: maybe(&mine.api_key_header, &base.api_key_header),
        has_api_key: secret(&mine.api_key_value, base.has_api_key),
        has_custom_headers: base.has_custom_headers || mine.custom_headers.is_some(),
        user_headers: mine.user_headers.clone().unwrap_or_else(|| base.user_headers.clone()),
        oauth2_client_id: maybe(&mine.oauth2_client_id, &base.oauth2_client_id),
        has_oauth2_secret: secret(&mine.oauth2_client_secret, base.has_oauth2_secret),
        oauth2_auth_url: maybe(&mine.oauth2_auth_url, &base.oauth2_auth_url),
        oauth2_token_url: maybe(&mine.oauth2_token_url, &base.oauth2_token_url),
        oauth2_revocation_url: maybe(&mine.oauth2_revocation_url, &base.oauth2_revocation_url),
        oauth2_scopes: maybe(&mine.oauth2_scopes, &base.oauth2_scopes),
        oauth2_issuer: maybe(&mine.oauth2_issuer, &base.oauth2_issuer),
        availability: mine.availability.as_deref().and_then(Availability::parse).unwrap_or(base.availability),
        enabled: mine.enabled.unwrap_or(base.enabled),
        model_intent: mine.model_intent.unwrap_or(base.model_intent),
        allow_in_plan_mode: mine.allow_in_plan_mode.unwrap_or(base.allow_in_plan_mode),
        forward_coder_headers: mine.forward_coder_headers.unwrap_or(base.forward_coder_headers),
        has_signing_secret: secret(&mine.signing_secret, base.has_signing_secret),
        send_trace_context: mine.send_trace_context.unwrap_or(base.send_trace_context),
        use_instructions: mine.use_instructions.unwrap_or(base.use_instructions),
        tool_allow_list: mine.tool_allow_list.clone().unwrap_or_else(|| base.tool_allow_list.clone()),
        tool_deny_list: mine.tool_deny_list.clone().unwrap_or_else(|| base.tool_deny_list.clone()),
        tool_idempotent_list: mine
            .tool_idempotent_list
            .clone()
            .unwrap_or_else(|| base.tool_idempotent_list.clone()),
        tool_approval_list: mine
            .tool_approval_list
            .clone()
            .unwrap_or_else(|| base.tool_approval_list.clone()),
        tool_change_policy: mine
            .tool_change_policy
            .as_deref()
            .and_then(ToolChangePolicy::parse)
            .unwrap_or(base.tool_change_policy),
        allowed_group_ids: mine.allowed_group_ids.clone().or_else(|| base.allowed_group_ids.clone()),
        ..base.clone()
    }
}

/// Every field of the form in words.
fn face(server: &McpServer, group_names: &BTreeMap<Uuid, String>) -> Vec<(&'static str, String)> {
    let maybe = |text: &Option<String>| text.clone().unwrap_or_default();
    let on = |flag: bool| if flag { "on" } else { "off" }.to_owned();
    let secret = |stored: bool| if stored { "stored" } else { "none" }.to_owned();
    let headers = server
        .user_headers
        .iter()
        .map(|header| format!("{}: “{}…”, {}", header.name, header.value_prefix, header.description))
        .collect::<Vec<_>>();
    let groups = match server.allowed_group_ids.as_deref().unwrap_or_default() {
        [] => "everybody".to_owned(),
        groups => {
            let name = |id: &Uuid| group_names.get(id).cloned().unwrap_or_else(|| id.to_string());
            groups.iter().map(name).collect::<Vec<_>>().join(", ")
        }
    };
    vec![
        ("Display name", server.display_name.clone()),
        ("Slug", server.slug.clone()),
        ("URL", server.url.clone()),
        (
            "Transport",
            Transport::parse(&server.transport)
                .map_or(server.transport.clone(), |t| transport_label(t).into()),
        ),
        ("Description", server.description.clone()),
        ("Icon path", server.icon_url.clone()),
        ("Enabled", on(server.enabled)),
        ("Authentication", auth_label(server.auth_type).to_owned()),
        ("API key header", maybe(&server.api_key_header)),
        ("API key", secret(server.has_api_key)),
        ("Custom headers", secret(server.has_custom_headers)),
        ("Personal headers", headers.join("; ")),
        ("Client ID", maybe(&server.oauth2_client_id)),
        ("Client secret", secret(server.has_oauth2_secret)),
        ("Authorization URL", maybe(&server.oauth2_auth_url)),
        ("Token URL", maybe(&server.oauth2_token_url)),
        ("Revocation URL", maybe(&server.oauth2_revocation_url)),
        ("Scopes", maybe(&server.oauth2_scopes)),
        ("Issuer", maybe(&server.oauth2_issuer)),
        ("Availability", availability_label(server.availability).to_owned()),
        ("Model intent", on(server.model_intent)),
        ("All tools in root plan mode", on(server.allow_in_plan_mode)),
        ("Allowed tools", server.tool_allow_list.join(", ")),
        ("Denied tools", server.tool_deny_list.join(", ")),
        ("Idempotent tools", server.tool_idempotent_list.join(", ")),
        ("Tools to approve", server.tool_approval_list.join(", ")),
        ("When a tool changes", change_policy_label(server.tool_change_policy).to_owned()),
        ("Tell the server who asks", on(server.forward_coder_headers)),
        ("Signing secret", secret(server.has_signing_secret)),
        ("Trace context", on(server.send_trace_context)),
        ("Use the server's instructions", on(server.use_instructions)),
        ("Groups", groups),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use serde_json::json;

    #[test]
    fn the_others_change_stands_beside_ones_own() {
        let base =
            sample::server("none", json!({"description": "Old words", "tool_deny_list": ["delete_*"]}));
        let theirs = sample::server(
            "none",
            json!({"description": "Their words", "tool_deny_list": [], "enabled": true}),
        );
        let mine = ServerWrite {
            description: Some("My words ".into()),
            slug: Some("other".into()),
            tool_deny_list: Some(vec!["delete_*".into()]),
            ..ServerWrite::default()
        };
        let found = differences(&Conflict { base, theirs, by: "bo".into() }, &mine, &BTreeMap::new());
        let line = |label, was: &str, now: &str, yours: Option<&str>| Difference {
            label,
            was: was.into(),
            now: now.into(),
            yours: yours.map(str::to_owned),
        };
        assert_eq!(
            found,
            [
                line("Description", "Old words", "Their words", Some("My words")),
                line("Enabled", "off", "on", None),
                line("Denied tools", "delete_*", "empty", None),
            ]
        );
    }

    #[test]
    fn every_type_of_field_can_differ() {
        let base = sample::server("none", json!({}));
        for (field, value, label) in [
            ("display_name", json!("X"), "Display name"),
            ("slug", json!("x"), "Slug"),
            ("url", json!("https://x.example/"), "URL"),
            ("icon_url", json!("/x.svg"), "Icon path"),
            ("auth_type", json!("user_header"), "Authentication"),
            ("api_key_header", json!("X-Key"), "API key header"),
            ("has_api_key", json!(true), "API key"),
            ("has_custom_headers", json!(true), "Custom headers"),
            (
                "user_headers",
                json!([{"name": "X-Key", "description": "d", "value_prefix": "p"}]),
                "Personal headers",
            ),
            ("oauth2_client_id", json!("x"), "Client ID"),
            ("has_oauth2_secret", json!(true), "Client secret"),
            ("oauth2_auth_url", json!("https://x.example/"), "Authorization URL"),
            ("oauth2_token_url", json!("https://x.example/"), "Token URL"),
            ("oauth2_revocation_url", json!("https://x.example/"), "Revocation URL"),
            ("oauth2_scopes", json!("a b"), "Scopes"),
            ("oauth2_issuer", json!("https://x.example"), "Issuer"),
            ("availability", json!("force_on"), "Availability"),
            ("model_intent", json!(false), "Model intent"),
            ("allow_in_plan_mode", json!(true), "All tools in root plan mode"),
            ("tool_allow_list", json!(["a"]), "Allowed tools"),
            ("tool_idempotent_list", json!(["a"]), "Idempotent tools"),
            ("tool_approval_list", json!(["a"]), "Tools to approve"),
            ("tool_change_policy", json!("hold"), "When a tool changes"),
            ("transport", json!("sse"), "Transport"),
            ("forward_coder_headers", json!(true), "Tell the server who asks"),
            ("has_signing_secret", json!(true), "Signing secret"),
            ("send_trace_context", json!(true), "Trace context"),
            ("use_instructions", json!(true), "Use the server's instructions"),
            ("allowed_group_ids", json!(["01900000-0000-7000-8000-000000000009"]), "Groups"),
        ] {
            let theirs = sample::server("none", json!({field: value}));
            let conflict = Conflict { base: base.clone(), theirs, by: String::new() };
            let labels: Vec<&str> = differences(&conflict, &ServerWrite::default(), &BTreeMap::new())
                .iter()
                .map(|found| found.label)
                .collect();
            assert_eq!(labels, [label], "{field}");
        }
    }
}
