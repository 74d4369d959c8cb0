//! Settings of all chats.

use crate::{
    components::{
        BusyButton, ErrorNotice, PageHead, SelectField, Task, TextArea, TextField, loaded, toast::use_toasts,
    },
    context::viewer_is_admin,
    error::{UiError, UiErrorKind},
    server_fns::{
        chat_settings::{chat_settings_get, chat_settings_put},
        models::model_list,
    },
};
use api::{ErrorBody, Validation, chat_settings::ChatSettingValues, models::Model};
use leptos::prelude::*;

const FIELDS: [&str; 5] =
    ["system_prompt", "plan_mode_instructions", "title_model", "compaction_threshold", "auto_archive_days"];

/// `GET /admin/chats`.
#[component]
pub fn ChatSettingsPage() -> impl IntoView {
    let settings = Resource::new(
        || (),
        |()| async move {
            let values = chat_settings_get().await?;
            Ok::<_, UiError>((values, model_list().await?))
        },
    );
    view! {
        <div class="page page-narrow">
            <PageHead title="Chat settings" purpose="What holds for every chat.".to_owned()/>
            <noscript>
                <p class="notice tone-warn">"This page needs JavaScript (WebAssembly) to change anything; reading works without."</p>
            </noscript>
            {loaded(settings, true, |(values, models)| view! { <Form values models/> })}
        </div>
    }
}

#[component]
fn Form(values: ChatSettingValues, models: Vec<Model>) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let may_write = viewer_is_admin();
    let locked = Signal::stored(!may_write);
    let system_prompt = RwSignal::new(values.system_prompt.unwrap_or_default());
    let plan_mode = RwSignal::new(values.plan_mode_instructions.unwrap_or_default());
    let days = RwSignal::new(values.auto_archive_days.unwrap_or_default().to_string());
    let percent = RwSignal::new(values.compaction_threshold.unwrap_or_default().to_string());
    let title_model = RwSignal::new(values.title_model.unwrap_or_default());
    let options = title_options(&models, &title_model.get_untracked());
    let submit = move || {
        let numbers = (
            whole("auto_archive_days", &days.get_untracked()),
            whole("compaction_threshold", &percent.get_untracked()),
        );
        let (auto_archive_days, compaction_threshold) = match numbers {
            (Ok(days), Ok(percent)) => (days, percent),
            (days, percent) => {
                task.error.set(Some(refused([days.err(), percent.err()].into_iter().flatten().collect())));
                return;
            }
        };
        let write = ChatSettingValues {
            system_prompt: Some(system_prompt.get_untracked()),
            plan_mode_instructions: Some(plan_mode.get_untracked()),
            auto_archive_days: Some(auto_archive_days),
            title_model: Some(title_model.get_untracked()),
            compaction_threshold: Some(compaction_threshold),
        };
        task.run(chat_settings_put(write), move |saved| {
            system_prompt.set(saved.system_prompt.unwrap_or_default());
            plan_mode.set(saved.plan_mode_instructions.unwrap_or_default());
            toasts.say("Chat settings are saved and act at the next step");
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
            <section class="section">
                <div class="section-head">
                    <h2>"What the model is told"</h2>
                    <p>"Before every conversation, after Patchbay's own words."</p>
                </div>
                <div class="section-body stack">
                    <TextArea name="chat-system-prompt" label="System prompt" value=system_prompt rows=6 disabled=locked
                        error=task.error_at("system_prompt") hint="Empty: nothing besides Patchbay's own words."/>
                    <TextArea name="chat-plan-mode" label="Plan mode instructions" value=plan_mode rows=4 disabled=locked
                        error=task.error_at("plan_mode_instructions") hint="In plan mode besides Patchbay's own words."/>
                </div>
            </section>
            <section class="section">
                <div class="section-head">
                    <h2>"Long chats"</h2>
                    <p>"When a chat fills the context of its model, the model is told a summary instead of the beginning."</p>
                </div>
                <div class="section-body stack">
                    <TextField name="chat-compaction" label="Summarise from" value=percent kind="number" mono=true disabled=locked
                        error=task.error_at("compaction_threshold")
                        hint="Percent of the context, 1 to 100; 100: never by itself. A model may have its own figure, and people theirs."/>
                </div>
            </section>
            <section class="section">
                <div class="section-head">
                    <h2>"Titles and archive"</h2>
                    <p>"Titles that people set themselves are never replaced unasked."</p>
                </div>
                <div class="section-body stack">
                    <SelectField name="chat-title-model" label="Titles are made by" value=title_model options disabled=locked
                        error=task.error_at("title_model")/>
                    <TextField name="chat-archive-days" label="Archive after" value=days kind="number" mono=true disabled=locked
                        error=task.error_at("auto_archive_days")
                        hint="Days without a message; 0: never. Pinned chats stay. Archived chats can be restored."/>
                </div>
            </section>
            {move || task.error_beside(&FIELDS).map(|error| view! { <ErrorNotice error/> })}
            {if may_write {
                view! { <div class="btn-row"><BusyButton label="Save chat settings" busy=task.busy class="btn-primary"/></div> }.into_any()
            } else {
                view! { <p class="field-hint">"Only an admin can change these."</p> }.into_any()
            }}
        </form>
    }
}

/// Values and labels of the title model; one that is gone is named, so that saving does not change it unseen.
fn title_options(models: &[Model], chosen: &str) -> Signal<Vec<(String, String)>> {
    let mut options = vec![
        ("chat".to_owned(), "The chat's own model".to_owned()),
        ("off".to_owned(), "Nobody: the first words stay".to_owned()),
    ];
    options.extend(models.iter().map(|model| (model.id.to_string(), model.display_name.clone())));
    if !options.iter().any(|(value, _)| value == chosen) {
        options.push((chosen.to_owned(), "A model that is gone (the default answers)".to_owned()));
    }
    Signal::stored(options)
}

fn whole(field: &str, text: &str) -> Result<i64, Validation> {
    text.trim().parse().map_err(|_| Validation::new(field, "Enter a whole number."))
}

fn refused(validations: Vec<Validation>) -> UiError {
    let body = ErrorBody { validations, ..ErrorBody::message("Some fields need a change.") };
    UiError { kind: UiErrorKind::Invalid, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_gone_stays_chosen_until_somebody_chooses() {
        let owner = Owner::new();
        owner.set();
        let options = title_options(&[], "0190-gone").get_untracked();
        assert_eq!(options.len(), 3);
        assert_eq!(title_options(&[], "off").get_untracked().len(), 2);
        assert!(whole("f", "x").is_err() && whole("f", " 7 ") == Ok(7));
    }
}
