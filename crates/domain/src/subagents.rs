//! Subagents (behaviour 21, and the last row of 16): what they may use, and when one may be made.

use crate::{availability::is_forced, mcp_server::ServerRecord};
use api::{Uuid, chats::ChatMode};

/// Subagents of one chat.
pub const CHILDREN: usize = 16;

/// Which servers a turn of a chat may use, by what it is and by how its parent stands now. Asked at each step and again right before
/// each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The list that counts as the chat's own. Forced servers are beside it.
    pub ids: Vec<Uuid>,
    /// Nothing but these, not even where a server is forced.
    pub only: Option<Vec<Uuid>>,
}

/// See [`Selected`]. `own`: the list stored with the chat; `parent`: that of its parent now, `None` for a chat without one.
pub fn servers_of(mode: Option<ChatMode>, own: &[Uuid], parent: Option<&[Uuid]>) -> Selected {
    match (mode, parent) {
        (Some(ChatMode::Explore), None) => Selected { ids: Vec::new(), only: Some(Vec::new()) },
        // What was there when it was made, and what of that the parent still has.
        (Some(ChatMode::Explore), Some(parent)) => Selected {
            ids: own.iter().copied().filter(|id| parent.contains(id)).collect(),
            only: Some(own.to_vec()),
        },
        (_, Some(parent)) => Selected { ids: parent.to_vec(), only: None },
        (_, None) => Selected { ids: own.to_vec(), only: None },
    }
}

impl Selected {
    /// Whether the list itself lets the server take part; every other rule is asked besides.
    pub fn admits(&self, server: &ServerRecord) -> bool {
        self.may_be(server.id) && (self.ids.contains(&server.id) || is_forced(server))
    }

    /// Whether the server could take part if it were forced.
    pub fn may_be(&self, server: Uuid) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&server))
    }
}

/// Why no subagent is made. The texts are for the model and say what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpawnRefused {
    #[error("A subagent cannot make subagents. Do the work yourself, or say in your answer what is left.")]
    Depth,
    #[error(
        "This chat has {CHILDREN} subagents, as many as it can have. Go on with those it has, by message_agent."
    )]
    TooMany,
    #[error("In plan mode subagents do research only. Use the type explore.")]
    Planning,
}

/// Whether a chat may make a subagent of this type. `is_child`: it is one itself; `plans`: its turn is in plan mode.
///
/// # Errors
/// [`SpawnRefused`].
pub fn spawn_check(is_child: bool, plans: bool, mode: ChatMode, children: usize) -> Result<(), SpawnRefused> {
    if is_child {
        Err(SpawnRefused::Depth)
    } else if plans && mode != ChatMode::Explore {
        Err(SpawnRefused::Planning)
    } else if children >= CHILDREN {
        Err(SpawnRefused::TooMany)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u128]) -> Vec<Uuid> {
        numbers.iter().map(|n| Uuid::from_u128(*n)).collect()
    }

    #[test]
    fn each_kind_of_chat_has_its_servers() {
        let (own, parent) = (ids(&[1, 2]), ids(&[2, 3]));
        let root = servers_of(None, &own, None);
        assert_eq!((root.ids, root.only), (own.clone(), None));
        let general = servers_of(Some(ChatMode::General), &own, Some(&parent));
        assert_eq!((general.ids, general.only), (parent.clone(), None), "the parent's, as they are now");
        let explore = servers_of(Some(ChatMode::Explore), &own, Some(&parent));
        assert_eq!((&explore.ids, &explore.only), (&ids(&[2]), &Some(own.clone())));
        assert!(explore.may_be(Uuid::from_u128(1)) && !explore.may_be(Uuid::from_u128(3)));
        let alone = servers_of(Some(ChatMode::Explore), &own, None);
        assert_eq!((alone.ids, alone.only), (Vec::new(), Some(Vec::new())), "a root explore chat has none");
    }

    #[test]
    fn what_an_exploring_chat_does_not_have_is_not_forced_upon_it() {
        use crate::mcp_server::tests::record;
        use api::servers::Availability;
        let forced = |id: u128| ServerRecord {
            id: Uuid::from_u128(id),
            enabled: true,
            availability: Availability::ForceOn,
            ..record()
        };
        let explore = servers_of(Some(ChatMode::Explore), &ids(&[1]), Some(&[]));
        assert!(explore.admits(&forced(1)), "forced when it was made, and still");
        assert!(!explore.admits(&forced(2)), "forced since");
        let general = servers_of(Some(ChatMode::General), &ids(&[1]), Some(&[]));
        assert!(general.admits(&forced(2)));
        assert!(!general.admits(&ServerRecord { availability: Availability::DefaultOff, ..forced(1) }));
    }

    #[test]
    fn subagents_are_made_one_deep_in_number_and_for_research_while_planning() {
        use ChatMode::{Explore, General};
        assert_eq!(spawn_check(false, false, General, 0), Ok(()));
        assert_eq!(spawn_check(true, false, Explore, 0), Err(SpawnRefused::Depth));
        assert_eq!(spawn_check(false, true, General, 0), Err(SpawnRefused::Planning));
        assert_eq!(spawn_check(false, true, Explore, CHILDREN - 1), Ok(()));
        assert_eq!(spawn_check(false, false, General, CHILDREN), Err(SpawnRefused::TooMany));
    }
}
