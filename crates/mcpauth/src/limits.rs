//! Deadlines and caps (threats 5, groups OAuth and Refresh). Every figure of this crate is here, and those of its callers that the
//! same table gives.

use std::time::Duration;

/// One request of a discovery, redirects and body included.
pub const METADATA_REQUEST: Duration = Duration::from_secs(10);
/// A whole discovery.
pub const DISCOVERY: Duration = Duration::from_secs(30);
/// Bytes of a metadata document.
pub const METADATA_BODY: u64 = 1024 * 1024;
/// Redirects of one metadata request, each checked.
pub const METADATA_HOPS: u8 = 3;
/// Addresses asked in one discovery; what servers list is longer than any honest list by then.
pub const CANDIDATES: usize = 24;
/// Authorization servers of one resource that are looked at.
pub const AUTHORIZATION_SERVERS: usize = 8;
/// Scopes kept of one document.
pub const PUBLISHED_SCOPES: usize = 512;
/// Entries kept of any other list of a document.
pub const LIST_ENTRIES: usize = 64;
/// Bytes of one entry of a list; longer ones are dropped.
pub const LIST_ENTRY_BYTES: usize = 256;

/// The exchange of a code.
pub const EXCHANGE: Duration = Duration::from_secs(20);
/// One registration request.
pub const REGISTRATION: Duration = Duration::from_secs(15);
/// One renewal of a token.
pub const REFRESH: Duration = Duration::from_secs(10);
/// One revocation, also when it takes two requests.
pub const REVOCATION: Duration = Duration::from_secs(10);
/// How often a revocation is tried, within [`REVOCATION_WINDOW`].
pub const REVOCATION_TRIES: u32 = 3;
/// How long a revocation is tried.
pub const REVOCATION_WINDOW: Duration = Duration::from_secs(3600);
/// Bytes of an answer of a token, registration or revocation endpoint.
pub const ANSWER_BODY: u64 = 256 * 1024;
/// Bytes of an access or refresh token: one header of egress and of most servers.
pub const TOKEN_BYTES: usize = 16 * 1024;
/// Characters of an error text.
pub const ERROR_CHARS: usize = 400;
/// Bytes of a provider's error code; a longer one is none.
pub const ERROR_CODE_BYTES: usize = 64;
/// The longest pause that a provider may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Life of a sign-in that was begun.
pub const FLOW_LIFE: Duration = Duration::from_secs(600);
/// Questions for more permission per user, server and tool, within [`STEP_UP_WINDOW`].
pub const STEP_UPS: u32 = 2;
/// What [`STEP_UPS`] is counted over.
pub const STEP_UP_WINDOW: Duration = Duration::from_secs(3600);
/// Bytes of our client document.
pub const CLIENT_DOCUMENT_BYTES: usize = 5 * 1024;

/// A token this close to its end counts as expired.
pub const REFRESH_AT_USE: Duration = Duration::from_secs(10);
/// How far ahead the background job renews, less a random part.
pub const REFRESH_AHEAD: Duration = Duration::from_secs(300);
/// How long lists wait for renewals, all tokens together.
pub const REFRESH_WAIT_IN_LISTS: Duration = Duration::from_secs(2);
/// The shortest life that is believed; a token of a shorter one ends by `401`.
pub const EXPIRES_IN_MIN: Duration = Duration::from_secs(90);
/// The longest life that is believed.
pub const EXPIRES_IN_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Pause between two renewals of one credential.
pub const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// The lease under which a credential is renewed.
pub const REFRESH_LEASE: Duration = Duration::from_secs(30);
/// How long others wait for the one who renews.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(15);
