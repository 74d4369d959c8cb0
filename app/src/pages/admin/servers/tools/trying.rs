//! One call by hand: the arguments, the time that it takes, and what came of it. Nothing of it is kept here.

use super::{inputs::Inputs, trial::Draft};
use crate::{
    browser,
    components::{Badge, ErrorNotice, Glyph, Icon, Notice, Switch, Tone},
    error::{UiError, UiErrorKind},
    pages::chat::{
        ResultParts,
        transcript::call::{CallState, duration_text},
    },
    server_fns::tools::tool_call,
};
use api::{
    Uuid,
    tools::{ServerTool, ToolState, ToolTried, ToolTry},
};
use leptos::prelude::*;
use std::time::Duration;

/// How often the elapsed time is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Where the call stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    Idle,
    Running,
    /// After so many milliseconds.
    Cancelled(i64),
    Over(ToolTried),
    /// It was sent to Patchbay, and nothing was heard of it.
    Lost,
    /// What was refused and has no field.
    Refused(UiError),
}

/// One dialog's call. Copy it into handlers and views.
#[derive(Clone, Copy)]
struct Run {
    draft: Draft,
    hash: StoredValue<String>,
    call: Action<ToolTry, Result<ToolTried, UiError>>,
    /// Takes the request back, and with it the call: the server follows the connection.
    abort: StoredValue<Option<ActionAbortHandle>>,
    began: StoredValue<i64>,
    elapsed: RwSignal<i64>,
    stage: RwSignal<Stage>,
}

impl Run {
    fn new(server: Uuid, tool: &ServerTool) -> Self {
        let name = tool.name.clone();
        Self {
            draft: Draft::new(&tool.input_schema),
            hash: StoredValue::new(tool.definition_hash.clone()),
            call: Action::new(move |call: &ToolTry| tool_call(server, name.clone(), call.clone())),
            abort: StoredValue::new(None),
            began: StoredValue::new(0),
            elapsed: RwSignal::new(0),
            stage: RwSignal::new(Stage::Idle),
        }
    }

    fn is_running(self) -> bool {
        self.stage.with(|stage| *stage == Stage::Running)
    }

    fn start(self) {
        if untrack(|| self.is_running()) {
            return;
        }
        let Some(arguments) = self.draft.arguments() else {
            self.stage.set(Stage::Idle);
            browser::focus_soon(".try [aria-invalid=true]");
            return;
        };
        self.began.set_value(browser::now_millis());
        self.elapsed.set(0);
        self.stage.set(Stage::Running);
        let call = ToolTry { arguments, definition_hash: Some(self.hash.get_value()) };
        self.abort.set_value(Some(self.call.dispatch(call)));
    }

    /// Also when the dialog goes: a call that nobody waits for is not left running.
    fn cancel(self) {
        let running = self.abort.try_update_value(Option::take).flatten();
        if let Some(running) = running {
            running.abort();
        }
        if self.stage.try_with_untracked(|stage| *stage == Stage::Running) == Some(true) {
            let elapsed = self.elapsed.try_get_untracked().unwrap_or_default();
            self.stage.try_set(Stage::Cancelled(elapsed));
        }
    }

    fn answered(self, answer: Result<ToolTried, UiError>) {
        self.abort.set_value(None);
        match answer {
            Ok(tried) => self.stage.set(Stage::Over(tried)),
            Err(error) if matches!(error.kind, UiErrorKind::Unavailable | UiErrorKind::Internal) => {
                self.stage.set(Stage::Lost);
            }
            Err(error) => match self.draft.refuse(error) {
                Some(error) => self.stage.set(Stage::Refused(error)),
                None => {
                    self.stage.set(Stage::Idle);
                    browser::focus_soon(".try [aria-invalid=true]");
                }
            },
        }
    }
}

/// The inside of the dialog.
#[component]
pub(super) fn TryTool(
    server: Uuid,
    tool: ServerTool,
    /// The tool turned out to be another by now.
    #[prop(optional)]
    on_changed: Option<Callback<()>>,
) -> impl IntoView {
    let run = Run::new(server, &tool);
    let draft = run.draft;
    on_cleanup(move || run.cancel());
    Effect::new(move || {
        if let Some(answer) = run.call.value().get() {
            if answer.as_ref().is_err_and(|error| error.kind == UiErrorKind::Conflict)
                && let Some(on_changed) = on_changed
            {
                on_changed.run(());
            }
            untrack(|| run.answered(answer));
        }
    });
    tick_while_running(run);
    let running = Memo::new(move |_| run.is_running());
    let switch = Callback::new(move |to_json| draft.switch(to_json));
    view! {
        <form
            class="try"
            novalidate
            data-testid="try"
            on:submit=move |event| {
                event.prevent_default();
                run.start();
            }
        >
            <div class="modal-body stack">
                <p class="field-hint">"Calls the server for real, with your own connection. It leaves an entry in the audit log."</p>
                {withheld(&tool).map(|text| view! { <p class="note-warn"><Icon glyph=Glyph::Warn/>{text}</p> })}
                <fieldset class="field" disabled=move || running.get()>
                    <legend class="sr-only">"Arguments"</legend>
                    <div class="stack">
                        <Switch label="As JSON" checked=draft.as_json disabled=running on_change=switch/>
                        <Inputs draft/>
                    </div>
                </fieldset>
                <div class="try-outcome" aria-live="polite" data-testid="try-outcome">
                    {move || stage_view(run.stage.get())}
                </div>
            </div>
            <div class="modal-foot">
                <Show when=move || running.get()>
                    <span class="try-time" data-testid="try-time">{move || duration_text(run.elapsed.get())}</span>
                    <button type="button" class="btn" on:click=move |_| run.cancel()><Icon glyph=Glyph::Stop/>"Cancel"</button>
                </Show>
                <button type="submit" class="btn btn-primary" disabled=move || running.get() aria-busy=move || running.get().to_string()>
                    {move || running.get().then(|| view! { <Icon glyph=Glyph::Spinner class="spin"/> })}
                    "Run tool"
                </button>
            </div>
        </form>
    }
}

/// That chats do not get what is tried here.
fn withheld(tool: &ServerTool) -> Option<&'static str> {
    match (tool.allowed, tool.state) {
        (false, _) => Some("Chats do not get this tool: the server's lists leave it out."),
        (true, ToolState::Held) => Some("Chats do not get this tool until somebody accepts it."),
        _ => None,
    }
}

fn tick_while_running(run: Run) {
    Effect::new(move || {
        if !run.is_running() {
            return;
        }
        let tick = move || {
            run.elapsed.try_set(browser::now_millis() - run.began.try_get_value().unwrap_or_default());
        };
        if let Ok(handle) = set_interval_with_handle(tick, TICK) {
            on_cleanup(move || handle.clear());
        }
    });
}

pub(super) fn stage_view(stage: Stage) -> AnyView {
    match stage {
        Stage::Idle => ().into_any(),
        // The time stands beside the button: it would be read aloud ten times a second here.
        Stage::Running => view! { <p class="field-hint">"Running"</p> }.into_any(),
        Stage::Cancelled(after) => {
            let text = format!(
                "Cancelled after {}. The call was taken back; what the server had done by then stays done.",
                duration_text(after)
            );
            view! { <Notice tone=Tone::Info><p>{text}</p></Notice> }.into_any()
        }
        Stage::Lost => view! {
            <Notice tone=Tone::Warn title="No answer came back".to_owned()>
                <p>"The call may or may not have happened. Check on the server and in the audit log before you run it again."</p>
            </Notice>
        }
        .into_any(),
        Stage::Refused(error) => view! { <ErrorNotice error/> }.into_any(),
        Stage::Over(tried) => view! { <Outcome tried/> }.into_any(),
    }
}

#[component]
fn Outcome(tried: ToolTried) -> impl IntoView {
    let state = CallState::ended(tried.outcome, tried.is_error);
    let (tone, glyph) = match state {
        CallState::Done => (Tone::Ok, Glyph::Check),
        CallState::ToolError => (Tone::Warn, Glyph::Warn),
        CallState::Unknown => (Tone::Danger, Glyph::Question),
        CallState::Cancelled => (Tone::Neutral, Glyph::Stop),
        _ => (Tone::Danger, Glyph::Cross),
    };
    let unknown = state == CallState::Unknown;
    view! {
        <div class="stack-tight">
            <p class="try-end">
                <Badge tone glyph text=state.word()/>
                <span class="text-fg-muted">{duration_text(tried.duration_ms)}</span>
            </p>
            {unknown.then(|| view! {
                <p class="note-danger">"No answer came: it may or may not have happened. Check at the server before you try again."</p>
            })}
            <ResultParts parts=tried.result revealed=true/>
        </div>
    }
}
