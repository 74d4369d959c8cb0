//! `Idempotency-Key`: a repeated request finds what the first one made (behaviour 17).

use super::{
    auth_required,
    turns::{sent, waiting_answer},
};
use crate::{Error, OpContext, Result, Service};
use api::{
    Uuid,
    chats::{ChatCreated, MessageSent},
    messages::ChatMessage,
};
use sha2::{Digest, Sha256};
use store::{
    Session, Write,
    chats::{self, IdempotencyRecord, Made},
    messages,
};

impl Service {
    /// The repeated request's first answer, if `key` was used before.
    pub(super) async fn replayed(
        &self,
        session: &mut Session,
        owner: Uuid,
        key: Option<&str>,
        hash: &[u8],
    ) -> Result<Option<IdempotencyRecord>> {
        let Some(key) = key else { return Ok(None) };
        let Some(found) = chats::idempotency_find(session, owner, key).await? else { return Ok(None) };
        if found.request_hash != hash {
            return Err(Error::conflict(
                "This Idempotency-Key was used for a different request. Use a new one.",
            ));
        }
        Ok(Some(found))
    }

    /// Notes what `key` made; false when the same request got there first on another connection: the caller then drops its
    /// transaction and replays.
    pub(super) async fn remember(
        &self,
        write: &mut Write,
        owner: Uuid,
        key: Option<&str>,
        hash: &[u8],
        (chat_id, made): (Uuid, Made),
    ) -> Result<bool> {
        let Some(key) = key else { return Ok(true) };
        let record = IdempotencyRecord { request_hash: hash.to_vec(), chat_id, made, created_at: self.now() };
        match chats::idempotency_put(write, owner, key, &record).await {
            Ok(()) => Ok(true),
            Err(store::StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn chat_replay(
        &self,
        ctx: &OpContext,
        found: &IdempotencyRecord,
    ) -> Result<ChatCreated> {
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, found.chat_id).await?;
        let first = match found.made {
            Made::Message(id) => messages::message_get(&mut session, chat.id, id).await?,
            // A new chat has no queue.
            Made::Queued(_) => None,
        };
        let first = first.map(as_first_answered);
        let servers = self.chat_servers(ctx, &mut session, &chat.mcp_server_ids, None).await?;
        let auth_required = auth_required(self, &servers, &chat);
        Ok(ChatCreated {
            auth_required,
            messages: first.into_iter().collect(),
            warnings: Vec::new(),
            chat: chat.to_wire(),
        })
    }

    pub(super) async fn message_replay(
        &self,
        ctx: &OpContext,
        found: &IdempotencyRecord,
    ) -> Result<MessageSent> {
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, found.chat_id).await?;
        let servers = self.chat_servers(ctx, &mut session, &chat.mcp_server_ids, None).await?;
        let required = auth_required(self, &servers, &chat);
        match found.made {
            Made::Message(id) => {
                let message =
                    messages::message_get(&mut session, chat.id, id).await?.ok_or(Error::NotFound)?;
                Ok(sent(as_first_answered(message), chat.status, Vec::new(), required))
            }
            Made::Queued(id) => {
                let queued = chats::queue_find(&mut session, chat.id, id).await?.ok_or(Error::NotFound)?;
                Ok(waiting_answer(queued.to_wire(), chat.status, Vec::new(), required))
            }
        }
    }
}

/// Without what its turn has brought since: a repeated request gets the answer of the first.
fn as_first_answered(message: ChatMessage) -> ChatMessage {
    ChatMessage { mcp_status: None, ..message }
}

/// What a request asked for, as a hash: a repeated key with another request is a mistake of the caller.
pub(super) fn request_hash(request: &impl serde::Serialize, about: &str) -> Result<Vec<u8>> {
    let text = serde_json::to_string(request).map_err(|e| Error::internal("request hash", e))?;
    Ok(Sha256::digest(format!("{about}\n{text}").as_bytes()).to_vec())
}
