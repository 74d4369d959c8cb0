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
    /// Woken while it was at work: look again before leaving.
    woken: bool,
}

/// What became of a chat that looked for a place.
#[derive(Debug)]
pub(super) enum Entered {
    Place(Place),
    /// It has one, and will look again.
    Running,
    /// All are taken: it waits. `new`: it did not wait before.
    Full {
        new: bool,
    },
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

    /// A place for `chat`.
    pub(super) fn enter(&self, chat: Uuid) -> Entered {
        self.enter_as(chat, false)
    }

    /// A place for a chat whose owner pressed Stop, also when all are taken: carrying out a stop costs one commit, and must not wait
    /// for turns that may take half an hour.
    pub(super) fn enter_to_stop(&self, chat: Uuid) -> Entered {
        self.enter_as(chat, true)
    }

    fn enter_as(&self, chat: Uuid, to_stop: bool) -> Entered {
        let mut state = self.state();
        if let Some(running) = state.running.get_mut(&chat) {
            running.woken = true;
            return Entered::Running;
        }
        let full = state.running.len() >= self.0.turns;
        if full && !to_stop {
            return Entered::Full { new: state.push_pending(chat, None) };
        }
        state.pending.retain(|(pending, _)| *pending != chat);
        state.running.insert(chat, Running { owner: None, stop: CancellationToken::new(), woken: false });
        Entered::Place(Place { chat, slots: self.clone(), beside: full, left: false })
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

    /// Lets a chat wait outside whose owner has no free place; false when it waited before.
    pub(super) fn park(&self, place: &Place) -> bool {
        let mut state = self.state();
        let owner = state.running.get(&place.chat).and_then(|running| running.owner);
        state.push_pending(place.chat, owner)
    }

    /// Whose chat it is that waits; false when it waits no more.
    pub(super) fn pending_of(&self, chat: Uuid, owner: Uuid) -> bool {
        let mut state = self.state();
        let waits = state.pending.iter_mut().find(|(pending, _)| *pending == chat);
        waits.map(|entry| entry.1 = Some(owner)).is_some()
    }

    /// The chats that may start now. Whoever has the fewest turns under way comes first, then whoever has waited longest, so that one
    /// person's hundred chats do not hold up another's one; those whose owner is at the limit keep waiting.
    pub(super) fn next_pending(&self) -> Vec<Uuid> {
        let mut state = self.state();
        let mut free = self.0.turns.saturating_sub(state.running.len());
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        for owner in state.running.values().filter_map(|running| running.owner) {
            *counts.entry(owner).or_default() += 1;
        }
        let mut next = Vec::new();
        while free > 0 {
            let under_way =
                |owner: Option<Uuid>| owner.and_then(|owner| counts.get(&owner)).copied().unwrap_or_default();
            let candidates = state.pending.iter().enumerate();
            // The first of equals: they stand in the order in which they came.
            let best = candidates
                .map(|(index, (_, owner))| (under_way(*owner), index))
                .filter(|(count, _)| *count < self.0.per_user)
                .min();
            let Some((chat, owner)) = best.and_then(|(_, index)| state.pending.remove(index)) else { break };
            if let Some(owner) = owner {
                *counts.entry(owner).or_default() += 1;
            }
            free -= 1;
            next.push(chat);
        }
        next
    }
}

impl State {
    /// True when it did not wait before.
    fn push_pending(&mut self, chat: Uuid, owner: Option<Uuid>) -> bool {
        let waits = self.pending.iter().any(|(pending, _)| *pending == chat);
        // Beyond the cap the poll remembers for us.
        if waits || self.pending.len() >= limits::PENDING_CHATS {
            return false;
        }
        self.pending.push_back((chat, owner));
        true
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

    impl Entered {
        fn unwrap(self) -> Place {
            match self {
                Self::Place(place) => place,
                other => panic!("no place: {other:?}"),
            }
        }

        fn is_none(&self) -> bool {
            !matches!(self, Self::Place(_))
        }
    }

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
        slots.enter(id(1)).unwrap();
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
    fn whoever_has_the_fewest_turns_comes_first() {
        let slots = Slots::new(2, 8);
        let (a, b) = (id(100), id(200));
        let first = slots.enter(id(1)).unwrap();
        let second = slots.enter(id(2)).unwrap();
        assert!(first.claim_for(a) && second.claim_for(a));
        for chat in 3..6 {
            assert!(matches!(slots.enter(id(chat)), Entered::Full { new: true }));
            assert!(slots.pending_of(id(chat), a));
        }
        assert!(matches!(slots.enter(id(3)), Entered::Full { new: false }));
        assert!(matches!(slots.enter(id(6)), Entered::Full { new: true }));
        assert!(slots.pending_of(id(6), b));
        drop(first);
        assert_eq!(
            slots.next_pending(),
            [id(6)],
            "the one chat of another goes before the many that came first"
        );
        assert!(!slots.pending_of(id(6), b), "it waits no more");
        drop(second);
        assert_eq!(slots.next_pending(), [id(3), id(4)], "in their order");
    }

    #[test]
    fn a_stop_gets_a_place_in_a_full_house_and_a_turn_does_not() {
        let slots = Slots::new(1, 8);
        let first = slots.enter(id(1)).unwrap();
        assert!(first.claim_for(id(100)));
        assert!(slots.enter(id(2)).is_none());
        let beside = slots.enter_to_stop(id(2)).unwrap();
        // The stop was undone meanwhile: the turn waits like any other.
        assert!(!beside.claim_for(id(100)));
        assert!(slots.next_pending().is_empty(), "it no longer waits outside");
        drop(first);
        assert!(beside.claim_for(id(100)), "there is room now");
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
