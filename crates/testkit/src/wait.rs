//! Waiting for something to become true, with a deadline.

use crate::limits::{LOOK_EVERY, SOON};
use std::future::Future;

/// The first value that `look` finds, looked for every 20 ms.
///
/// # Panics
/// When nothing was found within 30 s; `what` names it.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited {} s in vain for {what}", SOON.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
