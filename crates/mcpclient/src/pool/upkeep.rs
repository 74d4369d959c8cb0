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
