//! The admin panel.

pub mod keys;
pub mod models;
pub mod servers;
pub mod users;
