//! The OpenAI dialect against a hostile and honest fake server on loopback.

mod failures;
mod fake;
mod stream;
