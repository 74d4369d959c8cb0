//! OAuth against peers on loopback: what is sent, and what their answers are taken for.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

mod discovery;
mod redirects;
mod registration;
mod revocation;
mod support;
mod tokens;
