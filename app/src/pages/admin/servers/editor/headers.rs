//! Custom headers: write-only, replaced as a whole.

use crate::components::{Glyph, Icon};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// One header being entered.
#[derive(Clone, Copy)]
struct HeaderRow {
    id: u64,
    name: RwSignal<String>,
    value: RwSignal<String>,
}

/// The rows on screen. With no rows the stored map is kept.
#[derive(Clone, Copy)]
pub(super) struct HeaderRows {
    rows: RwSignal<Vec<HeaderRow>>,
    next: StoredValue<u64>,
}

impl HeaderRows {
    pub(super) fn new() -> Self {
        Self { rows: RwSignal::default(), next: StoredValue::new(0) }
    }

    pub(super) fn clear(self) {
        self.rows.set(Vec::new());
    }

    fn add(self) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        let row = HeaderRow { id, name: RwSignal::default(), value: RwSignal::default() };
        self.rows.update(|rows| rows.push(row));
    }

    fn remove(self, id: u64) {
        self.rows.update(|rows| rows.retain(|row| row.id != id));
    }

    /// The whole map, or None to keep what is stored. Rows left wholly empty do not count.
    pub(super) fn to_wire(self) -> Option<BTreeMap<String, String>> {
        let map: BTreeMap<String, String> = self
            .rows
            .get()
            .into_iter()
            .map(|row| (row.name.get().trim().to_owned(), row.value.get()))
            .filter(|(name, value)| !name.is_empty() || !value.is_empty())
            .collect();
        (!map.is_empty()).then_some(map)
    }
}

/// Rows of name and value; stored headers show only that they are there.
#[component]
pub(super) fn HeadersField(
    rows: HeaderRows,
    #[prop(into)] stored: Signal<bool>,
    #[prop(into)] error: Signal<Option<String>>,
) -> impl IntoView {
    let entering = Memo::new(move |_| rows.rows.with(|rows| !rows.is_empty()));
    // A server without stored headers needs at least one, so an empty row waits for it. After mount: the server draws none.
    Effect::new(move || {
        if !stored.get() && !entering.get() {
            rows.add();
        }
    });
    view! {
        <fieldset class="field" class:field-bad=move || error.with(Option::is_some)>
            <legend class="field-label">"Headers"</legend>
            <Show when=move || stored.get() && !entering.get()>
                <div class="secret">
                    <span class="secret-state"><Icon glyph=Glyph::Lock/>"Stored ••••"</span>
                    <button type="button" class="btn btn-small" on:click=move |_| rows.add()>"Replace"</button>
                </div>
            </Show>
            <For each=move || rows.rows.get() key=|row| row.id let(row)>
                <div class="header-row">
                    <input
                        class="input font-mono"
                        aria-label="Header name"
                        placeholder="X-Api-Key"
                        autocomplete="off"
                        spellcheck="false"
                        aria-invalid=move || error.with(Option::is_some).then_some("true")
                        prop:value=move || row.name.get()
                        on:input=move |event| row.name.set(event_target_value(&event))
                    />
                    <input
                        class="input font-mono"
                        type="password"
                        aria-label="Header value"
                        autocomplete="new-password"
                        prop:value=move || row.value.get()
                        on:input=move |event| row.value.set(event_target_value(&event))
                    />
                    <button type="button" class="btn btn-quiet btn-icon" aria-label="Remove header" on:click=move |_| rows.remove(row.id)>
                        <Icon glyph=Glyph::Trash/>
                    </button>
                </div>
            </For>
            <Show when=move || entering.get()>
                <div class="btn-row">
                    <button type="button" class="btn btn-small" on:click=move |_| rows.add()>
                        <Icon glyph=Glyph::Plus/>
                        "Add header"
                    </button>
                    <Show when=move || stored.get()>
                        <button type="button" class="btn btn-small" on:click=move |_| rows.clear()>"Keep stored headers"</button>
                    </Show>
                </div>
            </Show>
            <p class="field-error" aria-live="polite">{move || error.get()}</p>
            <p class="field-hint">"Sent with every request as you write them here. Saving replaces all stored headers; to remove them choose another authentication."</p>
        </fieldset>
    }
}
