//! Files beside a message: chosen or dropped in the composer, stored at once, shown as chips; and how a sent message shows them.

use crate::components::{Glyph, Icon};
use api::{
    ErrorBody, Uuid,
    chats::{ChatFile, InputPart},
    messages::FilePart,
};
use domain::{
    files::{FILE_BYTES, FILES_PER_CHAT, is_shown},
    text::human_bytes,
};
use leptos::{html, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Where files are stored and read.
const FILES: &str = "/api/experimental/chats/files";

/// A file of the message that is being written.
#[derive(Debug, Clone, PartialEq)]
struct Attached {
    key: u64,
    name: String,
    state: Upload,
}

#[derive(Debug, Clone, PartialEq)]
enum Upload {
    Running,
    Stored(ChatFile),
    Refused(String),
}

/// The files of the message that is being written.
#[derive(Clone, Copy)]
pub(super) struct Attachments {
    files: RwSignal<Vec<Attached>>,
    next: StoredValue<u64>,
}

impl Attachments {
    pub(super) fn new() -> Self {
        Self { files: RwSignal::default(), next: StoredValue::new(0) }
    }

    /// Whether there is something to send beside the text, and nothing that is still on its way.
    pub(super) fn ready(self) -> bool {
        self.files.with(|files| files.iter().any(|file| matches!(file.state, Upload::Stored(_))))
            && !self.busy()
    }

    pub(super) fn busy(self) -> bool {
        self.files.with(|files| files.iter().any(|file| file.state == Upload::Running))
    }

    /// These went with a message; what came meanwhile stays.
    pub(super) fn sent(self, ids: &[Uuid]) {
        self.files.try_update(|files| {
            files.retain(|file| !matches!(&file.state, Upload::Stored(stored) if ids.contains(&stored.id)));
        });
    }

    /// The content of the message: its text, unless there is none, and the stored files.
    pub(super) fn content(self, text: String) -> Vec<InputPart> {
        let files = self.files.with_untracked(|files| {
            let stored = files.iter().filter_map(|file| match &file.state {
                Upload::Stored(stored) => Some(InputPart::File { file_id: stored.id }),
                _ => None,
            });
            stored.collect::<Vec<_>>()
        });
        let text = (!text.is_empty()).then_some(InputPart::Text { text });
        text.into_iter().chain(files).collect()
    }

    fn remove(self, key: u64) {
        self.files.try_update(|files| files.retain(|file| file.key != key));
    }

    /// Stores each file of a browser's list.
    pub(super) fn take(self, list: &JsValue) {
        let length = member(list, "length").and_then(|length| length.as_f64()).unwrap_or_default();
        let mut at = 0_u32;
        while f64::from(at) < length {
            if let Ok(file) = js_sys::Reflect::get_u32(list, at) {
                self.store(file);
            }
            at += 1;
        }
    }

    fn store(self, file: JsValue) {
        let name =
            member(&file, "name").and_then(|name| name.as_string()).unwrap_or_else(|| "file".to_owned());
        let size = member(&file, "size").and_then(|size| size.as_f64()).unwrap_or_default();
        let key = self.next.get_value();
        self.next.set_value(key + 1);
        let too_large = size > f64::from(u32::try_from(FILE_BYTES).unwrap_or(u32::MAX));
        let held = self.files.with_untracked(|files| {
            files.iter().filter(|file| !matches!(file.state, Upload::Refused(_))).count()
        });
        let too_many = i64::try_from(held).unwrap_or(i64::MAX) >= FILES_PER_CHAT;
        let state = if too_large {
            Upload::Refused(format!("It is larger than {}.", human_bytes(FILE_BYTES)))
        } else if too_many {
            Upload::Refused(format!("A message takes at most {FILES_PER_CHAT} files."))
        } else {
            Upload::Running
        };
        self.files.update(|files| files.push(Attached { key, name: name.clone(), state }));
        if too_large || too_many {
            return;
        }
        spawn_local(async move {
            let state = match upload(&name, &file).await {
                Ok(stored) => Upload::Stored(stored),
                Err(why) => Upload::Refused(why),
            };
            self.files.try_update(|files| {
                if let Some(file) = files.iter_mut().find(|file| file.key == key) {
                    file.state = state;
                }
            });
        });
    }
}

/// Whether files are dragged, which a browser names only when they are dropped.
pub(super) fn drags_files(event: &JsValue) -> bool {
    let types = member(event, "dataTransfer").and_then(|data| member(&data, "types"));
    types
        .filter(|types| types.is_object())
        .is_some_and(|types| js_sys::Array::from(&types).includes(&"Files".into(), 0))
}

/// The files of a drop, if it has any.
pub(super) fn dropped_files(event: &JsValue) -> Option<JsValue> {
    let list = member(event, "dataTransfer").and_then(|data| member(&data, "files"))?;
    let length = member(&list, "length").and_then(|length| length.as_f64()).unwrap_or_default();
    (length > 0.0).then_some(list)
}

fn member(of: &JsValue, name: &str) -> Option<JsValue> {
    js_sys::Reflect::get(of, &name.into()).ok()
}

/// Sends the bytes as they are; the browser says what they are.
async fn upload(name: &str, file: &JsValue) -> Result<ChatFile, String> {
    let lost = |_: JsValue| "It could not be sent. Check your connection and try again.".to_owned();
    let init = web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_body(file);
    let encoded: String = js_sys::encode_uri_component(name).into();
    let request =
        web_sys::Request::new_with_str_and_init(&format!("{FILES}?name={encoded}"), &init).map_err(lost)?;
    let response = JsFuture::from(window().fetch_with_request(&request)).await.map_err(lost)?;
    let response: web_sys::Response = response.dyn_into().map_err(lost)?;
    let text = JsFuture::from(response.text().map_err(lost)?).await.map_err(lost)?;
    let text = text.as_string().unwrap_or_default();
    if response.ok() {
        return serde_json::from_str(&text).map_err(|_| "The server's answer could not be read.".to_owned());
    }
    let refused = serde_json::from_str::<ErrorBody>(&text);
    Err(refused.map_or_else(
        |_| format!("The server refused it ({}).", response.status()),
        |body| body.validations.first().map_or(body.message.clone(), |wrong| wrong.detail.clone()),
    ))
}

/// The button that chooses files.
#[component]
pub(super) fn AttachButton(attachments: Attachments, #[prop(into)] disabled: Signal<bool>) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let chosen = move |_| {
        let Some(input) = input.get_untracked() else { return };
        if let Some(list) = member(&input, "files") {
            attachments.take(&list);
        }
        // The same file can be chosen again.
        input.set_value("");
    };
    view! {
        <input node_ref=input type="file" multiple=true class="sr-only" tabindex="-1" aria-label="Files" on:change=chosen />
        <button
            type="button"
            class="chat-tool-button"
            aria-label="Attach files"
            title="Attach files"
            disabled=move || disabled.get()
            on:click=move |_| {
                if let Some(input) = input.get_untracked() {
                    input.click();
                }
            }
        >
            <Icon glyph=Glyph::Clip />
        </button>
    }
}

/// What goes along with the message, each with a way to take it out.
#[component]
pub(super) fn Chips(attachments: Attachments) -> impl IntoView {
    move || {
        let files = attachments.files.get();
        (!files.is_empty()).then(|| {
            let chips = files.into_iter().map(|file| view! { <Chip file attachments /> }).collect_view();
            view! { <ul class="chat-files" aria-label="Files of this message" data-testid="attached">{chips}</ul> }
        })
    }
}

#[component]
fn Chip(file: Attached, attachments: Attachments) -> impl IntoView {
    let key = file.key;
    let (class, note) = match &file.state {
        Upload::Running => ("chat-file", "being stored".to_owned()),
        Upload::Stored(stored) => ("chat-file", size_of(stored.size)),
        Upload::Refused(why) => ("chat-file chat-file-bad", why.clone()),
    };
    let label = format!("Remove {}", file.name);
    view! {
        <li class=class>
            <span class="chat-file-name" dir="auto">{file.name}</span>
            <span class="chat-faint" role="status">{note}</span>
            <button type="button" class="btn btn-quiet btn-icon" aria-label=label on:click=move |_| attachments.remove(key)>
                <Icon glyph=Glyph::Cross />
            </button>
        </li>
    }
}

/// A file in a message: a picture where a browser draws it safely, and always a way to save it.
#[component]
pub(super) fn FileView(file: FilePart) -> impl IntoView {
    let href = address(file.file_id);
    let name = file.name.clone();
    let picture = is_shown(&file.media_type).then(|| {
        view! { <img class="chat-file-image" src=href.clone() alt=file.name.clone() loading="lazy" /> }
    });
    view! {
        <div class="chat-file" data-testid="message-file">
            {picture}
            <a class="chat-link chat-file-name" dir="auto" href=href download=name>{file.name}</a>
            <span class="chat-faint">{size_of(file.size)}</span>
        </div>
    }
}

fn address(id: Uuid) -> String {
    format!("{FILES}/{id}")
}

fn size_of(bytes: i64) -> String {
    human_bytes(usize::try_from(bytes).unwrap_or_default())
}
