//! Use cases whose time is a value: what the REST tests cannot wait for.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in their helpers")]

mod audit;
mod bench;
mod chat_queue;
mod connections;
mod expiry;
mod groups;
mod keys;
mod oauth;
mod sealed;
mod tools;
mod transfer;
