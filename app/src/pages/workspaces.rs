//! Workspaces: a project of one person, with MCP servers of its own.

mod editor;
mod entry;
mod rows;

pub use editor::{EditWorkspacePage, NewWorkspacePage};

use crate::{
    components::{
        Column, Deed, DeleteButton, EmptyState, Glyph, Icon, Notice, PageHead, RelativeTime, Table, Tone,
        loaded,
    },
    error::UiError,
    server_fns::workspaces::{workspace_delete, workspace_list, workspace_servers_get},
};
use api::workspaces::{Workspace, WorkspaceServers};
use leptos::prelude::*;

/// Where the list is.
const PATH: &str = "/workspaces";

/// `GET /workspaces`.
#[component]
pub fn WorkspacesPage() -> impl IntoView {
    let workspaces = Resource::new(|| (), |()| workspace_list());
    let changed = Callback::new(move |()| workspaces.refetch());
    view! {
        <div class="page">
            <PageHead title="Workspaces" purpose="A project of yours with MCP servers that only its chats use.".to_owned()>
                <NewWorkspaceLink/>
            </PageHead>
            <SwitchedOff/>
            {loaded(workspaces, true, move |workspaces| view! { <WorkspaceTable workspaces changed/> })}
        </div>
    }
}

#[component]
fn NewWorkspaceLink() -> impl IntoView {
    view! {
        <a class="btn btn-primary" href=format!("{PATH}/new")>
            <Icon glyph=Glyph::Plus/>
            "New workspace"
        </a>
    }
}

/// Says so where an admin has switched the servers of workspaces off.
#[component]
fn SwitchedOff() -> impl IntoView {
    let switch = Resource::new(|| (), |()| workspace_servers_get());
    loaded(switch, false, |switch: WorkspaceServers| {
        (!switch.enabled).then(|| {
            view! {
                <Notice tone=Tone::Warn>
                    "An admin has switched off the servers of workspaces: chats keep their workspace and do not use its servers."
                </Notice>
            }
        })
    })
}

const COLUMNS: [Column; 4] =
    [Column::Text("Workspace"), Column::Text("Servers"), Column::Text("Changed"), Column::Unseen("Actions")];

#[component]
fn WorkspaceTable(workspaces: Vec<Workspace>, changed: Callback<()>) -> impl IntoView {
    if workspaces.is_empty() {
        let text = "Make one, enter its servers or paste a .mcp.json, and choose it for a chat.";
        return view! {
            <EmptyState glyph=Glyph::Layers title="No workspaces yet" text>
                <NewWorkspaceLink/>
            </EmptyState>
        }
        .into_any();
    }
    let rows =
        workspaces.into_iter().map(|workspace| view! { <WorkspaceRow workspace changed/> }).collect_view();
    view! {
        <Table columns=&COLUMNS>{rows}</Table>
    }
    .into_any()
}

#[component]
fn WorkspaceRow(workspace: Workspace, changed: Callback<()>) -> impl IntoView {
    let id = workspace.id;
    let servers = if workspace.unreadable {
        "Cannot be read any more".to_owned()
    } else {
        let names: Vec<&str> = workspace.mcp_json.mcp_servers.keys().map(String::as_str).collect();
        if names.is_empty() { "None".to_owned() } else { names.join(", ") }
    };
    view! {
        <tr>
            <td>
                <a class="row-title" dir="auto" href=format!("{PATH}/{id}")>{workspace.name.clone()}</a>
                <span class="row-note" dir="auto">{workspace.description.clone()}</span>
            </td>
            <td data-label="Servers" dir="auto">{servers}</td>
            <td data-label="Changed"><RelativeTime at=workspace.updated_at/></td>
            <td class="row-actions"><DeleteWorkspace workspace done=changed/></td>
        </tr>
    }
}

#[component]
fn DeleteWorkspace(workspace: Workspace, done: Callback<()>) -> impl IntoView {
    let id = workspace.id;
    view! {
        <DeleteButton label="Delete workspace" name=workspace.name
            consequence="Its servers and their headers are gone for good. Chats that are bound to it stay, without its servers."
            deed=Deed::new(move || workspace_delete(id)) done/>
    }
}

/// What stands at a part of the document: at the entry of this name, or at its member `part`.
fn error_at(error: Option<&UiError>, name: &str, part: &str) -> Option<String> {
    let entry = format!("mcp_json.mcpServers.{name}");
    let wrong = error?.body.validations.iter().filter(|wrong| match wrong.field.strip_prefix(&entry) {
        Some("") => part.is_empty(),
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| {
            !part.is_empty()
                && (rest == part || rest.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')))
        }),
        None => false,
    });
    let details: Vec<String> = wrong
        .map(|wrong| {
            // Of the headers each is named: they share a field of the form.
            let header = wrong.field.strip_prefix(&format!("{entry}.headers."));
            header.map_or_else(|| wrong.detail.clone(), |header| format!("{header}: {}", wrong.detail))
        })
        .collect();
    (!details.is_empty()).then(|| details.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UiErrorKind;
    use api::{ErrorBody, Validation};

    #[test]
    fn what_is_wrong_stands_at_its_entry() {
        let fields = [
            ("mcp_json.mcpServers.a", "whole."),
            ("mcp_json.mcpServers.a.url", "address."),
            ("mcp_json.mcpServers.a.headers.X-Key", "empty."),
            ("mcp_json.mcpServers.a.headers.X-Other", "long."),
            ("mcp_json.mcpServers.ab.url", "other."),
        ];
        let validations = fields.map(|(field, detail)| Validation::new(field, detail)).to_vec();
        let error = UiError {
            kind: UiErrorKind::Invalid,
            body: ErrorBody { validations, ..ErrorBody::message("refused") },
        };
        for (name, part, shown) in [
            ("a", "", Some("whole.")),
            ("a", "url", Some("address.")),
            ("a", "headers", Some("X-Key: empty. X-Other: long.")),
            ("a", "type", None),
            ("ab", "url", Some("other.")),
            ("b", "", None),
        ] {
            assert_eq!(error_at(Some(&error), name, part).as_deref(), shown, "{name} {part}");
        }
    }
}
