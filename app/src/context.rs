//! What every page knows from its first frame: who is looking, whether set-up is open, the theme, a refused form.

use crate::{forms::FormState, theme::Theme};
use api::users::User;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use crate::backend::{Backend, UiResult};

/// The facts of one document. The server loads them before it renders, because the shell, redirects and status codes hang on
/// them; they travel in the page, so hydration starts from the same values. Nothing in here is secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PageContext {
    /// None for anonymous.
    pub viewer: Option<User>,
    /// False while set-up is open.
    pub has_users: bool,
    pub theme: Theme,
    /// What came back from a refused plain form (login, set-up).
    pub form: FormState,
}

#[cfg(feature = "ssr")]
impl PageContext {
    /// Asks the backend of this request. `cookies` is the value of the `Cookie` header, for the theme.
    ///
    /// # Errors
    /// When the backend cannot answer; the caller then has no page to show but a plain 503.
    pub async fn load(backend: &dyn Backend, cookies: Option<&str>, form: FormState) -> UiResult<Self> {
        let viewer = backend.viewer().await?;
        // Whoever is signed in is a user, so the second question is only asked for anonymous callers.
        let has_users = viewer.is_some() || backend.has_users().await?;
        Ok(Self { viewer, has_users, theme: Theme::from_cookies(cookies.unwrap_or_default()), form })
    }
}

/// The signed-in user, changed in place when the account page renames them.
#[derive(Clone, Copy)]
struct Viewer(RwSignal<Option<User>>);

#[derive(Clone, Copy)]
struct HasUsers(bool);

/// Takes the document's facts apart into contexts.
pub(crate) fn provide_page(page: PageContext) {
    provide_context(Viewer(RwSignal::new(page.viewer)));
    provide_context(HasUsers(page.has_users));
    provide_context(RwSignal::new(page.theme));
    provide_context(page.form);
}

/// Who is signed in.
pub fn use_viewer() -> RwSignal<Option<User>> {
    use_context::<Viewer>().map_or_else(|| RwSignal::new(None), |viewer| viewer.0)
}

/// Whether the viewer may change servers, models and users. Only decides what is shown: the server checks each call.
pub fn viewer_is_admin() -> bool {
    use_viewer().with_untracked(|viewer| viewer.as_ref().is_some_and(User::is_admin))
}

/// Whether the viewer may read the whole configuration.
pub fn viewer_may_audit() -> bool {
    use_viewer().with_untracked(|viewer| viewer.as_ref().is_some_and(User::may_audit))
}

/// False while the first owner is still to be made.
pub(crate) fn use_has_users() -> bool {
    use_context::<HasUsers>().is_none_or(|has| has.0)
}

/// The chosen theme.
pub(crate) fn use_theme() -> RwSignal<Theme> {
    use_context::<RwSignal<Theme>>().unwrap_or_else(|| RwSignal::new(Theme::System))
}

/// What came back from a refused plain form.
pub(crate) fn use_form_state() -> FormState {
    use_context::<FormState>().unwrap_or_default()
}
