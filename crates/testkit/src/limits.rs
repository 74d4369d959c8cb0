//! How long tests wait before they call something stuck. Generous: a loaded machine must not fail a correct build.

use std::time::Duration;

/// One answer of a server under test; more than any `Prefer: wait` of the tests.
pub const ANSWER: Duration = Duration::from_secs(90);
/// Something that should happen soon ([`crate::wait::until`]).
pub const SOON: Duration = Duration::from_secs(30);
/// How often [`crate::wait::until`] looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Largest body that a fake reads or a client keeps, bytes.
pub const BODY: usize = 16 * 1024 * 1024;
/// Life of an access token of the fake authorization server, unless a test says otherwise.
pub const ACCESS_TOKEN: Duration = Duration::from_secs(3600);
/// Life of its authorization codes.
pub const AUTHORIZATION_CODE: Duration = Duration::from_secs(60);
