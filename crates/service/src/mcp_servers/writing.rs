//! The two writes of a server and all that belongs into their transaction. REST and the panel make one of them, an import many.

use super::{
    access::unseal_map,
    sealing::{custom_headers_place, seal_into},
    user_headers::{user_values_forget, user_values_named},
};
use crate::{
    Error, OpContext, Result,
    audit::{Act, entry_of},
    oauth::{self, GrantsContext},
};
use api::{
    Uuid,
    servers::{CredentialsCleared, ToolChangePolicy},
};
use dbcrypt::Keyring;
use domain::{
    SecretChange,
    clock::{Clock, Entropy, new_id},
    mcp_server::{ServerChange, ServerDraft, UserValuesWipe, poses_as_identity},
};
use store::{
    Session, Write,
    audit::audit_append,
    mcp_servers::{self, StoredServer},
    user_header_values,
};

/// What a write stands on: the command line has no [`crate::Service`].
pub(crate) struct ServerWriter<'a> {
    pub(crate) keyring: &'a Keyring,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
}

impl ServerWriter<'_> {
    /// Inserts a new server, with its audit entry.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a group that does not exist; the conflict of the store on the slug.
    pub(crate) async fn insert(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        draft: ServerDraft,
    ) -> Result<StoredServer> {
        let stored = self.sealed(write, ctx, draft).await?;
        mcp_servers::server_insert(write, &stored).await.map_err(super::slug_conflict)?;
        let id = stored.record.id;
        self.log(write, ctx, Act::on("server.create", "mcp_server", id, &stored.record.slug)).await?;
        Ok(stored)
    }

    /// Inserts a new server that is not there for anybody yet, for so long: what it needs is still to be found. It has no audit entry
    /// before it is real.
    ///
    /// # Errors
    /// As [`ServerWriter::insert`].
    pub(crate) async fn insert_in_setup(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        draft: ServerDraft,
        setup_micros: i64,
    ) -> Result<StoredServer> {
        let stored = self.sealed(write, ctx, draft).await?;
        let inserted = mcp_servers::server_insert_in_setup(write, &stored, setup_micros).await;
        inserted.map_err(super::slug_conflict)?;
        Ok(stored)
    }

    async fn sealed(&self, write: &mut Write, ctx: &OpContext, draft: ServerDraft) -> Result<StoredServer> {
        let id = new_id(self.clock, self.entropy);
        let mut stored = StoredServer::plain(draft.record(id, self.clock.now(), author(ctx)));
        seal_into(
            self.keyring,
            &mut stored,
            draft.api_key,
            draft.custom_headers,
            draft.oauth2_secret,
            draft.signing_secret,
        )?;
        groups_exist(write, &stored.record.allowed_group_ids).await?;
        Ok(stored)
    }

    /// Writes an edit of a locked server, with its audit entries; what it wiped.
    ///
    /// # Errors
    /// As [`ServerWriter::insert`].
    pub(crate) async fn update(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        mut stored: StoredServer,
        change: ServerChange,
    ) -> Result<CredentialsCleared> {
        let id = stored.record.id;
        let regrouped = change.changed.contains(&"allowed_group_ids");
        if regrouped {
            groups_exist(write, &change.merged.allowed_group_ids).await?;
        }
        let changed = audit_words(&stored, &change);
        let before = stored.clone();
        let credential_version = stored.record.credential_version;
        stored.record = change.record(self.clock.now(), author(ctx));
        if change.custom_headers == SecretChange::Keep && stored.record.forward_coder_headers {
            self.refuse_posing_headers(&stored)?;
        }
        seal_into(
            self.keyring,
            &mut stored,
            change.api_key,
            change.custom_headers,
            change.oauth2_secret,
            change.signing_secret,
        )?;
        mcp_servers::server_update(write, &stored).await.map_err(super::slug_conflict)?;
        if regrouped {
            mcp_servers::server_groups_replace(write, id, &stored.record.allowed_group_ids).await?;
        }
        if stored.record.credential_version != credential_version {
            mcp_servers::health_forget(write, id).await?;
        }
        if change.changed.contains(&"tool_change_policy")
            && stored.record.tool_change_policy == ToolChangePolicy::Accept
        {
            mcp_servers::definitions_accept_all(write, id, author(ctx), self.clock.now()).await?;
        }
        let wiped = self.user_values_wipe(write, id, &change.user_values).await?;
        let context = GrantsContext { keyring: self.keyring, clock: self.clock, entropy: self.entropy };
        let departed =
            oauth::tokens_wipe(&context, write, &before, change.user_tokens, &stored.record.url).await?;
        let slug = &stored.record.slug;
        self.log(write, ctx, Act::on("server.update", "mcp_server", id, slug).fields(changed)).await?;
        let counts = [("user_tokens", departed.users), ("user_header_values", wiped)];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        if !counts.is_empty() {
            let act = Act::on("server.credentials_wiped", "mcp_server", id, slug).fields(counts);
            self.log(write, ctx, act).await?;
        }
        Ok(CredentialsCleared { user_tokens: departed.users, user_header_values: wiped, ..change.cleared })
    }

    /// The names of stored custom headers are sealed, so the rule of behaviour 12 is applied where they can be opened. What
    /// cannot be opened cannot be sent either.
    fn refuse_posing_headers(&self, stored: &StoredServer) -> Result<()> {
        let place = custom_headers_place(stored.record.id);
        let Ok(headers) = unseal_map(self.keyring, &place, &stored.custom_headers) else { return Ok(()) };
        match headers.keys().find(|name| poses_as_identity(name)) {
            Some(name) => Err(Error::invalid_field(
                "custom_headers",
                format!(
                    "`{name}` is stored here and may not be while identities are forwarded: headers that begin with X-Coder- \
                     are Patchbay's then. Enter the custom headers again without it."
                ),
            )),
            None => Ok(()),
        }
    }

    /// Appends an audit entry.
    pub(crate) async fn log(&self, write: &mut Write, ctx: &OpContext, act: Act<'_>) -> Result<()> {
        let id = new_id(self.clock, self.entropy);
        Ok(audit_append(write, &entry_of(id, self.clock.now(), ctx, act, "ok")).await?)
    }

    /// How many users' values an edit takes away.
    async fn user_values_wipe(&self, write: &mut Write, id: Uuid, wipe: &UserValuesWipe) -> Result<i64> {
        let wiped = match wipe {
            UserValuesWipe::Nothing => 0,
            UserValuesWipe::All => user_header_values::user_values_delete_all(write, id).await?,
            UserValuesWipe::Names(gone) => {
                user_values_forget(self.keyring, self.clock.now(), write, id, gone).await?
            }
        };
        Ok(i64::try_from(wiped).unwrap_or(i64::MAX))
    }
}

/// How many users' values an edit would take away.
pub(crate) async fn user_values_at_stake(
    session: &mut Session,
    id: Uuid,
    wipe: &UserValuesWipe,
) -> Result<i64> {
    match wipe {
        UserValuesWipe::Nothing => Ok(0),
        UserValuesWipe::All => Ok(user_header_values::user_values_count(session, id).await?),
        UserValuesWipe::Names(gone) => user_values_named(session, id, gone).await,
    }
}

fn author(ctx: &OpContext) -> Option<Uuid> {
    ctx.caller.as_ref().map(|caller| caller.user.id)
}

/// Secrets go into the log only as what happened to them (behaviour 27).
fn audit_words(stored: &StoredServer, change: &ServerChange) -> Vec<String> {
    let before = &stored.record;
    let words = change.changed.iter().map(|field| {
        let word = match *field {
            "api_key_value" => change.api_key.audit_word(before.has_api_key),
            "custom_headers" => change.custom_headers.audit_word(before.has_custom_headers),
            "oauth2_client_secret" => change.oauth2_secret.audit_word(before.has_oauth2_secret),
            "signing_secret" => change.signing_secret.audit_word(before.has_signing_secret),
            _ => None,
        };
        word.map_or_else(|| (*field).to_owned(), |word| format!("{field} {word}"))
    });
    words.collect()
}

/// Every group that a server is limited to exists, and stays until the end of the transaction.
async fn groups_exist(write: &mut Write, groups: &[Uuid]) -> Result<()> {
    let unknown = mcp_servers::groups_unknown(write, groups).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown: Vec<String> = unknown.iter().map(Uuid::to_string).collect();
    Err(Error::invalid_field("allowed_group_ids", format!("There is no group {}.", unknown.join(", "))))
}
