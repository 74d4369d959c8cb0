//! What other replicas tell of the turns that run there, for the readers here. Their events enter the log of this process and get ids of
//! its own, so a reader goes on here as if the turn ran here.

use super::{Hub, publisher::status_change};
use crate::limits;
use api::{chats::ChatStatus, stream::StreamPayload};
use std::sync::Arc;
use store::{
    Db, StoreError,
    actions::{ActionRecord, actions_waiting},
    chats::{chat_get_any, queue_list},
    live_parts::{LiveListener, LiveRow, live_after, live_head},
    messages::message_get,
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

/// As [`super::outbox::Told`] wrote it.
#[expect(clippy::large_enum_variant, reason = "one lives at a time")]
enum Heard {
    Event(StreamPayload),
    Message(i64),
    Row(i64),
}

impl Heard {
    /// Whatever a newer build means: the row of the chat has what counts.
    fn of(mut told: serde_json::Value) -> Self {
        if let Some(id) = told["message"].as_i64() {
            return Self::Message(id);
        }
        let version = told["row"].as_i64().unwrap_or(0);
        let event = told.get_mut("event").map(serde_json::Value::take).unwrap_or_default();
        serde_json::from_value(event).map_or(Self::Row(version), Self::Event)
    }
}

/// Passes hints on, and listens anew when the connection breaks.
async fn listen(db: Db, hub: Hub, hints: Arc<Notify>) {
    loop {
        if let Err(error) = hear(&db, &hub, &hints).await {
            tracing::debug!(%error, "no hints of live events for a while");
        }
        tokio::time::sleep(limits::LISTEN_AGAIN).await;
    }
}

async fn hear(db: &Db, hub: &Hub, hints: &Notify) -> Result<(), StoreError> {
    let Some(mut listener) = LiveListener::connect(db).await? else { return Ok(()) };
    // What was told before it listened.
    hints.notify_one();
    loop {
        listener.hint().await?;
        if let Some(outbox) = hub.outbox() {
            outbox.others_seen();
        }
        hints.notify_one();
    }
}

pub(super) struct Inbox {
    hub: Hub,
    db: Db,
    holder: Uuid,
    /// Everything up to here was taken in.
    last: i64,
}

impl Inbox {
    pub(super) fn new(hub: Hub, db: Db, holder: Uuid) -> Self {
        Self { hub, db, holder, last: 0 }
    }

    /// Takes in what comes, until `ended`. Hints make it quick; the look behind them finds everything.
    pub(super) async fn receive(mut self, stop: impl Fn(Uuid, i64), ended: CancellationToken) {
        let hints = Arc::new(Notify::new());
        let listening = listen(self.db.clone(), self.hub.clone(), Arc::clone(&hints));
        let _listening = AbortOnDropHandle::new(tokio::spawn(listening));
        loop {
            tokio::select! {
                () = hints.notified() => {}
                () = self.hub.0.made.notified() => {}
                () = tokio::time::sleep(limits::TOLD_POLL) => {}
                () = ended.cancelled() => return,
            }
            if let Err(error) = self.look(&stop).await {
                tracing::debug!(%error, "what other replicas tell could not be read");
            }
        }
    }

    async fn look(&mut self, stop: &impl Fn(Uuid, i64)) -> Result<(), StoreError> {
        let channels: Vec<_> = self.hub.channels().values().cloned().collect();
        if channels.is_empty() || !self.hub.outbox().is_some_and(|outbox| outbox.is_open()) {
            return Ok(());
        }
        let head = live_head(&self.db).await?.max(self.last);
        let (made, known): (Vec<_>, Vec<_>) = channels.into_iter().partition(|channel| channel.take_untold());
        for channel in made {
            let mut told =
                live_after(&self.db, self.holder, &[channel.chat], (0, head), limits::TOLD_ROWS).await;
            match &mut told {
                Ok(rows) => {
                    for row in rows {
                        self.take(row, stop).await?;
                    }
                }
                Err(_) => channel.still_untold(),
            }
        }
        let known: Vec<Uuid> = known.iter().map(|channel| channel.chat).collect();
        while self.last < head {
            let range = (self.last, head);
            let rows = live_after(&self.db, self.holder, &known, range, limits::TOLD_ROWS).await?;
            let full = i64::try_from(rows.len()).is_ok_and(|count| count == limits::TOLD_ROWS);
            for row in &rows {
                self.take(row, stop).await?;
            }
            self.last = rows.last().filter(|_| full).map_or(head, |row| row.id);
        }
        Ok(())
    }

    async fn take(&self, row: &LiveRow, stop: &impl Fn(Uuid, i64)) -> Result<(), StoreError> {
        let told: Vec<serde_json::Value> = serde_json::from_str(&row.events).unwrap_or_default();
        let channel = self.hub.channel(row.chat_id);
        let publish = |payload| {
            let _ = channel.publish(row.edit_version, payload, || self.hub.next_sequence());
        };
        let mut changed = None;
        for told in told {
            match Heard::of(told) {
                Heard::Event(payload) => publish(payload),
                Heard::Message(id) => {
                    let message = message_get(&mut self.db.read().await?, row.chat_id, id).await?;
                    // Hidden meanwhile: word of that follows.
                    message.into_iter().for_each(|message| publish(StreamPayload::Message { message }));
                }
                Heard::Row(version) => changed = Some(version),
            }
        }
        if let Some(version) = changed {
            self.row_changed(row.chat_id, version, stop).await?;
        }
        Ok(())
    }

    async fn row_changed(
        &self,
        chat_id: Uuid,
        version: i64,
        stop: &impl Fn(Uuid, i64),
    ) -> Result<(), StoreError> {
        let mut session = self.db.read().await?;
        let Some(chat) = chat_get_any(&mut session, chat_id).await? else {
            self.hub.channel_gone(chat_id);
            return Ok(());
        };
        let queue = queue_list(&mut session, chat_id).await?;
        let actions = match chat.status {
            ChatStatus::RequiresAction => actions_waiting(&mut session, chat_id).await?,
            _ => Vec::new(),
        };
        drop(session);
        if chat.status == ChatStatus::Interrupting {
            stop(chat_id, chat.lease_epoch);
        }
        let channel = Arc::clone(&self.hub.channel(chat_id));
        let next = || self.hub.next_sequence();
        let queue = queue.iter().map(store::chats::QueuedRecord::to_wire).collect();
        channel.publish_queue(chat.edit_version, chat.queue_version, queue, next);
        // An end that came after what is told here has its own word, behind the last messages.
        if !chat.status.is_busy() && chat.snapshot_version > version {
            return Ok(());
        }
        let status = status_change(&chat);
        channel.publish_status(chat.edit_version, chat.snapshot_version, status, next);
        if !actions.is_empty() {
            let actions = actions.iter().map(ActionRecord::to_wire).collect();
            channel.publish_actions(chat.edit_version, chat.snapshot_version, actions, next);
        }
        Ok(())
    }
}
