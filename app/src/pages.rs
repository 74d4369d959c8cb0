//! The pages.

pub mod account;
pub mod admin;
pub mod chat;
pub mod login;
pub mod not_found;
pub mod setup;
pub mod workspaces;
