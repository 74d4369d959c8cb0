//! The admin panel.

pub mod audit;
pub mod keys;
pub mod models;
pub mod servers;
pub mod users;
