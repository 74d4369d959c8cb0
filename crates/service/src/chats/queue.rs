//! Messages that wait for the turn before them (behaviour 17 and 18).

use super::{
    Error, OpContext, Result, Service,
    children::{ChildrenMoved, not_a_child},
    prompt_text,
    turns::state_of,
};
use api::{
    Timestamp, Uuid,
    chats::{BusyBehavior, Chat, ChatStatus, PlanMode, QueuedMessage},
    messages::{ChatMessage, Part},
};
use domain::{
    chat::{ChatConflict, ChatEvent, transition},
    limits::QUEUED_BYTES,
};
use store::{
    Session, Write,
    chats::{self, ChatRecord, NewQueued, QueuePlace, QueuedRecord, Transition},
};

/// What a message does that finds the chat not free.
pub(super) struct Waiting {
    pub(super) content: Vec<Part>,
    pub(super) model: Option<Uuid>,
    /// The completed selection, if the message names one.
    pub(super) servers: Option<Vec<Uuid>>,
    pub(super) plan_mode: Option<PlanMode>,
    pub(super) behavior: BusyBehavior,
}

/// What changed in a transaction and is told when it is committed.
pub(super) struct Changed {
    pub(super) record: ChatRecord,
    pub(super) queue: Vec<QueuedMessage>,
    /// A turn was begun with this message.
    pub(super) begun: Option<ChatMessage>,
    /// Subagents that were stopped with the turn.
    pub(super) children: ChildrenMoved,
}

pub(super) async fn queue_wire(session: &mut Session, chat: Uuid) -> Result<Vec<QueuedMessage>> {
    Ok(chats::queue_list(session, chat).await?.iter().map(QueuedRecord::to_wire).collect())
}

impl Service {
    /// Appends a message to the queue of a chat that is busy, or that failed with messages waiting: then the head of the queue begins
    /// a turn. Under the row lock.
    pub(super) async fn message_wait(
        &self,
        ctx: &OpContext,
        write: &mut Write,
        record: ChatRecord,
        waiting: Waiting,
    ) -> Result<(QueuedRecord, Changed)> {
        let now = self.now();
        let (event, place) = match waiting.behavior {
            BusyBehavior::Queue => (ChatEvent::Send, QueuePlace::Last),
            BusyBehavior::Interrupt => (ChatEvent::SendNow, QueuePlace::Next),
        };
        let next = transition(state_of(&record), event).map_err(conflict)?;
        // In a failed chat the head goes first: then there is room for one more.
        let (record, begun) = match record.status.is_busy() {
            true => (record, None),
            false => {
                let head = chats::queue_head_for_update(write, record.id).await?;
                let head = head.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?;
                let changed = self.queued_begin(ctx, write, record, head, now).await?;
                (changed.record, changed.begun)
            }
        };
        let size = i64::try_from(prompt_text(&waiting.content).len()).unwrap_or(i64::MAX);
        if chats::queue_size(write, record.id).await?.saturating_add(size) > QUEUED_BYTES {
            return Err(Error::conflict(format!(
                "The messages that wait in this chat would hold more than {} KiB of text. Wait until some were answered, or remove one.",
                QUEUED_BYTES / 1024
            )));
        }
        let step = match next.status == record.status {
            true => Transition::stay(&record, now),
            false => Transition::to(next.status, now),
        };
        let record = moved(write, &record, &step.queue(1)).await?;
        let new = NewQueued {
            chat_id: record.id,
            content: waiting.content,
            size,
            model_config_id: waiting.model,
            mcp_server_ids: waiting.servers,
            plan_mode: waiting.plan_mode,
            created_at: now,
        };
        let queued = chats::queue_insert(write, place, new).await?;
        let queue = queue_wire(write, record.id).await?;
        let children = match record.status {
            ChatStatus::Interrupting => self.children_stop(write, record.id).await?,
            _ => ChildrenMoved::default(),
        };
        Ok((queued, Changed { record, queue, begun, children }))
    }

    /// Begins a turn with a message that waited.
    async fn queued_begin(
        &self,
        ctx: &OpContext,
        write: &mut Write,
        record: ChatRecord,
        head: QueuedRecord,
        now: Timestamp,
    ) -> Result<Changed> {
        let step = Transition::to(ChatStatus::Running, now)
            .history()
            .queue(-1)
            .lease(self.deps().chatd.lease_on_send());
        let mut record = moved(write, &record, &step).await?;
        let planned = record.plan_mode;
        chats::compaction_request_delete(write, record.id).await?;
        let message = chats::queue_promote(write, &mut record, head, now).await?;
        self.plan_mode_audit(write, ctx, &record, planned).await?;
        let queue = queue_wire(write, record.id).await?;
        Ok(Changed { record, queue, begun: Some(message), children: ChildrenMoved::default() })
    }

    /// Commits and tells, also when the caller leaves in between.
    pub(super) async fn queue_commit(&self, write: Write, changed: Changed) -> Result<()> {
        let service = self.clone();
        let work = async move {
            write.commit().await?;
            let Changed { record, queue, begun, children } = changed;
            let chatd = &service.deps().chatd;
            chatd.queue_changed(&record, queue);
            match begun {
                Some(message) => service.turn_announce(&record, &message),
                None => service.status_announce(&record),
            }
            if record.status == ChatStatus::Interrupting {
                chatd.interrupt(record.id);
            }
            service.children_announce(&children);
            Result::Ok(())
        };
        tokio::spawn(work).await.map_err(|error| Error::internal("changing a queue", error))?
    }

    /// Takes a waiting message back.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when it does not wait any more.
    pub async fn queue_remove(&self, ctx: &OpContext, id: Uuid, queued: i64) -> Result<()> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        not_a_child(&record)?;
        if !chats::queue_remove(&mut write, id, queued).await? {
            return Err(Error::NotFound);
        }
        transition(state_of(&record), ChatEvent::Unqueue).map_err(conflict)?;
        let step = Transition::stay(&record, self.now()).queue(-1);
        let record = moved(&mut write, &record, &step).await?;
        let queue = queue_wire(&mut write, id).await?;
        let children = ChildrenMoved::default();
        self.queue_commit(write, Changed { record, queue, begun: None, children }).await
    }

    /// Makes a waiting message the next one: the running turn is stopped for it; in a chat whose last turn failed it begins one.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when it does not wait any more; [`Error::Conflict`] in an archived chat.
    pub async fn queue_promote(&self, ctx: &OpContext, id: Uuid, queued: i64) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        not_a_child(&record)?;
        let head = chats::queue_get(&mut write, id, queued).await?.ok_or(Error::NotFound)?;
        let next = transition(state_of(&record), ChatEvent::Promote).map_err(conflict)?;
        let now = self.now();
        let changed = if record.status.is_busy() {
            chats::queue_first(&mut write, id, queued).await?;
            let step = match next.status == record.status {
                true => Transition::stay(&record, now),
                false => Transition::to(next.status, now),
            };
            let record = moved(&mut write, &record, &step.reorder()).await?;
            let queue = queue_wire(&mut write, id).await?;
            let children = self.children_stop(&mut write, id).await?;
            Changed { record, queue, begun: None, children }
        } else {
            self.queued_begin(ctx, &mut write, record, head, now).await?
        };
        let chat = changed.record.to_wire();
        self.queue_commit(write, changed).await?;
        Ok(chat)
    }
}

async fn moved(write: &mut Write, record: &ChatRecord, step: &Transition) -> Result<ChatRecord> {
    let moved = chats::chat_transition(write, &record.fence(), step).await?;
    moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))
}

fn conflict(refused: ChatConflict) -> Error {
    Error::conflict(refused.to_string())
}
