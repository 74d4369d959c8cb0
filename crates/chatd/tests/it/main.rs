//! The daemon with a real database, a fake MCP server and a scripted model.

mod admission;
mod crash;
mod hub;
mod model;
mod resume;
mod support;
mod tools;
mod turn;
