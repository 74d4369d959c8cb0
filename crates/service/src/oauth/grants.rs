//! Grants that end here: removed at once, and noted so that their provider is told (protocol.md 14.13).

use super::{client_of, resource_of, sealed};
use crate::{
    Result,
    mcp_servers::{access_token_place, refresh_token_place, revocation_place, unseal},
};
use api::{Timestamp, Uuid};
use dbcrypt::Keyring;
use domain::{
    clock::{Clock, Entropy, new_id},
    mcp_server::UserTokensWipe,
};
use store::{
    Session, Write,
    mcp_servers::{Reader, StoredServer, server_get},
    oauth::{self, OAuthFacts, Revocation, UserToken},
};

/// Tokens that are looked at together.
const BATCH: i64 = 200;

/// What it takes to note a grant.
pub(crate) struct GrantsContext<'a> {
    pub(crate) keyring: &'a Keyring,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
}

/// Grants that were removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departed {
    pub(crate) users: i64,
}

/// How many users an edit would disconnect.
pub(crate) async fn tokens_at_stake(
    session: &mut Session,
    id: Uuid,
    wipe: UserTokensWipe,
    url: &str,
) -> Result<i64> {
    match wipe {
        UserTokensWipe::Nothing => Ok(0),
        UserTokensWipe::All => Ok(oauth::user_tokens_count(session, id).await?),
        UserTokensWipe::UnfitResource => {
            let unfit = unfit(oauth::user_tokens_resources(session, id).await?, url);
            // All tokens of a server were issued for one resource nearly always.
            if unfit.is_empty() { Ok(0) } else { Ok(oauth::user_tokens_count(session, id).await?) }
        }
    }
}

/// Removes what an edit takes away. `before`: the server as the grants know it; `url`: where it is afterwards.
pub(crate) async fn tokens_wipe(
    context: &GrantsContext<'_>,
    write: &mut Write,
    before: &StoredServer,
    wipe: UserTokensWipe,
    url: &str,
) -> Result<Departed> {
    let id = before.record.id;
    match wipe {
        UserTokensWipe::Nothing => Ok(Departed::default()),
        UserTokensWipe::All => {
            let facts = oauth::oauth_facts_get(write, id).await?;
            grants_of_server(context, write, before, facts.as_ref()).await
        }
        UserTokensWipe::UnfitResource => {
            let facts = oauth::oauth_facts_get(write, id).await?;
            let mut departed = Departed::default();
            for resource in unfit(oauth::user_tokens_resources(write, id).await?, url) {
                loop {
                    let gone = oauth::user_tokens_delete_of_resource(write, id, &resource, BATCH).await?;
                    if gone.is_empty() {
                        break;
                    }
                    departed.users += count(&gone);
                    note_all(context, write, before, facts.as_ref(), &gone).await?;
                }
            }
            Ok(departed)
        }
    }
}

/// Removes every user's grant for a server.
pub(crate) async fn grants_of_server(
    context: &GrantsContext<'_>,
    write: &mut Write,
    before: &StoredServer,
    facts: Option<&OAuthFacts>,
) -> Result<Departed> {
    let mut departed = Departed::default();
    loop {
        let gone = oauth::user_tokens_delete_page(write, before.record.id, BATCH).await?;
        if gone.is_empty() {
            return Ok(departed);
        }
        departed.users += count(&gone);
        note_all(context, write, before, facts, &gone).await?;
    }
}

/// Removes every grant of a user whose account is about to go. By deleting first, so that no renewal slips in between.
pub(crate) async fn grants_of_user(context: &GrantsContext<'_>, write: &mut Write, user: Uuid) -> Result<()> {
    for token in oauth::user_tokens_delete_of_user(write, user).await? {
        let server = token.mcp_server_id;
        let Some(found) = server_get(write, Reader::of_everything(user), server).await? else { continue };
        let facts = oauth::oauth_facts_get(write, server).await?;
        grant_note(context, write, &found.stored, facts.as_ref(), &token, 0).await?;
    }
    Ok(())
}

fn count(tokens: &[UserToken]) -> i64 {
    i64::try_from(tokens.len()).unwrap_or(i64::MAX)
}

fn unfit(resources: Vec<String>, url: &str) -> Vec<String> {
    resources.into_iter().filter(|resource| mcpauth::resource::fits(url, resource).is_none()).collect()
}

async fn note_all(
    context: &GrantsContext<'_>,
    write: &mut Write,
    before: &StoredServer,
    facts: Option<&OAuthFacts>,
    gone: &[UserToken],
) -> Result<()> {
    for token in gone {
        grant_note(context, write, before, facts, token, 0).await?;
    }
    Ok(())
}

/// Notes a grant whose row is gone, for its provider to be told after `after_micros`; with such a pause the caller tells it itself first,
/// and that counts as a try. `None` when there is nothing to tell, or nobody:
/// no revocation address, a credential that failed or cannot be opened, a client that it was not issued to.
pub(crate) async fn grant_note(
    context: &GrantsContext<'_>,
    write: &mut Write,
    server: &StoredServer,
    facts: Option<&OAuthFacts>,
    token: &UserToken,
    after_micros: i64,
) -> Result<Option<Revocation>> {
    let url = &server.record.oauth2.revocation_url;
    let (keyring, user) = (context.keyring, token.user_id);
    let ours = server.record.oauth2.client_id == token.client_id
        && server.record.oauth2.token_url == token.token_url;
    if url.is_empty() || token.failure.is_some() || !ours {
        return Ok(None);
    }
    let access = unseal(keyring, &access_token_place(token.id, user), &token.access_token);
    let refresh = unseal(keyring, &refresh_token_place(token.id, user), &token.refresh_token);
    let (Ok(access), Ok(refresh)) = (access, refresh) else { return Ok(None) };
    let Some(client) = client_of(keyring, server, facts, resource_of(server, facts)) else { return Ok(None) };
    if access.is_none() && refresh.is_none() {
        return Ok(None);
    }
    let id = new_id(context.clock, context.entropy);
    let revocation = Revocation {
        id,
        mcp_server_id: server.record.id,
        user_id: user,
        revocation_url: url.clone(),
        client_id: client.client_id.clone(),
        auth_method: client.auth_method.as_str().to_owned(),
        client_secret: sealed(
            keyring,
            &revocation_place(id, "client_secret"),
            client.client_secret.as_ref(),
        )?,
        refresh_token: sealed(keyring, &revocation_place(id, "refresh_token"), refresh.as_ref())?,
        access_token: sealed(keyring, &revocation_place(id, "access_token"), access.as_ref())?,
        resource: token.resource.clone(),
        tries: i64::from(after_micros > 0),
        next_try_at: Timestamp(0),
        created_at: Timestamp(0),
    };
    oauth::revocation_put(write, &revocation, after_micros).await?;
    Ok(Some(revocation))
}
