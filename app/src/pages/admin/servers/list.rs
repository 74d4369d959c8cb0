//! The list of servers: what is registered, how it is reached, whether it is on.

use super::words::{auth_label, availability_label, etag, host};
use crate::{
    components::{
        Badge, EmptyState, Glyph, Icon, PageHead, ServerTile, Switch, Tone, loaded, toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::servers::{server_list, server_update},
};
use api::servers::{McpServer, ServerWrite};
use leptos::{prelude::*, task::spawn_local};

/// `GET /admin/servers`.
#[component]
pub fn ServersPage() -> impl IntoView {
    let servers = Resource::new(|| (), |()| server_list());
    view! {
        <div class="page">
            <PageHead title="Servers" purpose="MCP servers that chats can use.".to_owned()>
                // A file of the API, not a page: the browser saves it.
                <a class="btn" href="/api/experimental/mcp/export" rel="external" download>"Export"</a>
                {viewer_is_admin().then(|| view! {
                    <a class="btn" href="/admin/servers/import">"Import"</a>
                    <NewServerLink/>
                })}
            </PageHead>
            {loaded(servers, true, |servers| view! { <ServerTable servers/> })}
        </div>
    }
}

#[component]
fn NewServerLink() -> impl IntoView {
    view! {
        <a class="btn btn-primary" href="/admin/servers/new">
            <Icon glyph=Glyph::Plus/>
            "New server"
        </a>
    }
}

/// Which servers the filter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    All,
    Enabled,
    Disabled,
}

#[component]
fn ServerTable(servers: Vec<McpServer>) -> impl IntoView {
    if servers.is_empty() {
        let text = "Register an MCP server to give chats its tools.";
        return if viewer_is_admin() {
            view! { <EmptyState glyph=Glyph::Server title="No servers yet" text><NewServerLink/></EmptyState> }.into_any()
        } else {
            view! { <EmptyState glyph=Glyph::Server title="No servers yet" text/> }.into_any()
        };
    }
    let search = RwSignal::new(String::new());
    let show = RwSignal::new(Show::All);
    // One signal per row, so that a switched server neither reloads nor re-sorts the table.
    let rows = StoredValue::new(servers.into_iter().map(RwSignal::new).collect::<Vec<_>>());
    let shown = Memo::new(move |_| {
        let wanted = search.get().trim().to_lowercase();
        rows.with_value(|rows| {
            rows.iter()
                .filter(|row| row.with(|server| passes(server, &wanted, show.get())))
                .copied()
                .collect::<Vec<_>>()
        })
    });
    view! {
        <div class="table-tools">
            <label class="search">
                <Icon glyph=Glyph::Search/>
                <span class="sr-only">"Search servers"</span>
                <input
                    type="search"
                    class="input"
                    placeholder="Search name, slug or host"
                    prop:value=move || search.get()
                    on:input=move |event| search.set(event_target_value(&event))
                />
            </label>
            <div class="segments" role="group" aria-label="Filter">
                {[(Show::All, "All"), (Show::Enabled, "Enabled"), (Show::Disabled, "Disabled")]
                    .into_iter()
                    .map(|(choice, label)| view! {
                        <button
                            type="button"
                            aria-pressed=move || if show.get() == choice { "true" } else { "false" }
                            on:click=move |_| show.set(choice)
                        >
                            {label}
                        </button>
                    })
                    .collect_view()}
            </div>
        </div>
        <div class="table-frame">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Server"</th>
                        <th scope="col">"Host"</th>
                        <th scope="col">"Authentication"</th>
                        <th scope="col">"Availability"</th>
                        <th scope="col">"Enabled"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || shown.get() key=|row| row.with_untracked(|server| server.id) let(row)>
                        <ServerRow server=row/>
                    </For>
                </tbody>
            </table>
            <p class="table-empty" hidden=move || !shown.with(Vec::is_empty)>"No server matches."</p>
        </div>
    }
    .into_any()
}

fn passes(server: &McpServer, wanted: &str, show: Show) -> bool {
    let state = match show {
        Show::All => true,
        Show::Enabled => server.enabled,
        Show::Disabled => !server.enabled,
    };
    let text = || {
        [&server.display_name, &server.slug, host(&server.url)]
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
    };
    state && (wanted.is_empty() || text())
}

#[component]
fn ServerRow(server: RwSignal<McpServer>) -> impl IntoView {
    let toasts = use_toasts();
    let now = server.get_untracked();
    let busy = RwSignal::new(false);
    let change = Callback::new(move |enabled: bool| {
        busy.set(true);
        let before = server.get_untracked();
        spawn_local(async move {
            let write = ServerWrite { enabled: Some(enabled), ..ServerWrite::default() };
            match server_update(before.id, write, Some(etag(&before))).await {
                Ok(after) => {
                    toasts.say(format!(
                        "{} is {}",
                        after.display_name,
                        if after.enabled { "enabled" } else { "disabled" }
                    ));
                    server.set(after);
                }
                Err(error) => {
                    toasts.warn(error.body.message);
                    // Draws the switch again as it really stands.
                    server.notify();
                }
            }
            busy.set(false);
        });
    });
    let problems = now.config_problems.as_ref().map_or(0, Vec::len);
    view! {
        <tr>
            <td>
                <a class="server-name" href=format!("/admin/servers/{}", now.id)>
                    <ServerTile name=now.display_name.clone() icon_url=now.icon_url.clone()/>
                    <span class="min-w-0">
                        <span class="server-title" dir="auto">{now.display_name.clone()}</span>
                        <span class="server-slug">{now.slug.clone()}</span>
                    </span>
                </a>
            </td>
            <td data-label="Host" class="mono-cell">{host(&now.url).to_owned()}</td>
            <td data-label="Authentication">
                {auth_label(now.auth_type)}
                {(problems > 0).then(|| view! { " " <Badge tone=Tone::Warn glyph=Glyph::Warn text="Needs attention"/> })}
            </td>
            <td data-label="Availability">{availability_label(now.availability)}</td>
            <td data-label="Enabled">
                <Switch
                    label=format!("{} enabled", now.display_name)
                    hide_label=true
                    checked=Signal::derive(move || server.with(|server| server.enabled))
                    disabled=Signal::derive(move || busy.get() || !viewer_is_admin())
                    on_change=change
                />
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_looks_at_name_slug_and_host() {
        let server: McpServer = serde_json::from_str(SAMPLE).unwrap();
        for wanted in ["", "linear", "lin-1", "mcp.example"] {
            assert!(passes(&server, wanted, Show::All), "{wanted}");
        }
        assert!(!passes(&server, "sentry", Show::All));
        assert!(passes(&server, "", Show::Disabled) && !passes(&server, "", Show::Enabled));
    }

    const SAMPLE: &str = r#"{"id":"01900000-0000-7000-8000-000000000001","display_name":"Linear","slug":"lin-1","description":"",
        "icon_url":"","transport":"streamable_http","url":"https://mcp.example.com/mcp","auth_type":"none","has_oauth2_secret":false,
        "has_api_key":false,"has_custom_headers":false,"has_signing_secret":false,"user_headers":[],"tool_allow_list":[],
        "tool_deny_list":[],"tool_idempotent_list":[],"tool_approval_list":[],"tool_change_policy":"notify",
        "send_trace_context":false,"use_instructions":false,"availability":"default_on","enabled":false,"model_intent":true,
        "allow_in_plan_mode":false,"forward_coder_headers":false,"auth_connected":true,"auth_status":"not_required",
        "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}"#;
}
