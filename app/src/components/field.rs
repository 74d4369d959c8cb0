//! Form fields: label, control, hint, and the error that stands at the field. All are readable without wasm.

use super::page::escape_markup;
use leptos::prelude::*;

/// Ids of a field's parts, from its name; names are unique within a page.
struct FieldIds {
    control: String,
    hint: String,
    error: String,
}

impl FieldIds {
    fn new(name: &str) -> Self {
        Self {
            control: format!("f-{name}"),
            hint: format!("f-{name}-hint"),
            error: format!("f-{name}-error"),
        }
    }

    /// For `aria-describedby`.
    fn described_by(&self, hint: bool, error: bool) -> Option<String> {
        let ids: Vec<&str> = [(error, &self.error), (hint, &self.hint)]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, id)| id.as_str())
            .collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// Label above, hint and error below any control whose id is `f-{name}`.
#[component]
pub fn FieldFrame(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] error: Signal<Option<String>>,
    children: Children,
) -> impl IntoView {
    let ids = FieldIds::new(&name);
    view! {
        <div class="field" class:field-bad=move || error.with(Option::is_some)>
            <label class="field-label" for=ids.control>{label}</label>
            {children()}
            <p class="field-error" id=ids.error aria-live="polite">{move || error.get()}</p>
            {(!hint.is_empty()).then(|| view! { <p class="field-hint" id=ids.hint>{hint}</p> })}
        </div>
    }
}

/// One line of text bound to a signal.
#[component]
pub fn TextField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] error: Signal<Option<String>>,
    /// `text`, `url`, `password`, `email`, `number`.
    #[prop(default = "text")]
    kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional)] placeholder: &'static str,
    /// The keys that a touch screen shows.
    #[prop(optional)]
    inputmode: Option<&'static str>,
    #[prop(optional)] required: bool,
    /// Fixed width, for what machines read.
    #[prop(optional)]
    mono: bool,
    #[prop(optional, into)] disabled: Signal<bool>,
    /// Called on every keystroke by the person, after `value` changed.
    #[prop(optional)]
    on_typed: Option<Callback<()>>,
) -> impl IntoView {
    let ids = FieldIds::new(&name);
    let has_hint = !hint.is_empty();
    let control = ids.control.clone();
    let class = if mono { "input font-mono" } else { "input" };
    view! {
        <FieldFrame name=name.clone() label hint error>
            <input
                id=control
                name=name
                class=class
                type=kind
                inputmode=inputmode
                autocomplete=autocomplete
                placeholder=placeholder
                spellcheck="false"
                dir="auto"
                value=value.get_untracked()
                prop:value=move || value.get()
                aria-required=required.then_some("true")
                aria-invalid=move || error.with(Option::is_some).then_some("true")
                aria-describedby=move || ids.described_by(has_hint, error.with(Option::is_some))
                disabled=move || disabled.get()
                on:input=move |event| {
                    value.set(event_target_value(&event));
                    if let Some(on_typed) = on_typed {
                        on_typed.run(());
                    }
                }
            />
        </FieldFrame>
    }
}

/// Several lines of text bound to a signal. The renderer writes textarea children unescaped, so the first value goes in as
/// escaped markup, which is text again for every parser of a textarea.
#[component]
pub fn TextArea(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] error: Signal<Option<String>>,
    #[prop(default = 3)] rows: u32,
    #[prop(optional)] placeholder: &'static str,
    #[prop(optional)] mono: bool,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    let ids = FieldIds::new(&name);
    let has_hint = !hint.is_empty();
    let control = ids.control.clone();
    let class = if mono { "input font-mono" } else { "input" };
    let first = value.with_untracked(|value| escape_markup(value));
    view! {
        <FieldFrame name=name.clone() label hint error>
            <textarea
                id=control
                name=name
                class=class
                rows=rows.to_string()
                placeholder=placeholder
                spellcheck="false"
                dir="auto"
                inner_html=first
                prop:value=move || value.get()
                aria-invalid=move || error.with(Option::is_some).then_some("true")
                aria-describedby=move || ids.described_by(has_hint, error.with(Option::is_some))
                disabled=move || disabled.get()
                on:input=move |event| value.set(event_target_value(&event))
            ></textarea>
        </FieldFrame>
    }
}

/// A dropdown bound to a signal; options are value and label.
#[component]
pub fn SelectField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] error: Signal<Option<String>>,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    let ids = FieldIds::new(&name);
    let has_hint = !hint.is_empty();
    let control = ids.control.clone();
    view! {
        <FieldFrame name=name.clone() label hint error>
            <select
                id=control
                name=name
                class="input select"
                aria-invalid=move || error.with(Option::is_some).then_some("true")
                aria-describedby=move || ids.described_by(has_hint, error.with(Option::is_some))
                disabled=move || disabled.get()
                on:change=move |event| value.set(event_target_value(&event))
            >
                {move || {
                    let chosen = value.get();
                    options
                        .get()
                        .into_iter()
                        .map(|(option, label)| {
                            let selected = option == chosen;
                            view! { <option value=option selected=selected>{label}</option> }
                        })
                        .collect_view()
                }}
            </select>
        </FieldFrame>
    }
}

/// A field of a plain form: the browser owns what is typed, so nothing is lost when the page comes alive.
#[component]
pub fn PlainField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] hint: String,
    #[prop(default = None)] error: Option<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional)] autofocus: bool,
) -> impl IntoView {
    let ids = FieldIds::new(&name);
    let described = ids.described_by(!hint.is_empty(), error.is_some());
    let invalid = error.is_some().then_some("true");
    let control = ids.control;
    view! {
        <FieldFrame name=name.clone() label hint error=Signal::stored(error)>
            <input
                id=control
                name=name
                class="input"
                type=kind
                value=value
                autocomplete=autocomplete
                autocapitalize="none"
                spellcheck="false"
                required
                autofocus=autofocus
                aria-invalid=invalid
                aria-describedby=described
            />
        </FieldFrame>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_described_by_what_is_there() {
        let ids = FieldIds::new("url");
        assert_eq!(ids.described_by(false, false), None);
        assert_eq!(ids.described_by(true, true).unwrap(), "f-url-error f-url-hint");
    }
}
