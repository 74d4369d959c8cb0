//! Everything that speaks HTTP to the outside.

mod auth;
mod backend;
mod body;
mod chats;
mod connections;
mod cookies;
mod csrf;
mod error;
mod forms;
mod groups;
mod headers;
mod health;
mod models;
mod paging;
mod request_id;
mod router;
mod servers;
mod settings;
mod stream;
mod ui;
mod users;

pub use router::{AppState, router};
