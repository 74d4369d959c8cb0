//! The list of servers: what is registered, how it is reached, whether it is on.

use super::words::{auth_label, availability_label, etag, host, is_unusable};
use crate::{
    components::{
        Badge, Column, EmptyState, Glyph, HealthMark, Icon, PageHead, PageLinks, SearchForm, ServerTile,
        Switch, Table, Tone, loaded, paging::page_href, toast::use_toasts, use_page_query,
    },
    context::viewer_is_admin,
    server_fns::{
        fleet::fleet,
        servers::{server_page, server_update},
    },
};
use api::{
    Uuid,
    fleet::{FleetQuery, FleetServer},
    servers::{McpServer, ServerWrite},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_query_map;
use std::collections::BTreeMap;

/// Where the list is.
const PATH: &str = "/admin/servers";

/// `GET /admin/servers`.
#[component]
pub fn ServersPage() -> impl IntoView {
    let query = use_page_query();
    let parameters = use_query_map();
    let show =
        Memo::new(move |_| parameters.with(|query| Show::parse(&query.get("show").unwrap_or_default())));
    let servers = Resource::new(
        move || (query.get(), show.get().enabled()),
        |(query, enabled)| server_page(query, enabled),
    );
    let show_text = Signal::derive(move || show.get().as_str().to_owned());
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
            <SearchForm path=PATH what="servers" placeholder="Search name, slug or URL" query show=show_text/>
            <nav class="segments" aria-label="Filter">
                {[Show::All, Show::Enabled, Show::Disabled]
                    .into_iter()
                    .map(|choice| view! {
                        <a
                            href=move || page_href(PATH, choice.as_str(), &query.with(|query| query.q.clone()), "")
                            aria-current=move || (show.get() == choice).then_some("true")
                        >
                            {choice.label()}
                        </a>
                    })
                    .collect_view()}
            </nav>
            {loaded(servers, true, move |page| {
                let narrowed = query.with_untracked(|query| !query.q.is_empty()) || show.get_untracked() != Show::All;
                view! {
                    <ServerTable servers=page.rows narrowed/>
                    <PageLinks path=PATH query=query.get_untracked() next=page.next show=show_text.get_untracked()/>
                }
            })}
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

impl Show {
    /// Anything unknown in an address shows all.
    fn parse(text: &str) -> Self {
        [Self::Enabled, Self::Disabled].into_iter().find(|show| show.as_str() == text).unwrap_or(Self::All)
    }

    /// In the address.
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }

    fn enabled(self) -> Option<bool> {
        match self {
            Self::All => None,
            Self::Enabled => Some(true),
            Self::Disabled => Some(false),
        }
    }
}

const COLUMNS: [Column; 8] = [
    Column::Text("Server"),
    Column::Text("Health"),
    Column::Text("Host"),
    Column::Text("Authentication"),
    Column::Text("Availability"),
    Column::Number("Users connected"),
    Column::Number("Tools"),
    Column::Text("Enabled"),
];

#[component]
fn ServerTable(
    servers: Vec<McpServer>,
    /// A search or a filter is on.
    narrowed: bool,
) -> impl IntoView {
    if servers.is_empty() && narrowed {
        let text = "No server has this in its name, slug or URL, or the filter leaves none.";
        return view! { <EmptyState glyph=Glyph::Server title="No server matches" text/> }.into_any();
    }
    if servers.is_empty() {
        let text = "Register an MCP server to give chats its tools.";
        return if viewer_is_admin() {
            view! { <EmptyState glyph=Glyph::Server title="No servers yet" text><NewServerLink/></EmptyState> }.into_any()
        } else {
            view! { <EmptyState glyph=Glyph::Server title="No servers yet" text/> }.into_any()
        };
    }
    let doing = doing_of(servers.iter().map(|server| server.id).collect());
    // One signal per row, so that a switched server neither reloads nor re-sorts the table.
    let rows = servers
        .into_iter()
        .map(|server| view! { <ServerRow server=RwSignal::new(server) doing/> })
        .collect_view();
    view! {
        <Table columns=&COLUMNS>{rows}</Table>
    }
    .into_any()
}

/// How the servers of the page are doing; None until it is known, and where it could not be read.
type Doing = RwSignal<Option<BTreeMap<Uuid, FleetServer>>>;

/// Asked for by the browser once the list stands, which does not wait for it.
fn doing_of(ids: Vec<Uuid>) -> Doing {
    let doing = Doing::new(None);
    Effect::new(move || {
        let query = FleetQuery { ids: Some(ids.clone()), ..FleetQuery::default() };
        spawn_local(async move {
            if let Ok(fleet) = fleet(query).await {
                doing.try_set(Some(fleet.servers.into_iter().map(|server| (server.id, server)).collect()));
            }
        });
    });
    doing
}

#[component]
fn ServerRow(server: RwSignal<McpServer>, doing: Doing) -> impl IntoView {
    let toasts = use_toasts();
    let now = server.get_untracked();
    let id = now.id;
    let health = Memo::new(move |_| doing.with(|doing| Some(doing.as_ref()?.get(&id)?.health.state)));
    let number = move |of: fn(&FleetServer) -> i64| {
        move || {
            let known = doing.with(|doing| Some(of(doing.as_ref()?.get(&id)?)));
            known.map_or_else(|| "–".to_owned(), |known| known.to_string())
        }
    };
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
    let groups = now.allowed_group_ids.as_ref().map_or(0, Vec::len);
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
            <td data-label="Health" class="health-cell">
                {move || match health.get() {
                    Some(state) => view! { <HealthMark state/> }.into_any(),
                    None => "–".into_any(),
                }}
            </td>
            <td data-label="Host" class="mono-cell">{host(&now.url).to_owned()}</td>
            <td data-label="Authentication">
                {auth_label(now.auth_type)}
                {is_unusable(&now).then(|| view! { " " <Badge tone=Tone::Warn glyph=Glyph::Warn text="Needs attention"/> })}
            </td>
            <td data-label="Availability">
                <span>
                    {availability_label(now.availability)}
                    {access_note(groups).map(|note| view! { <span class="row-note">{note}</span> })}
                </span>
            </td>
            <td data-label="Users connected" class="num">{number(|server| server.connected_users)}</td>
            <td data-label="Tools" class="num">{number(|server| server.tools)}</td>
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

/// That not everybody may use the server; nothing where everybody may.
fn access_note(groups: usize) -> Option<String> {
    match groups {
        0 => None,
        1 => Some("Only 1 group".to_owned()),
        groups => Some(format!("Only {groups} groups")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_written_into_the_address_and_read_back() {
        for show in [Show::All, Show::Enabled, Show::Disabled] {
            assert_eq!(Show::parse(show.as_str()), show);
        }
        assert_eq!(Show::parse("<script>"), Show::All);
    }

    #[test]
    fn a_limited_server_says_so() {
        assert_eq!(access_note(0), None);
        assert_eq!(access_note(1).unwrap(), "Only 1 group");
        assert_eq!(access_note(2).unwrap(), "Only 2 groups");
    }
}
