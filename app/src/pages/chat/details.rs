//! Behind "Details": the true tool name, the arguments, the result, the times.

use super::transcript::call::{CallView, bytes_text, duration_text};
use crate::components::CopyButton;
use api::{
    Timestamp,
    messages::{ResultContent, ToolCallPart},
};
use domain::text::reveal;
use leptos::prelude::*;
use serde_json::Value;

/// Characters of one text shown at once; the rest comes on request, so that a result of megabytes does not stall the page.
const SHOWN_CHARS: usize = 20_000;

/// Image types a browser draws without running anything. SVG is left out: it is a document.
const INLINE_IMAGES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/// Audio types browsers play by themselves.
const INLINE_AUDIO: [&str; 7] =
    ["audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/webm", "audio/mp4", "audio/flac"];

/// The unfolded part of a call.
#[component]
pub(super) fn CallDetails(view: CallView) -> impl IntoView {
    let call = view.call.clone();
    let exposed = (call.tool_name != view.true_name()).then(|| call.tool_name.clone());
    let intent = intent_of(&call);
    let arguments = call.args.as_ref().map(|args| pretty(&without_intent(&call, args)));
    let whole = call.args.as_ref().map(pretty);
    view! {
        <dl class="chat-details">
            <dt>"Tool"</dt>
            <dd>
                <code class="chat-code">{view.true_name()}</code>
                {exposed.map(|name| view! { <span class="chat-faint">" shown to the model as " <code class="chat-code">{name}</code></span> })}
            </dd>
            {intent
                .map(|intent| {
                    view! {
                        <dt>"Intent"</dt>
                        <dd>
                            <span dir="auto">{intent}</span>
                            <span class="chat-faint">" model_intent, not sent to the server"</span>
                        </dd>
                    }
                })}
            <dt>"Arguments"</dt>
            <dd>
                {match arguments {
                    Some(text) => {
                        view! { <LongText text code=true copy=whole.unwrap_or_default() label="Arguments" /> }.into_any()
                    }
                    None => view! { <span class="chat-faint">"Still being written"</span> }.into_any(),
                }}
            </dd>
            {view
                .result
                .as_ref()
                .map(|result| {
                    view! {
                        <dt>"Result"</dt>
                        <dd><ResultParts parts=result.result.clone() /></dd>
                    }
                })}
            <dt>"Times"</dt>
            <dd class="chat-faint">
                {view.started_at().map(|at| view! { "Called " <Instant at /> })}
                {view.result.as_ref().map(|result| view! { ", answered " <Instant at=result.created_at /> })}
                {view.duration_ms().map(|ms| format!(", {}", duration_text(ms)))}
            </dd>
        </dl>
    }
}

/// Exact and the same on both halves: UTC, as stored.
#[component]
fn Instant(at: Timestamp) -> impl IntoView {
    let text = at.to_string();
    let clock = text.get(11..19).unwrap_or_default().to_owned();
    view! { <time datetime=text.clone() title=text>{clock} " UTC"</time> }
}

/// The parts of a tool's result, in the order the server sent them.
#[component]
pub(crate) fn ResultParts(
    parts: Vec<ResultContent>,
    /// For those who judge a tool: everything that cannot be seen is written out. What is copied stays as it came.
    #[prop(optional)]
    revealed: bool,
) -> impl IntoView {
    let empty = parts.is_empty().then(|| view! { <span class="chat-faint">"Empty"</span> });
    let parts = parts.into_iter().map(|content| view! { <ResultView content revealed /> }).collect_view();
    view! {
        <div class="chat-results" data-testid="tool-result">{parts} {empty}</div>
    }
}

#[component]
fn ResultView(content: ResultContent, revealed: bool) -> impl IntoView {
    let shown = move |text: &str| if revealed { reveal(text).into_owned() } else { text.to_owned() };
    match content {
        ResultContent::Text { text } => view! { <LongText text=shown(&text) copy=text label="Result" /> }.into_any(),
        ResultContent::Structured { value } => {
            let text = pretty(&value);
            view! { <LongText text=shown(&text) code=true copy=text label="Result" /> }.into_any()
        }
        ResultContent::Image { mime_type, data } => match inline(&INLINE_IMAGES, &mime_type, &data) {
            Some(src) => view! { <img class="chat-result-image" src=src alt="Image returned by the tool" /> }.into_any(),
            None => view! { <Download kind="Image" mime_type data /> }.into_any(),
        },
        ResultContent::Audio { mime_type, data } => match inline(&INLINE_AUDIO, &mime_type, &data) {
            Some(src) => view! { <audio class="chat-result-audio" controls=true preload="none" src=src></audio> }.into_any(),
            None => view! { <Download kind="Audio" mime_type data /> }.into_any(),
        },
        ResultContent::Resource { uri, mime_type, text, blob } => {
            let mime_type = mime_type.unwrap_or_default();
            view! {
                <div class="chat-result-resource">
                    <p class="chat-faint" dir="auto">"Resource " <code class="chat-code">{shown(&uri)}</code></p>
                    {text.map(|text| view! { <LongText text=shown(&text) copy=text label="Result" /> })}
                    {blob.map(|data| view! { <Download kind="File" mime_type data /> })}
                </div>
            }
            .into_any()
        }
        // Text, not a link: nothing a server names is loaded, not even by a stray click.
        ResultContent::ResourceLink { uri, name, description } => view! {
            <div class="chat-result-resource">
                <p dir="auto">{shown(&name)}</p>
                <p class="chat-faint" dir="auto">{shown(&description)}</p>
                <code class="chat-code">{shown(&uri)}</code>
            </div>
        }
        .into_any(),
        ResultContent::Unknown { kind } => {
            view! { <p class="chat-faint">"A part of kind " <code class="chat-code">{shown(&kind)}</code> " that this version cannot show"</p> }
                .into_any()
        }
    }
}

/// A file as a download. The address says `octet-stream`, so the browser saves it and shows nothing.
#[component]
fn Download(kind: &'static str, mime_type: String, data: String) -> impl IntoView {
    let size = bytes_text(i64::try_from(data.len() / 4 * 3).unwrap_or(i64::MAX));
    let mime = if mime_type.is_empty() { "unknown type".to_owned() } else { mime_type };
    let href = is_base64(&data).then(|| format!("data:application/octet-stream;base64,{data}"));
    view! {
        <p class="chat-faint">
            {kind} ", " {mime} ", " {size} " "
            {href.map(|href| view! { <a class="chat-link" href=href download="tool-result">"Download"</a> })}
        </p>
    }
}

/// Preformatted text with a copy button, cut while it is very long.
#[component]
fn LongText(text: String, #[prop(optional)] code: bool, copy: String, label: &'static str) -> impl IntoView {
    let cut = text.char_indices().nth(SHOWN_CHARS).map(|(index, _)| index);
    let size = bytes_text(i64::try_from(text.len()).unwrap_or(i64::MAX));
    let whole = RwSignal::new(cut.is_none());
    let shown = move || match cut.filter(|_| !whole.get()) {
        Some(cut) => format!("{}…", &text[..cut]),
        None => text.clone(),
    };
    view! {
        <div class="chat-long">
            <pre class=if code { "chat-pre chat-pre-code" } else { "chat-pre" } dir="auto" tabindex="0" aria-label=label>
                {shown}
            </pre>
            <CopyButton text=Signal::stored(copy) />
            <Show when=move || !whole.get()>
                <button type="button" class="chat-link" on:click=move |_| whole.set(true)>
                    "Show all (" {size.clone()} ")"
                </button>
            </Show>
        </div>
    }
}

fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

fn intent_of(call: &ToolCallPart) -> Option<String> {
    let intent = call.args.as_ref().filter(|_| call.model_intent)?.get("model_intent")?.as_str()?;
    Some(intent.to_owned())
}

/// The arguments for the tool: what stands beside `model_intent`, out of the `properties` envelope when it is one.
fn without_intent(call: &ToolCallPart, args: &Value) -> Value {
    let Some(members) =
        args.as_object().filter(|members| call.model_intent && members.contains_key("model_intent"))
    else {
        return args.clone();
    };
    let mut rest = members.clone();
    rest.shift_remove("model_intent");
    match rest.get("properties") {
        Some(inner @ Value::Object(_)) if rest.len() == 1 => inner.clone(),
        _ => Value::Object(rest),
    }
}

/// A `data:` address for a known type; the type is taken from the list, never from the server's text.
fn inline(known_types: &[&str], mime_type: &str, data: &str) -> Option<String> {
    let mime = known_types.iter().find(|known| known.eq_ignore_ascii_case(mime_type))?;
    is_base64(data).then(|| format!("data:{mime};base64,{data}"))
}

fn is_base64(data: &str) -> bool {
    data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "ssr")]
    use leptos::reactive::owner::Owner;
    use serde_json::json;

    #[cfg(feature = "ssr")]
    #[test]
    fn a_result_hides_nothing_from_those_who_judge_it() {
        let shown = |revealed| {
            let parts = vec![
                ResultContent::Text { text: "a\u{200b}b <script>".into() },
                ResultContent::ResourceLink {
                    uri: "https://evil.example/x".into(),
                    name: "n\u{202e}".into(),
                    description: String::new(),
                },
            ];
            Owner::new().with(|| view! { <ResultParts parts revealed /> }.into_view().to_html())
        };
        let html = shown(true);
        assert!(html.contains("a⟨U+200B⟩b &lt;script&gt;") && html.contains("n⟨U+202E⟩"), "{html}");
        assert!(!html.contains("href") && !html.contains("src="), "nothing is loaded: {html}");
        assert!(shown(false).contains("a\u{200b}b"), "in a chat it is as the model got it");
    }

    fn call(args: Value) -> ToolCallPart {
        ToolCallPart { model_intent: true, args: Some(args), ..ToolCallPart::default() }
    }

    #[test]
    fn the_intent_stands_apart_from_the_arguments() {
        for (args, rest) in [
            (json!({"model_intent": "looking", "properties": {"q": 1}}), json!({"q": 1})),
            (json!({"model_intent": "looking", "q": 1}), json!({"q": 1})),
            (
                json!({"model_intent": "looking", "properties": {"q": 1}, "x": 2}),
                json!({"properties": {"q": 1}, "x": 2}),
            ),
            (json!({"properties": {"q": 1}}), json!({"properties": {"q": 1}})),
            (json!("no json {"), json!("no json {")),
        ] {
            let call = call(args.clone());
            assert_eq!(without_intent(&call, &args), rest);
        }
        assert_eq!(intent_of(&call(json!({"model_intent": "looking"}))).as_deref(), Some("looking"));
        let plain = ToolCallPart { model_intent: false, ..call(json!({"model_intent": "own"})) };
        assert_eq!(intent_of(&plain), None, "the tool's own argument");
    }

    #[test]
    fn only_harmless_images_are_drawn() {
        assert!(
            inline(&INLINE_IMAGES, "image/PNG", "aGk=")
                .is_some_and(|src| src.starts_with("data:image/png;base64,"))
        );
        for (mime, data) in [
            ("image/svg+xml", "aGk="),
            ("text/html", "aGk="),
            ("image/png", "\" onerror=x"),
            ("image/png,<b>", "aGk="),
        ] {
            assert_eq!(inline(&INLINE_IMAGES, mime, data), None, "{mime}");
        }
    }
}
