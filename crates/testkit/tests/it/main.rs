//! The fakes themselves: a peer that takes what is wrong shows nothing about who sends what is right.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

mod client;
mod faults;
mod grants;
mod metadata;
mod protected;
mod registration;
mod resource;
