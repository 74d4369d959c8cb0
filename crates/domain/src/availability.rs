//! Which servers take part in a chat and in a step (behaviour 16).
//!
//! `visible` is always what the caller may use. Unknown, concealed and (for members) disabled ids then look the same from here on.

use crate::{
    gates::{Choice, ServerFacts, decide},
    limits::CHAT_SERVERS,
    mcp_server::ServerRecord,
};
use api::{Uuid, Validation};

/// The list to store with the chat, and what to tell the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Completed with the forced servers, without duplicates: what responses show.
    pub ids: Vec<Uuid>,
    /// Sentences for `warnings`.
    pub warnings: Vec<String>,
}

/// The servers of a new chat. Omitted: forced and `default_on` ones. A list, also an empty one: the list and the forced ones.
///
/// # Errors
/// A refusal of `mcp_server_ids` when one of them does not exist for the caller.
pub fn servers_for_new_chat(
    visible: &[ServerRecord],
    requested: Option<&[Uuid]>,
) -> Result<Selection, Vec<Validation>> {
    match requested {
        Some(requested) => replace(visible, &[], requested),
        None => {
            let ids = visible
                .iter()
                .filter(|server| decide(&ServerFacts::open(server, Choice::NewChat), None).takes_part())
                .map(|server| server.id)
                .collect();
            Ok(Selection { ids, warnings: Vec::new() })
        }
    }
}

/// The servers after a message or an edit. Omitted: no change. `[]`: only forced ones. A list: the list and the forced ones;
/// of ids that the chat already carried, those which have vanished are dropped with a warning.
///
/// # Errors
/// As [`servers_for_new_chat`], for ids that are new to the chat.
pub fn servers_after_message(
    visible: &[ServerRecord],
    current: &[Uuid],
    requested: Option<&[Uuid]>,
) -> Result<Selection, Vec<Validation>> {
    match requested {
        Some(requested) => replace(visible, current, requested),
        None => Ok(Selection { ids: current.to_vec(), warnings: Vec::new() }),
    }
}

/// Sorts the servers of a step, whom [`crate::gates::decide`] let in: stored order first, then the forced ones by slug. The same chat
/// gives the same prompt.
pub fn order_for_step<T>(servers: &mut [T], stored: &[Uuid], record: impl Fn(&T) -> &ServerRecord) {
    let place = |server: &ServerRecord| stored.iter().position(|id| *id == server.id).unwrap_or(stored.len());
    servers.sort_by(|a, b| {
        let (a, b) = (record(a), record(b));
        (place(a), &a.slug, a.id).cmp(&(place(b), &b.slug, b.id))
    });
}

/// In every chat, whatever was chosen.
pub fn is_forced(server: &ServerRecord) -> bool {
    decide(&ServerFacts::open(server, Choice::NotChosen), None).takes_part()
}

fn replace(
    visible: &[ServerRecord],
    current: &[Uuid],
    requested: &[Uuid],
) -> Result<Selection, Vec<Validation>> {
    if requested.len() > CHAT_SERVERS {
        let detail = format!("Has {} ids; at most {CHAT_SERVERS} are possible.", requested.len());
        return Err(vec![Validation::new("mcp_server_ids", detail)]);
    }
    let mut selection = Selection::default();
    let mut refused: Vec<String> = Vec::new();
    for id in requested {
        if selection.ids.contains(id) {
            continue;
        }
        if visible.iter().any(|server| server.id == *id) {
            selection.ids.push(*id);
        } else if current.contains(id) {
            let warning = format!("Server {id} is no longer available and was removed from this chat.");
            if !selection.warnings.contains(&warning) {
                selection.warnings.push(warning);
            }
        } else if !refused.contains(&id.to_string()) {
            refused.push(id.to_string());
        }
    }
    if !refused.is_empty() {
        // One text for unknown, concealed and disabled: the answer must not tell them apart.
        let detail = format!("No such server: {}. Choose from the list of servers.", refused.join(", "));
        return Err(vec![Validation::new("mcp_server_ids", detail)]);
    }
    for server in visible.iter().filter(|server| is_forced(server)) {
        if !selection.ids.contains(&server.id) {
            selection.ids.push(server.id);
        }
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp_server::tests::record;
    use api::servers::Availability;

    fn server(id: u128, availability: Availability, enabled: bool) -> ServerRecord {
        ServerRecord { id: Uuid::from_u128(id), slug: format!("s{id}"), availability, enabled, ..record() }
    }

    const FORCED: u128 = 1;
    const DEFAULT: u128 = 2;
    const OFF: u128 = 3;
    const UNKNOWN: u128 = 99;

    fn some() -> Vec<ServerRecord> {
        vec![
            server(OFF, Availability::DefaultOff, true),
            server(DEFAULT, Availability::DefaultOn, true),
            server(FORCED, Availability::ForceOn, true),
        ]
    }

    fn ids(list: &[u128]) -> Vec<Uuid> {
        list.iter().copied().map(Uuid::from_u128).collect()
    }

    #[test]
    fn new_chats() {
        let visible = some();
        for (requested, expected) in [
            (None, vec![DEFAULT, FORCED]),
            (Some(vec![]), vec![FORCED]),
            (Some(vec![OFF]), vec![OFF, FORCED]),
            (Some(vec![FORCED, OFF, OFF]), vec![FORCED, OFF]),
        ] {
            let requested = requested.map(|list: Vec<u128>| ids(&list));
            let selection = servers_for_new_chat(&visible, requested.as_deref()).unwrap();
            assert_eq!(selection, Selection { ids: ids(&expected), warnings: vec![] }, "{requested:?}");
        }
    }

    #[test]
    fn a_disabled_server_is_neither_default_nor_forced_for_admins() {
        let visible =
            [server(FORCED, Availability::ForceOn, false), server(DEFAULT, Availability::DefaultOn, false)];
        assert_eq!(servers_for_new_chat(&visible, None).unwrap().ids, ids(&[]));
        assert_eq!(servers_for_new_chat(&visible, Some(&ids(&[DEFAULT]))).unwrap().ids, ids(&[DEFAULT]));
    }

    #[test]
    fn unknown_ids_are_refused_by_name_of_the_field() {
        let problems = servers_for_new_chat(&some(), Some(&ids(&[OFF, UNKNOWN, UNKNOWN]))).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, "mcp_server_ids");
        assert_eq!(problems[0].detail.matches(&Uuid::from_u128(UNKNOWN).to_string()).count(), 1);
        assert!(!problems[0].detail.contains(&Uuid::from_u128(OFF).to_string()));
    }

    #[test]
    fn disabled_and_unknown_get_the_same_text() {
        // For a member the disabled server is not in the slice, as the unknown one.
        let text = |id: u128| {
            let problems = servers_after_message(&some(), &[], Some(&ids(&[id]))).unwrap_err();
            problems[0].detail.replace(&Uuid::from_u128(id).to_string(), "ID")
        };
        assert_eq!(text(50), text(UNKNOWN));
    }

    #[test]
    fn messages() {
        let (visible, current) = (some(), ids(&[OFF, FORCED, UNKNOWN]));
        let after = |requested: Option<&[Uuid]>| servers_after_message(&visible, &current, requested);
        assert_eq!(after(None).unwrap().ids, current);
        assert_eq!(after(Some(&[])).unwrap().ids, ids(&[FORCED]));
        assert_eq!(after(Some(&ids(&[DEFAULT]))).unwrap().ids, ids(&[DEFAULT, FORCED]));
        let kept = after(Some(&ids(&[UNKNOWN, OFF]))).unwrap();
        assert_eq!(kept.ids, ids(&[OFF, FORCED]));
        assert_eq!(kept.warnings.len(), 1);
        assert!(after(Some(&ids(&[98]))).is_err());
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<Uuid> = (0..=CHAT_SERVERS as u128).map(Uuid::from_u128).collect();
        assert!(servers_for_new_chat(&some(), Some(&many)).unwrap_err()[0].detail.contains("257 ids"));
    }

    #[test]
    fn steps() {
        let mut open = some();
        open.push(server(4, Availability::ForceOn, true));
        let step = |open: &[ServerRecord], stored: &[u128]| {
            let mut servers = open.to_vec();
            order_for_step(&mut servers, &ids(stored), |server| server);
            servers.iter().map(|server| server.id).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            assert_eq!(step(&open, &[DEFAULT, OFF]), ids(&[DEFAULT, OFF, FORCED, 4]));
            assert_eq!(step(&open, &[4, OFF, UNKNOWN, DEFAULT, OFF]), ids(&[4, OFF, DEFAULT, FORCED]));
            open.reverse();
        }
    }
}
