//! MCP servers: list and editor.

pub mod editor;
pub mod list;
mod words;
