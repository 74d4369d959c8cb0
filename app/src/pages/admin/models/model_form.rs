//! A model in a dialog, new or existing.

use crate::{
    components::{Checkbox, FormDialog, SelectField, Task, TextField, toast::use_toasts},
    error::{UiError, UiErrorKind},
    server_fns::models::{model_create, model_update},
};
use api::{
    ErrorBody, Validation,
    models::{Model, ModelCreate, ModelUpdate, Provider},
};
use leptos::prelude::*;

const FIELDS: [&str; 7] = [
    "provider_id",
    "model",
    "display_name",
    "context_limit",
    "max_output_tokens",
    "compaction_threshold",
    "is_default",
];

#[component]
pub(super) fn ModelForm(
    model: Option<Model>,
    providers: Vec<Provider>,
    open: RwSignal<bool>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let id = model.as_ref().map(|model| model.id);
    let first = providers.first().map(|provider| provider.id.to_string()).unwrap_or_default();
    let provider =
        RwSignal::new(model.as_ref().and_then(|m| m.provider_id).map_or(first, |id| id.to_string()));
    let name = RwSignal::new(model.as_ref().and_then(|m| m.model.clone()).unwrap_or_default());
    let display_name = RwSignal::new(model.as_ref().map(|m| m.display_name.clone()).unwrap_or_default());
    let context = RwSignal::new(model.as_ref().map(|m| m.context_limit.to_string()).unwrap_or_default());
    let output = RwSignal::new(model.as_ref().map(|m| m.max_output_tokens.to_string()).unwrap_or_default());
    let compaction = RwSignal::new(
        model
            .as_ref()
            .filter(|m| m.compaction_threshold > 0)
            .map(|m| m.compaction_threshold.to_string())
            .unwrap_or_default(),
    );
    let was_default = model.as_ref().is_some_and(|m| m.is_default);
    let is_default = RwSignal::new(was_default);
    let options =
        Signal::stored(providers.into_iter().map(|p| (p.id.to_string(), p.name)).collect::<Vec<_>>());
    let finish = move |model: Model| {
        toasts.say(format!("{} is saved", model.display_name));
        open.set(false);
        changed.run(());
    };
    let submit = Callback::new(move |()| {
        let limits = (
            number("context_limit", &context.get_untracked()),
            number("max_output_tokens", &output.get_untracked()),
            number("compaction_threshold", &compaction.get_untracked()),
        );
        let (context_limit, max_output_tokens, compaction_threshold) = match limits {
            // Nothing takes the deployment's figure, also where there was one of its own.
            (Ok(context), Ok(output), Ok(percent)) => (context, output, Some(percent.unwrap_or_default())),
            (context, output, percent) => {
                let wrong = [context.err(), output.err(), percent.err()].into_iter().flatten().collect();
                task.error.set(Some(refused(wrong)));
                return;
            }
        };
        // An untouched "default" is not sent, so that saving a name cannot move it.
        let default = (is_default.get_untracked() != was_default).then(|| is_default.get_untracked());
        match id {
            Some(id) => {
                let update = ModelUpdate {
                    model: Some(name.get_untracked()),
                    display_name: Some(display_name.get_untracked()),
                    context_limit,
                    max_output_tokens,
                    compaction_threshold,
                    enabled: None,
                    is_default: default,
                };
                task.run(model_update(id, update), finish);
            }
            None => {
                let create = ModelCreate {
                    provider_id: provider.with_untracked(|id| id.parse().ok()),
                    model: name.get_untracked(),
                    display_name: display_name.get_untracked(),
                    context_limit,
                    max_output_tokens,
                    compaction_threshold,
                    enabled: Some(true),
                    is_default: default,
                };
                task.run(model_create(create), finish);
            }
        }
    });
    view! {
        <FormDialog open submit_label="Save model" task fields=&FIELDS on_submit=submit>
            {id.is_none().then(|| view! {
                <SelectField name="model-provider" label="Provider" value=provider options error=task.error_at("provider_id")/>
            })}
            <TextField name="model-id" label="Model" value=name required=true mono=true placeholder="gpt-5" error=task.error_at("model")
                hint="The model's id as the provider writes it."/>
            <TextField name="model-display-name" label="Display name" value=display_name error=task.error_at("display_name")
                hint="What people see. Empty shows the id."/>
            <div class="pair">
                <TextField name="model-context" label="Context limit" value=context mono=true placeholder="128000"
                    error=task.error_at("context_limit") hint="Tokens. Empty takes the default."/>
                <TextField name="model-output" label="Output limit" value=output mono=true placeholder="8192"
                    error=task.error_at("max_output_tokens") hint="Tokens per answer. Empty takes the default."/>
            </div>
            <TextField name="model-compaction" label="Summarise from" value=compaction mono=true placeholder="80"
                error=task.error_at("compaction_threshold")
                hint="Percent of the context, 1 to 100; 100: never by itself. Empty takes what holds for all chats."/>
            <Checkbox label="Default model" hint="New chats use it unless people choose another." checked=is_default/>
            <p class="field-error">{move || task.error_at("is_default").get()}</p>
        </FormDialog>
    }
}

/// A whole number, or nothing.
fn number(field: &str, text: &str) -> Result<Option<i64>, Validation> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_' && *c != ',').collect();
    if digits.is_empty() {
        return Ok(None);
    }
    digits.parse().map(Some).map_err(|_| Validation::new(field, "Enter a whole number."))
}

fn refused(validations: Vec<Validation>) -> UiError {
    let body = ErrorBody { validations, ..ErrorBody::message("Some fields need a change.") };
    UiError { kind: UiErrorKind::Invalid, body }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn limits_are_whole_numbers_or_nothing() {
        assert_eq!(number("f", " "), Ok(None));
        assert_eq!(number("f", "128 000"), Ok(Some(128_000)));
        assert!(number("f", "128k").is_err());
    }
}
