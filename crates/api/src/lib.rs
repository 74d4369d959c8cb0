//! Wire types of Patchbay: what REST clients, the browser and the server say to each other.
//!
//! One set of types serves the REST API, the server functions and the live stream (behaviour 3, "Do better").
//! The crate is wasm-clean: it knows no database, no HTTP and no clock.

pub mod actions;
pub mod audit;
pub mod chat_settings;
pub mod chats;
pub mod check;
pub mod error;
pub mod explain;
pub mod fleet;
pub mod groups;
pub mod keys;
pub mod messages;
pub mod models;
pub mod oauth;
pub mod page;
pub mod search;
pub mod servers;
pub mod settings;
pub mod stream;
pub mod timestamp;
pub mod tools;
pub mod transfer;
pub mod users;
pub mod watch;
pub mod workspaces;

pub use error::{ErrorBody, Validation};
pub use page::{Page, PageQuery};
pub use timestamp::Timestamp;
pub use uuid::Uuid;

/// The one organisation every chat belongs to (behaviour 17: accepted, ignored, one constant id in responses).
pub const ORGANIZATION_ID: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
