//! The store on both engines, in one binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod audit;
mod backup;
mod changes;
mod chat_children;
mod chat_plans;
mod chat_queue;
mod chat_search;
mod chat_upkeep;
mod chats;
mod credentials;
mod files;
mod groups;
mod keys;
mod leases;
mod login_attempts;
mod messages;
mod models;
mod oauth_facts;
mod oauth_flows;
mod oauth_refresh;
mod oauth_revocations;
mod oauth_step_ups;
mod oauth_tokens;
mod schema;
mod server_readers;
mod server_search;
mod server_setup;
mod servers;
mod settings;
mod support;
mod time;
mod tool_calls;
mod transactions;
mod user_header_values;
mod users;
mod workspaces;
