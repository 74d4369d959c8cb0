//! Saving, checking, enabling, deleting: what the buttons of the editor do.

use super::{
    conflict::Conflict,
    form::{Busy, EditorForm},
};
use crate::{
    browser,
    components::toast::{Toasts, use_toasts},
    error::{UiError, UiErrorKind},
    pages::admin::servers::words::is_unusable,
    server_fns::servers::{
        server_check, server_create, server_delete, server_get, server_now, server_update,
    },
};
use api::servers::{McpServer, ServerWrite};
use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

/// The actions of one editor.
#[derive(Clone, Copy)]
pub(super) struct Saver {
    form: EditorForm,
    toasts: Toasts,
    leave: Callback<()>,
}

impl Saver {
    pub(super) fn new(form: EditorForm) -> Self {
        let navigate = use_navigate();
        let leave = Callback::new(move |()| navigate("/admin/servers", NavigateOptions::default()));
        Self { form, toasts: use_toasts(), leave }
    }

    /// The button "Save server".
    pub(super) async fn save(self) {
        if self.form.busy.get_untracked() != Busy::No {
            return;
        }
        self.form.busy.set(Busy::Saving);
        if let Some(server) = self.store(None).await {
            self.toasts.say(saved_text(&server));
        }
        self.form.busy.set(Busy::No);
    }

    /// The button "Test connection": a new server is saved disabled, changes are saved, then the server is contacted.
    pub(super) async fn check(self) {
        let form = self.form;
        if form.busy.get_untracked() != Busy::No {
            return;
        }
        form.busy.set(Busy::Checking);
        form.report.set(None);
        let server = match form.saved.get_untracked() {
            Some(server) if !untrack(|| form.is_dirty()) => Some(server),
            Some(_) => self.store(None).await,
            None => self.store(Some(false)).await,
        };
        if let Some(server) = server {
            match server_check(server.id).await {
                Ok(report) => form.report.set(Some(report)),
                Err(error) => self.refuse(error).await,
            }
        }
        form.busy.set(Busy::No);
    }

    /// The button "Enable server" after a good check.
    pub(super) async fn enable(self) {
        let form = self.form;
        let Some(server) = form.saved.get_untracked() else { return };
        form.busy.set(Busy::Saving);
        let write = ServerWrite { enabled: Some(true), ..ServerWrite::default() };
        match server_update(server.id, write, form.if_match()).await {
            Ok(server) => {
                // Only this field moved: what is typed meanwhile stays typed.
                form.enabled.set(true);
                self.toasts.say(format!("{} is enabled", server.display_name));
                if untrack(|| form.is_dirty_but_for_enabled()) {
                    form.adopt(server);
                } else {
                    form.load(server);
                }
            }
            Err(error) => self.refuse(error).await,
        }
        form.busy.set(Busy::No);
    }

    /// The button "Save mine over it": the same as Save, knowing what the other saved.
    pub(super) async fn save_over(self) {
        let form = self.form;
        let Some(conflict) = form.conflict.get_untracked() else { return };
        form.conflict.set(None);
        form.saved.set(Some(conflict.theirs));
        self.save().await;
    }

    /// The button "Take theirs": what was typed is given up.
    pub(super) fn take_theirs(self) {
        if let Some(conflict) = self.form.conflict.get_untracked() {
            self.form.load(conflict.theirs);
        }
    }

    /// Deletes the server and leaves for the list. `open` is the question's dialog: it closes when somebody else changed what it asks
    /// about.
    pub(super) async fn delete(self, failed: RwSignal<Option<UiError>>, open: RwSignal<bool>) {
        let form = self.form;
        let Some(server) = form.saved.get_untracked() else { return };
        form.busy.set(Busy::Deleting);
        match server_delete(server.id, form.if_match()).await {
            Ok(()) => {
                self.toasts.say(format!("{} is deleted", server.display_name));
                self.leave.run(());
            }
            Err(error) if error.kind == UiErrorKind::Stale => {
                open.set(false);
                self.refuse(error).await;
                form.busy.set(Busy::No);
            }
            Err(error) => {
                failed.set(Some(error));
                form.busy.set(Busy::No);
            }
        }
    }

    /// Writes the form; `enabled` overrides the switch for this write. None when refused, with the reasons in place.
    async fn store(self, enabled: Option<bool>) -> Option<McpServer> {
        let form = self.form;
        form.error.set(None);
        if let Some(error) = untrack(|| form.unconfirmed()) {
            self.refuse(error).await;
            return None;
        }
        let mut write = untrack(|| form.to_write());
        if enabled.is_some() {
            write.enabled = enabled;
        }
        let known = form.saved.with_untracked(|saved| saved.as_ref().map(|server| server.id));
        let answer = match known {
            Some(id) => server_update(id, write, form.if_match()).await,
            None => server_create(write).await,
        };
        match answer {
            Ok(server) => {
                form.load(server.clone());
                if known.is_none() {
                    browser::replace_address(&format!("/admin/servers/{}", server.id));
                }
                Some(server)
            }
            Err(error) => {
                self.refuse(error).await;
                None
            }
        }
    }

    /// Shows why, and leads to the first field at fault. Where somebody else saved meanwhile, it shows what they changed; what is
    /// typed stays.
    async fn refuse(self, error: UiError) {
        let form = self.form;
        let known = form.saved.get_untracked();
        let error = match (error.kind, known) {
            (UiErrorKind::Stale, Some(base)) => match server_now(base.id).await {
                Ok(now) => {
                    form.conflict.set(Some(Conflict { base, theirs: now.server, by: now.changed_by }));
                    browser::focus_soon("#conflict");
                    return;
                }
                Err(error) => error,
            },
            _ => error,
        };
        form.error.set(Some(deleted_meanwhile(error)));
        browser::focus_soon("[aria-invalid=true], #discovery-failed, .editor > .notice");
    }
}

impl EditorForm {
    /// An owner has allowed the address: neither the refusal nor what was wrong with the stored server is true any more.
    pub(super) async fn url_allowed(self) {
        self.error.update(|error| *error = error.take().and_then(|error| error.without(|at| at == "url")));
        let Some(known) = self.saved.get_untracked() else { return };
        if let Ok(now) = server_get(known.id).await
            // What somebody else saved meanwhile is for the next save to find out.
            && now.updated_at == known.updated_at
        {
            self.saved.try_set(Some(now));
        }
    }
}

/// "Not found" of a server that was there when the form was loaded, in words.
fn deleted_meanwhile(mut error: UiError) -> UiError {
    if error.kind == UiErrorKind::NotFound {
        error.body.message = "This server was deleted meanwhile. What you typed is still here; to keep it, register it as a new server.".to_owned();
    }
    error
}

fn saved_text(server: &McpServer) -> String {
    let name = &server.display_name;
    let (values, tokens) = server
        .credentials_cleared
        .as_ref()
        .map_or((0, 0), |cleared| (cleared.user_header_values, cleared.user_tokens));
    if is_unusable(server) {
        format!("{name} is saved. It is not used until you fix what is marked")
    } else if tokens > 0 {
        format!("{name} is saved. {} to connect again", users_have(tokens))
    } else if values > 0 {
        format!("{name} is saved. {} to enter values again", users_have(values))
    } else {
        format!("{name} is saved")
    }
}

/// "1 user has", "2 users have".
pub(super) fn users_have(users: i64) -> String {
    if users == 1 { "1 user has".to_owned() } else { format!("{users} users have") }
}
