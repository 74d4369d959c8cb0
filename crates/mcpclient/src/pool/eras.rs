//! What servers were found to speak: a property of the server, not of a user (protocol.md E3 to E5).

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::lock;
use crate::{session::Wire, target::Target};

/// The memory of this process, in front of what targets bring along from where it is kept.
#[derive(Default)]
pub(super) struct Eras(Mutex<HashMap<Uuid, Era>>);

struct Era {
    /// Somewhere else it is another server.
    url: Url,
    wire: Option<Wire>,
    /// The server refused something in a way that means that it is of another era.
    doubted: bool,
    asked: Option<Instant>,
}

/// How a session is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// As the server was found to speak.
    Known(Wire),
    /// After asking it.
    Ask,
}

impl Eras {
    /// A doubt is followed up once in `interval`; until then the server is spoken to as before.
    pub(super) fn opening(&self, target: &Target, interval: Duration) -> Opening {
        let eras = lock(&self.0);
        let Some(era) = eras.get(&target.server_id).filter(|era| era.url == target.url) else {
            return target.wire.map_or(Opening::Ask, Opening::Known);
        };
        let may_ask = era.asked.is_none_or(|at| at.elapsed() >= interval);
        match era.wire.or(target.wire) {
            Some(wire) if !(era.doubted && may_ask) => Opening::Known(wire),
            _ => Opening::Ask,
        }
    }

    /// The server was asked. Without an answer the era stays what it was (protocol.md 2, step 5).
    pub(super) fn asked(&self, target: &Target, found: Option<Wire>) {
        let mut eras = lock(&self.0);
        let era = Self::of(&mut eras, target);
        era.asked = Some(Instant::now());
        if found.is_some() {
            era.wire = found;
            era.doubted = false;
        }
    }

    /// The server does not take what it took before.
    pub(super) fn doubt(&self, target: &Target) {
        Self::of(&mut lock(&self.0), target).doubted = true;
    }

    pub(super) fn forget(&self, server_id: Uuid) {
        lock(&self.0).remove(&server_id);
    }

    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    fn of<'a>(eras: &'a mut HashMap<Uuid, Era>, target: &Target) -> &'a mut Era {
        let fresh = || Era { url: target.url.clone(), wire: None, doubted: false, asked: None };
        let era = eras.entry(target.server_id).or_insert_with(fresh);
        if era.url != target.url {
            *era = fresh();
        }
        era
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    pub(in crate::pool) fn target(wire: Option<Wire>) -> Target {
        Target {
            server_id: Uuid::nil(),
            user_id: Uuid::nil(),
            slug: "s".into(),
            url: "https://mcp.example.com/mcp".parse().unwrap(),
            transport: crate::target::Transport::StreamableHttp,
            wire,
            headers: Vec::new(),
            forwarding: None,
            credential_version: 1,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_doubt_is_followed_up_once_a_minute_and_an_era_is_never_lost_without_an_answer() {
        let eras = Eras::default();
        let kept = target(Some(Wire::Streamable));
        assert_eq!(eras.opening(&target(None), MINUTE), Opening::Ask);
        assert_eq!(eras.opening(&kept, MINUTE), Opening::Known(Wire::Streamable));
        eras.doubt(&kept);
        assert_eq!(eras.opening(&kept, MINUTE), Opening::Ask);
        eras.asked(&kept, None);
        assert_eq!(eras.opening(&kept, MINUTE), Opening::Known(Wire::Streamable), "no answer, no conclusion");
        tokio::time::advance(MINUTE).await;
        assert_eq!(eras.opening(&kept, MINUTE), Opening::Ask);
        eras.asked(&kept, Some(Wire::Stateless));
        assert_eq!(
            eras.opening(&kept, MINUTE),
            Opening::Known(Wire::Stateless),
            "what was found last counts"
        );
        let moved = Target { url: "https://elsewhere.example.com/mcp".parse().unwrap(), ..target(None) };
        assert_eq!(eras.opening(&moved, MINUTE), Opening::Ask);
        eras.forget(Uuid::nil());
        assert_eq!(eras.opening(&kept, MINUTE), Opening::Known(Wire::Streamable));
    }
}
