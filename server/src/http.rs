//! Everything that speaks HTTP to the outside.

mod audit;
mod auth;
mod backend;
mod body;
mod chats;
mod connections;
mod cookies;
mod csrf;
mod error;
mod explain;
mod files;
mod fleet;
mod forms;
mod groups;
mod headers;
mod health;
mod keys;
mod models;
mod oauth;
mod oauth_pages;
pub mod openapi;
mod paging;
mod request_id;
mod router;
mod servers;
mod settings;
mod stream;
mod tool_results;
mod tools;
mod transfer;
mod ui;
mod users;
mod workspaces;

pub use router::{AppState, router};
