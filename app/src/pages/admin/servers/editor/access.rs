//! Who may use the server: members of the chosen groups, or everybody.

use super::{
    form::{ACCESS_FIELDS, EditorForm},
    sections::Section,
};
use crate::{
    components::{Badge, Glyph, Icon, Tone, loaded},
    server_fns::groups::{GroupChoice, group_choices},
};
use api::Uuid;
use leptos::prelude::*;

/// More groups than this get a search.
const SEARCH_FROM: usize = 8;

/// Groups, each with a tick.
#[component]
pub(super) fn AccessSection(form: EditorForm) -> impl IntoView {
    let groups = Resource::new(|| (), |()| group_choices());
    let error = form.error_at("allowed_group_ids");
    view! {
        <Section form title="Access" purpose="Who may use this server. For everybody else it does not exist." fields=&ACCESS_FIELDS>
            <fieldset class="field" class:field-bad=move || error.with(Option::is_some) aria-describedby="f-allowed_group_ids-error">
                <legend class="field-label">
                    "Groups"
                    {move || summary(form)}
                </legend>
                {loaded(groups, false, move |groups| view! { <GroupList form groups/> })}
                <p class="field-error" id="f-allowed_group_ids-error" aria-live="polite">{move || error.get()}</p>
                <p class="field-hint">
                    "Empty: everybody. Otherwise the server is there only for members of a chosen group, and for owners and admins, also when it is always on. Auditors still see it here. "
                    <a href="/admin/groups">"Manage groups"</a>
                </p>
            </fieldset>
        </Section>
    }
}

fn summary(form: EditorForm) -> impl IntoView {
    form.groups.with(|groups| match groups.len() {
        0 => view! { <Badge glyph=Glyph::Users text="Everybody"/> },
        1 => view! { <Badge tone=Tone::Accent glyph=Glyph::Lock text="1 group"/> },
        more => view! { <Badge tone=Tone::Accent glyph=Glyph::Lock text=format!("{more} groups")/> },
    })
}

#[component]
pub(super) fn GroupList(form: EditorForm, groups: Vec<GroupChoice>) -> impl IntoView {
    let names: Vec<(Uuid, String)> = groups.iter().map(|group| (group.id, group.label.clone())).collect();
    // For whoever else names groups. After mount, so that server and browser draw the same first.
    Effect::new(move || form.group_names.set(names.iter().cloned().collect()));
    if groups.is_empty() {
        return view! { <p class="field-hint">"There are no groups yet."</p> }.into_any();
    }
    let search = RwSignal::new(String::new());
    let searchable = groups.len() > SEARCH_FROM;
    let groups = StoredValue::new(groups);
    let shown = Memo::new(move |_| {
        let wanted = search.get().trim().to_lowercase();
        groups.with_value(|groups| {
            groups
                .iter()
                .filter(|group| group.label.to_lowercase().contains(&wanted))
                .cloned()
                .collect::<Vec<_>>()
        })
    });
    view! {
        {searchable.then(|| view! {
            <label class="search">
                <Icon glyph=Glyph::Search/>
                <span class="sr-only">"Search groups"</span>
                <input
                    type="search"
                    class="input"
                    placeholder="Search groups"
                    prop:value=move || search.get()
                    on:input=move |event| search.set(event_target_value(&event))
                    on:keydown=|event| {
                        // A search is no save.
                        if event.key() == "Enter" {
                            event.prevent_default();
                        }
                    }
                />
            </label>
        })}
        <div class="group-list">
            <For each=move || shown.get() key=|group| group.id let(group)>
                <GroupTick form group/>
            </For>
            <p class="field-hint" hidden=move || !shown.with(Vec::is_empty)>"No group matches."</p>
        </div>
    }
    .into_any()
}

#[component]
fn GroupTick(form: EditorForm, group: GroupChoice) -> impl IntoView {
    let id = group.id;
    let on = move || form.groups.with(|groups| groups.contains(&id));
    let members = match group.member_count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    view! {
        <label class="check">
            <input
                type="checkbox"
                checked=form.groups.with_untracked(|groups| groups.contains(&id))
                prop:checked=on
                on:change=move |event| {
                    let wanted = event_target_checked(&event);
                    form.groups.update(|groups| {
                        if wanted {
                            groups.insert(id);
                        } else {
                            groups.remove(&id);
                        }
                    });
                }
            />
            <span>
                <span class="check-label" dir="auto">{group.label}</span>
                <span class="field-hint">{members}</span>
            </span>
        </label>
    }
}
