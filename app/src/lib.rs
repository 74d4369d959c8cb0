//! The user interface, compiled twice: `ssr` for the server, `hydrate` for the browser.
//!
//! The server renders a page in three moves: [`context::PageContext::load`] from the request's [`backend::Backend`] (one place
//! that awaits), `document::shell(assets, page)` as the document, and [`App`] as the route source of
//! `leptos_axum::generate_route_list`. The backend itself is provided as `Arc<dyn Backend>` in the context of pages and server
//! functions alike. The browser then hydrates the same tree.

// Pages nest views deeply; the types are erased, but the bounds are still checked.
#![recursion_limit = "512"]
#![expect(unreachable_pub, reason = "the component macro makes the props of every component pub")]

mod app;
#[cfg(feature = "ssr")]
pub mod backend;
pub mod browser;
pub mod components;
pub mod context;
#[cfg(feature = "ssr")]
pub mod document;
pub mod error;
pub mod forms;
mod layout;
pub mod pages;
pub mod server_fns;
pub mod theme;

pub use app::App;
#[cfg(feature = "ssr")]
pub use document::{AssetUrls, shell};
