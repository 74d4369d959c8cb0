//! The MCP client against peers on loopback: the sample server, and fakes that behave badly on purpose.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

mod calls;
mod catalogues;
mod checks;
mod corpus;
mod elicitation;
mod eras;
mod fake;
mod fake_stateless;
mod forwarding;
mod old_transport;
mod pool;
mod refusals;
mod sample;
mod sessions;
mod stateless;
mod streams;
