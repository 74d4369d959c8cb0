//! The admin panel.

pub mod groups;
pub mod models;
pub mod servers;
pub mod settings;
pub mod users;
