//! The editor of one server, new or registered.

mod access;
mod authentication;
mod bar;
mod conflict;
mod connections;
mod form;
mod forwarding;
mod headers;
mod health;
mod known_tools;
mod oauth;
mod report;
#[cfg(test)]
mod sample;
mod save;
mod sections;
#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests;
mod user_headers;
mod why;
mod wipes;

use crate::{
    components::{Badge, Glyph, Icon, Notice, PageTitle, ServerTile, Switch, Tone, loaded},
    context::viewer_is_admin,
    pages::admin::servers::words::is_unusable,
    server_fns::servers::server_get,
};
use access::AccessSection;
use api::{Uuid, servers::McpServer};
use authentication::AuthenticationSection;
use bar::ActionBar;
use conflict::ConflictNotice;
use connections::ConnectionsSection;
use form::EditorForm;
use forwarding::ForwardingSection;
use health::HealthLine;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_params_map;
use report::CheckResult;
use save::Saver;
use sections::{BehaviourSection, ConnectionSection, FormError, ToolsSection, tools_href};
use why::WhySection;

/// `GET /admin/servers/new`.
#[component]
pub fn NewServerPage() -> impl IntoView {
    view! { <Editor server=None/> }
}

/// `GET /admin/servers/{id}`.
#[component]
pub fn EditServerPage() -> impl IntoView {
    let params = use_params_map();
    let id = move || params.with(|params| params.get("id").and_then(|id| id.parse::<Uuid>().ok()));
    let server = Resource::new(id, |id| server_get(id.unwrap_or_default()));
    view! { <div class="editor-host">{loaded(server, true, |server| view! { <Editor server=Some(server)/> })}</div> }
}

#[component]
fn Editor(server: Option<McpServer>) -> impl IntoView {
    let form = EditorForm::new(server);
    let saver = Saver::new(form);
    let read_only = !viewer_is_admin();
    let title = Signal::derive(move || {
        match form.saved.with(|saved| saved.as_ref().map(|s| s.display_name.clone())) {
            Some(name) => name,
            None => "New server".to_owned(),
        }
    });
    view! {
        <PageTitle text=title/>
        <form
            class="page editor"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                spawn_local(async move {
                    saver.save().await;
                });
            }
        >
            <a class="back-link" href="/admin/servers"><Icon glyph=Glyph::ArrowLeft/>"Servers"</a>
            <header class="page-head">
                <div class="editor-title">
                    {move || {
                        let name = form.display_name.get();
                        view! { <ServerTile name=if name.is_empty() { "?".to_owned() } else { name } icon_url=form.icon_url.get()/> }
                    }}
                    <div class="min-w-0">
                        <h1 dir="auto">{move || title.get()}</h1>
                        <HealthLine form/>
                    </div>
                </div>
                <div class="page-actions">
                    {move || tools_href(form).map(|href| view! { <a class="btn" href=href>"Tools"</a> })}
                    <Switch
                        label="Enabled"
                        checked=form.enabled
                        disabled=read_only
                        on_change=Callback::new(move |wanted| form.enabled.set(wanted))
                    />
                </div>
            </header>
            <noscript>
                <p class="notice tone-warn">"This page needs JavaScript (WebAssembly) to save changes; reading works without."</p>
            </noscript>
            {read_only.then(|| view! {
                <Notice tone=Tone::Info><p>"You can read this configuration. Changing it needs the admin role."</p></Notice>
            })}
            <Problems form/>
            <FormError form/>
            <ConflictNotice form saver/>
            <fieldset class="editor-body" disabled=read_only>
                <ConnectionSection form/>
                <AuthenticationSection form/>
                <BehaviourSection form/>
                <ToolsSection form/>
                <ForwardingSection form/>
                <AccessSection form/>
            </fieldset>
            <ConnectionsSection form/>
            <CheckResult form saver/>
            {move || form.saved.with(|saved| saved.as_ref().map(|server| server.id)).map(|server| view! { <WhySection server/> })}
            {(!read_only).then(|| view! { <ActionBar form saver/> })}
        </form>
    }
}

/// What is wrong with the stored configuration, such as a secret that must be entered again, or worth knowing of it.
#[component]
fn Problems(form: EditorForm) -> impl IntoView {
    move || {
        let saved = form.saved.get()?;
        let (tone, title) = if is_unusable(&saved) {
            (Tone::Warn, "This server is not used until you fix it")
        } else {
            (Tone::Info, "Worth knowing")
        };
        let problems = saved.config_problems.unwrap_or_default();
        (!problems.is_empty()).then(|| {
            let lines =
                problems.into_iter().map(|problem| view! { <li>{problem.detail}</li> }).collect_view();
            view! {
                <Notice tone title=title.to_owned()>
                    <ul class="notice-list">{lines}</ul>
                </Notice>
            }
        })
    }
}

/// A badge for the head of a section that holds refused fields.
#[component]
fn SectionErrors(form: EditorForm, fields: &'static [&'static str]) -> impl IntoView {
    move || {
        let count = form.to_fix_in(fields);
        (count > 0).then(|| {
            let text = if count == 1 { "1 to fix".to_owned() } else { format!("{count} to fix") };
            view! { <Badge tone=Tone::Danger glyph=Glyph::Warn text/> }
        })
    }
}
