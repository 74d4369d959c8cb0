//! The tools of one server: as they were listed last, what changed since they were accepted, and trying one by hand.

mod accept;
mod definition;
mod diff;
mod form;
mod inputs;
mod narrow;
mod row;
#[cfg(test)]
mod sample;
mod state;
#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests;
mod trial;
mod trying;

pub(super) use state::StateBadge;

use crate::{
    components::{
        BusyButton, EmptyState, ErrorNotice, Glyph, Icon, Modal, Notice, PageTitle, Task, Tone, loaded,
    },
    context::viewer_is_admin,
    server_fns::{
        servers::{server_check, server_get},
        tools::tool_list,
    },
};
use accept::AcceptAll;
use api::{Uuid, servers::McpServer, tools::ServerTool};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::{use_params_map, use_query_map};
use narrow::{Narrowing, Show, ToolFilters, count_line};
use row::ToolRow;
use trying::TryTool;

/// What the parts of one page share. Copy it into handlers and views.
#[derive(Clone, Copy)]
struct Catalogue {
    server: Uuid,
    tools: RwSignal<Vec<ServerTool>>,
    narrowing: Narrowing,
    /// What the reader is told above the list: that something changed again while it was read.
    notice: RwSignal<Option<String>>,
    /// Why the list could not be read or asked for, until it can.
    failed: RwSignal<Option<String>>,
    /// The tool of the dialog, and whether that is open.
    trying: RwSignal<Option<ServerTool>>,
    dialog: RwSignal<bool>,
    /// Buttons are for those who may change the server.
    writes: bool,
}

impl Catalogue {
    fn new(server: Uuid, tools: Vec<ServerTool>, narrowing: Narrowing, writes: bool) -> Self {
        Self {
            server,
            tools: RwSignal::new(tools),
            narrowing,
            notice: RwSignal::new(None),
            failed: RwSignal::new(None),
            trying: RwSignal::new(None),
            dialog: RwSignal::new(false),
            writes,
        }
    }

    /// Reads the list anew, in place: what is open or typed stays so.
    async fn reread(self) {
        match tool_list(self.server).await {
            Ok(tools) => {
                self.tools.try_set(tools);
                self.failed.try_set(None);
            }
            Err(error) => {
                self.failed.try_set(Some(error.body.message));
            }
        }
    }
}

/// `GET /admin/servers/{id}/tools`.
#[component]
pub fn ServerToolsPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| {
        params.with(|params| params.get("id").and_then(|id| id.parse::<Uuid>().ok())).unwrap_or_default()
    });
    let server = Resource::new(move || id.get(), server_get);
    let tools = Resource::new(move || id.get(), tool_list);
    let asked = use_query_map().with_untracked(|query| query.get("show").unwrap_or_default());
    let narrowing = Narrowing::new(Show::parse(&asked));
    view! {
        <div class="page">
            <a class="back-link" href=move || format!("/admin/servers/{}", id.get())><Icon glyph=Glyph::ArrowLeft/>"Server"</a>
            {loaded(server, true, |server| view! { <Head server/> })}
            {loaded(tools, false, move |tools| {
                let catalogue = Catalogue::new(id.get_untracked(), tools, narrowing, viewer_is_admin());
                view! { <Tools catalogue/> }
            })}
        </div>
    }
}

#[component]
fn Head(server: McpServer) -> impl IntoView {
    let name = server.display_name;
    view! {
        <PageTitle text=format!("Tools of {name}")/>
        <header class="page-head">
            <div class="min-w-0">
                <h1>"Tools of " <bdi>{name}</bdi></h1>
                <p>"As the server listed them last. Looking at them contacts nobody."</p>
            </div>
        </header>
    }
}

#[component]
fn Tools(catalogue: Catalogue) -> impl IntoView {
    let empty = Memo::new(move |_| catalogue.tools.with(Vec::is_empty));
    view! {
        <div class="stack" data-testid="tools">
            <div class="tools-notice" aria-live="polite">
                {move || catalogue.notice.get().map(|text| view! { <Notice tone=Tone::Warn><p>{text}</p></Notice> })}
                {move || catalogue.failed.get().map(|text| view! { <Notice tone=Tone::Warn><p>{text}</p></Notice> })}
            </div>
            {move || if empty.get() {
                view! { <NothingListed catalogue/> }.into_any()
            } else {
                view! { <ToolList catalogue/> }.into_any()
            }}
            {catalogue.writes.then(|| view! { <TryDialog catalogue/> })}
        </div>
    }
}

/// Nobody has listed the tools yet; a test does.
#[component]
fn NothingListed(catalogue: Catalogue) -> impl IntoView {
    let task = Task::new();
    let test = Callback::new(move |()| {
        catalogue.failed.set(None);
        task.run(server_check(catalogue.server), move |report| {
            if !report.tools.is_empty() {
                spawn_local(catalogue.reread());
                return;
            }
            let cause =
                if report.error.is_empty() { "The server listed no tools.".to_owned() } else { report.error };
            catalogue.failed.try_set(Some(cause));
        });
    });
    let text =
        "The tools come with the first test of the connection, or with the first turn that uses the server.";
    view! {
        <EmptyState glyph=Glyph::Server title="Nothing was listed yet" text>
            {catalogue.writes.then(|| view! {
                <BusyButton label="Test connection" class="btn-primary" busy=task.busy on_press=test/>
            })}
        </EmptyState>
        {move || task.error.get().map(|error| view! { <ErrorNotice error/> })}
    }
}

#[component]
fn ToolList(catalogue: Catalogue) -> impl IntoView {
    let names = Memo::new(move |_| {
        let wanted = catalogue.narrowing.get();
        catalogue.tools.with(|tools| {
            tools.iter().filter(|tool| wanted.lets(tool)).map(|tool| tool.name.clone()).collect::<Vec<_>>()
        })
    });
    view! {
        <div class="tools-head">
            <p id="tools-count" class="tools-count" role="status" tabindex="-1" data-testid="tools-count">{move || catalogue.tools.with(|tools| count_line(tools))}</p>
            {catalogue.writes.then(|| view! { <AcceptAll catalogue/> })}
        </div>
        <ToolFilters catalogue/>
        {move || names.with(Vec::is_empty).then(|| view! { <p class="table-empty" role="status">"No tool matches."</p> })}
        <ul class="tool-cards">
            <For each=move || names.get() key=Clone::clone children=move |name| view! { <ToolRow catalogue name/> }/>
        </ul>
    }
}

/// The dialog of the tool that is tried; one for the page.
#[component]
fn TryDialog(catalogue: Catalogue) -> impl IntoView {
    let title = Signal::derive(move || {
        let name =
            catalogue.trying.with(|tool| tool.as_ref().map(|tool| domain::text::quote(&tool.name, 80)));
        name.map(|name| format!("Try {name}")).unwrap_or_default()
    });
    // The list shows what it is now, and the dialog is opened anew from there.
    let reread = Callback::new(move |()| spawn_local(catalogue.reread()));
    view! {
        <Modal open=catalogue.dialog title wide=true>
            {catalogue.trying.get_untracked().map(|tool| view! { <TryTool server=catalogue.server tool on_changed=reread/> })}
        </Modal>
    }
}
