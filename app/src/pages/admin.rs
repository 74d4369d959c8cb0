//! The admin panel.

pub mod models;
pub mod servers;
pub mod users;
