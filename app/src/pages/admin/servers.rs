//! MCP servers: list, editor and import.

mod changes;
pub mod editor;
pub mod import;
pub mod list;
pub mod tools;
pub(super) mod words;
