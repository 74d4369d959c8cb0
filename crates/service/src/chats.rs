//! Chats: create, read, delete (behaviour 16 and 17). A chat of somebody else is not found.

mod actions;
mod children;
mod context;
mod fields;
mod idempotency;
mod plan_mode;
mod queue;
mod reading;
mod search;
mod turns;

pub(crate) use reading::{render_message, veil_outcomes};
pub(crate) use turns::state_of;

pub use fields::ChatListRequest;

use crate::{Error, OpContext, Result, Service};
use crate::{mcp_servers::access_of, oauth::connect_url, sources::is_awake};
use api::{
    Timestamp, Uuid, Validation,
    chats::{AuthRequired, Chat, ChatCreate, ChatCreated, ChatStatus, InputPart, PlanMode},
    messages::{ChatMessage, FilePart, MessageRole, Part},
    servers::{AuthStatus, AuthType},
};
use domain::{
    availability::{Selection, is_forced, servers_for_new_chat},
    dynamic_tools::check_dynamic_tools,
    files::FILES_PER_CHAT,
    limits::CHAT_SERVERS,
    mcp_server::{ServerRecord, auth_status},
    plan_mode::TurnMode,
    title::title_from_prompt,
};
use idempotency::request_hash;
use std::collections::BTreeMap;
use store::{
    Session, Write,
    chats::{self, ChatRecord, Made},
    mcp_servers::{self, Candidates},
    messages::{self, NewMessage},
};

/// Longest text of one message, bytes: well inside the 1 MiB of a request.
const MESSAGE_BYTES: usize = 512 * 1024;
const MESSAGE_PARTS: usize = 64;
/// Page sizes of messages (behaviour 17).
const MESSAGES_PAGE: i64 = 50;
const MESSAGES_PAGE_MAX: i64 = 200;

fn text_parts(content: &[InputPart], wrong: &mut Vec<Validation>) -> Vec<Part> {
    let text_of = |part: &InputPart| match part {
        InputPart::Text { text } => text.len(),
        InputPart::File { .. } => 0,
    };
    let says = |part: &InputPart| match part {
        InputPart::Text { text } => !text.trim().is_empty(),
        InputPart::File { .. } => true,
    };
    let total: usize = content.iter().map(text_of).sum();
    if !content.iter().any(says) {
        wrong.push(Validation::new("content", "Write a message."));
    } else if total > MESSAGE_BYTES || content.len() > MESSAGE_PARTS {
        wrong.push(Validation::new(
            "content",
            format!("A message holds at most {} KiB of text.", MESSAGE_BYTES / 1024),
        ));
    }
    let files = content.iter().filter(|part| matches!(part, InputPart::File { .. })).count();
    if i64::try_from(files).is_ok_and(|files| files > FILES_PER_CHAT) {
        let detail = format!("A message names at most {FILES_PER_CHAT} files.");
        wrong.push(Validation::new("content", detail));
    }
    let part = |part: &InputPart| match part {
        InputPart::Text { text } => Part::text(text.clone()),
        // What it is, is written beside it when it is bound to the chat.
        InputPart::File { file_id } => Part::File(FilePart {
            file_id: *file_id,
            name: String::new(),
            media_type: String::new(),
            size: 0,
        }),
    };
    content.iter().map(part).collect()
}

fn prompt_text(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

impl Service {
    /// The servers that a chat of the caller may carry: of the defaults, of those it carries and of those asked for whatever is open
    /// to the caller.
    async fn chat_servers(
        &self,
        ctx: &OpContext,
        session: &mut Session,
        current: &[Uuid],
        requested: Option<&[Uuid]>,
    ) -> Result<ChatServers> {
        let reader = Self::user_of_servers(ctx)?;
        // A list that is too long is refused for its length; nothing of it is looked up.
        let requested = requested.filter(|list| list.len() <= CHAT_SERVERS).unwrap_or_default();
        let ids = [current, requested].concat();
        let found = mcp_servers::server_candidates(session, reader, Candidates::Defaults, &ids).await?;
        let mut servers = ChatServers { records: Vec::new(), statuses: Vec::new() };
        for found in found {
            let access = access_of(&self.deps().keyring, &found, self.now());
            servers.statuses.push(auth_status(&found.stored.record, &access).0);
            servers.records.push(found.stored.record);
        }
        Ok(servers)
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

    /// Commits a turn and starts it, also when the caller leaves in between: nobody else would, until the lease it took has run out.
    async fn turn_commit(&self, write: Write, record: &ChatRecord, message: &ChatMessage) -> Result<()> {
        let (service, record, message) = (self.clone(), record.clone(), message.clone());
        let begun = async move {
            write.commit().await?;
            service.turn_announce(&record, &message);
            Result::Ok(())
        };
        tokio::spawn(begun).await.map_err(|error| Error::internal("beginning a turn", error))?
    }

    /// Tells who watches, then the daemon. Both are hints: the row is the truth.
    fn turn_announce(&self, record: &ChatRecord, message: &ChatMessage) {
        self.deps().chatd.turn_begun(record, message);
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
        let mut content = text_parts(&request.content, &mut wrong);
        let client_type = request.client_type.clone().unwrap_or_else(|| "api".to_owned());
        if !matches!(client_type.as_str(), "ui" | "api") {
            wrong.push(Validation::new("client_type", "Use ui or api."));
        }
        wrong.extend(check_dynamic_tools(&request.unsafe_dynamic_tools));
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut session = self.db().read().await?;
        let requested = request.mcp_server_ids.as_deref();
        let servers = self.chat_servers(ctx, &mut session, &[], requested).await?;
        if let Some(workspace) = request.workspace_id {
            self.workspace_check(&mut session, owner, workspace, &mut wrong).await?;
        }
        drop(session);
        let selection = servers_for_new_chat(&servers.records, request.mcp_server_ids.as_deref())
            .unwrap_or_else(|refused| {
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
            workspace_id: request.workspace_id,
            archived: false,
            parent_chat_id: None,
            mode: None,
            plan_mode: request.plan_mode.unwrap_or_default(),
            turn_plan_mode: request.plan_mode.unwrap_or_default(),
            plan_version: 0,
            pin_order: 0,
            queued_for_capacity: false,
            client_type,
            dynamic_tools: request.unsafe_dynamic_tools,
            snapshot_version: 1,
            history_version: 1,
            edit_version: 0,
            queue_length: 0,
            queue_version: 0,
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
        self.plan_mode_audit(&mut write, ctx, &record, PlanMode::Off).await?;
        self.files_attach(&mut write, (owner, record.id), &mut content, &[]).await?;
        let message = messages::message_insert(&mut write, user_message(&record, content, now)).await?;
        if !self.remember(&mut write, owner, key, &hash, (record.id, Made::Message(message.id))).await? {
            drop(write);
            let mut session = self.db().read().await?;
            let found = self.replayed(&mut session, owner, key, &hash).await?;
            drop(session);
            return self.chat_replay(ctx, &found.ok_or_else(|| Error::conflict("Try again."))?).await;
        }
        self.turn_commit(write, &record, &message).await?;
        self.deps().chatd.title_begin(record.id);
        let auth_required = auth_required(self, &servers, &record);
        Ok(ChatCreated {
            chat: record.to_wire(),
            messages: vec![message],
            warnings: selection.warnings,
            auth_required,
        })
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
        let record = self.chat_own(ctx, &mut session, id).await?;
        let mut found = children::with_children(&mut session, std::slice::from_ref(&record)).await?;
        found.pop().ok_or(Error::NotFound)
    }

    /// Removes a chat with its messages and its subagents; running turns stop.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn chat_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let children = chats::chat_children_for_update(&mut write, id).await?;
        if !chats::chat_delete(&mut write, owner, id).await? {
            return Err(Error::NotFound);
        }
        write.commit().await?;
        for gone in children.iter().map(|child| child.id).chain([id]) {
            self.deps().chatd.chat_gone(gone);
        }
        self.deps().chatd.hub().list_changed(owner);
        Ok(())
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

/// Servers that a chat may carry, each with what its caller can do with it.
struct ChatServers {
    records: Vec<ServerRecord>,
    /// In the order of `records`.
    statuses: Vec<AuthStatus>,
}

/// Servers of the next step that the caller must do something for first: the selected ones and the forced ones, also those forced
/// since the chat was made. What sleeps in plan mode asks for nothing.
fn auth_required(service: &Service, servers: &ChatServers, chat: &ChatRecord) -> Vec<AuthRequired> {
    let needs = |status: AuthStatus| {
        matches!(
            status,
            AuthStatus::NotConnected
                | AuthStatus::NeedsReconnect
                | AuthStatus::NeedsPermission
                | AuthStatus::NeedsOidcLogin
        )
    };
    let servers = servers.records.iter().zip(&servers.statuses);
    servers
        .filter(|(record, status)| {
            (is_forced(record) || record.enabled && chat.mcp_server_ids.contains(&record.id))
                && is_awake(TurnMode::of_root(chat.plan_mode), record)
                && needs(**status)
        })
        .map(|(record, status)| AuthRequired {
            server_id: record.id,
            auth_status: *status,
            connect_url: match record.auth_type {
                AuthType::UserHeader => format!(
                    "{}api/experimental/mcp/servers/{}/user_headers",
                    service.access_url().as_str(),
                    record.id
                ),
                // To be opened in a browser in which the owner is signed in.
                AuthType::Oauth2 => connect_url(service.access_url(), record.id),
                _ => String::new(),
            },
        })
        .collect()
}
