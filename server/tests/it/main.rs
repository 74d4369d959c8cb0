//! The whole server: in process over a real listener, and the real binary where a process has to die.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in their helpers")]

mod audit;
mod chats;
mod conditions;
mod connections;
mod crash;
mod csrf;
mod cut_connections;
mod description;
mod explain;
mod files;
mod fuzz;
mod groups;
mod keys;
mod limits;
mod matrix;
mod models;
mod oauth;
mod oauth_callbacks;
mod oauth_crash;
mod openapi;
mod pages;
mod probe_cli;
mod process;
mod provider_faults;
mod queue;
mod secrets;
mod server_groups;
mod server_tools;
mod servers;
mod servers_check;
mod servers_update;
mod sessions;
mod settings;
mod setup;
mod start;
mod stream;
mod support;
mod tools;
mod transfer;
mod transfer_cli;
mod users;
mod workspaces;
