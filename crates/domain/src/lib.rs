//! The rules of Patchbay, without input or output: what is valid, what is visible, what takes part, what comes next.
//!
//! Everything here is a pure function of its arguments. Time and randomness come in as [`clock::Clock`] and
//! [`clock::Entropy`]; nothing reads a file, a socket or the system clock. The crate compiles to wasm, so the browser
//! applies the same rules as the server.

pub mod accounts;
pub mod audit;
pub mod availability;
pub mod boundary;
pub mod chat;
pub mod chat_list;
pub mod chat_settings;
pub mod clock;
pub mod definition_diff;
pub mod definitions;
pub mod dynamic_tools;
pub mod elicitation;
pub mod files;
pub mod gates;
pub mod groups;
pub mod header;
pub mod health;
pub mod intent;
pub mod json_schema;
pub mod limits;
pub mod mcp_server;
pub mod models;
pub mod oauth;
pub mod plan_mode;
pub mod provider_schema;
pub mod questions;
pub mod redirect;
pub mod search;
pub mod secret;
pub mod settings;
pub mod subagents;
pub mod text;
pub mod title;
pub mod tools;
pub mod transfer;
pub mod url_rules;
mod validation;
pub mod workspace;

pub use secret::SecretChange;
pub use url_rules::UrlPolicy;
