//! After a database was put back from a backup, and when one was made: beside the server, for whoever runs it (behaviour 10, 30).

use crate::{OpContext, audit};
use api::chats::TurnError;
use domain::clock::{Clock, Entropy, new_id};
use store::{
    Db, StoreError, Write,
    backup::Restored,
    changes::{self, ChangeKind},
};

/// Takes back what a restored database must not act on, and writes it into its audit log, in one transaction.
///
/// # Errors
/// [`StoreError::Unavailable`]: nothing was changed, and it can be repeated.
pub async fn database_restored(
    db: &Db,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    ctx: &OpContext,
) -> Result<Restored, StoreError> {
    let mut write = db.write().await?;
    let restored = store::backup::restored(&mut write, &under_way(), clock.now()).await?;
    let fields = [
        ("sessions", restored.sessions),
        ("refresh_tokens", restored.refresh_tokens),
        ("turns", restored.turns),
    ];
    let fields =
        fields.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what}: {count}"));
    append(&mut write, clock, entropy, ctx, "database.restored", fields.collect()).await?;
    // Nobody serves it, but a server that was forgotten follows at least.
    for kind in [ChangeKind::Servers, ChangeKind::Users] {
        changes::change_note(&mut write, kind, "").await?;
    }
    write.commit().await?;
    Ok(restored)
}

/// Leaves an entry in the audit log: a copy of everything has left the database.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn database_backed_up(
    db: &Db,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    ctx: &OpContext,
) -> Result<(), StoreError> {
    let mut write = db.write().await?;
    append(&mut write, clock, entropy, ctx, "database.backed_up", Vec::new()).await?;
    write.commit().await
}

async fn append(
    write: &mut Write,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    ctx: &OpContext,
    action: &'static str,
    fields: Vec<String>,
) -> Result<(), StoreError> {
    let act = audit::Act::on_any(action, "database").fields(fields);
    let entry = audit::entry_of(new_id(clock, entropy), clock.now(), ctx, act, "ok");
    store::audit::audit_append(write, &entry).await
}

/// Of a turn that was under way when the backup was made. What it did after that is not in the database.
fn under_way() -> TurnError {
    TurnError {
        code: "restored".to_owned(),
        message: "This turn was under way when the backup was made that Patchbay was restored from. What it did after that is not \
                  known here. Check it before you retry."
            .to_owned(),
        retryable: true,
    }
}
