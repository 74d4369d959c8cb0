//! The chat: what a person sees of a turn while it runs and after (behaviour 25, issue "the main job").
//!
//! [`ChatHome`] begins a chat, [`ChatPage`] shows one, [`ChatList`] stands in the sidebar. All three read without wasm; writing
//! and the live stream need it.

#![expect(
    unreachable_pub,
    reason = "the component macro makes the property types `pub`, also of components that are not"
)]

mod actions;
mod agents;
mod asks;
mod blocks;
mod boundary;
mod browser;
mod calls;
mod composer;
mod details;
mod files;
mod home;
mod icons;
mod list;
mod list_stream;
mod live_text;
mod needs;
mod notices;
mod page;
mod picker;
mod plan;
mod popover;
mod questions;
mod queue;
mod rename;
mod scroll;
mod search;
mod shared;
mod stream;
mod title_menu;
pub mod transcript;
mod user_message;
mod why;
mod workspace;

pub(crate) use details::ResultParts;
pub use home::ChatHome;
pub use list::ChatList;
pub use page::ChatPage;
pub use search::ChatSearch;
