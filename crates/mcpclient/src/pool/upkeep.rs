//! What goes when nobody needs it any more, and what makes room.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, lock,
    slot::{Key, Slot},
};
use crate::limits::KEPT_BYTES;

impl Inner {
    pub(super) fn drop_idle(&self) {
        let idle = self.timeouts.idle_connection;
        let kept = self.timeouts.catalogue_kept.max(idle);
        self.lock_slots().retain(|_, slot| {
            if slot.is_idle(idle) {
                slot.rest();
            }
            !slot.is_idle(kept)
        });
        self.thin_out_kept();
        lock(&self.servers).retain(|_, permits| Arc::strong_count(permits) > 1);
        self.breakers.drop_old();
    }

    /// Lists that stand in for closed connections share a budget: those unused for longest go.
    fn thin_out_kept(&self) {
        let mut slots = self.lock_slots();
        let mut resting: Vec<(Instant, Key, usize)> = slots
            .iter()
            .filter_map(|(key, slot)| Some((slot.unused_since()?, *key, slot.resting_bytes()?)))
            .collect();
        resting.sort_unstable_by_key(|(since, ..)| std::cmp::Reverse(*since));
        let mut bytes = 0_usize;
        for (_, key, size) in resting {
            bytes = bytes.saturating_add(size);
            if bytes > KEPT_BYTES {
                slots.remove(&key);
            }
        }
    }
}

/// Of those that `of` names at most `most` stay with the one to come: the one unused for longest goes. `None` when all are in use.
pub(super) fn make_room(
    slots: &mut HashMap<Key, Arc<Slot>>,
    of: impl Fn(&Key) -> bool,
    most: usize,
) -> Option<()> {
    if slots.len() < most || slots.keys().filter(|key| of(key)).count() < most {
        return Some(());
    }
    let unused =
        slots.iter().filter(|(key, _)| of(key)).filter_map(|(key, slot)| Some((slot.unused_since()?, *key)));
    let (_, oldest) = unused.min_by_key(|(since, _)| *since)?;
    slots.remove(&oldest);
    Some(())
}

/// Ends with the pool.
pub(super) async fn reap(pool: Weak<Inner>, stopped: CancellationToken, idle: Duration) {
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            () = sleep(idle / 5) => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.drop_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pool::eras::tests::target, target::Target};
    use uuid::Uuid;

    fn key(user: u128, server: u128) -> Key {
        let (user_id, server_id) = (Uuid::from_u128(user), Uuid::from_u128(server));
        Key::of(&Target { user_id, server_id, ..target(None) })
    }

    /// Slots of these users and servers, each unused for a second longer than the one after it.
    async fn slots(of: &[(u128, u128)]) -> HashMap<Key, Arc<Slot>> {
        let mut slots = HashMap::new();
        for (user, server) in of {
            slots.insert(key(*user, *server), Arc::<Slot>::default());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        slots
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_unused_for_longest_makes_room() {
        let mut slots = slots(&[(1, 7), (1, 8), (2, 7), (2, 8)]).await;
        assert!(make_room(&mut slots, |_| true, 5).is_some());
        assert_eq!(slots.len(), 4, "there was room");
        let of_eight = |key: &Key| key.server_id == Uuid::from_u128(8);
        assert!(make_room(&mut slots, of_eight, 2).is_some());
        assert!(!slots.contains_key(&key(1, 8)) && slots.len() == 3, "the oldest of that server");
        assert!(make_room(&mut slots, |_| true, 3).is_some());
        assert!(!slots.contains_key(&key(1, 7)) && slots.len() == 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_use_makes_no_room() {
        let mut slots = slots(&[(1, 7), (2, 7)]).await;
        let busy: Vec<Arc<Slot>> = slots.values().map(Arc::clone).collect();
        let held = [busy[0].calls.acquire().await, busy[1].calls.acquire().await];
        assert!(make_room(&mut slots, |_| true, 2).is_none());
        drop(held);
        assert!(make_room(&mut slots, |_| true, 2).is_some());
    }
}
