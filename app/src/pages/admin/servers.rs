//! MCP servers: list and editor.

pub mod editor;
pub mod list;
pub(super) mod words;
