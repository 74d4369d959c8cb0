//! The dialects of providers against a hostile and honest fake server on loopback.

mod anthropic;
mod failures;
mod fake;
mod stream;
