//! The headers that every user fills in: name, description, fixed part.

use super::form::EditorForm;
use crate::components::{Glyph, Icon, page::escape_markup};
use api::servers::UserHeader;
use leptos::prelude::*;

/// Where the list stands in requests and refusals.
const FIELD: &str = "user_headers";

/// One header being described. Plain text, no signals of its own, for the reason of `HeaderRow`.
#[derive(Clone)]
struct Row {
    id: u64,
    header: UserHeader,
}

impl Row {
    fn is_blank(&self) -> bool {
        let UserHeader { name, description, value_prefix } = &self.header;
        name.trim().is_empty() && description.trim().is_empty() && value_prefix.is_empty()
    }
}

/// The rows on screen.
#[derive(Clone, Copy)]
pub(super) struct UserHeaderRows {
    rows: RwSignal<Vec<Row>>,
    next: StoredValue<u64>,
}

impl UserHeaderRows {
    pub(super) fn new() -> Self {
        Self { rows: RwSignal::default(), next: StoredValue::new(0) }
    }

    /// Takes over a stored list.
    pub(super) fn load(self, headers: &[UserHeader]) {
        let rows = headers.iter().map(|header| self.row(header.clone())).collect();
        self.rows.set(rows);
    }

    fn row(self, header: UserHeader) -> Row {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        Row { id, header }
    }

    fn add(self) {
        let blank =
            UserHeader { name: String::new(), description: String::new(), value_prefix: String::new() };
        let row = self.row(blank);
        self.rows.update(|rows| rows.push(row));
    }

    fn edit(self, id: u64, change: impl FnOnce(&mut UserHeader)) {
        self.rows.update(|rows| {
            if let Some(row) = rows.iter_mut().find(|row| row.id == id) {
                change(&mut row.header);
            }
        });
    }

    fn remove(self, id: u64) {
        self.rows.update(|rows| rows.retain(|row| row.id != id));
    }

    /// The whole list; rows left wholly empty do not count.
    pub(super) fn to_wire(self) -> Vec<UserHeader> {
        self.rows.with(|rows| {
            let filled = rows.iter().filter(|row| !row.is_blank());
            filled.map(|row| row.header.clone()).collect()
        })
    }

    /// The index by which a refusal names this row; None for a row that is not sent.
    fn wire_index(self, id: u64) -> Option<usize> {
        self.rows.with(|rows| rows.iter().filter(|row| !row.is_blank()).position(|row| row.id == id))
    }
}

/// Rows of name, description and fixed part.
#[component]
pub(super) fn UserHeadersField(form: EditorForm) -> impl IntoView {
    let rows = form.user_headers;
    let none = Memo::new(move |_| rows.rows.with(Vec::is_empty));
    // At least one is needed, so an empty row waits for it. After mount: the server draws none.
    Effect::new(move || {
        if none.get() {
            rows.add();
        }
    });
    let all = form.error_at(FIELD);
    // Refusals of one entry stand at the entry.
    let error = Signal::derive(move || {
        if form.errors_in(&[FIELD]) == 0 {
            return all.get();
        }
        let whole = form.refusals(|at| at == FIELD);
        (!whole.is_empty()).then(|| whole.join(" "))
    });
    view! {
        <fieldset class="field" class:field-bad=move || error.with(Option::is_some) aria-describedby="f-user_headers-error">
            <legend class="field-label">"Headers that each person fills in"</legend>
            <For each=move || rows.rows.get() key=|row| row.id let(row)>
                <HeaderRow form row/>
            </For>
            <div class="btn-row">
                <button type="button" class="btn btn-small" on:click=move |_| rows.add()>
                    <Icon glyph=Glyph::Plus/>
                    "Add header"
                </button>
            </div>
            <p class="field-error" id="f-user_headers-error" aria-live="polite">{move || error.get()}</p>
            <p class="field-hint">
                "Each person enters a value of their own, in the chat under Servers. Patchbay stores it encrypted and sends prefix and value with every request made for that person. Until then the server is not used for them."
            </p>
        </fieldset>
    }
}

#[component]
fn HeaderRow(form: EditorForm, row: Row) -> impl IntoView {
    let rows = form.user_headers;
    let Row { id, header } = row;
    let refused = move |part: &'static str| {
        Signal::derive(move || {
            let entry = format!("{FIELD}[{}]", rows.wire_index(id)?);
            let found = form.refusals(|at| match at.strip_prefix(entry.as_str()) {
                Some("") => part == ".name",
                Some(rest) => rest == part,
                None => false,
            });
            (!found.is_empty()).then(|| found.join(" "))
        })
    };
    let problems = [
        ("name", refused(".name")),
        ("prefix", refused(".value_prefix")),
        ("description", refused(".description")),
    ];
    let at = |part: &str| format!("f-user_headers-{id}-{part}");
    let [(_, bad_name), (_, bad_prefix), (_, bad_description)] = problems;
    let errors = problems
        .into_iter()
        .map(|(part, error)| {
            let id = at(&format!("{part}-error"));
            view! { <p class="field-error" id=id aria-live="polite">{move || error.get()}</p> }
        })
        .collect_view();
    view! {
        <div class="personal-row" role="group" aria-label="Header">
            <label class="field">
                <span class="field-label">"Name"</span>
                <input
                    class="input font-mono"
                    placeholder="Authorization"
                    autocomplete="off"
                    spellcheck="false"
                    value=header.name.clone()
                    prop:value=header.name
                    aria-describedby=at("name-error")
                    aria-invalid=move || bad_name.with(Option::is_some).then_some("true")
                    on:input=move |event| rows.edit(id, |header| header.name = event_target_value(&event))
                />
            </label>
            <label class="field">
                <span class="field-label">"Value prefix"</span>
                <input
                    class="input font-mono"
                    placeholder="Bearer "
                    autocomplete="off"
                    spellcheck="false"
                    value=header.value_prefix.clone()
                    prop:value=header.value_prefix
                    aria-describedby=at("prefix-error")
                    aria-invalid=move || bad_prefix.with(Option::is_some).then_some("true")
                    on:input=move |event| rows.edit(id, |header| header.value_prefix = event_target_value(&event))
                />
            </label>
            <button type="button" class="btn btn-quiet btn-icon" aria-label="Remove header" on:click=move |_| rows.remove(id)>
                <Icon glyph=Glyph::Trash/>
            </button>
            <label class="field personal-about">
                <span class="field-label">"What to enter"</span>
                // The renderer writes textarea children unescaped: see `TextArea`.
                <textarea
                    class="input"
                    rows="1"
                    placeholder="A personal access token; make one under Settings, Security"
                    dir="auto"
                    inner_html=escape_markup(&header.description)
                    prop:value=header.description
                    aria-describedby=at("description-error")
                    aria-invalid=move || bad_description.with(Option::is_some).then_some("true")
                    on:input=move |event| rows.edit(id, |header| header.description = event_target_value(&event))
                ></textarea>
            </label>
            <div class="personal-about">{errors}</div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leptos::reactive::owner::Owner;

    #[test]
    fn blank_rows_are_not_sent_and_do_not_shift_refusals() {
        Owner::new().with(|| {
            let rows = UserHeaderRows::new();
            for _ in 0..3 {
                rows.add();
            }
            rows.edit(0, |header| header.name = "X-First".into());
            rows.edit(2, |header| {
                header.name = "X-Last".into();
                header.value_prefix = "Bearer ".into();
            });
            let names: Vec<String> = rows.to_wire().into_iter().map(|header| header.name).collect();
            assert_eq!(names, ["X-First", "X-Last"]);
            assert_eq!(rows.to_wire()[1].value_prefix, "Bearer ", "the blank belongs to the prefix");
            assert_eq!(
                (rows.wire_index(0), rows.wire_index(1), rows.wire_index(2)),
                (Some(0), None, Some(1))
            );
            rows.remove(0);
            assert_eq!(rows.wire_index(2), Some(0));
        });
    }
}
