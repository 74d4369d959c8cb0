//! Who is in a group; joining and leaving act at once.

use crate::{
    components::{
        BusyButton, Column, Deed, DeleteButton, ErrorNotice, Glyph, Icon, Notice, Table, Task, TextField,
        Tone, loaded, toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::{groups::group_update, users::user_list},
};
use api::{
    Page, PageQuery, Uuid,
    groups::{Group, GroupMember, GroupSource, GroupUpdate},
    users::User,
};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// Users offered by a search; a narrower one finds the rest.
const OFFERED: i64 = 20;

/// What is searched for; it outlives the list of members, which is read again after every change.
#[derive(Clone, Copy)]
pub(super) struct UserSearch {
    typed: RwSignal<String>,
    wanted: RwSignal<String>,
}

impl UserSearch {
    pub(super) fn new() -> Self {
        Self { typed: RwSignal::new(String::new()), wanted: RwSignal::new(String::new()) }
    }
}

const COLUMNS: [Column; 3] = [Column::Text("User"), Column::Text("Email"), Column::Unseen("Actions")];

#[component]
pub(super) fn Members(group: Group, search: UserSearch, changed: Callback<()>) -> impl IntoView {
    let provided = group.source == GroupSource::Oidc;
    let may_change = viewer_is_admin() && !provided;
    let id = group.id;
    let inside: BTreeSet<Uuid> = group.members.iter().map(|member| member.id).collect();
    let count = group.members.len();
    let rows = group
        .members
        .into_iter()
        .map(|member| view! { <MemberRow group=id member may_change changed/> })
        .collect_view();
    view! {
        <section class="table-block">
            <div class="table-head"><h2>{format!("Members ({count})")}</h2></div>
            {provided.then(|| view! {
                <Notice tone=Tone::Info>
                    "The identity provider decides at each login who is in this group."
                </Notice>
            })}
            {may_change.then(|| view! { <AddMembers group=id inside search changed/> })}
            {if count == 0 {
                view! { <p class="field-hint">"Nobody is in this group: a server limited to it alone is open to no member."</p> }.into_any()
            } else {
                view! {
                    <Table columns=&COLUMNS>{rows}</Table>
                }.into_any()
            }}
        </section>
    }
}

#[component]
fn MemberRow(group: Uuid, member: GroupMember, may_change: bool, changed: Callback<()>) -> impl IntoView {
    let id = member.id;
    let leave = move || {
        let update = GroupUpdate { remove_users: vec![id], ..GroupUpdate::default() };
        async move { group_update(group, update).await.map(|_| ()) }
    };
    view! {
        <tr>
            <td><span class="row-title">{member.username.clone()}</span></td>
            <td data-label="Email">{member.email}</td>
            <td class="row-actions">
                {may_change.then(|| view! {
                    <DeleteButton label="Remove member" verb="Remove" glyph=Glyph::Cross name=member.username
                        consequence="Servers limited to this group are closed to them at once, also in turns that are running, unless another group of theirs opens them."
                        deed=Deed::new(leave) done=changed/>
                })}
            </td>
        </tr>
    }
}

/// A search over all users, each with a button to add them.
#[component]
fn AddMembers(
    group: Uuid,
    inside: BTreeSet<Uuid>,
    search: UserSearch,
    changed: Callback<()>,
) -> impl IntoView {
    let UserSearch { typed, wanted } = search;
    let found = Resource::new(
        move || wanted.get(),
        |q: String| async move {
            if q.is_empty() {
                return Ok(None);
            }
            user_list(PageQuery { q, limit: Some(OFFERED), ..PageQuery::default() }).await.map(Some)
        },
    );
    let inside = StoredValue::new(inside);
    view! {
        <noscript>
            <p class="notice tone-warn">"Adding and removing members needs JavaScript (WebAssembly); reading works without."</p>
        </noscript>
        <form
            class="inline-form"
            role="search"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                wanted.set(typed.get_untracked().trim().to_owned());
            }
        >
            <TextField name="add-member" label="Add members" value=typed placeholder="Name, user name or email"/>
            <BusyButton label="Find users" busy=Signal::stored(false)/>
        </form>
        {loaded(found, false, move |found| found.map(|page| view! { <Found group page inside changed/> }))}
    }
}

#[component]
fn Found(
    group: Uuid,
    page: Page<User>,
    inside: StoredValue<BTreeSet<Uuid>>,
    changed: Callback<()>,
) -> impl IntoView {
    if page.rows.is_empty() {
        return view! { <p class="field-hint" role="status">"No user matches."</p> }.into_any();
    }
    let more = page.next.is_some();
    let rows = page
        .rows
        .into_iter()
        .map(|user| {
            let is_in = inside.with_value(|inside| inside.contains(&user.id));
            view! { <Candidate group user is_in changed/> }
        })
        .collect_view();
    view! {
        <ul class="rows" aria-label="Users found">{rows}</ul>
        {more.then(|| view! { <p class="field-hint">{format!("Only the first {OFFERED} are shown. Search for more of the name.")}</p> })}
    }
    .into_any()
}

#[component]
fn Candidate(group: Uuid, user: User, is_in: bool, changed: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let id = user.id;
    let username = StoredValue::new(user.username.clone());
    let join = Callback::new(move |()| {
        let update = GroupUpdate { add_users: vec![id], ..GroupUpdate::default() };
        task.run(group_update(group, update), move |group| {
            toasts.say(format!("{} is in {}", username.get_value(), group.label()));
            changed.run(());
        });
    });
    view! {
        <li class="row">
            <div class="min-w-0">
                <p class="row-title" dir="auto">{if user.name.is_empty() { user.username.clone() } else { user.name }}</p>
                <p class="row-note">{user.username}" · "{user.email}</p>
                {move || task.error.get().map(|error| view! { <ErrorNotice error/> })}
            </div>
            {if is_in {
                view! { <span class="row-note"><Icon glyph=Glyph::Check/>" Member"</span> }.into_any()
            } else {
                view! { <BusyButton label=format!("Add {}", username.get_value()) busy=task.busy on_press=join/> }.into_any()
            }}
        </li>
    }
}
