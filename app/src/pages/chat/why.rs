//! "Why?" of a server in the picker: the same short list that admins see, for the person themselves.

use crate::{
    components::{ErrorNotice, Explanation},
    error::UiError,
    server_fns::servers::server_explain,
};
use api::{Uuid, explain::ServerExplanation};
use leptos::{prelude::*, task::spawn_local};

/// A button that unfolds the explanation; asked anew at each opening.
#[component]
pub(super) fn WhyServer(server: Uuid, name: String, chat: Option<Uuid>) -> impl IntoView {
    let open = RwSignal::new(false);
    let answer = RwSignal::new(None::<Result<ServerExplanation, UiError>>);
    let toggle = move |_| {
        open.update(|open| *open = !*open);
        if !open.get_untracked() {
            answer.set(None);
            return;
        }
        spawn_local(async move {
            let explained = server_explain(server, None, chat).await;
            // Folded again meanwhile: the next opening asks for itself.
            if open.try_get_untracked() == Some(true) {
                answer.try_set(Some(explained));
            }
        });
    };
    view! {
        <button
            type="button"
            class="chat-why-button"
            aria-expanded=move || open.get().to_string()
            aria-label=format!("Why can {name} be used, or not?")
            on:click=toggle
        >
            "Why?"
        </button>
        <div class="chat-why" aria-live="polite">
            {move || answer.get().map(|answer| match answer {
                Ok(explanation) => view! {
                    <Explanation explanation/>
                    <p class="chat-faint">"The switch acts with your next message; this is how things stand without it."</p>
                }
                .into_any(),
                Err(error) => view! { <ErrorNotice error/> }.into_any(),
            })}
        </div>
    }
}
