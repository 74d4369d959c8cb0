//! API tokens: for scripts and other programs that act as you.

use super::AccountSection;
use crate::{
    components::{
        BusyButton, CodeBlock, Deed, DeleteButton, ErrorNotice, Notice, RelativeTime, SelectField, Task,
        TextField, Tone, loaded,
    },
    server_fns::account::{token_create, token_delete, token_list},
};
use api::users::{Token, TokenCreate};
use leptos::prelude::*;

const DAY_SECONDS: i64 = 86_400;
/// Days offered in the form; the first is the default of the contract.
const LIFETIMES: [i64; 4] = [30, 7, 90, 365];

#[component]
pub(super) fn TokensSection() -> impl IntoView {
    let tokens = Resource::new(|| (), |()| token_list());
    let changed = Callback::new(move |()| tokens.refetch());
    view! {
        <AccountSection title="API tokens" purpose="Programs that carry one act as you, with all your rights.">
            {loaded(tokens, false, move |tokens| {
                if tokens.is_empty() {
                    return view! { <p class="field-hint">"You have no tokens."</p> }.into_any();
                }
                let rows = tokens.into_iter().map(|token| view! { <TokenRow token changed/> }).collect_view();
                view! { <ul class="rows">{rows}</ul> }.into_any()
            })}
            <NewToken changed/>
        </AccountSection>
    }
}

#[component]
fn TokenRow(token: Token, changed: Callback<()>) -> impl IntoView {
    let id = token.id;
    let name = token.token_name.clone();
    view! {
        <li class="row">
            <TokenFacts token/>
            <DeleteButton label="Revoke token" verb="Revoke" name
                consequence="Programs that use it are refused at once."
                deed=Deed::new(move || token_delete(id)) done=changed/>
        </li>
    }
}

/// Name, last use and end of a token.
#[component]
pub(crate) fn TokenFacts(token: Token) -> impl IntoView {
    view! {
        <div class="min-w-0">
            <p class="row-title" dir="auto">{token.token_name}</p>
            <p class="row-note">
                {match token.last_used {
                    Some(at) => view! { "Used " <RelativeTime at/> }.into_any(),
                    None => "Never used".into_any(),
                }}
                " · expires "
                <RelativeTime at=token.expires_at/>
            </p>
        </div>
    }
}

#[component]
fn NewToken(changed: Callback<()>) -> impl IntoView {
    let task = Task::new();
    let name = RwSignal::new(String::new());
    let days = RwSignal::new(LIFETIMES[0].to_string());
    // Lives in this page only; leaving it is the end of reading the key.
    let made = RwSignal::new(None::<String>);
    let options = Signal::stored(LIFETIMES.map(|days| (days.to_string(), format!("{days} days"))).to_vec());
    let submit = move || {
        let lifetime = days.with_untracked(|days| days.parse::<i64>().unwrap_or(LIFETIMES[0])) * DAY_SECONDS;
        let create = TokenCreate { token_name: name.get_untracked(), lifetime_seconds: lifetime };
        task.run(token_create(create), move |created| {
            name.set(String::new());
            made.set(Some(created.key));
            changed.run(());
        });
    };
    view! {
        {move || made.get().map(|key| view! {
            <Notice tone=Tone::Ok title="Copy the token now: it is not shown again".to_owned()>
                <CodeBlock text=key label="New API token".to_owned()/>
            </Notice>
        })}
        <form
            class="inline-form"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                submit();
            }
        >
            <TextField name="token-name" label="Token name" value=name error=task.error_at("token_name")/>
            <SelectField name="token-lifetime" label="Valid for" value=days options error=task.error_at("lifetime_seconds")/>
            <BusyButton label="Create token" busy=task.busy class="btn-primary"/>
        </form>
        {move || task.error_beside(&["token_name", "lifetime_seconds"]).map(|error| view! { <ErrorNotice error/> })}
    }
}
