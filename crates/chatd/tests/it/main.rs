//! The daemon with a real database, a fake MCP server and a scripted model.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in their helpers")]

mod admission;
mod again;
mod agents;
mod budgets;
mod compaction;
mod crash;
mod failures;
mod hub;
mod live;
mod model;
mod parked;
mod plan_mode;
mod questions;
mod queue;
mod refusals;
mod resume;
mod servers;
mod support;
mod tools;
mod turn;
mod workspaces;
