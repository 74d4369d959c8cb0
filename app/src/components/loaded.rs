//! Data that may be on its way, and errors where they happen.

use super::{
    badge::Tone,
    candidates::CandidateList,
    notice::{Notice, Skeleton},
};
use crate::{
    browser,
    error::{UiError, UiErrorKind},
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Draws what a resource brings. While it loads again the old view stays; an error is shown in its place. `primary`: the page is
/// nothing without it, so its error is the status of the page.
pub fn loaded<T, V>(
    resource: Resource<Result<T, UiError>>,
    primary: bool,
    draw: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    view! {
        <Transition fallback=|| view! { <Skeleton/> }>
            {move || {
                let draw = draw.clone();
                Suspend::new(async move {
                    match resource.await {
                        Ok(value) => draw(value).into_any(),
                        Err(error) => {
                            if primary {
                                set_page_status(&error);
                            }
                            view! { <ErrorNotice error/> }.into_any()
                        }
                    }
                })
            }}
        </Transition>
    }
}

#[cfg(feature = "ssr")]
fn set_page_status(error: &UiError) {
    browser::set_status(crate::server_fns::status_of(error.kind));
}

#[cfg(not(feature = "ssr"))]
fn set_page_status(_error: &UiError) {}

/// An error in words. A session that has ended leads to the login page and back.
#[component]
pub fn ErrorNotice(error: UiError) -> impl IntoView {
    if error.kind == UiErrorKind::Unauthorized {
        let location = use_location();
        Effect::new(move || {
            let here = location.pathname.get_untracked() + &location.search.get_untracked();
            browser::go_to(&browser::login_path(&here));
        });
    }
    let UiError { body, .. } = error;
    let candidates = body.candidates;
    // The detail of a discovery says the same as text.
    let detail = body.detail.filter(|_| candidates.is_empty());
    let fields = body
        .validations
        .into_iter()
        .map(|v| view! { <li><code>{v.field}</code>": "{v.detail}</li> })
        .collect_view();
    view! {
        <Notice tone=Tone::Danger>
            <p>{body.message}</p>
            {detail.map(|detail| view! { <p class="text-fg-muted">{detail}</p> })}
            <ul class="notice-list">{fields}</ul>
            {(!candidates.is_empty()).then(|| view! { <CandidateList candidates/> })}
        </Notice>
    }
}
