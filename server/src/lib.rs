//! The binary `patchbay`: command line, configuration, wiring, and all HTTP (REST, live streams, the glue of the UI).

pub mod assets;
pub mod cli;
pub mod config;
mod demo;
pub mod http;
mod keys;
pub mod listen;
mod providers_from_environment;
mod serve;
mod system;
pub mod wiring;

pub use serve::serve;
