//! The sections of the form.

use super::{
    SectionErrors,
    form::{ALL_FIELDS, BEHAVIOUR_FIELDS, CONNECTION_FIELDS, EditorForm, TOOLS_FIELDS, belongs_to},
    known_tools::KnownTools,
    oauth::is_of_discovery,
};
use crate::{
    components::{
        AllowDestination, Checkbox, ErrorNotice, RelativeTime, SelectField, TextArea, TextField, loaded,
    },
    pages::admin::servers::words::{
        availability_label, availability_meaning, change_policy_label, change_policy_meaning, transport_label,
    },
    server_fns::servers::egress_allow,
};
use api::servers::{Availability, ToolChangePolicy, Transport};
use domain::mcp_server::slug_from_name;
use leptos::{prelude::*, task::spawn_local};

/// What was refused and stands at no field of the form.
#[component]
pub(super) fn FormError(form: EditorForm) -> impl IntoView {
    move || {
        let mut error = form.error.get().filter(|error| !is_of_discovery(error))?;
        let refused = error.body.validations.len();
        error.body.validations.retain(|v| {
            !ALL_FIELDS.iter().any(|fields| fields.iter().any(|field| belongs_to(&v.field, field)))
        });
        // Where every refusal stands at its field, the bar counts them and nothing is said twice.
        (refused == 0 || !error.body.validations.is_empty()).then(|| view! { <ErrorNotice error/> })
    }
}

#[component]
pub(super) fn Section(
    form: EditorForm,
    title: &'static str,
    purpose: &'static str,
    fields: &'static [&'static str],
    children: Children,
) -> impl IntoView {
    view! {
        <section class="section">
            <div class="section-head">
                <h2>{title}<SectionErrors form fields/></h2>
                <p>{purpose}</p>
            </div>
            <div class="section-body stack">{children()}</div>
        </section>
    }
}

/// Names and address.
#[component]
pub(super) fn ConnectionSection(form: EditorForm) -> impl IntoView {
    let follow_name = Callback::new(move |()| {
        if !form.slug_edited.get_untracked() {
            form.slug.set(form.display_name.with_untracked(|name| slug_from_name(name)));
        }
    });
    let slug_typed = Callback::new(move |()| form.slug_edited.set(true));
    let allowed = Callback::new(move |()| spawn_local(form.url_allowed()));
    let choices = [Transport::StreamableHttp, Transport::Sse];
    let transports = Signal::stored(options(choices.map(|t| (t.as_str(), transport_label(t)))));
    let transport_meaning = move || {
        form.transport.with(|text| match Transport::parse(text) {
            Some(Transport::Sse) => {
                "Two addresses, as servers of 2024 have them. Ask the vendor for Streamable HTTP."
            }
            _ => "Which revision of MCP the server speaks is found out by asking it.",
        })
    };
    view! {
        <Section form title="Connection" purpose="What the server is called and where it answers." fields=&CONNECTION_FIELDS>
            <TextField name="display_name" label="Display name" value=form.display_name required=true on_typed=follow_name
                error=form.error_at("display_name")/>
            <TextField name="slug" label="Slug" value=form.slug required=true mono=true on_typed=slug_typed error=form.error_at("slug")
                hint="Begins the name of each tool as the model sees it. Letters, digits, dot, dash, underscore."/>
            <div class="stack-tight">
                <TextField name="url" label="URL" value=form.url required=true mono=true kind="url" placeholder="https://mcp.example.com/mcp"
                    error=form.error_at("url") hint="The MCP endpoint of the server."/>
                <AllowDestination refusal=form.error_at("url") done=allowed/>
                <Spoken form/>
                <PrivateDestinations/>
            </div>
            <div class="stack-tight">
                <SelectField name="transport" label="Transport" value=form.transport options=transports error=form.error_at("transport")/>
                <p class="field-hint" aria-live="polite">{transport_meaning}</p>
            </div>
            <TextArea name="description" label="Description" value=form.description rows=2 error=form.error_at("description")
                hint="People see it when they choose servers for a chat."/>
            <TextField name="icon_url" label="Icon path" value=form.icon_url mono=true placeholder="/icons/linear.svg" error=form.error_at("icon_url")
                hint="A path on this deployment; without one the first letter is shown."/>
        </Section>
    }
}

/// What the stored server was found to speak, and when.
#[component]
fn Spoken(form: EditorForm) -> impl IntoView {
    move || {
        let detected = form.saved.with(|saved| saved.as_ref().and_then(|server| server.detected.clone()))?;
        let how = match detected.wire.as_str() {
            "stateless" => "stateless",
            "sse" => "over HTTP+SSE",
            _ => "with a handshake",
        };
        let text = format!("Speaks MCP {} ({how}), found out ", detected.protocol_version);
        Some(
            view! { <p class="field-hint" data-testid="detected">{text}<RelativeTime at=detected.detected_at/>"."</p> },
        )
    }
}

/// What may be dialled inside the network: the operator sets it, and a refused address is easier to understand beside it.
#[component]
fn PrivateDestinations() -> impl IntoView {
    let allowed = Resource::new(|| (), |()| egress_allow());
    loaded(allowed, false, |allowed| {
        let text = if allowed.is_empty() {
            view! { "Private addresses are refused; " <code>"PATCHBAY_EGRESS_ALLOW"</code> " can name exceptions." }.into_any()
        } else {
            view! { "Private addresses are refused, except " <code>{allowed}</code> "." }.into_any()
        };
        view! { <p class="field-hint">{text}</p> }
    })
}

/// Where the server takes part, and what the model says about its calls.
#[component]
pub(super) fn BehaviourSection(form: EditorForm) -> impl IntoView {
    let choices = [Availability::DefaultOff, Availability::DefaultOn, Availability::ForceOn];
    let options = Signal::stored(options(choices.map(|a| (a.as_str(), availability_label(a)))));
    let meaning = move || form.availability.with(|text| Availability::parse(text).map(availability_meaning));
    view! {
        <Section form title="Behaviour" purpose="When chats use this server, and what people see of its calls." fields=&BEHAVIOUR_FIELDS>
            <div class="stack-tight">
                <SelectField name="availability" label="Availability" value=form.availability options error=form.error_at("availability")/>
                <p class="field-hint" aria-live="polite">{meaning}</p>
            </div>
            <Checkbox label="Model intent" checked=form.model_intent
                hint="The model writes one line on what each call is for; chats show it while the tool runs. The server never receives it. Proposed for new servers here; over REST it is off unless set."/>
            <Checkbox label="All tools in root plan mode" checked=form.allow_in_plan_mode
                hint="In plan mode a chat works out a plan and changes nothing. Only servers with this mark take part then, with every tool that the other rules admit: mark servers that look things up."/>
        </Section>
    }
}

/// Which tools are offered, and which may run twice.
#[component]
pub(super) fn ToolsSection(form: EditorForm) -> impl IntoView {
    let choices = [ToolChangePolicy::Accept, ToolChangePolicy::Notify, ToolChangePolicy::Hold];
    let policies = Signal::stored(options(choices.map(|p| (p.as_str(), change_policy_label(p)))));
    let policy_meaning =
        move || form.tool_change_policy.with(|text| ToolChangePolicy::parse(text).map(change_policy_meaning));
    view! {
        <Section form title="Tools" purpose="Which of the server's tools chats may use, and what happens when one changes. Deny wins over allow." fields=&TOOLS_FIELDS>
            <TextArea name="tool_allow_list" label="Allowed tools" value=form.allow rows=3 mono=true error=form.error_at("tool_allow_list")
                placeholder="search_*" hint="One pattern a line; * stands for any text, ? for one character. Empty allows every tool."/>
            <TextArea name="tool_deny_list" label="Denied tools" value=form.deny rows=3 mono=true error=form.error_at("tool_deny_list")
                placeholder="delete_*" hint="One pattern a line. Denied tools are neither offered nor called."/>
            <TextArea name="tool_idempotent_list" label="Idempotent tools" value=form.idempotent rows=3 mono=true error=form.error_at("tool_idempotent_list")
                placeholder="get_*" hint="Safe to run twice. After a crash Patchbay sends such a call again; any other call whose outcome is unknown is never repeated."/>
            <TextArea name="tool_approval_list" label="Tools to approve" value=form.approval rows=3 mono=true error=form.error_at("tool_approval_list")
                placeholder="create_*" hint="Each call of such a tool waits until the owner of the chat has seen its arguments and approved it. Such a call is never repeated, also when the tool is idempotent."/>
            <div class="stack-tight">
                <SelectField name="tool_change_policy" label="When a tool changes" value=form.tool_change_policy options=policies
                    error=form.error_at("tool_change_policy")/>
                <p class="field-hint" aria-live="polite">{policy_meaning}</p>
            </div>
            {move || tools_href(form).map(|href| view! {
                <p class="field-hint">
                    <a href=href>"All tools of this server"</a>
                    ": what was listed last, what changed since it was accepted, and trying one by hand."
                </p>
            })}
            <KnownTools form/>
        </Section>
    }
}

/// The page of the stored server's tools; None while it is new.
pub(super) fn tools_href(form: EditorForm) -> Option<String> {
    form.saved.with(|saved| saved.as_ref().map(|server| format!("/admin/servers/{}/tools", server.id)))
}

pub(super) fn options<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec()
}
