//! How every server is doing, the worst first. Keeps itself fresh while somebody looks.

use crate::{
    browser,
    components::{
        Column, EmptyState, Glyph, HealthMark, PageHead, RelativeTime, SearchForm, ServerTile, Table,
        health::error_now, loaded, paging::page_href, use_page_query,
    },
    server_fns::fleet::fleet,
};
use api::{
    Uuid,
    fleet::{Fleet, FleetQuery, FleetServer, HealthState},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_query_map;
use std::time::Duration;

/// Where the page is.
const PATH: &str = "/admin/fleet";
/// How often it is read again.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Errors up to here stand in their line; longer ones are folded.
const ERROR_CHARS: usize = 60;

/// `GET /admin/fleet`.
#[component]
pub fn FleetPage() -> impl IntoView {
    let query = use_page_query();
    let parameters = use_query_map();
    let show = Memo::new(move |_| {
        parameters.with(|query| HealthState::parse(&query.get("show").unwrap_or_default()))
    });
    let asked = Memo::new(move |_| FleetQuery {
        state: show.get(),
        search: query.with(|query| Some(query.q.clone()).filter(|q| !q.is_empty())),
        ids: None,
    });
    let servers = Resource::new(move || asked.get(), fleet);
    let show_text =
        Signal::derive(move || show.get().map_or_else(String::new, |state| state.as_str().to_owned()));
    view! {
        <div class="page">
            <PageHead title="Health" purpose="How servers are doing, from real use and from a light check in the background.".to_owned()/>
            <SearchForm path=PATH what="servers" placeholder="Search name, slug or URL" query show=show_text/>
            {loaded(servers, true, move |first| view! { <FleetView first asked=asked.get_untracked()/> })}
        </div>
    }
}

#[component]
pub(super) fn FleetView(first: Fleet, asked: FleetQuery) -> impl IntoView {
    let now = RwSignal::new(first);
    let stale = keep_fresh(now, asked.clone());
    let narrowed = asked.state.is_some() || asked.search.is_some();
    let ids = Memo::new(move |_| {
        now.with(|fleet| fleet.servers.iter().map(|server| server.id).collect::<Vec<_>>())
    });
    let empty = Memo::new(move |_| ids.with(Vec::is_empty));
    let more = Memo::new(move |_| now.with(|fleet| (fleet.servers.len(), fleet.total)));
    view! {
        <StateChips now asked/>
        <p class="field-hint fleet-stale" role="status">
            {move || stale.get().then_some("This could not be read anew just now; it is tried again in 10 s.")}
        </p>
        {move || if empty.get() {
            view! { <NoServers narrowed/> }.into_any()
        } else {
            view! {
                <Table columns=&COLUMNS class="fleet">
                    <For each=move || ids.get() key=|id| *id children=move |id| view! { <FleetRow now id/> }/>
                </Table>
            }
            .into_any()
        }}
        {move || {
            let (shown, total) = more.get();
            (i64::try_from(shown).is_ok_and(|shown| shown < total)).then(|| view! {
                <p class="field-hint">{format!("The first {shown} of {total} servers. A search finds the rest.")}</p>
            })
        }}
    }
}

/// Reads anew every ten seconds, and at once when the page comes back into view. True: the last time it did not work.
fn keep_fresh(now: RwSignal<Fleet>, asked: FleetQuery) -> RwSignal<bool> {
    let stale = RwSignal::new(false);
    Effect::new(move || {
        let asked = asked.clone();
        let busy = StoredValue::new(false);
        let read = move || {
            if !browser::is_visible() || busy.try_get_value() != Some(false) {
                return;
            }
            busy.set_value(true);
            let asked = asked.clone();
            spawn_local(async move {
                let answer = fleet(asked).await;
                busy.try_update_value(|busy| *busy = false);
                stale.try_set(answer.is_err());
                if let Ok(fleet) = answer {
                    now.try_set(fleet);
                }
            });
        };
        if let Ok(handle) = set_interval_with_handle(read.clone(), FRESH_FOR) {
            on_cleanup(move || handle.clear());
        }
        let seen = window_event_listener_untyped("visibilitychange", move |_| read());
        on_cleanup(move || seen.remove());
    });
    stale
}

/// A link for each state, with how many servers are in it.
#[component]
fn StateChips(now: RwSignal<Fleet>, asked: FleetQuery) -> impl IntoView {
    let words = asked.search.unwrap_or_default();
    let chosen = asked.state;
    let chip = |state: Option<HealthState>| {
        let count = Memo::new(move |_| {
            now.with(|fleet| {
                let counts =
                    fleet.counts.iter().filter(|count| state.is_none_or(|state| count.state == state));
                counts.map(|count| count.servers).sum::<i64>()
            })
        });
        let href = page_href(PATH, state.map_or("", HealthState::as_str), &words, "");
        let label = match state {
            Some(state) => view! { <HealthMark state/> }.into_any(),
            None => "All".into_any(),
        };
        view! {
            <a class="chip" href=href aria-current=(chosen == state).then_some("true")>
                {label}" "<span class="chip-count">{move || count.get()}</span>
            </a>
        }
    };
    let chips = std::iter::once(None).chain(HealthState::ALL.map(Some)).map(chip).collect_view();
    view! { <nav class="chips" aria-label="Filter by health">{chips}</nav> }
}

#[component]
fn NoServers(narrowed: bool) -> impl IntoView {
    let (title, text) = if narrowed {
        ("No server matches", "None has this in its name, slug or URL, or none is in this state.")
    } else {
        ("No servers yet", "Servers are listed here as soon as one is registered.")
    };
    view! { <EmptyState glyph=Glyph::Server title text/> }
}

const COLUMNS: [Column; 7] = [
    Column::Text("Server"),
    Column::Text("Health"),
    Column::Number("Latency"),
    Column::Number("Users connected"),
    Column::Number("Users expired"),
    Column::Number("Users failing"),
    Column::Number("Tools"),
];

#[component]
fn FleetRow(now: RwSignal<Fleet>, id: Uuid) -> impl IntoView {
    // A server that has just gone keeps its last value until its row is taken away.
    let server = Memo::new(move |last: Option<&Option<FleetServer>>| {
        let found = now.with(|fleet| fleet.servers.iter().find(|server| server.id == id).cloned());
        found.or_else(|| last.cloned().flatten())
    });
    let face = Memo::new(move |_| {
        server.get().map(|server| (server.display_name, server.icon_url, server.host, server.enabled))
    });
    let health = Memo::new(move |_| server.get().map(|server| server.health));
    let number = move |of: fn(&FleetServer) -> i64| move || server.with(|server| server.as_ref().map(of));
    view! {
        <tr data-testid="fleet-row">
            <td>
                {move || face.get().map(|(name, icon_url, host, enabled)| view! {
                    <a class="server-name" href=format!("/admin/servers/{id}")>
                        <ServerTile name=name.clone() icon_url/>
                        <span class="min-w-0">
                            <span class="server-title" dir="auto">{name}</span>
                            <span class="server-slug">{host}{(!enabled).then_some(" · disabled")}</span>
                        </span>
                    </a>
                })}
            </td>
            <td data-label="Health">
                <div class="fleet-health">
                    {move || health.get().map(|health| {
                        let error = error_now(&health).map(|error| view! { <Cause error=error.to_owned()/> });
                        view! {
                            <HealthMark state=health.state/>
                            {health.since.map(|at| view! { <span class="row-note">"since " <RelativeTime at/></span> })}
                            {error}
                        }
                    })}
                </div>
            </td>
            <td data-label="Latency" class="num">{move || health.with(|health| latency(health.as_ref().and_then(|health| health.latency_ms)))}</td>
            <td data-label="Users connected" class="num">{number(|server| server.connected_users)}</td>
            <td data-label="Users expired" class="num">{number(|server| server.expired_users)}</td>
            <td data-label="Users failing" class="num">{number(|server| server.failing_users)}</td>
            <td data-label="Tools" class="num">
                <span>
                    {number(|server| server.tools)}
                    {move || {
                        let (review, name) = server.with(|server| {
                            server.as_ref().map(|server| (server.tools_to_review, server.display_name.clone())).unwrap_or_default()
                        });
                        (review > 0).then(|| view! {
                            <a class="row-note fleet-review" href=format!("/admin/servers/{id}/tools?show=review")>
                                {format!("{review} to review")}<span class="sr-only">" of " {name}</span>
                            </a>
                        })
                    }}
                </span>
            </td>
        </tr>
    }
}

/// The last error: short ones in the line, long ones folded.
#[component]
fn Cause(error: String) -> impl IntoView {
    let Some((end, _)) = error.char_indices().nth(ERROR_CHARS) else {
        return view! { <span class="row-note" dir="auto">{error}</span> }.into_any();
    };
    let begin = format!("{}…", &error[..end]);
    view! {
        <details class="fold">
            <summary dir="auto">{begin}</summary>
            <p class="fold-text" dir="auto">{error}</p>
        </details>
    }
    .into_any()
}

fn latency(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"))
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;
    use leptos::reactive::owner::Owner;
    use serde_json::json;

    fn fleet_of(servers: serde_json::Value, total: i64) -> Fleet {
        let counts = HealthState::ALL.map(|state| json!({"state": state, "servers": 2}));
        serde_json::from_value(json!({"counts": counts, "servers": servers, "total": total}))
            .expect("a fleet as the API answers it")
    }

    fn rendered(fleet: Fleet, asked: FleetQuery) -> String {
        let draw = move || view! { <FleetView first=fleet asked/> };
        Owner::new().with(|| draw().into_view().to_html()).replace("<!>", "")
    }

    fn server(over: serde_json::Value) -> serde_json::Value {
        let mut server = json!({
            "id": "01900000-0000-7000-8000-000000000001", "slug": "linear", "display_name": "Linear", "host": "mcp.example.com:8443",
            "enabled": true, "auth_type": "none", "availability": "default_on", "health": {"state": "ok", "latency_ms": 41},
            "connected_users": 7, "expired_users": 2, "failing_users": 0, "tools": 12, "tools_to_review": 0,
        });
        for (member, value) in over.as_object().cloned().unwrap_or_default() {
            server[member] = value;
        }
        server
    }

    #[test]
    fn a_row_says_in_words_how_a_server_is_doing() {
        let hostile = format!("<script>alert(1)</script>{}", "x".repeat(100));
        let health = json!({"state": "failing", "since": "2026-02-03T04:05:00Z", "last_error": hostile});
        let html = rendered(
            fleet_of(json!([server(json!({"health": health, "tools_to_review": 3, "enabled": false}))]), 1),
            FleetQuery::default(),
        );
        for words in [
            "Failing",
            "Credential refused",
            "Slow",
            "Tools changed",
            "Working",
            "Not used lately",
            "2026-02-03 04:05 UTC",
            "3 to review",
            "/admin/servers/01900000-0000-7000-8000-000000000001/tools?show=review",
            "mcp.example.com:8443",
            "disabled",
            r#"href="/admin/fleet?show=auth_trouble""#,
            ">12<",
            ">Users connected<",
            ">Users expired<",
            r#"data-label="Users failing""#,
        ] {
            assert!(html.contains(words), "{words}: {html}");
        }
        assert!(html.contains("<details") && !html.contains("<script>"), "{html}");
        assert!(html.contains(">–<"), "nothing is known of its latency: {html}");
    }

    #[test]
    fn a_filter_keeps_the_words_and_says_when_nothing_matches() {
        let asked = FleetQuery { state: Some(HealthState::Slow), search: Some("a b".into()), ids: None };
        let html = rendered(fleet_of(json!([]), 0), asked);
        assert!(html.contains("No server matches"), "{html}");
        assert!(html.contains("?show=slow&amp;q=a%20b") || html.contains("?show=slow&q=a%20b"), "{html}");
        assert_eq!(html.matches(r#"aria-current="true""#).count(), 1, "{html}");
        assert!(rendered(fleet_of(json!([]), 0), FleetQuery::default()).contains("No servers yet"));
    }

    #[test]
    fn a_long_fleet_says_that_there_is_more() {
        let html = rendered(fleet_of(json!([server(json!({}))]), 300), FleetQuery::default());
        assert!(html.contains("The first 1 of 300 servers."), "{html}");
        assert!(html.contains("41 ms"), "{html}");
    }
}
