//! The admin panel.

pub mod audit;
pub mod chats;
pub mod fleet;
pub mod groups;
pub mod keys;
pub mod models;
pub mod servers;
pub mod settings;
pub mod users;
