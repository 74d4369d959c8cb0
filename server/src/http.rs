//! Everything that speaks HTTP to the outside.

mod auth;
mod backend;
mod body;
mod chats;
mod cookies;
mod csrf;
mod error;
mod forms;
mod headers;
mod health;
mod models;
mod request_id;
mod router;
mod servers;
mod stream;
mod transfer;
mod ui;
mod users;

pub use router::{AppState, router};
