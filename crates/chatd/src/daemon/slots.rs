//! Places for turns: one per chat, bounded in all and per user.
//!
//! Chats and subagents have bounds of their own. A chat may wait for its subagents, which wait for nobody; so however many chats hold
//! their places, the subagents get theirs, and everything goes on (behaviour 21).

use crate::limits;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

/// Which bounds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Chat,
    Subagent,
}

impl Kind {
    pub(crate) fn of(is_subagent: bool) -> Self {
        if is_subagent { Self::Subagent } else { Self::Chat }
    }
}

/// Turns at once, in all and of one user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) turns: usize,
    pub(super) per_user: usize,
}

#[derive(Debug)]
struct Inner {
    chats: Bounds,
    subagents: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<Uuid, Running>,
    /// Chats that wait for a place, the longest waiting first, with their owner where known.
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    chat: Uuid,
    kind: Kind,
    owner: Option<Uuid>,
}

#[derive(Debug)]
struct Running {
    kind: Kind,
    owner: Option<Uuid>,
    /// So many calls of it wait for subagents.
    resting: usize,
    stop: CancellationToken,
    /// Woken while it was at work: look again before leaving.
    woken: bool,
}

/// A taken place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) chat: Uuid,
    slots: Slots,
    /// Taken beside the cap, to carry out a stop.
    beside: bool,
    left: bool,
}

impl Slots {
    pub(super) fn new(chats: Bounds, subagents: Bounds) -> Self {
        let some = |bounds: Bounds| Bounds { turns: bounds.turns.max(1), per_user: bounds.per_user.max(1) };
        let (chats, subagents) = (some(chats), some(subagents));
        Self(Arc::new(Inner { chats, subagents, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bounds(&self, kind: Kind) -> Bounds {
        match kind {
            Kind::Chat => self.0.chats,
            Kind::Subagent => self.0.subagents,
        }
    }

    /// A place for `chat`. `None`: it has one, and will look again; or all are taken, and it waits.
    pub(super) fn enter(&self, chat: Uuid, kind: Kind) -> Option<Place> {
        self.enter_as(chat, kind, false)
    }

    /// A place for a chat whose owner pressed Stop, also when all are taken: carrying out a stop costs one commit, and must not wait
    /// for turns that may take half an hour.
    pub(super) fn enter_to_stop(&self, chat: Uuid) -> Option<Place> {
        self.enter_as(chat, Kind::Chat, true)
    }

    fn enter_as(&self, chat: Uuid, kind: Kind, to_stop: bool) -> Option<Place> {
        let mut state = self.state();
        if let Some(running) = state.running.get_mut(&chat) {
            running.woken = true;
            return None;
        }
        let full = state.taken(kind, self.bounds(kind).turns) >= self.bounds(kind).turns;
        if full && !to_stop {
            state.push_pending(chat, kind, None);
            return None;
        }
        state.pending.retain(|pending| pending.chat != chat);
        let stop = CancellationToken::new();
        state.running.insert(chat, Running { kind, owner: None, resting: 0, stop, woken: false });
        Some(Place { chat, slots: self.clone(), beside: full, left: false })
    }

    /// Whether the turn of `chat` only waits for subagents: meanwhile its place is another chat's, up to as many as there are places.
    pub(super) fn rest(&self, chat: Uuid, resting: bool) {
        if let Some(running) = self.state().running.get_mut(&chat) {
            running.resting = if resting { running.resting + 1 } else { running.resting.saturating_sub(1) };
        }
    }

    /// Tells a running turn to stop; false when none runs here.
    pub(super) fn stop(&self, chat: Uuid) -> bool {
        let mut state = self.state();
        let Some(running) = state.running.get_mut(&chat) else { return false };
        // It may be just ending another turn: it looks again and finds what was asked for.
        running.woken = true;
        running.stop.cancel();
        true
    }

    pub(super) fn running(&self) -> usize {
        self.state().running.len()
    }

    /// Lets a chat wait outside whose owner has no free place.
    pub(super) fn park(&self, place: &Place) {
        let mut state = self.state();
        let (kind, owner) = match state.running.get(&place.chat) {
            Some(running) => (running.kind, running.owner),
            None => (Kind::Chat, None),
        };
        state.push_pending(place.chat, kind, owner);
    }

    /// The chats that may start now, in the order in which they came; those whose owner is at the limit keep waiting.
    pub(super) fn next_pending(&self) -> Vec<(Uuid, Kind)> {
        let mut state = self.state();
        let mut free: HashMap<Kind, usize> = HashMap::new();
        for kind in [Kind::Chat, Kind::Subagent] {
            let turns = self.bounds(kind).turns;
            free.insert(kind, turns.saturating_sub(state.taken(kind, turns)));
        }
        let mut counts: HashMap<(Kind, Uuid), usize> = HashMap::new();
        for (kind, owner) in state.pending.iter().filter_map(|pending| Some((pending.kind, pending.owner?))) {
            let per_user = self.bounds(kind).per_user;
            counts.entry((kind, owner)).or_insert_with(|| state.taken_by(kind, owner, None, per_user));
        }
        let mut next = Vec::new();
        state.pending.retain(|pending| {
            let kind = pending.kind;
            let count = pending.owner.and_then(|owner| counts.get_mut(&(kind, owner)));
            let left = free.entry(kind).or_default();
            let starts = *left > 0 && count.as_ref().is_none_or(|count| **count < self.bounds(kind).per_user);
            if starts {
                *left -= 1;
                if let Some(count) = count {
                    *count += 1;
                }
                next.push((pending.chat, kind));
            }
            !starts
        });
        next
    }
}

impl State {
    /// Places that are taken. Resting ones do not count, up to `most` of them.
    fn taken(&self, kind: Kind, most: usize) -> usize {
        count(self.running.values().filter(|running| running.kind == kind), most)
    }

    /// The same of one user, without `except`.
    fn taken_by(&self, kind: Kind, owner: Uuid, except: Option<Uuid>, most: usize) -> usize {
        let theirs = self.running.iter().filter(|(chat, running)| {
            Some(**chat) != except && running.kind == kind && running.owner == Some(owner)
        });
        count(theirs.map(|(_, running)| running), most)
    }

    fn push_pending(&mut self, chat: Uuid, kind: Kind, owner: Option<Uuid>) {
        let waits = self.pending.iter().any(|pending| pending.chat == chat);
        // Beyond the cap the poll remembers for us.
        if !waits && self.pending.len() < limits::PENDING_CHATS {
            self.pending.push_back(Pending { chat, kind, owner });
        }
    }
}

fn count<'a>(places: impl Iterator<Item = &'a Running>, most: usize) -> usize {
    let (resting, busy): (Vec<&Running>, Vec<&Running>) = places.partition(|running| running.resting > 0);
    busy.len() + resting.len().saturating_sub(most)
}

impl Place {
    /// Names the owner and what the chat is; false when that owner has as many turns as allowed, or when the house is full.
    pub(super) fn claim_for(&self, owner: Uuid, kind: Kind) -> bool {
        let mut state = self.slots.state();
        let bounds = self.slots.bounds(kind);
        let entered_as = state.running.get(&self.chat).map(|running| running.kind);
        if let Some(running) = state.running.get_mut(&self.chat) {
            running.owner = Some(owner);
            running.kind = kind;
        }
        // Whoever entered as what it is was counted then.
        let counted = !self.beside && entered_as == Some(kind);
        let house = counted || state.taken(kind, bounds.turns) <= bounds.turns;
        house && state.taken_by(kind, owner, Some(self.chat), bounds.per_user) < bounds.per_user
    }

    /// What the chat is, as far as is known.
    pub(super) fn kind(&self) -> Kind {
        self.slots.state().running.get(&self.chat).map_or(Kind::Chat, |running| running.kind)
    }

    /// The signal that stops the turn about to begin. A stop that came before is not lost: its status stands in the database.
    pub(super) fn begin_turn(&self) -> CancellationToken {
        let mut state = self.slots.state();
        let stop = CancellationToken::new();
        if let Some(running) = state.running.get_mut(&self.chat) {
            running.stop = stop.clone();
        }
        stop
    }

    /// Whether the chat was woken since the last question.
    pub(super) fn take_woken(&self) -> bool {
        let mut state = self.slots.state();
        state.running.get_mut(&self.chat).is_some_and(|running| std::mem::take(&mut running.woken))
    }

    /// Leaves, unless the chat was woken since the last question: then the place is kept and comes back.
    pub(super) fn leave(mut self) -> Option<Self> {
        let mut state = self.slots.state();
        if state.running.get_mut(&self.chat).is_some_and(|running| std::mem::take(&mut running.woken)) {
            drop(state);
            return Some(self);
        }
        // In one step with the question: a wake that comes later finds no place taken and starts anew.
        state.running.remove(&self.chat);
        drop(state);
        self.left = true;
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.left {
            self.slots.state().running.remove(&self.chat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn places(turns: usize, per_user: usize) -> Slots {
        let bounds = Bounds { turns, per_user };
        Slots::new(bounds, bounds)
    }

    #[test]
    fn one_place_per_chat_and_a_wake_is_remembered() {
        let slots = places(4, 4);
        let place = slots.enter(id(1), Kind::Chat).unwrap();
        assert!(slots.enter(id(1), Kind::Chat).is_none());
        let place = place.leave().expect("it was woken");
        assert!(place.leave().is_none());
        assert!(slots.enter(id(1), Kind::Chat).is_some());
    }

    #[test]
    fn the_full_house_lets_them_wait_in_order() {
        let slots = places(1, 1);
        let place = slots.enter(id(1), Kind::Chat).unwrap();
        for chat in [2, 3, 2] {
            assert!(slots.enter(id(chat), Kind::Chat).is_none());
        }
        assert!(slots.next_pending().is_empty());
        drop(place);
        assert_eq!(slots.next_pending(), [(id(2), Kind::Chat)]);
        assert_eq!(slots.next_pending(), [(id(3), Kind::Chat)]);
        assert!(slots.next_pending().is_empty());
    }

    #[test]
    fn a_busy_owner_does_not_hold_up_others() {
        let slots = places(8, 1);
        let (a, b) = (id(100), id(200));
        let first = slots.enter(id(1), Kind::Chat).unwrap();
        assert!(first.claim_for(a, Kind::Chat));
        let second = slots.enter(id(2), Kind::Chat).unwrap();
        assert!(!second.claim_for(a, Kind::Chat));
        slots.park(&second);
        drop(second);
        let third = slots.enter(id(3), Kind::Chat).unwrap();
        assert!(third.claim_for(b, Kind::Chat));
        assert!(slots.next_pending().is_empty());
        drop(first);
        assert_eq!(slots.next_pending(), [(id(2), Kind::Chat)]);
    }

    #[test]
    fn a_stop_gets_a_place_in_a_full_house_and_a_turn_does_not() {
        let slots = places(1, 8);
        let first = slots.enter(id(1), Kind::Chat).unwrap();
        assert!(first.claim_for(id(100), Kind::Chat));
        assert!(slots.enter(id(2), Kind::Chat).is_none());
        let beside = slots.enter_to_stop(id(2)).expect("a stop does not wait");
        // The stop was undone meanwhile: the turn waits like any other.
        assert!(!beside.claim_for(id(100), Kind::Chat));
        assert!(slots.next_pending().is_empty(), "it no longer waits outside");
        drop(first);
        assert!(beside.claim_for(id(100), Kind::Chat), "there is room now");
    }

    #[test]
    fn stop_reaches_the_turn_at_work_only() {
        let slots = places(2, 2);
        assert!(!slots.stop(id(1)));
        let place = slots.enter(id(1), Kind::Chat).unwrap();
        let stop = place.begin_turn();
        assert!(slots.stop(id(1)) && stop.is_cancelled());
        assert!(!place.begin_turn().is_cancelled());
    }

    #[test]
    fn subagents_get_places_however_many_chats_hold_theirs() {
        let slots = places(2, 2);
        let owner = id(100);
        let chats: Vec<Place> = [1, 2].map(|n| slots.enter(id(n), Kind::Chat).unwrap()).into();
        assert!(chats.iter().all(|place| place.claim_for(owner, Kind::Chat)));
        assert!(slots.enter(id(3), Kind::Chat).is_none());
        let agents: Vec<Place> = [11, 12].map(|n| slots.enter(id(n), Kind::Subagent).unwrap()).into();
        assert!(agents.iter().all(|place| place.claim_for(owner, Kind::Subagent)));
        assert!(slots.enter(id(13), Kind::Subagent).is_none(), "their own bound");
        drop(agents);
        assert_eq!(slots.next_pending(), [(id(13), Kind::Subagent)], "no place of a chat became free");
        drop(chats);
        assert_eq!(slots.next_pending(), [(id(3), Kind::Chat)]);
    }

    #[test]
    fn a_chat_that_waits_for_subagents_holds_up_no_other() {
        let slots = places(1, 1);
        let owner = id(100);
        let first = slots.enter(id(1), Kind::Chat).unwrap();
        assert!(first.claim_for(owner, Kind::Chat));
        assert!(slots.enter(id(2), Kind::Chat).is_none());
        slots.rest(id(1), true);
        assert_eq!(slots.next_pending(), [(id(2), Kind::Chat)]);
        let second = slots.enter(id(2), Kind::Chat).unwrap();
        assert!(second.claim_for(owner, Kind::Chat));
        // There is an end to that: not more rest than there are places.
        slots.rest(id(2), true);
        assert!(slots.enter(id(3), Kind::Chat).is_none());
        slots.rest(id(1), false);
        drop((first, second));
        assert_eq!(slots.next_pending(), [(id(3), Kind::Chat)]);
    }

    #[test]
    fn a_subagent_woken_as_a_chat_is_known_when_it_is_read() {
        let slots = places(1, 1);
        let place = slots.enter(id(1), Kind::Chat).unwrap();
        assert!(place.claim_for(id(100), Kind::Subagent));
        assert!(slots.enter(id(2), Kind::Chat).is_some(), "no chat has a place");
    }
}
