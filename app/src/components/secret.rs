//! A secret that can be written and never read: "Stored", replace, remove.

use super::{
    field::FieldFrame,
    icon::{Glyph, Icon},
};
use leptos::prelude::*;

/// What will happen to a secret when the form is saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SecretInput {
    /// Leaves what is stored; nothing is stored in a new form.
    #[default]
    Keep,
    /// Replaces it by what is typed.
    Replace(String),
    /// Clears it.
    Remove,
}

impl SecretInput {
    /// For a request: absent keeps, `""` clears.
    pub fn to_wire(&self) -> Option<String> {
        match self {
            Self::Keep => None,
            Self::Replace(text) => (!text.is_empty()).then(|| text.clone()),
            Self::Remove => Some(String::new()),
        }
    }
}

/// The field. Entering and leaving it changes nothing; only typing or pressing Remove does.
#[component]
pub fn SecretField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    value: RwSignal<SecretInput>,
    /// Whether something is stored now.
    #[prop(into)]
    stored: Signal<bool>,
    /// False where the type of the object needs the secret.
    #[prop(default = true)]
    removable: bool,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] error: Signal<Option<String>>,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    let id = format!("f-{name}");
    // Only the kind of state redraws the control: a keystroke must not take the focus away.
    let mode = Memo::new(move |_| match (value.get(), stored.get()) {
        (SecretInput::Keep, true) => Mode::Stored,
        (SecretInput::Remove, _) => Mode::Removed,
        (_, true) => Mode::Replacing,
        (_, false) => Mode::Empty,
    });
    view! {
        <FieldFrame name label hint error>
            {move || match mode.get() {
                Mode::Stored => view! {
                    <div class="secret" id=id.clone()>
                        <span class="secret-state"><Icon glyph=Glyph::Lock/>"Stored ••••"</span>
                        <button type="button" class="btn btn-small" disabled=move || disabled.get()
                            on:click=move |_| value.set(SecretInput::Replace(String::new()))>"Replace"</button>
                        {removable.then(|| view! {
                            <button type="button" class="btn btn-small" disabled=move || disabled.get()
                                on:click=move |_| value.set(SecretInput::Remove)>"Remove"</button>
                        })}
                    </div>
                }.into_any(),
                Mode::Removed => view! {
                    <div class="secret" id=id.clone()>
                        <span class="secret-state"><Icon glyph=Glyph::Trash/>"Will be removed"</span>
                        <button type="button" class="btn btn-small" on:click=move |_| value.set(SecretInput::Keep)>"Keep it"</button>
                    </div>
                }.into_any(),
                entry => view! {
                    <div class="secret">
                        <input
                            id=id.clone()
                            class="input font-mono"
                            type="password"
                            autocomplete="new-password"
                            aria-invalid=move || error.with(Option::is_some).then_some("true")
                            disabled=move || disabled.get()
                            prop:value=match value.get_untracked() {
                                // Drawn again, as when the field was hidden meanwhile: what was typed is still there.
                                SecretInput::Replace(text) => text,
                                _ => String::new(),
                            }
                            on:input=move |event| value.set(match event_target_value(&event) {
                                text if text.is_empty() && entry == Mode::Empty => SecretInput::Keep,
                                text => SecretInput::Replace(text),
                            })
                        />
                        {(entry == Mode::Replacing).then(|| view! {
                            <button type="button" class="btn btn-small" on:click=move |_| value.set(SecretInput::Keep)>"Cancel"</button>
                        })}
                    </div>
                }.into_any(),
            }}
        </FieldFrame>
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Empty,
    Stored,
    Replacing,
    Removed,
}

#[cfg(test)]
mod tests {
    use super::SecretInput;

    #[test]
    fn an_untouched_or_empty_entry_keeps_the_secret() {
        assert_eq!(SecretInput::Keep.to_wire(), None);
        assert_eq!(SecretInput::Replace(String::new()).to_wire(), None);
        assert_eq!(SecretInput::Replace("k".into()).to_wire().as_deref(), Some("k"));
        assert_eq!(SecretInput::Remove.to_wire().as_deref(), Some(""));
    }
}
