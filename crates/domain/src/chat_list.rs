//! What somebody who watches a list of chats is told when it changes (behaviour 19, `/watch`).

use api::{
    chats::{Chat, ChatStatus},
    watch::WatchKind,
};

/// What happened between two looks at one chat, in the order in which it is told; `before` is `None` for a chat that was not there.
/// That only a moment of its last change moved is nothing to tell.
pub fn changes(before: Option<&Chat>, after: &Chat) -> Vec<WatchKind> {
    let mut kinds = Vec::new();
    match before {
        None => kinds.push(WatchKind::Created),
        Some(before) => {
            if before.title != after.title {
                kinds.push(WatchKind::TitleChange);
            }
            let same = Chat { title: after.title.clone(), updated_at: after.updated_at, ..before.clone() };
            if same != *after {
                kinds.push(WatchKind::StatusChange);
            }
        }
    }
    let asks = |chat: &Chat| chat.status == ChatStatus::RequiresAction;
    if asks(after) && !before.is_some_and(asks) {
        kinds.push(WatchKind::ActionRequired);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Timestamp, Uuid};

    fn chat() -> Chat {
        Chat {
            id: Uuid::from_u128(1),
            organization_id: Uuid::nil(),
            owner_id: Uuid::from_u128(2),
            workspace_id: None,
            parent_chat_id: None,
            root_chat_id: None,
            mode: None,
            plan_mode: api::chats::PlanMode::Off,
            plan_version: 0,
            last_model_config_id: None,
            title: "A".to_owned(),
            status: ChatStatus::Waiting,
            last_error: None,
            archived: false,
            mcp_server_ids: Vec::new(),
            labels: std::collections::BTreeMap::new(),
            pin_order: 0,
            queued_for_capacity: false,
            children: Vec::new(),
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
        }
    }

    #[test]
    fn every_change_has_its_kind() {
        use WatchKind::{ActionRequired, Created, StatusChange, TitleChange};
        let before = chat();
        assert_eq!(changes(None, &before), [Created]);
        assert_eq!(changes(Some(&before), &before), []);
        let later = Chat { updated_at: Timestamp(9), ..chat() };
        assert_eq!(changes(Some(&before), &later), [], "nothing that is shown changed");
        let renamed = Chat { title: "B".to_owned(), updated_at: Timestamp(9), ..chat() };
        assert_eq!(changes(Some(&before), &renamed), [TitleChange]);
        for changed in [
            Chat { status: ChatStatus::Running, ..chat() },
            Chat { archived: true, ..chat() },
            Chat { pin_order: 3, ..chat() },
            Chat { labels: [("a".to_owned(), "b".to_owned())].into(), ..chat() },
        ] {
            assert_eq!(changes(Some(&before), &changed), [StatusChange]);
        }
        let both = Chat { status: ChatStatus::Running, ..renamed };
        assert_eq!(changes(Some(&before), &both), [TitleChange, StatusChange]);
        let asking = Chat { status: ChatStatus::RequiresAction, ..chat() };
        assert_eq!(changes(Some(&before), &asking), [StatusChange, ActionRequired]);
        assert_eq!(changes(Some(&asking), &asking), [], "it is told once");
        assert_eq!(changes(None, &asking), [Created, ActionRequired]);
    }
}
