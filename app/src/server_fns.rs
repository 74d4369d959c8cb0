//! Server functions: the browser's half of `Backend`, one function per use case.
//!
//! All are POST with a JSON body below `/ui/fn`; a form of another site can neither send that type nor pass the server's
//! same-origin check. While a page renders on the server they are plain calls, so rights are checked by the use cases alone.

pub mod account;
pub mod audit;
pub mod chat_settings;
pub mod chats;
pub mod fleet;
pub mod groups;
pub mod keys;
pub mod models;
pub mod servers;
pub mod settings;
pub mod tools;
pub mod users;
pub mod workspaces;

#[cfg(feature = "ssr")]
use crate::{backend::UiResult, context::PageContext, error::UiErrorKind};

/// Gives the answer of a server function the status code of its error. A page under way keeps its own status: one part of it that
/// could not be read does not make the whole page an error.
#[cfg(feature = "ssr")]
pub(crate) fn answer<T>(result: UiResult<T>) -> UiResult<T> {
    if let Err(error) = &result
        && leptos::prelude::use_context::<PageContext>().is_none()
    {
        crate::browser::set_status(status_of(error.kind));
    }
    result
}

/// The status code of an error (behaviour 2).
#[cfg(feature = "ssr")]
pub(crate) fn status_of(kind: UiErrorKind) -> u16 {
    match kind {
        UiErrorKind::Invalid => 400,
        UiErrorKind::Unauthorized => 401,
        UiErrorKind::Forbidden => 403,
        UiErrorKind::NotFound => 404,
        UiErrorKind::Conflict => 409,
        UiErrorKind::Stale => 412,
        UiErrorKind::RateLimited => 429,
        UiErrorKind::Unavailable => 503,
        UiErrorKind::Internal => 500,
    }
}
