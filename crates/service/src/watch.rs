//! The live list of somebody's chats (behaviour 19, `/watch`).
//!
//! The database is looked at once a second, and at once when this process changed something: so what other replicas do is told as well,
//! and nothing depends on a message between them. An event id stands for the state of the list after the event. Who comes back with
//! the id of the present state goes on; everybody else is told to read the list anew (`reset`), and then what happens from there on.

use crate::{OpContext, RenderedEvent, Result, Service, follow::access_lost};
use api::{
    Timestamp, Uuid,
    chats::Chat,
    watch::{WatchEvent, WatchKind},
};
use domain::chat_list::changes;
use futures::{Stream, StreamExt as _};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use store::{
    Session, StoreError,
    chats::{self, ChatRecord, ChatsMark},
};
use tokio::sync::broadcast;

/// Between two looks at the database, where another replica may change something.
const WATCH_POLL: Duration = Duration::from_secs(1);
/// What happens here within this time is told at once.
const GATHER: Duration = Duration::from_millis(100);
/// Chats that are watched: those that changed last.
const WATCHED_CHATS: i64 = 500;

impl Service {
    /// Follows the list of the caller's chats. `last_event_id` resumes.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`].
    pub async fn chats_watch(
        &self,
        ctx: &OpContext,
        last_event_id: Option<String>,
    ) -> Result<impl Stream<Item = RenderedEvent> + Send + 'static> {
        let owner = ctx.require()?.user.id;
        let hub = self.deps().chatd.hub();
        let watcher = Watcher {
            service: self.clone(),
            owner,
            hints: hub.lists(),
            begun: false,
            mark: None,
            chats: BTreeMap::new(),
            full: false,
            newest: Timestamp::default(),
            queue: VecDeque::new(),
            id: last_event_id.unwrap_or_default(),
            yielded: None,
        };
        let events = futures::stream::unfold(watcher, |mut watcher| async move {
            let event = watcher.next().await?;
            Some((event, watcher))
        });
        let ended = access_lost(self.clone(), ctx.clone(), None, Self::viewer(ctx).unredacted);
        Ok(events.take_until(Box::pin(ended)))
    }
}

struct Watcher {
    service: Service,
    owner: Uuid,
    hints: broadcast::Receiver<Uuid>,
    begun: bool,
    mark: Option<ChatsMark>,
    /// As they were last told.
    chats: BTreeMap<Uuid, Chat>,
    /// There are more chats than are watched.
    full: bool,
    /// When the newest chat ever seen was made: what is older and turns up was there before.
    newest: Timestamp,
    /// Bounded by two events for each watched chat: filled only when empty.
    queue: VecDeque<RenderedEvent>,
    /// What the reader was told last.
    id: String,
    yielded: Option<Instant>,
}

impl Watcher {
    async fn next(&mut self) -> Option<RenderedEvent> {
        // A slow reader holds one list and no queue that grows; it is cut like that of a chat.
        if self.yielded.is_some_and(|at| at.elapsed() > chatd::limits::READER_STALL) {
            return None;
        }
        loop {
            if let Some(event) = self.queue.pop_front() {
                self.yielded = Some(Instant::now());
                return Some(event);
            }
            if !self.wait().await {
                return None;
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "a stream of the chat list ends because the database failed");
                return None;
            }
        }
    }

    /// Until it is time for a look; false when the process ends.
    async fn wait(&mut self) -> bool {
        let hub = self.service.deps().chatd.hub().clone();
        let hinted = async {
            if !self.begun {
                return;
            }
            // A watcher that missed hints looks as well.
            while self.hints.recv().await.is_ok_and(|owner| owner != self.owner) {}
            tokio::time::sleep(GATHER).await;
        };
        let go_on = tokio::select! {
            biased;
            () = hub.closed() => false,
            () = hinted => true,
            () = tokio::time::sleep(WATCH_POLL) => true,
        };
        self.begun = true;
        go_on
    }

    async fn look(&mut self) -> std::result::Result<(), StoreError> {
        let mut session = self.service.db().read().await?;
        let mark = chats::chats_mark(&mut session, self.owner).await?;
        if self.mark == Some(mark) {
            return Ok(());
        }
        let records = chats::chats_watched(&mut session, self.owner, WATCHED_CHATS).await?;
        let now: BTreeMap<Uuid, Chat> = records.iter().map(|record| (record.id, record.to_wire())).collect();
        let after = state_id(self.owner, mark);
        let events = if self.mark.is_some() {
            self.told(&mut session, &records, &now).await?
        } else if self.id == after {
            Vec::new()
        } else {
            vec![WatchEvent { kind: WatchKind::Reset, chat: None }]
        };
        drop(session);
        self.mark = Some(mark);
        self.full = records.len() >= usize::try_from(WATCHED_CHATS).unwrap_or(usize::MAX);
        self.newest = records.iter().map(|record| record.created_at).fold(self.newest, Timestamp::max);
        self.chats = now;
        self.tell(after, &events);
        Ok(())
    }

    /// What happened since the look before.
    async fn told(
        &self,
        session: &mut Session,
        records: &[ChatRecord],
        now: &BTreeMap<Uuid, Chat>,
    ) -> std::result::Result<Vec<WatchEvent>, StoreError> {
        let mut events = Vec::new();
        let mut tell = |kind, chat: &Chat| events.push(WatchEvent { kind, chat: Some(chat.clone()) });
        for (id, gone) in self.chats.iter().filter(|(id, _)| !now.contains_key(id)) {
            // It may only have dropped out of those that are watched.
            if !self.full || chats::chat_get(session, self.owner, *id).await?.is_none() {
                tell(WatchKind::Deleted, gone);
            }
        }
        // The oldest change first, as it happened.
        for chat in records.iter().rev().filter_map(|record| now.get(&record.id)) {
            let before = self.chats.get(&chat.id);
            if before.is_none() && self.full && chat.created_at <= self.newest {
                tell(WatchKind::StatusChange, chat);
                continue;
            }
            changes(before, chat).into_iter().for_each(|kind| tell(kind, chat));
        }
        Ok(events)
    }

    /// Only the last event of a look has the id of the new state: who is cut between two of them is told to read anew.
    fn tell(&mut self, after: String, events: &[WatchEvent]) {
        let Some(last) = events.len().checked_sub(1) else { return };
        for (at, event) in events.iter().enumerate() {
            match serde_json::to_string(event) {
                Ok(data) => {
                    let id = if at == last { after.clone() } else { self.id.clone() };
                    self.queue.push_back(RenderedEvent { id, name: event.kind.as_str(), data });
                }
                Err(error) => tracing::error!(%error, "an event could not be written"),
            }
        }
        self.id = after;
    }
}

/// Opaque: says nothing about the list, and is nobody else's.
fn state_id(owner: Uuid, mark: ChatsMark) -> String {
    let mut hash = Sha256::new();
    hash.update(owner.as_bytes());
    for number in [mark.count, mark.versions, mark.created_at, mark.updated_at] {
        hash.update(number.to_be_bytes());
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
