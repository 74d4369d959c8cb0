//! MCP servers: list, editor and import.

pub mod editor;
pub mod import;
pub mod list;
pub mod tools;
pub(super) mod words;
