//! What tests stand on: throw-away databases on both engines, honest and hostile fake peers that record every request, an HTTP
//! client per kind of caller, and the effect ledger.
//!
//! A test fails by panicking, so the functions here panic with a sentence instead of returning errors. Only `tests/` folders may
//! use this crate: in-file tests would see two copies of the types of the crate under test.

pub mod effects;
pub mod fake_llm;
pub mod fake_mcp;
pub mod fake_oauth;
pub mod http;
pub mod limits;
pub mod raw_peer;
pub mod record;
mod serve;
pub mod sse;
pub mod temp;
mod test_db;
pub mod wait;

// Tests of the rooms reach these through here, so that the rooms themselves keep to the edges of the plan.
pub use axum;
pub use egress;
pub use samplemcp;
pub use test_db::{TestDb, newer_schema, postgres_url, raw_sql};
