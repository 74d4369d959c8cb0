//! Names of groups, for documents that leave this deployment: there an id means nothing.

use crate::{Result, Session};
use api::Uuid;

/// Every group's id and name, by name.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn group_names(session: &mut Session) -> Result<Vec<(Uuid, String)>> {
    fetch_all!(session, (Uuid, String), "SELECT id, name FROM groups ORDER BY lower(name)")
}
