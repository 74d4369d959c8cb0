//! The outbound client against hostile and honest peers on loopback. Every refusal is checked twice: by its error, and
//! by a canary that would have seen the traffic.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in their helpers")]

mod caps;
mod latency;
mod literals;
mod names;
mod proxy;
mod redirects;
mod support;
mod wire;
