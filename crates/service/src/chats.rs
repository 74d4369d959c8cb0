//! Chats: create, send, edit, stop, read (behaviour 16 to 18). A chat of somebody else is not found.

use crate::{Error, OpContext, Result, Service, render_markdown};
use api::{
    Timestamp, Uuid, Validation,
    chats::{
        AuthRequired, Chat, ChatCreate, ChatCreated, ChatStatus, ChatUpdate, InputPart, MessageCreate,
        MessageEdit, MessagePage, MessageSent,
    },
    messages::{ChatMessage, MessageRole, Part},
    servers::AuthStatus,
};
use domain::{
    availability::{Selection, servers_after_message, servers_for_new_chat},
    chat::{ChatEvent, ChatState, title_from_prompt, transition},
    mcp_server::{ServerRecord, auth_status, is_visible},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};
use store::{
    Session, Write,
    chats::{self, ChatRecord, IdempotencyRecord, LeaseChange, Transition},
    mcp_servers,
    messages::{self, NewMessage, PageRequest},
};

/// Longest text of one message, bytes: well inside the 1 MiB of a request.
const MESSAGE_BYTES: usize = 512 * 1024;
const MESSAGE_PARTS: usize = 64;
const TITLE_CHARS: usize = 200;
/// Page sizes of messages and of the chat list (behaviour 17).
const MESSAGES_PAGE: i64 = 50;
const MESSAGES_PAGE_MAX: i64 = 200;
const CHATS_PAGE: i64 = 50;
const CHATS_PAGE_MAX: i64 = 200;

fn text_parts(content: &[InputPart], wrong: &mut Vec<Validation>) -> Vec<Part> {
    let total: usize = content.iter().map(|InputPart::Text { text }| text.len()).sum();
    if content.is_empty() || content.iter().all(|InputPart::Text { text }| text.trim().is_empty()) {
        wrong.push(Validation::new("content", "Write a message."));
    } else if total > MESSAGE_BYTES || content.len() > MESSAGE_PARTS {
        wrong.push(Validation::new(
            "content",
            format!("A message holds at most {} KiB of text.", MESSAGE_BYTES / 1024),
        ));
    }
    content.iter().map(|InputPart::Text { text }| Part::text(text.clone())).collect()
}

fn prompt_text(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What a request asked for, as a hash: a repeated key with another request is a mistake of the caller.
fn request_hash(request: &impl serde::Serialize, about: &str) -> Result<Vec<u8>> {
    let text = serde_json::to_string(request).map_err(|e| Error::internal("request hash", e))?;
    Ok(Sha256::digest(format!("{about}\n{text}").as_bytes()).to_vec())
}

impl Service {
    async fn visible_servers(&self, ctx: &OpContext, session: &mut Session) -> Result<Vec<ServerRecord>> {
        let unredacted = Self::viewer(ctx).unredacted;
        let stored = mcp_servers::server_list(session, false).await?;
        Ok(stored.into_iter().map(|s| s.record).filter(|record| is_visible(record, unredacted)).collect())
    }

    async fn check_model(
        &self,
        ctx: &OpContext,
        id: Option<Uuid>,
        wrong: &mut Vec<Validation>,
    ) -> Result<()> {
        let Some(id) = id else { return Ok(()) };
        if !self.model_list(ctx).await?.iter().any(|model| model.id == id && model.enabled) {
            wrong.push(Validation::new("model_config_id", "There is no such model, or it is switched off."));
        }
        Ok(())
    }

    /// The repeated request's first answer, if `key` was used before.
    async fn replayed(
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
    async fn remember(
        &self,
        write: &mut Write,
        owner: Uuid,
        key: Option<&str>,
        hash: &[u8],
        message: &ChatMessage,
    ) -> Result<bool> {
        let Some(key) = key else { return Ok(true) };
        let record = IdempotencyRecord {
            request_hash: hash.to_vec(),
            chat_id: message.chat_id,
            message_id: message.id,
            created_at: self.now(),
        };
        match chats::idempotency_put(write, owner, key, &record).await {
            Ok(()) => Ok(true),
            Err(store::StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn chat_replay(&self, ctx: &OpContext, found: &IdempotencyRecord) -> Result<ChatCreated> {
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, found.chat_id).await?;
        let first = messages::message_get(&mut session, chat.id, found.message_id).await?;
        let visible = self.visible_servers(ctx, &mut session).await?;
        let auth_required = auth_required(self, &visible, &chat.mcp_server_ids);
        Ok(ChatCreated {
            auth_required,
            messages: first.into_iter().collect(),
            warnings: Vec::new(),
            chat: chat.to_wire(),
        })
    }

    async fn message_replay(&self, ctx: &OpContext, found: &IdempotencyRecord) -> Result<MessageSent> {
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, found.chat_id).await?;
        let message =
            messages::message_get(&mut session, chat.id, found.message_id).await?.ok_or(Error::NotFound)?;
        let visible = self.visible_servers(ctx, &mut session).await?;
        Ok(sent(message, chat.status, Vec::new(), auth_required(self, &visible, &chat.mcp_server_ids)))
    }

    /// Tells who watches, then the daemon. Both are hints: the row is the truth.
    fn turn_announce(&self, record: &ChatRecord, message: &ChatMessage) {
        let publisher = self.deps().chatd.hub().publisher(record.id, record.edit_version);
        publisher.message(message);
        publisher.status(record);
        self.deps().chatd.wake(record.id);
    }

    fn status_announce(&self, record: &ChatRecord) {
        self.deps().chatd.hub().publisher(record.id, record.edit_version).status(record);
    }

    /// A new chat with its first message; the turn starts at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming each field; [`Error::Unauthorized`].
    pub async fn chat_create(
        &self,
        ctx: &OpContext,
        request: ChatCreate,
        key: Option<&str>,
    ) -> Result<ChatCreated> {
        let owner = ctx.require()?.user.id;
        let hash = request_hash(&request, "chat")?;
        let mut session = self.db().read().await?;
        if let Some(found) = self.replayed(&mut session, owner, key, &hash).await? {
            drop(session);
            return self.chat_replay(ctx, &found).await;
        }
        drop(session);
        let mut wrong = Vec::new();
        let content = text_parts(&request.content, &mut wrong);
        let client_type = request.client_type.clone().unwrap_or_else(|| "api".to_owned());
        if !matches!(client_type.as_str(), "ui" | "api") {
            wrong.push(Validation::new("client_type", "Use ui or api."));
        }
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut session = self.db().read().await?;
        let visible = self.visible_servers(ctx, &mut session).await?;
        drop(session);
        let selection =
            servers_for_new_chat(&visible, request.mcp_server_ids.as_deref()).unwrap_or_else(|refused| {
                wrong.extend(refused);
                Selection::default()
            });
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let now = self.now();
        let record = ChatRecord {
            id: self.new_id(),
            owner_id: owner,
            title: title_from_prompt(&prompt_text(&content)),
            title_source: "prompt".to_owned(),
            status: ChatStatus::Running,
            last_error: None,
            model_config_id: request.model_config_id,
            mcp_server_ids: selection.ids.clone(),
            labels: BTreeMap::new(),
            archived: false,
            client_type,
            snapshot_version: 1,
            history_version: 1,
            edit_version: 0,
            generation_attempt: 0,
            lease_holder: None,
            lease_epoch: 0,
            lease_expires_at: None,
            created_at: now,
            updated_at: now,
        };
        let mut write = self.db().write().await?;
        if let Some(found) = self.replayed(&mut write, owner, key, &hash).await? {
            drop(write);
            return self.chat_replay(ctx, &found).await;
        }
        chats::chat_insert(&mut write, &record).await?;
        let message = messages::message_insert(&mut write, user_message(&record, content, now)).await?;
        if !self.remember(&mut write, owner, key, &hash, &message).await? {
            drop(write);
            let mut session = self.db().read().await?;
            let found = self.replayed(&mut session, owner, key, &hash).await?;
            drop(session);
            return self.chat_replay(ctx, &found.ok_or_else(|| Error::conflict("Try again."))?).await;
        }
        write.commit().await?;
        self.turn_announce(&record, &message);
        let auth_required = auth_required(self, &visible, &record.mcp_server_ids);
        Ok(ChatCreated {
            chat: record.to_wire(),
            messages: vec![message],
            warnings: selection.warnings,
            auth_required,
        })
    }

    /// The caller's own chats, newest first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn chat_list(
        &self,
        ctx: &OpContext,
        limit: Option<i64>,
        after: Option<Uuid>,
    ) -> Result<Vec<Chat>> {
        let owner = ctx.require()?.user.id;
        let limit = limit.unwrap_or(CHATS_PAGE);
        if !(1..=CHATS_PAGE_MAX).contains(&limit) {
            return Err(Error::invalid_field("limit", format!("Use 1 to {CHATS_PAGE_MAX}.")));
        }
        let mut session = self.db().read().await?;
        let records = chats::chat_list(&mut session, owner, None, limit, after).await?;
        Ok(records.iter().map(ChatRecord::to_wire).collect())
    }

    pub(crate) async fn chat_own(
        &self,
        ctx: &OpContext,
        session: &mut Session,
        id: Uuid,
    ) -> Result<ChatRecord> {
        let owner = ctx.require()?.user.id;
        chats::chat_get(session, owner, id).await?.ok_or(Error::NotFound)
    }

    /// One own chat.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn chat_get(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let mut session = self.db().read().await?;
        Ok(self.chat_own(ctx, &mut session, id).await?.to_wire())
    }

    /// The title.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub async fn chat_update(&self, ctx: &OpContext, id: Uuid, request: ChatUpdate) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let mut wrong = Vec::new();
        if let Some(title) = &request.title {
            let length = title.trim().chars().count();
            if length == 0 || length > TITLE_CHARS || title.chars().any(char::is_control) {
                wrong.push(Validation::new(
                    "title",
                    format!("Use 1 to {TITLE_CHARS} characters on one line."),
                ));
            }
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let mut write = self.db().write().await?;
        let mut record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        if let Some(title) = request.title {
            record.title = title.trim().to_owned();
            record.title_source = "user".to_owned();
        }
        record.updated_at = self.now();
        chats::chat_update_fields(&mut write, &record).await?;
        write.commit().await?;
        self.status_announce(&record);
        Ok(record.to_wire())
    }

    /// Removes a chat with its messages; a running turn stops.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn chat_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        if !chats::chat_delete(&mut write, owner, id).await? {
            return Err(Error::NotFound);
        }
        write.commit().await?;
        self.deps().chatd.interrupt(id);
        self.deps().chatd.hub().chat_gone(id);
        Ok(())
    }

    /// A page of messages (behaviour 17); `rendered` adds sanitised markup to text parts.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] on the limit.
    pub async fn message_page(
        &self,
        ctx: &OpContext,
        id: Uuid,
        before_id: Option<i64>,
        after_id: Option<i64>,
        limit: Option<i64>,
        rendered: bool,
    ) -> Result<MessagePage> {
        let limit = limit.unwrap_or(MESSAGES_PAGE);
        if !(1..=MESSAGES_PAGE_MAX).contains(&limit) {
            return Err(Error::invalid_field("limit", format!("Use 1 to {MESSAGES_PAGE_MAX}.")));
        }
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        let (mut messages, has_more) =
            messages::message_page(&mut session, id, PageRequest { before_id, after_id, limit }).await?;
        if rendered {
            messages.iter_mut().for_each(render_message);
        }
        Ok(MessagePage { messages, queued_messages: Vec::new(), has_more })
    }

    /// Appends a user message and starts a turn. Durable before the answer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] while a turn is running.
    pub async fn message_send(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: MessageCreate,
        key: Option<&str>,
    ) -> Result<MessageSent> {
        let owner = ctx.require()?.user.id;
        let hash = request_hash(&request, &id.to_string())?;
        let mut wrong = Vec::new();
        let content = text_parts(&request.content, &mut wrong);
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        // Under the row lock: of two equal requests at once the second finds what the first made.
        if let Some(found) = self.replayed(&mut write, owner, key, &hash).await? {
            drop(write);
            return self.message_replay(ctx, &found).await;
        }
        let visible = self.visible_servers(ctx, &mut write).await?;
        let selection = select(&visible, &record, request.mcp_server_ids.as_deref(), &mut wrong);
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let now = self.now();
        let lease = self.deps().chatd.lease_on_send();
        let record =
            begin_turn(&mut write, record, Begin::Send, lease, request.model_config_id, selection.ids, now)
                .await?;
        let message = messages::message_insert(&mut write, user_message(&record, content, now)).await?;
        if !self.remember(&mut write, owner, key, &hash, &message).await? {
            return Err(Error::conflict(
                "This Idempotency-Key was used for another chat at the same time. Use a new one.",
            ));
        }
        write.commit().await?;
        self.turn_announce(&record, &message);
        Ok(sent(
            message,
            record.status,
            selection.warnings,
            auth_required(self, &visible, &record.mcp_server_ids),
        ))
    }

    /// Edits a user message and reruns from there. Without content the same text runs again; after a failed turn that goes on where
    /// the turn failed: what its tools have done stays, and nothing is done twice.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] while a turn is running.
    pub async fn message_edit(
        &self,
        ctx: &OpContext,
        id: Uuid,
        message_id: i64,
        request: MessageEdit,
    ) -> Result<MessageSent> {
        let owner = ctx.require()?.user.id;
        let mut wrong = Vec::new();
        let content = request.content.as_ref().map(|content| text_parts(content, &mut wrong));
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let current = messages::message_get(&mut write, id, message_id).await?.ok_or(Error::NotFound)?;
        if current.role != MessageRole::User {
            wrong.push(Validation::new("message", "Only a message of yours can be edited."));
        }
        let visible = self.visible_servers(ctx, &mut write).await?;
        let selection = select(&visible, &record, request.mcp_server_ids.as_deref(), &mut wrong);
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let now = self.now();
        let retry = content.is_none() && record.status == ChatStatus::Error;
        let (begin, hide_after) = if retry {
            resume_point(&mut write, id, message_id).await?
        } else {
            (Begin::Edit, Some(message_id))
        };
        let lease = self.deps().chatd.lease_on_send();
        let record =
            begin_turn(&mut write, record, begin, lease, request.model_config_id, selection.ids, now).await?;
        if let Some(after) = hide_after {
            messages::messages_hide_after(&mut write, id, after).await?;
        }
        let message = match content {
            Some(content) => messages::message_replace(&mut write, id, message_id, content)
                .await?
                .ok_or(Error::NotFound)?,
            None => current,
        };
        write.commit().await?;
        self.turn_announce(&record, &message);
        Ok(sent(
            message,
            record.status,
            selection.warnings,
            auth_required(self, &visible, &record.mcp_server_ids),
        ))
    }

    /// Stops the running turn; what has arrived stays. Pressing it too late is no mistake.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn chat_interrupt(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        // At once in this process; the row tells every other one.
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        drop(session);
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let state = ChatState { status: record.status, archived: record.archived };
        let next = transition(state, ChatEvent::Interrupt).map_err(|e| Error::conflict(e.to_string()))?;
        let record = if next.status == record.status {
            record
        } else {
            let step = Transition::to(next.status, self.now());
            let moved = chats::chat_transition(&mut write, &record.fence(), &step).await?;
            write.commit().await?;
            moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?
        };
        // Only for a turn that the row knows: a Stop that comes late must not hit the next one.
        if record.status == ChatStatus::Interrupting {
            self.deps().chatd.interrupt(id);
        }
        self.status_announce(&record);
        Ok(record.to_wire())
    }

    /// Waits until the turn is over or `patience` has passed: every message from `first` on, and the chat as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn turn_wait(
        &self,
        ctx: &OpContext,
        id: Uuid,
        first: i64,
        patience: Duration,
    ) -> Result<(Vec<ChatMessage>, Chat)> {
        self.deps().chatd.hub().wait_idle(self.db(), id, patience).await?;
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, id).await?;
        let page = PageRequest { before_id: None, after_id: Some(first - 1), limit: MESSAGES_PAGE_MAX };
        let (messages, _) = messages::message_page(&mut session, id, page).await?;
        Ok((messages, chat.to_wire()))
    }
}

fn user_message(record: &ChatRecord, content: Vec<Part>, now: Timestamp) -> NewMessage {
    NewMessage {
        chat_id: record.id,
        role: MessageRole::User,
        content,
        model_config_id: record.model_config_id,
        usage: None,
        interrupted: false,
        created_at: now,
    }
}

fn select(
    visible: &[ServerRecord],
    record: &ChatRecord,
    requested: Option<&[Uuid]>,
    wrong: &mut Vec<Validation>,
) -> Selection {
    servers_after_message(visible, &record.mcp_server_ids, requested).unwrap_or_else(|refused| {
        wrong.extend(refused);
        Selection::default()
    })
}

/// How a turn begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// After a new message, or going on after a failure: the history only grows.
    Send,
    /// After a rewrite of the history: every reader starts anew.
    Edit,
}

/// Where a failed turn of the message goes on: after its finished tools if they are the last thing that happened, without the torso
/// of a broken answer; from the message itself otherwise. The second value is the message after which everything is hidden.
async fn resume_point(write: &mut Write, chat: Uuid, message_id: i64) -> Result<(Begin, Option<i64>)> {
    let page = PageRequest { before_id: None, after_id: Some(message_id), limit: MESSAGES_PAGE_MAX };
    let (later, more) = messages::message_page(write, chat, page).await?;
    let rewrite = (Begin::Edit, Some(message_id));
    if more || later.iter().any(|message| message.role == MessageRole::User) {
        return Ok(rewrite);
    }
    Ok(match later.last() {
        None => (Begin::Send, None),
        Some(last) if last.role == MessageRole::Tool => (Begin::Send, None),
        Some(last) if last.interrupted => (Begin::Edit, Some(last.id - 1)),
        Some(_) => rewrite,
    })
}

/// Moves the chat to `running` under the row lock, with the model and servers of the message.
async fn begin_turn(
    write: &mut Write,
    mut record: ChatRecord,
    begin: Begin,
    lease: LeaseChange,
    model: Option<Uuid>,
    servers: Vec<Uuid>,
    now: Timestamp,
) -> Result<ChatRecord> {
    let state = ChatState { status: record.status, archived: record.archived };
    let event = if begin == Begin::Edit { ChatEvent::Edit } else { ChatEvent::Send };
    let next = transition(state, event).map_err(|e| Error::conflict(e.to_string()))?;
    if model.is_some_and(|id| record.model_config_id != Some(id)) || servers != record.mcp_server_ids {
        record.model_config_id = model.or(record.model_config_id);
        record.mcp_server_ids = servers;
        record.updated_at = now;
        chats::chat_update_fields(write, &record).await?;
    }
    // The runner of this process starts under the lease taken here: one commit less in every turn.
    let step = Transition::to(next.status, now).lease(lease);
    let step = if begin == Begin::Edit { step.rewrite() } else { step.history() };
    let moved = chats::chat_transition(write, &record.fence(), &step).await?;
    moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))
}

fn sent(
    message: ChatMessage,
    status: ChatStatus,
    warnings: Vec<String>,
    auth_required: Vec<AuthRequired>,
) -> MessageSent {
    MessageSent {
        messages: vec![message.clone()],
        message,
        status,
        queued: false,
        queued_message: None,
        warnings,
        auth_required,
    }
}

/// Selected servers that the caller must do something for first.
fn auth_required(service: &Service, visible: &[ServerRecord], selected: &[Uuid]) -> Vec<AuthRequired> {
    let needs = |status: AuthStatus| {
        matches!(
            status,
            AuthStatus::NotConnected
                | AuthStatus::NeedsReconnect
                | AuthStatus::NeedsPermission
                | AuthStatus::NeedsOidcLogin
        )
    };
    let selected = visible.iter().filter(|record| record.enabled && selected.contains(&record.id));
    selected
        .map(|record| (record, auth_status(record).0))
        .filter(|(_, status)| needs(*status))
        .map(|(record, auth_status)| AuthRequired {
            server_id: record.id,
            auth_status,
            connect_url: format!(
                "{}api/experimental/mcp/servers/{}/oauth2/connect",
                service.access_url().as_str(),
                record.id
            ),
        })
        .collect()
}

/// Adds sanitised markup to the text parts of what the model wrote. What people wrote stays plain text.
pub(crate) fn render_message(message: &mut ChatMessage) {
    if message.role != MessageRole::Assistant {
        return;
    }
    for part in &mut message.content {
        if let Part::Text(text) = part {
            text.html = Some(render_markdown(&text.text));
        }
    }
}
