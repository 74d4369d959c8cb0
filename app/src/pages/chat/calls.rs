//! The tool-status view, the heart of the product (ui.md, "A tool call"): what a call is for, while it streams, runs and after.

use super::{
    actions::CallActions,
    agents::AgentLink,
    asks::CallAsks,
    details::CallDetails,
    icons::{Shortened, StateMark},
    shared::OpenChat,
    transcript::{
        Transcript,
        blocks::Frame,
        call::{CallState, CallView, duration_text},
    },
};
use crate::{
    browser,
    components::{ServerTile, escape_part},
};
use leptos::prelude::*;

/// Elapsed time is shown from here on, in milliseconds: quick calls would only flicker.
const ELAPSED_FROM_MS: i64 = 1_000;

/// Calls of one frame. Once their turn is over, several fold to one line; native `details`, so it opens without wasm too.
#[component]
pub(super) fn CallFrame(#[prop(into)] frame: Signal<Option<Frame>>, chat: OpenChat) -> impl IntoView {
    let frame = Memo::new(move |_| frame.get());
    let read =
        move |ask: fn(&Frame) -> String| frame.with(|frame| frame.as_ref().map(ask).unwrap_or_default());
    let folds = Memo::new(move |_| frame.with(|frame| frame.as_ref().is_some_and(Frame::folds)));
    let several =
        Memo::new(move |_| frame.with(|frame| frame.as_ref().is_some_and(|frame| frame.calls.len() > 1)));
    let mark = Memo::new(move |_| match frame.with(|frame| frame.as_ref().map_or(0, Frame::failed)) {
        0 => CallState::Done,
        _ => CallState::ToolError,
    });
    let ordinals = Memo::new(move |_| {
        frame.with(|frame| {
            frame.iter().flat_map(|frame| frame.calls.iter().map(|call| call.ordinal)).collect::<Vec<_>>()
        })
    });
    let class = move || match (several.get(), folds.get()) {
        (_, true) => "calls calls-several calls-folding",
        (true, false) => "calls calls-several",
        (false, false) => "calls",
    };
    view! {
        <details class=class data-testid="tool-calls" open=move || !folds.get()>
            <summary class="calls-summary" data-state=move || mark.get().as_str()>
                <StateMark state=mark />
                <span class="calls-summary-text">
                    {move || read(Frame::summary)} <span class="calls-summary-servers" dir="auto">" · " {move || read(Frame::servers)}</span>
                </span>
            </summary>
            <div class="calls-list">
                <For
                    each=move || ordinals.get()
                    key=|ordinal| *ordinal
                    children=move |ordinal| {
                        let call = Memo::new(move |last: Option<&Option<CallView>>| {
                            frame
                                .with(|frame| frame.as_ref()?.calls.iter().find(|call| call.ordinal == ordinal).cloned())
                                .or_else(|| last.cloned().flatten())
                        });
                        view! { <Call call chat /> }
                    }
                />
            </div>
        </details>
    }
}

/// One call: the line, the second line, the details.
#[component]
fn Call(call: Memo<Option<CallView>>, chat: OpenChat) -> impl IntoView {
    let state =
        Memo::new(move |_| call.with(|call| call.as_ref().map_or(CallState::Unknown, |call| call.state)));
    let read =
        move |ask: fn(&CallView) -> String| call.with(|call| call.as_ref().map(ask).unwrap_or_default());
    let label = Memo::new(move |_| read(|call| call.label.to_string()));
    let server = Memo::new(move |_| (read(CallView::server_name), read(CallView::icon_url)));
    let remark = Memo::new(move |_| read(CallView::remark));
    let advice = Memo::new(move |_| call.with(|call| call.as_ref().and_then(CallView::advice)));
    let shortened =
        Memo::new(move |_| call.with(|call| call.as_ref().is_some_and(|call| call.shortened().is_some())));
    let download = Memo::new(move |_| {
        let id = shortened.get().then(|| read(|call| call.call.tool_call_id.clone()))?;
        let chat_id = chat.transcript.with_untracked(Transcript::chat_id);
        Some(format!("/api/experimental/chats/{chat_id}/tool-results/{}", escape_part(&id)))
    });
    let elapsed = elapsed_text(call, state, chat);
    announce(label, state, chat);
    // The details depend on the call and its result alone, not on progress or time.
    let detailed = Memo::new(move |_| call.get().map(|call| CallView { progress: None, ..call }));
    view! {
        <div class="call" data-testid="tool-call" data-state=move || state.get().as_str()>
            <div class="call-line">
                <StateMark state />
                <span class="call-label" data-testid="tool-label" dir="auto">{move || label.get()}</span>
                <span class="sr-only">{move || state.get().word()}</span>
                <span class="call-time" data-testid="tool-time">{move || elapsed.get()}</span>
            </div>
            <div class="call-second">
                <span class="call-server">
                    {move || {
                        let (name, icon_url) = server.get();
                        view! {
                            <ServerTile name=name.clone() icon_url />
                            <bdi data-testid="tool-server">{name}</bdi>
                        }
                    }}
                </span>
                <span class="call-remark" data-testid="tool-remark" dir="auto">
                    {move || shortened.get().then(|| view! { <Shortened /> })}
                    {move || remark.get()}
                    {move || download.get().map(|href| view! { " " <a class="chat-link" href=href download="" rel="external">"Download all"</a> })}
                    <AgentLink call />
                    {move || advice.get().map(|advice| view! { " " <strong class="call-advice">{advice}</strong> })}
                </span>
                <Progress call />
            </div>
            <CallAsks call chat />
            <CallActions call chat />
            <details class="call-details">
                <summary>
                    "Details" <span class="sr-only">" of " {move || label.get()}</span>
                </summary>
                {move || detailed.get().map(|view| view! { <CallDetails view /> })}
            </details>
        </div>
    }
}

/// A bar, only when the server tells how far it is.
#[component]
fn Progress(call: Memo<Option<CallView>>) -> impl IntoView {
    let fraction = Memo::new(move |_| call.with(|call| call.as_ref()?.progress.as_ref()?.fraction));
    let told = Memo::new(move |_| fraction.get().is_some());
    move || {
        told.get().then(|| {
            view! {
                <progress class="call-progress" max="1" aria-label="Progress" prop:value=move || fraction.get().unwrap_or(0.0)></progress>
            }
        })
    }
}

/// Running: the time since the call began, from one second on. Finished: how long it took.
fn elapsed_text(call: Memo<Option<CallView>>, state: Memo<CallState>, chat: OpenChat) -> Memo<String> {
    // A call watched from its start is timed by this browser's clock alone; the server's may go wrong by minutes.
    let started_here = StoredValue::new(None::<f64>);
    Effect::new(move |last: Option<CallState>| {
        let now = state.get();
        if now == CallState::Running && last == Some(CallState::Streaming) {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double")]
            started_here.set_value(Some(browser::now_millis() as f64));
        }
        now
    });
    Memo::new(move |_| {
        if state.get() != CallState::Running {
            let took = call.with(|call| call.as_ref().and_then(CallView::duration_ms));
            return took.map(duration_text).unwrap_or_default();
        }
        let Some(now) = chat.now_ms.get() else { return String::new() };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double")]
        let began = started_here.get_value().or_else(|| {
            call.with_untracked(|call| {
                call.as_ref().and_then(CallView::started_at).map(|at| at.as_millis() as f64)
            })
        });
        #[expect(clippy::cast_possible_truncation, reason = "a duration in milliseconds")]
        let elapsed = began.map_or(0, |began| (now - began) as i64);
        if elapsed < ELAPSED_FROM_MS { String::new() } else { duration_text(elapsed) }
    })
}

/// Tells a screen reader when a call begins and how it ends; not each piece of its label.
fn announce(label: Memo<String>, state: Memo<CallState>, chat: OpenChat) {
    Effect::new(move |last: Option<CallState>| {
        let now = state.get();
        if last.is_some_and(|last| last != now) {
            chat.announcement.set(format!("{}: {}", label.get_untracked(), now.word()));
        }
        now
    });
}
