//! Streamable HTTP over `egress`, underneath rmcp (protocol.md 11).

mod channel;
mod flood;
mod message;
mod refusal;
mod sse;
mod stream;

pub(crate) use channel::Channel;
