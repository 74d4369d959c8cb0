//! The API tokens of another user: looked at and revoked, never made. Who could make one for somebody else could act as them.

use crate::{
    components::{Deed, DeleteButton, Glyph, Icon, Modal, loaded},
    pages::account::TokenFacts,
    server_fns::users::{user_token_delete, user_token_list},
};
use api::Uuid;
use leptos::prelude::*;

/// Opens the list.
#[component]
pub(super) fn TokensButton(user: Uuid, name: String) -> impl IntoView {
    let open = RwSignal::new(false);
    let title = format!("API tokens of {name}");
    view! {
        <button type="button" class="btn btn-small" aria-label=title.clone() on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Key/>
            "Tokens"
        </button>
        <Modal open title=Signal::stored(title)>
            <TokenList user/>
        </Modal>
    }
}

#[component]
fn TokenList(user: Uuid) -> impl IntoView {
    let tokens = Resource::new(|| (), move |()| user_token_list(user));
    let changed = Callback::new(move |()| tokens.refetch());
    view! {
        <div class="modal-body">
            {loaded(tokens, false, move |tokens| {
                if tokens.is_empty() {
                    return view! { <p class="field-hint">"This user has no tokens."</p> }.into_any();
                }
                let rows = tokens
                    .into_iter()
                    .map(|token| {
                        let id = token.id;
                        let name = token.token_name.clone();
                        view! {
                            <li class="row">
                                <TokenFacts token/>
                                <DeleteButton label="Revoke token" verb="Revoke" name
                                    consequence="Programs that use it are refused at once."
                                    deed=Deed::new(move || user_token_delete(user, id)) done=changed/>
                            </li>
                        }
                    })
                    .collect_view();
                view! { <ul class="rows">{rows}</ul> }.into_any()
            })}
        </div>
    }
}
