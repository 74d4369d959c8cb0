//! Accounts.

mod user_form;
mod user_tokens;

use crate::{
    components::{
        Badge, Column, Deed, DeleteButton, EmptyState, Glyph, Icon, Modal, PageHead, PageLinks, RelativeTime,
        SearchForm, Table, Tone, loaded, toast::use_toasts, use_page_query,
    },
    context::use_viewer,
    server_fns::users::{user_delete, user_list, user_update},
};
use api::users::{Role, User, UserStatus, UserUpdate};
use leptos::{prelude::*, task::spawn_local};
use user_form::UserForm;
use user_tokens::TokensButton;

/// Where the list is.
const PATH: &str = "/admin/users";

/// `GET /admin/users`.
#[component]
pub fn UsersPage() -> impl IntoView {
    let query = use_page_query();
    let users = Resource::new(move || query.get(), user_list);
    let changed = Callback::new(move |()| users.refetch());
    let open = RwSignal::new(false);
    let editing = RwSignal::new(None::<User>);
    let edit = Callback::new(move |user: Option<User>| {
        editing.set(user);
        open.set(true);
    });
    view! {
        <div class="page">
            <PageHead title="Users" purpose="Who may sign in, and what they may do.".to_owned()>
                <button type="button" class="btn btn-primary" on:click=move |_| edit.run(None)>
                    <Icon glyph=Glyph::Plus/>
                    "New user"
                </button>
            </PageHead>
            <SearchForm path=PATH what="users" placeholder="Search name, user name or email" query/>
            {loaded(users, true, move |page| view! {
                <UserTable users=page.rows edit changed/>
                <PageLinks path=PATH query=query.get_untracked() next=page.next/>
            })}
            <Modal open title=Signal::derive(move || if editing.with(Option::is_some) { "Edit user" } else { "New user" }.to_owned())>
                <UserForm user=editing.get_untracked() open changed/>
            </Modal>
        </div>
    }
}

const COLUMNS: [Column; 5] = [
    Column::Text("User"),
    Column::Text("Roles"),
    Column::Text("Status"),
    Column::Text("Created"),
    Column::Unseen("Actions"),
];

#[component]
fn UserTable(users: Vec<User>, edit: Callback<Option<User>>, changed: Callback<()>) -> impl IntoView {
    if users.is_empty() {
        // There is always somebody: the viewer.
        let text = "No user has this in their name, user name or email.";
        return view! { <EmptyState glyph=Glyph::Users title="No user matches" text/> }.into_any();
    }
    let rows = users.into_iter().map(|user| view! { <UserRow user edit changed/> }).collect_view();
    view! {
        <Table columns=&COLUMNS>{rows}</Table>
    }
    .into_any()
}

#[component]
fn UserRow(user: User, edit: Callback<Option<User>>, changed: Callback<()>) -> impl IntoView {
    let viewer = use_viewer();
    let own = viewer.with_untracked(|viewer| viewer.as_ref().is_some_and(|viewer| viewer.id == user.id));
    // Only an owner changes owners (behaviour 2).
    let may_change =
        !user.is_owner() || viewer.with_untracked(|viewer| viewer.as_ref().is_some_and(User::is_owner));
    let name = if user.name.is_empty() { user.username.clone() } else { user.name.clone() };
    let id = user.id;
    let roles = user
        .roles
        .iter()
        .map(|role| view! { <Badge tone=role_tone(*role) text=role_label(*role)/> })
        .collect_view();
    let active = user.status == UserStatus::Active;
    let subject = user.clone();
    view! {
        <tr>
            <td>
                <span class="row-title" dir="auto">{name.clone()}{own.then_some(" (you)")}</span>
                <span class="row-note">{user.username.clone()}" · "{user.email.clone()}</span>
            </td>
            <td data-label="Roles"><span class="badges">{roles}</span></td>
            <td data-label="Status">
                {if active {
                    view! { <Badge tone=Tone::Ok glyph=Glyph::Check text="Active"/> }
                } else {
                    view! { <Badge tone=Tone::Warn glyph=Glyph::Lock text="Suspended"/> }
                }}
            </td>
            <td data-label="Created"><RelativeTime at=user.created_at/></td>
            <td class="row-actions">
                {may_change.then(|| view! {
                    <button type="button" class="btn btn-small" aria-label=format!("Edit user {name}") on:click=move |_| edit.run(Some(subject.clone()))>
                        <Icon glyph=Glyph::Pencil/>
                        "Edit"
                    </button>
                })}
                {(may_change && !own).then(|| view! {
                    <TokensButton user=id name=name.clone()/>
                    {if active {
                        view! {
                            <DeleteButton label="Suspend user" verb="Suspend" glyph=Glyph::Lock name=name.clone()
                                consequence="They are signed out at once and cannot sign in. Their chats and tokens stay, but their tokens do not work meanwhile."
                                deed=Deed::new(move || set_status(id, UserStatus::Suspended)) done=changed/>
                        }.into_any()
                    } else {
                        view! { <ActivateButton user=user.clone() changed/> }.into_any()
                    }}
                    <DeleteButton label="Delete user" name=name.clone()
                        consequence="Their chats, sessions and API tokens are deleted with them. This cannot be undone."
                        deed=Deed::new(move || user_delete(id)) done=changed/>
                })}
            </td>
        </tr>
    }
}

#[component]
fn ActivateButton(user: User, changed: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let id = user.id;
    let activate = move |_| {
        spawn_local(async move {
            match set_status(id, UserStatus::Active).await {
                Ok(()) => changed.run(()),
                Err(error) => toasts.warn(error.body.message),
            }
        });
    };
    view! {
        <button type="button" class="btn btn-small" aria-label=format!("Activate user {}", user.username) on:click=activate>
            <Icon glyph=Glyph::Check/>
            "Activate"
        </button>
    }
}

async fn set_status(id: api::Uuid, status: UserStatus) -> Result<(), crate::error::UiError> {
    let update = UserUpdate { status: Some(status.as_str().to_owned()), ..UserUpdate::default() };
    user_update(id, update).await.map(|_| ())
}

fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Auditor => "Auditor",
        Role::Member => "Member",
    }
}

/// What a role may do, in one line.
fn role_meaning(role: Role) -> &'static str {
    match role {
        Role::Owner => "Everything, and the only one who changes owners.",
        Role::Admin => "Manages servers, models, users and groups.",
        Role::Auditor => "Reads the whole configuration, changes nothing.",
        Role::Member => "Chats with the enabled servers that are open to them.",
    }
}

fn role_tone(role: Role) -> Tone {
    match role {
        Role::Owner | Role::Admin => Tone::Accent,
        Role::Auditor => Tone::Info,
        Role::Member => Tone::Neutral,
    }
}
