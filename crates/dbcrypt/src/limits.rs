//! Caps of this crate.

/// Keys in one ring. A rotation needs two; more only pile up when old ones are never purged.
pub const KEYS: usize = 32;
/// Bytes of one secret. The largest is a workspace's `.mcp.json`, itself capped with the request body at 1 MiB.
pub const PLAINTEXT: usize = 4 * 1024 * 1024;
/// Values that one process seals with one key. Nonces are random, 96 bits long: up to 2^32 of them the chance of a
/// repetition stays below 2^-32 (NIST SP 800-38D, 8.3).
pub const SEALS_PER_KEY: u64 = 1 << 32;
/// Places of values that did not open, kept until somebody asks; more are not told apart from none.
pub const FAILURES: usize = 1000;
