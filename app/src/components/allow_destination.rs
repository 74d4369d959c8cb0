//! A refused private address, and the owner's way to allow it where it was refused (behaviour 30).

use super::{BusyButton, ErrorNotice, Task, toast::use_toasts};
use crate::{
    context::use_viewer,
    error::UiError,
    server_fns::settings::{egress_allow_get, egress_allow_put},
};
use api::{
    settings::{EgressAllow, EgressAllowWrite},
    users::User,
};
use domain::settings::egress_allow_etag;
use leptos::prelude::*;

/// The setting that every refusal of a private address names.
const SETTING: &str = "PATCHBAY_EGRESS_ALLOW";

/// Below a field: for an owner, a button that allows what the refusal names; for others nothing, the refusal says whom to ask.
///
/// Only for what the validation of a field says: text of a server must never become an offer of ours.
#[component]
pub fn AllowDestination(
    /// The message that stands at the field.
    #[prop(into)]
    refusal: Signal<Option<String>>,
    /// It is allowed now, so what stands at the field is not true any more.
    done: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let is_owner = use_viewer().with_untracked(|viewer| viewer.as_ref().is_some_and(User::is_owner));
    let wanted =
        Memo::new(move |_| refusal.with(|text| text.as_deref().and_then(entry_of)).filter(|_| is_owner));
    // Allowed already, and not saved again yet.
    let allowed = RwSignal::new(None::<String>);
    let allow = Callback::new(move |()| {
        let Some(entry) = wanted.get_untracked() else { return };
        task.run(allow_also(entry.clone()), move |_| {
            allowed.set(Some(entry.clone()));
            done.try_run(());
            toasts.say(format!("{entry} may be dialled now. Save or test again."));
        });
    });
    move || {
        let entry = wanted.get().filter(|entry| allowed.with(|done| done.as_ref() != Some(entry)))?;
        Some(view! {
            <div class="stack-tight">
                <div><BusyButton label=format!("Allow {entry}") busy=task.busy class="btn-small" on_press=allow/></div>
                <p class="field-hint">"You are an owner: this adds it to the private destinations under Settings. It acts at once and is logged."</p>
                {move || task.error.get().map(|error| view! { <ErrorNotice error/> })}
            </div>
        })
    }
}

/// The destination that a refusal says would have to be allowed: `… start with SETTING=X`, or `… add X to SETTING` where something
/// is allowed already.
fn entry_of(refusal: &str) -> Option<String> {
    let after = |mark: &str| refusal.split_once(mark)?.1.split(char::is_whitespace).next();
    let entry = after(&format!("{SETTING}=")).or_else(|| {
        let entry = after("add ")?;
        refusal.contains(&format!("add {entry} to {SETTING}")).then_some(entry)
    });
    let entry = entry?.trim_end_matches(['.', ',', ';', '`', ')']);
    // One destination, never a network or every port: those an owner writes by hand, under Settings.
    (!entry.is_empty() && !entry.contains(['/', '*'])).then(|| entry.to_owned())
}

/// Adds one entry to what owners allow.
async fn allow_also(entry: String) -> Result<EgressAllow, UiError> {
    let mut entries = egress_allow_get().await?.entries;
    let version = egress_allow_etag(&entries);
    if !entries.contains(&entry) {
        entries.push(entry);
    }
    egress_allow_put(EgressAllowWrite { entries }, Some(version)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_would_have_to_be_allowed() {
        for (refusal, entry) in [
            (
                "http is refused for 127.0.0.1:8000. Use https, or, to allow it, start with PATCHBAY_EGRESS_ALLOW=127.0.0.1:8000.",
                Some("127.0.0.1:8000"),
            ),
            (
                "blocked address (private network); to allow it, start with PATCHBAY_EGRESS_ALLOW=[fd00::1]:443",
                Some("[fd00::1]:443"),
            ),
            (
                "to allow it, start with PATCHBAY_EGRESS_ALLOW=model.corp.lan:80 and try again",
                Some("model.corp.lan:80"),
            ),
            (
                "blocked address (private network); to allow it, add 10.0.0.7:443 to PATCHBAY_EGRESS_ALLOW",
                Some("10.0.0.7:443"),
            ),
            ("Please add water to taste.", None),
            ("start with PATCHBAY_EGRESS_ALLOW=0.0.0.0/0:*", None),
            ("Enter a URL.", None),
            ("PATCHBAY_EGRESS_ALLOW=", None),
        ] {
            assert_eq!(entry_of(refusal).as_deref(), entry, "{refusal}");
        }
    }
}
