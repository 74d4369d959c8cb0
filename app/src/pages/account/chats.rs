//! What holds for the viewer's own chats.

use super::AccountSection;
use crate::{
    components::{BusyButton, ErrorNotice, Task, TextField, loaded, toast::use_toasts},
    error::{UiError, UiErrorKind},
    server_fns::chat_settings::{own_chat_settings_get, own_chat_settings_put},
};
use api::{ErrorBody, Validation, chat_settings::OwnChatSettings};
use leptos::prelude::*;

#[component]
pub(super) fn ChatsSection() -> impl IntoView {
    let own = Resource::new(|| (), |()| own_chat_settings_get());
    view! {
        <AccountSection title="Chats" purpose="What holds for your own chats.">
            {loaded(own, true, |own| view! { <Form own/> })}
        </AccountSection>
    }
}

#[component]
fn Form(own: OwnChatSettings) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let percent = RwSignal::new(shown(own));
    let submit = move || {
        let Some(compaction_threshold) = percent.with_untracked(|text| read(text)) else {
            let wrong =
                vec![Validation::new("compaction_threshold", "Enter a whole number of percent, or nothing.")];
            let body = ErrorBody { validations: wrong, ..ErrorBody::message("A field needs a change.") };
            task.error.set(Some(UiError { kind: UiErrorKind::Invalid, body }));
            return;
        };
        task.run(own_chat_settings_put(OwnChatSettings { compaction_threshold }), move |saved| {
            percent.set(shown(saved));
            toasts.say("Saved for your chats");
        });
    };
    view! {
        <form
            class="stack"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                submit();
            }
        >
            <TextField name="own-compaction" label="Summarise from" value=percent inputmode="numeric" mono=true
                error=task.error_at("compaction_threshold")
                hint="Percent of the model's context, 1 to 100; 100: never by itself. Empty: as the admins and the model say."/>
            {move || task.error_beside(&["compaction_threshold"]).map(|error| view! { <ErrorNotice error/> })}
            <div class="btn-row"><BusyButton label="Save" busy=task.busy class="btn-primary"/></div>
        </form>
    }
}

/// Nothing stands for "not set".
fn shown(own: OwnChatSettings) -> String {
    if own.compaction_threshold == 0 { String::new() } else { own.compaction_threshold.to_string() }
}

fn read(text: &str) -> Option<i64> {
    if text.trim().is_empty() { Some(0) } else { text.trim().parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_not_set() {
        assert_eq!((read(" "), read("70"), read("x")), (Some(0), Some(70), None));
        assert_eq!(read("7e"), None);
        assert_eq!(shown(OwnChatSettings { compaction_threshold: 0 }), "");
    }
}
