//! One chat: title, transcript, composer, kept live.

use super::{
    agents::{SubagentFoot, SubagentOf},
    blocks::Blocks,
    composer::{Composer, Draft},
    notices::{ErrorCard, RetryLine},
    picker::Selection,
    plan::{PlanBadge, switch_plan},
    queue::Queue,
    rename::RenameField,
    scroll::Follow,
    shared::{OpenChat, list_changed, take_fresh},
    stream::{Link, follow},
    title_menu::TitleMenu,
    transcript::Transcript,
    workspace::WorkspaceChoice,
};
use crate::{
    browser,
    components::{Glyph, Icon, PageTitle, loaded::loaded},
    error::{UiError, UiErrorKind},
    pages::not_found::NotFoundPage,
    server_fns::chats::{
        ChatOpened, chat_interrupt, chat_open, chat_update, message_edit, message_page, message_send,
    },
};
use api::{
    Uuid,
    chats::{ChatStatus, ChatUpdate, InputPart, MessageCreate, MessageEdit},
};
use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::hooks::use_params_map;
use std::time::Duration;

/// How often running calls count on.
const TICK: Duration = Duration::from_millis(100);

/// Page `/chats/:id`.
#[component]
pub fn ChatPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").and_then(|id| id.parse::<Uuid>().ok()));
    let opened = Resource::new(
        move || id.get(),
        |id| async move {
            let Some(id) = id else { return Ok(None) };
            if let Some(fresh) = take_fresh(id) {
                return Ok(Some(fresh));
            }
            match chat_open(id).await {
                // Deleted, somebody else's, or never there: told apart for nobody.
                Err(error) if error.kind == UiErrorKind::NotFound => Ok(None),
                answer => answer.map(Some),
            }
        },
    );
    let chat = loaded(opened, true, |opened| match opened {
        Some(opened) => view! { <Chat opened /> }.into_any(),
        None => view! { <NotFoundPage /> }.into_any(),
    });
    view! { <div class="chat-frame">{chat}</div> }
}

#[component]
fn Chat(opened: ChatOpened) -> impl IntoView {
    let ChatOpened { chat: record, parent, page, options } = opened;
    let (subagent, mode) = (record.parent_chat_id.is_some(), record.mode);
    let id = record.id;
    let draft = Draft::new(
        Selection::for_chat(id, &options.servers, &record.mcp_server_ids),
        WorkspaceChoice::new(Some(id), record.workspace_id),
    );
    let last_model = record.last_model_config_id;
    let planning = draft.servers.planning();
    planning.set(record.plan_mode.is_plan());
    let chat = OpenChat::new(
        Transcript::new(&record, page.messages, page.has_more)
            .with_queue(page.queued_messages)
            .with_actions(page.actions),
        draft.servers,
        draft.model,
    );
    let chat = OpenChat { subagent, ..chat };
    let transcript = chat.transcript;
    let archived = Memo::new(move |_| transcript.with(Transcript::archived));
    let closed = Memo::new(move |_| subagent || archived.get());
    let status = Memo::new(move |_| transcript.with(Transcript::status));
    let title = Memo::new(move |_| transcript.with(|transcript| transcript.title().to_owned()));
    let plan = Memo::new(move |_| transcript.with(|transcript| transcript.plan_mode().is_plan()));
    // Another tab, or a message that waited, may have switched it.
    Effect::new(move |_| planning.set(plan.get()));
    let on_plan = switch_plan(id, chat, draft.error);
    let busy = Signal::derive(move || status.get().is_busy());
    let stopping = Signal::derive(move || status.get() == ChatStatus::Interrupting);
    Effect::new(move |was: Option<bool>| {
        let now = archived.get();
        if was.is_some_and(|was| was != now) {
            list_changed();
        }
        now
    });
    let asked_above = Signal::derive(move || {
        chat.asking.with(|asking| asking.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    });
    let link = follow(id, chat);
    let view = Follow::new(move || transcript.track());
    tick_while_calls_run(chat);
    // This page asked the running turn to stop.
    let stop_asked = StoredValue::new(false);
    tell_the_list(status, title, chat, stop_asked);
    Effect::new(move |was: Option<bool>| {
        let now = busy.get();
        if was == Some(true) && !now {
            draft.servers.refresh();
        }
        now
    });

    let send = Callback::new(move |()| {
        let Some(content) = draft.message() else { return };
        let files: Vec<Uuid> = content
            .iter()
            .filter_map(|part| match part {
                InputPart::File { file_id } => Some(*file_id),
                InputPart::Text { .. } => None,
            })
            .collect();
        draft.sending.set(true);
        draft.error.set(None);
        spawn_local(async move {
            let create = MessageCreate {
                content,
                model_config_id: draft.model.get_untracked(),
                mcp_server_ids: draft.servers.outgoing(),
                plan_mode: Some(draft.servers.plan_mode()),
                ..MessageCreate::default()
            };
            match message_send(id, create).await {
                Ok(sent) => {
                    draft.servers.hear_required(&sent.auth_required);
                    // What waits comes by the stream, which knows whether it still does.
                    if let Some(message) = sent.message {
                        transcript.try_update(|transcript| transcript.sent(message, sent.status));
                    }
                    draft.text.try_set(String::new());
                    draft.files.sent(&files);
                    view.resume();
                }
                Err(refused) => {
                    draft.error.try_set(Some(refused));
                }
            }
            draft.sending.try_set(false);
        });
    });
    let stop = Callback::new(move |()| {
        if !busy.get_untracked() || stopping.get_untracked() {
            return;
        }
        stop_asked.set_value(true);
        spawn_local(async move {
            match chat_interrupt(id).await {
                // A turn that ended meanwhile has told so on the stream already.
                Ok(record) if record.status == ChatStatus::Interrupting => {
                    transcript.try_maybe_update(|transcript| {
                        // With messages waiting it may be the next turn's by now; the stream knows.
                        let runs =
                            transcript.status() == ChatStatus::Running && transcript.queue().is_empty();
                        if runs {
                            transcript.set_status(record.status);
                        }
                        (runs, ())
                    });
                }
                Ok(_) => {}
                Err(refused) => {
                    draft.error.try_set(Some(refused));
                }
            }
        });
    });
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.key() == "Escape" && !event.default_prevented() {
                stop.run(());
            }
        });
        on_cleanup(move || handle.remove());
    });

    view! {
        <PageTitle text=Signal::derive(move || title.get()) />
        <article class="chat" data-status=move || status.get().as_str()>
            <ChatHead id title plan transcript busy archived subagent />
            <div class="chat-column">
                {parent.map(|parent| view! { <SubagentOf mode parent /> })}
                <Earlier id transcript />
                <Blocks chat />
                <TurnState id chat draft follow=view />
            </div>
            <div class="chat-foot">
                <Show when=move || view.missed.get()>
                    <button type="button" class="chat-pill" on:click=move |_| view.resume()>
                        <Icon glyph=Glyph::ChevronDown />
                        "New messages"
                    </button>
                </Show>
                <LinkNotice link />
                <Queue id chat archived />
                <Show when=move || archived.get() && !subagent>
                    <Archived id transcript />
                </Show>
                {subagent.then(|| view! { <SubagentFoot busy stopping on_stop=stop /> })}
                // The composer says it itself, where it is shown.
                {move || closed.get().then(|| view! { <Refused error=draft.error /> })}
                <div hidden=move || closed.get()>
                    <Composer draft options last_model asked_above busy stopping on_plan on_send=send on_stop=stop />
                </div>
            </div>
            <p class="sr-only" role="status" aria-live="polite">{move || chat.announcement.get()}</p>
        </article>
    }
}

/// Title bar; the title turns into a field.
#[component]
fn ChatHead(
    id: Uuid,
    title: Memo<String>,
    plan: Memo<bool>,
    transcript: RwSignal<Transcript>,
    busy: Signal<bool>,
    archived: Memo<bool>,
    subagent: bool,
) -> impl IntoView {
    let editing = RwSignal::new(false);
    let saved = Callback::new(move |title: String| {
        transcript.try_update(|transcript| transcript.set_title(title));
        list_changed();
    });
    view! {
        <header class="chat-head">
            <Show
                when=move || editing.get()
                fallback=move || {
                    view! {
                        <h1 class="chat-title" dir="auto">{move || title.get()}</h1>
                        <button
                            type="button"
                            class="btn btn-quiet btn-icon"
                            aria-label="Rename chat"
                            title="Rename chat"
                            on:click=move |_| editing.set(true)
                        >
                            <Icon glyph=Glyph::Pencil />
                        </button>
                        {move || plan.get().then(|| view! { <PlanBadge /> })}
                        <TitleMenu id title transcript busy archived subagent />
                    }
                }
            >
                <RenameField id title=title.get_untracked() editing on_saved=saved />
            </Show>
        </header>
    }
}

/// What was refused, in a chat without a composer.
#[component]
fn Refused(error: RwSignal<Option<UiError>>) -> impl IntoView {
    view! {
        <p class="chat-field-error" role="alert">
            {move || error.get().map(|error| error.field("content").unwrap_or_else(|| error.to_string()))}
        </p>
    }
}

/// In place of the composer of a chat that was put away.
#[component]
fn Archived(id: Uuid, transcript: RwSignal<Transcript>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let restore = move |_| {
        busy.set(true);
        spawn_local(async move {
            let update = ChatUpdate { archived: Some(false), ..ChatUpdate::default() };
            match chat_update(id, update).await {
                Ok(record) => {
                    transcript.try_update(|transcript| transcript.set_archived(record.archived));
                    list_changed();
                }
                Err(error) => {
                    refused.try_set(Some(error));
                }
            }
            busy.try_set(false);
        });
    };
    view! {
        <div class="chat-archived" data-testid="archived">
            <p>"This chat is archived. Restore it to go on."</p>
            <button type="button" class="btn btn-small" disabled=move || busy.get() on:click=restore>
                "Restore"
            </button>
            <p class="chat-field-error" role="alert">{move || refused.get().map(|error| error.to_string())}</p>
        </div>
    }
}

/// The way to older pages.
#[component]
fn Earlier(id: Uuid, transcript: RwSignal<Transcript>) -> impl IntoView {
    let loading = RwSignal::new(false);
    let failed = RwSignal::new(None::<UiError>);
    let has_more = Memo::new(move |_| transcript.with(Transcript::has_more));
    let load = move |_| {
        let Some(first) = transcript.with_untracked(Transcript::first_id) else { return };
        loading.set(true);
        spawn_local(async move {
            match message_page(id, first).await {
                Ok(page) => {
                    failed.try_set(None);
                    transcript.try_update(|transcript| transcript.prepend(page.messages, page.has_more));
                }
                Err(error) => {
                    failed.try_set(Some(error));
                }
            }
            loading.try_set(false);
        });
    };
    move || {
        has_more.get().then(|| {
            view! {
                <div class="chat-earlier">
                    <button type="button" class="btn btn-small" disabled=move || loading.get() on:click=load>
                        "Show earlier messages"
                    </button>
                    <p class="chat-field-error" role="alert">{move || failed.get().map(|error| error.to_string())}</p>
                </div>
            }
        })
    }
}

/// Below the last words: that the model is at work, that it is asked again, or why the turn failed.
#[component]
fn TurnState(id: Uuid, chat: OpenChat, draft: Draft, follow: Follow) -> impl IntoView {
    let transcript = chat.transcript;
    let retry = Memo::new(move |_| transcript.with(|transcript| transcript.retry().cloned()));
    let error = Memo::new(move |_| transcript.with(|transcript| transcript.turn_error().cloned()));
    let waits = Memo::new(move |_| {
        !chat.runs_calls()
            && transcript.with(|transcript| {
                transcript.status() == ChatStatus::Running
                    && transcript.is_quiet()
                    && transcript.retry().is_none()
            })
    });
    let no_place = Memo::new(move |_| transcript.with(Transcript::waits_for_place));
    let retrying = RwSignal::new(false);
    let run_again = Callback::new(move |()| {
        let Some(message_id) = transcript.with_untracked(Transcript::last_user_message_id) else { return };
        retrying.set(true);
        spawn_local(async move {
            let edit = MessageEdit {
                content: None,
                model_config_id: draft.model.get_untracked(),
                mcp_server_ids: if chat.subagent { None } else { draft.servers.outgoing() },
                plan_mode: (!chat.subagent).then(|| draft.servers.plan_mode()),
            };
            match message_edit(id, message_id, edit).await {
                Ok(sent) => {
                    draft.servers.hear_required(&sent.auth_required);
                    if let Some(message) = sent.message {
                        transcript
                            .try_update(|transcript| transcript.rerun(message_id, message, sent.status));
                    }
                    follow.resume();
                }
                Err(refused) => {
                    draft.error.try_set(Some(refused));
                }
            }
            retrying.try_set(false);
        });
    });
    view! {
        <div class="chat-state">
            {move || {
                waits
                    .get()
                    .then(|| {
                        view! {
                            <p class="chat-waits" data-testid="working">
                                <Icon glyph=Glyph::Spinner class="spin" />
                                {move || {
                                    if no_place.get() {
                                        "Waiting for a free place: as many chats as may work at once do"
                                    } else {
                                        "Working"
                                    }
                                }}
                            </p>
                        }
                    })
            }}
            {move || retry.get().map(|notice| view! { <RetryLine notice /> })}
            {move || error.get().map(|error| view! { <ErrorCard error retrying on_retry=run_again /> })}
        </div>
    }
}

/// Says when what is shown may be behind.
#[component]
fn LinkNotice(link: RwSignal<Link>) -> impl IntoView {
    move || match link.get() {
        Link::Connecting | Link::Open => None,
        Link::Lost => Some(
            view! {
                <p class="chat-link-notice" role="status">
                    <Icon glyph=Glyph::Spinner class="spin" />
                    "Connection lost; reconnecting. The turn goes on without this page."
                </p>
            }
            .into_any(),
        ),
        Link::Gone(error) => Some(
            view! { <p class="chat-card chat-card-danger" role="alert">{error.to_string()}</p> }.into_any(),
        ),
    }
}

/// Counts the time of running calls; still while nothing runs.
fn tick_while_calls_run(chat: OpenChat) {
    let runs = Memo::new(move |_| chat.runs_calls());
    Effect::new(move |_| {
        if !runs.get() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double")]
        let tick = move || {
            chat.now_ms.try_set(Some(browser::now_millis() as f64));
        };
        tick();
        if let Ok(handle) = set_interval_with_handle(tick, TICK) {
            on_cleanup(move || handle.clear());
        }
    });
}

/// Keeps the sidebar in step, and tells a screen reader that the turn is over.
fn tell_the_list(
    status: Memo<ChatStatus>,
    title: Memo<String>,
    chat: OpenChat,
    stop_asked: StoredValue<bool>,
) {
    Effect::new(move |last: Option<(ChatStatus, String)>| {
        let now = (status.get(), title.get());
        if let Some(last) = last.filter(|last| *last != now) {
            list_changed();
            if last.0.is_busy() && !now.0.is_busy() {
                let stopped = stop_asked.get_value()
                    || last.0 == ChatStatus::Interrupting
                    || chat.transcript.with_untracked(Transcript::ends_stopped);
                chat.announcement.set(ending_words(now.0, stopped).to_owned());
            }
            // A stopped turn may be followed by the next at once.
            if now.0.is_busy() != last.0.is_busy()
                || (last.0 == ChatStatus::Interrupting && now.0 == ChatStatus::Running)
            {
                stop_asked.set_value(false);
            }
        }
        now
    });
}

/// How a turn ended, for those who hear the page.
fn ending_words(status: ChatStatus, stopped: bool) -> &'static str {
    match (status, stopped) {
        (ChatStatus::Error, _) => "The turn failed",
        (_, true) => "The answer was stopped",
        (_, false) => "The answer is complete",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_answer_is_not_called_complete() {
        assert_eq!(ending_words(ChatStatus::Waiting, false), "The answer is complete");
        assert_eq!(ending_words(ChatStatus::Waiting, true), "The answer was stopped");
        assert_eq!(ending_words(ChatStatus::Error, true), "The turn failed");
    }
}
