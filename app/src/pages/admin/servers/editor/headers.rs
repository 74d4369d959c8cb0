//! Custom headers: write-only, replaced as a whole.

use crate::components::{Glyph, Icon};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// One header being entered. Plain text, no signals of its own: a row may be added from an effect, which would own and drop them.
#[derive(Clone)]
struct HeaderRow {
    id: u64,
    name: String,
    value: String,
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
        self.rows.update(|rows| rows.push(HeaderRow { id, name: String::new(), value: String::new() }));
    }

    fn edit(self, id: u64, change: impl FnOnce(&mut HeaderRow)) {
        self.rows.update(|rows| {
            if let Some(row) = rows.iter_mut().find(|row| row.id == id) {
                change(row);
            }
        });
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
            .map(|row| (row.name.trim().to_owned(), row.value))
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
                        prop:value=row.name
                        on:input=move |event| rows.edit(row.id, |row| row.name = event_target_value(&event))
                    />
                    <input
                        class="input font-mono"
                        type="password"
                        aria-label="Header value"
                        autocomplete="new-password"
                        prop:value=row.value
                        on:input=move |event| rows.edit(row.id, |row| row.value = event_target_value(&event))
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
