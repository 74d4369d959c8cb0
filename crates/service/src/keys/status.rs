//! Which keys there are, and what needs each.

use super::KeysError;
use crate::{OpContext, Result, Service};
use api::keys::{KeyStatus, KeyUsage};
use dbcrypt::Keyring;
use domain::accounts::Action;
use store::{Db, Session, StoreError, encryption_keys, replicas};

impl Service {
    /// Every key with its state and use, for those who manage or audit.
    ///
    /// # Errors
    /// [`crate::Error::Forbidden`].
    pub async fn key_list(&self, ctx: &OpContext) -> Result<Vec<KeyStatus>> {
        ctx.authorize(Action::KeysRead)?;
        let mut session = self.db().read().await?;
        Ok(status_of(&mut session, Some(&self.deps().keyring), true).await?)
    }
}

/// The same for the command line, which may have no key, or the wrong ones: it names what is missing. It writes nothing itself.
///
/// # Errors
/// [`KeysError::Store`].
pub async fn keys_status(
    db: &Db,
    keyring: Option<&Keyring>,
) -> std::result::Result<Vec<KeyStatus>, KeysError> {
    let mut session = db.read().await?;
    Ok(status_of(&mut session, keyring, false).await?)
}

/// Known keys, oldest first; then those that only values name; then those that only the configuration has.
async fn status_of(
    session: &mut Session,
    keyring: Option<&Keyring>,
    serving: bool,
) -> std::result::Result<Vec<KeyStatus>, StoreError> {
    let known = encryption_keys::encryption_key_list(session).await?;
    let uses = encryption_keys::encryption_key_use(session).await?;
    let live = replicas::replicas_live(session).await?;
    let mut ids: Vec<String> = known.iter().map(|key| key.id.clone()).collect();
    let configured: Vec<String> =
        keyring.map(|ring| ring.ids().map(ToString::to_string).collect()).unwrap_or_default();
    for id in uses.iter().filter_map(|used| used.key_id.clone()).chain(configured.iter().cloned()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    // A command writes nothing, so for it the question is which key it would write with.
    let writes = keyring.map(|ring| if serving { ring.primary() } else { ring.preferred() });
    Ok(ids
        .into_iter()
        .map(|id| {
            let record = known.iter().find(|key| key.id == id);
            let usage = uses.iter().filter(|used| used.key_id.as_deref() == Some(&id));
            KeyStatus {
                state: record.map(|key| key.state),
                configured: configured.contains(&id),
                writes: writes.is_some_and(|key| key.as_str() == id),
                readable_by: count(live.iter().filter(|replica| replica.reads(&id)).count()),
                replicas: count(live.len()),
                created_at: record.map(|key| key.created_at),
                usage: usage
                    .map(|used| KeyUsage {
                        table: used.field.table.to_owned(),
                        column: used.field.column.to_owned(),
                        values: used.values,
                    })
                    .collect(),
                id,
            }
        })
        .collect())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
