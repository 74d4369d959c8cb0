//! Places for turns: one per chat, bounded in all and per user.

use crate::limits;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turns: usize,
    per_user: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<Uuid, Running>,
    /// Chats that wait for a place, the longest waiting first, with their owner where known.
    pending: VecDeque<(Uuid, Option<Uuid>)>,
}

#[derive(Debug)]
struct Running {
    owner: Option<Uuid>,
    stop: CancellationToken,
    /// Of the lease the turn runs under; 0 before it has one.
    epoch: i64,
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
    pub(super) fn new(turns: usize, per_user: usize) -> Self {
        Self(Arc::new(Inner { turns: turns.max(1), per_user: per_user.max(1), state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for `chat`. `None`: it has one, and will look again; or all are taken, and it waits.
    pub(super) fn enter(&self, chat: Uuid) -> Option<Place> {
        self.enter_as(chat, false)
    }

    /// A place for a chat whose owner pressed Stop, also when all are taken: carrying out a stop costs one commit, and must not wait
    /// for turns that may take half an hour.
    pub(super) fn enter_to_stop(&self, chat: Uuid) -> Option<Place> {
        self.enter_as(chat, true)
    }

    fn enter_as(&self, chat: Uuid, to_stop: bool) -> Option<Place> {
        let mut state = self.state();
        if let Some(running) = state.running.get_mut(&chat) {
            running.woken = true;
            return None;
        }
        let full = state.running.len() >= self.0.turns;
        if full && !to_stop {
            state.push_pending(chat, None);
            return None;
        }
        state.pending.retain(|(pending, _)| *pending != chat);
        state
            .running
            .insert(chat, Running { owner: None, stop: CancellationToken::new(), epoch: 0, woken: false });
        Some(Place { chat, slots: self.clone(), beside: full, left: false })
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

    /// Tells the turn that runs under this lease to stop; no other one.
    pub(super) fn stop_under(&self, chat: Uuid, epoch: i64) {
        if let Some(running) = self.state().running.get_mut(&chat).filter(|running| running.epoch == epoch) {
            running.woken = true;
            running.stop.cancel();
        }
    }

    pub(super) fn running(&self) -> usize {
        self.state().running.len()
    }

    /// Lets a chat wait outside whose owner has no free place.
    pub(super) fn park(&self, place: &Place) {
        let mut state = self.state();
        let owner = state.running.get(&place.chat).and_then(|running| running.owner);
        state.push_pending(place.chat, owner);
    }

    /// The chats that may start now, in the order in which they came; those whose owner is at the limit keep waiting.
    pub(super) fn next_pending(&self) -> Vec<Uuid> {
        let mut state = self.state();
        let mut free = self.0.turns.saturating_sub(state.running.len());
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        for owner in state.running.values().filter_map(|running| running.owner) {
            *counts.entry(owner).or_default() += 1;
        }
        let mut next = Vec::new();
        state.pending.retain(|(chat, owner)| {
            let count = owner.map(|owner| counts.entry(owner).or_default());
            let starts = free > 0 && count.as_ref().is_none_or(|count| **count < self.0.per_user);
            if starts {
                free -= 1;
                if let Some(count) = count {
                    *count += 1;
                }
                next.push(*chat);
            }
            !starts
        });
        next
    }
}

impl State {
    fn push_pending(&mut self, chat: Uuid, owner: Option<Uuid>) {
        let waits = self.pending.iter().any(|(pending, _)| *pending == chat);
        // Beyond the cap the poll remembers for us.
        if !waits && self.pending.len() < limits::PENDING_CHATS {
            self.pending.push_back((chat, owner));
        }
    }
}

impl Place {
    /// Names the owner; false when that owner has as many turns as allowed, or when the place was taken only to carry out a stop and
    /// the house is still full.
    pub(super) fn claim_for(&self, owner: Uuid) -> bool {
        let mut state = self.slots.state();
        let others = state
            .running
            .iter()
            .filter(|(chat, running)| **chat != self.chat && running.owner == Some(owner))
            .count();
        let house = !self.beside || state.running.len() <= self.slots.0.turns;
        let room = house && others < self.slots.0.per_user;
        if let Some(running) = state.running.get_mut(&self.chat) {
            running.owner = Some(owner);
        }
        room
    }

    /// The signal that stops the turn about to begin. A stop that came before is not lost: its status stands in the database.
    pub(super) fn begin_turn(&self) -> CancellationToken {
        let mut state = self.slots.state();
        let stop = CancellationToken::new();
        if let Some(running) = state.running.get_mut(&self.chat) {
            running.stop = stop.clone();
            running.epoch = 0;
        }
        stop
    }

    /// The turn about to begin runs under this lease.
    pub(super) fn runs_under(&self, epoch: i64) {
        if let Some(running) = self.slots.state().running.get_mut(&self.chat) {
            running.epoch = epoch;
        }
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

    #[test]
    fn one_place_per_chat_and_a_wake_is_remembered() {
        let slots = Slots::new(4, 4);
        let place = slots.enter(id(1)).unwrap();
        assert!(slots.enter(id(1)).is_none());
        let place = place.leave().expect("it was woken");
        assert!(place.leave().is_none());
        assert!(slots.enter(id(1)).is_some());
    }

    #[test]
    fn the_full_house_lets_them_wait_in_order() {
        let slots = Slots::new(1, 1);
        let place = slots.enter(id(1)).unwrap();
        for chat in [2, 3, 2] {
            assert!(slots.enter(id(chat)).is_none());
        }
        assert!(slots.next_pending().is_empty());
        drop(place);
        assert_eq!(slots.next_pending(), [id(2)]);
        assert_eq!(slots.next_pending(), [id(3)]);
        assert!(slots.next_pending().is_empty());
    }

    #[test]
    fn a_busy_owner_does_not_hold_up_others() {
        let slots = Slots::new(8, 1);
        let (a, b) = (id(100), id(200));
        let first = slots.enter(id(1)).unwrap();
        assert!(first.claim_for(a));
        let second = slots.enter(id(2)).unwrap();
        assert!(!second.claim_for(a));
        slots.park(&second);
        drop(second);
        let third = slots.enter(id(3)).unwrap();
        assert!(third.claim_for(b));
        assert!(slots.next_pending().is_empty());
        drop(first);
        assert_eq!(slots.next_pending(), [id(2)]);
    }

    #[test]
    fn a_stop_gets_a_place_in_a_full_house_and_a_turn_does_not() {
        let slots = Slots::new(1, 8);
        let first = slots.enter(id(1)).unwrap();
        assert!(first.claim_for(id(100)));
        assert!(slots.enter(id(2)).is_none());
        let beside = slots.enter_to_stop(id(2)).expect("a stop does not wait");
        // The stop was undone meanwhile: the turn waits like any other.
        assert!(!beside.claim_for(id(100)));
        assert!(slots.next_pending().is_empty(), "it no longer waits outside");
        drop(first);
        assert!(beside.claim_for(id(100)), "there is room now");
    }

    #[test]
    fn a_stop_from_elsewhere_reaches_the_turn_it_was_meant_for() {
        let slots = Slots::new(2, 2);
        slots.stop_under(id(1), 4);
        let place = slots.enter(id(1)).unwrap();
        let stop = place.begin_turn();
        place.runs_under(5);
        slots.stop_under(id(1), 4);
        assert!(!stop.is_cancelled());
        slots.stop_under(id(1), 5);
        assert!(stop.is_cancelled());
    }

    #[test]
    fn stop_reaches_the_turn_at_work_only() {
        let slots = Slots::new(2, 2);
        assert!(!slots.stop(id(1)));
        let place = slots.enter(id(1)).unwrap();
        let stop = place.begin_turn();
        assert!(slots.stop(id(1)) && stop.is_cancelled());
        assert!(!place.begin_turn().is_cancelled());
    }
}
