//! A user's own values for a `user_header` server: entered, replaced, removed (behaviour 4 and 7). Never read back.

use super::sealing::{seal_map, user_values_place};
use crate::{Error, OpContext, Result, Service, audit::Act, mcp_servers::access::unseal_map};
use api::{
    Timestamp, Uuid,
    servers::{AuthType, UserHeaderValues},
};
use dbcrypt::Keyring;
use domain::mcp_server::{check_user_values, lower_names};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use store::{
    Session, Write,
    changes::{ChangeKind, change_note},
    mcp_servers,
    user_header_values::{self, UserHeaderRecord},
};

/// What became of a grant at its provider when it was removed here (behaviour 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// There was nothing that its provider could be told of.
    None,
    /// The provider took it back.
    Revoked,
    /// Gone here; the provider could not be told. Where that may still work, it is tried again.
    Failed,
}

impl Revocation {
    /// The value of `Patchbay-Token-Revoked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Revoked => "true",
            Self::Failed => "false",
        }
    }
}

/// Users whose values are looked at together when an edit takes a name away.
const FORGET_BATCH: i64 = 200;

impl Service {
    /// Stores the caller's own values for a server, over what was there; a value for every name it asks for.
    ///
    /// # Errors
    /// [`Error::NotFound`]: unknown or concealed. [`Error::Invalid`]: another authentication type, or names that are unknown or
    /// missing.
    pub async fn user_headers_set(&self, ctx: &OpContext, id: Uuid, request: UserHeaderValues) -> Result<()> {
        let reader = Self::user_of_servers(ctx)?;
        let mut write = self.db().write().await?;
        // An edit that moves the server waits, or is seen here: a value never goes where it was not meant for.
        mcp_servers::server_hold(&mut write, id).await?;
        let found = mcp_servers::server_get(&mut write, reader, id).await?.ok_or(Error::NotFound)?;
        let record = &found.stored.record;
        if record.auth_type != AuthType::UserHeader {
            return Err(Error::Invalid {
                message: format!(
                    "{} asks for no values of yours; its authentication type is `{}`.",
                    record.display_name,
                    record.auth_type.as_str()
                ),
                validations: Vec::new(),
            });
        }
        let values = check_user_values(&record.user_headers, &request.values).map_err(Error::invalid)?;
        let now = self.now();
        let row = self.new_id();
        let sealed = seal_map(&self.deps().keyring, &user_values_place(row, reader.user_id), &values)?;
        let entry = UserHeaderRecord {
            id: row,
            mcp_server_id: id,
            user_id: reader.user_id,
            values: sealed,
            names: values.into_keys().collect(),
            // Passes every version before, also that of values removed since.
            version: now.0,
            created_at: now,
            updated_at: now,
        };
        user_header_values::user_values_put(&mut write, &entry).await?;
        let word = if found.values.is_some() { "changed" } else { "set" };
        let fields = lower_names(&record.user_headers).iter().map(|name| format!("{name} {word}")).collect();
        let act = Act::on("connection.user_headers_set", "mcp_server", id, &record.slug).fields(fields);
        self.audit(&mut write, ctx, act).await?;
        change_note(&mut write, ChangeKind::Users, &reader.user_id.to_string()).await?;
        write.commit().await?;
        self.deps().mcp.close_connection(id, reader.user_id);
        Ok(())
    }

    /// Removes the caller's own values. Also of a server that is unknown or concealed by now: everybody can always take back what
    /// they entered, and the answer tells nothing.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn user_headers_remove(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        self.own_values_remove(ctx, id, "connection.user_headers_removed").await
    }

    async fn own_values_remove(&self, ctx: &OpContext, id: Uuid, action: &'static str) -> Result<()> {
        let user = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        if !user_header_values::user_values_delete(&mut write, id, user).await? {
            return Ok(());
        }
        let slug = mcp_servers::server_slug(&mut write, id).await?.unwrap_or_default();
        self.audit(&mut write, ctx, Act::on(action, "mcp_server", id, &slug)).await?;
        change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        write.commit().await?;
        self.deps().mcp.close_connection(id, user);
        Ok(())
    }
}

/// Takes the values of these names (lower case) from every user of a server; how many users had one.
pub(super) async fn user_values_forget(
    keyring: &Keyring,
    now: Timestamp,
    write: &mut Write,
    server: Uuid,
    gone: &[String],
) -> Result<u64> {
    let (mut after, mut touched) = (String::new(), 0);
    loop {
        let page = user_header_values::user_values_list(write, server, &after, FORGET_BATCH).await?;
        let Some((last, _)) = page.last() else { return Ok(touched) };
        after.clone_from(last);
        for (_, entry) in page {
            if entry.names.iter().any(|name| gone.contains(name)) {
                entry_forget(keyring, now, write, entry, gone).await?;
                touched += 1;
            }
        }
    }
}

/// How many users of a server have a value of these names (lower case).
pub(super) async fn user_values_named(session: &mut Session, server: Uuid, names: &[String]) -> Result<i64> {
    let (mut after, mut found) = (String::new(), 0);
    loop {
        let page = user_header_values::user_values_list(session, server, &after, FORGET_BATCH).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        for (_, entry) in &page {
            found += i64::from(entry.names.iter().any(|name| names.contains(name)));
        }
    }
}

async fn entry_forget(
    keyring: &Keyring,
    now: Timestamp,
    write: &mut Write,
    entry: UserHeaderRecord,
    gone: &[String],
) -> Result<()> {
    let place = user_values_place(entry.id, entry.user_id);
    // What this process cannot open another may, and the user learns of it: only the names that are gone are not looked for any more.
    let Ok(opened) = unseal_map(keyring, &place, &entry.values) else { return Ok(()) };
    let kept: BTreeMap<String, String> = opened
        .into_iter()
        .filter(|(name, _)| !gone.contains(name))
        .map(|(name, value)| (name, value.expose_secret().to_owned()))
        .collect();
    // Nothing left: the user begins anew.
    if kept.is_empty() {
        user_header_values::user_values_delete(write, entry.mcp_server_id, entry.user_id).await?;
        return Ok(());
    }
    let values = seal_map(keyring, &place, &kept)?;
    let names = kept.into_keys().collect();
    let entry = UserHeaderRecord { values, names, updated_at: now, ..entry };
    // A row that its user has removed or replaced since is left alone (behaviour 10: never re-created).
    user_header_values::user_values_replace(write, &entry).await?;
    Ok(())
}
