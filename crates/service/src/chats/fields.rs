//! What people set of a chat: title, labels, its place in the list, and whether it is put away; and the list itself (behaviour 17).

use super::{
    children::{ChildrenMoved, not_a_child, with_children},
    turns::state_of,
};
use crate::{Error, OpContext, Result, Service};
use api::{
    Uuid, Validation,
    chats::{Chat, ChatUpdate},
};
use domain::chat::{ChatEvent, transition};
use std::collections::BTreeMap;
use store::chats::{self, ChatFilter};

const TITLE_CHARS: usize = 200;
/// Page sizes of the chat list (behaviour 17).
const CHATS_PAGE: i64 = 50;
const CHATS_PAGE_MAX: i64 = 200;
/// Labels of one chat, and characters of a key and a value.
const LABELS: usize = 50;
const LABEL_KEY: usize = 64;
const LABEL_VALUE: usize = 256;
/// As the table allows.
const PIN_ORDER_MAX: i64 = 1_000_000;

/// Which chats are asked for.
#[derive(Debug, Clone, Default)]
pub struct ChatListRequest {
    pub limit: Option<i64>,
    /// The last chat of the page before.
    pub after: Option<Uuid>,
    /// The chats put away instead of the others.
    pub archived: bool,
    /// `key`, or `key:value`.
    pub label: Option<String>,
}

impl Service {
    /// The caller's own chats: the pinned ones in their order, then the last changed first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::Invalid`].
    pub async fn chat_list(&self, ctx: &OpContext, request: &ChatListRequest) -> Result<Vec<Chat>> {
        let owner = ctx.require()?.user.id;
        let limit = request.limit.unwrap_or(CHATS_PAGE);
        if !(1..=CHATS_PAGE_MAX).contains(&limit) {
            return Err(Error::invalid_field("limit", format!("Use 1 to {CHATS_PAGE_MAX}.")));
        }
        let label = match request.label.as_deref() {
            None => None,
            Some(text) => {
                let (key, value) =
                    text.split_once(':').map_or((text, None), |(key, value)| (key, Some(value)));
                check_key(key).map_err(|detail| Error::invalid_field("label", detail))?;
                Some((key, value))
            }
        };
        let filter = ChatFilter { archived: request.archived, label };
        let mut session = self.db().read().await?;
        let records = chats::chat_list(&mut session, owner, filter, limit, request.after).await?;
        with_children(&mut session, &records).await
    }

    /// Title, labels, place in the list, workspace, plan mode of the turns to come; puts away and takes back.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when a chat is put away whose turn runs.
    pub async fn chat_update(&self, ctx: &OpContext, id: Uuid, request: ChatUpdate) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let wrong = problems(&request);
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let mut write = self.db().write().await?;
        let mut record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        if let Some(title) = request.title {
            record.title = title.trim().to_owned();
            record.title_source = "user".to_owned();
            record.updated_at = self.now();
        }
        let mut children = ChildrenMoved::default();
        if let Some(archived) = request.archived {
            not_a_child(&record)?;
            let event = if archived { ChatEvent::Archive } else { ChatEvent::Unarchive };
            let next = transition(state_of(&record), event).map_err(|e| Error::conflict(e.to_string()))?;
            if record.archived && !next.archived {
                // It is in use again: its days begin anew.
                record.updated_at = self.now();
            }
            record.archived = next.archived;
            children = self.children_archive(ctx, &mut write, id, archived).await?;
        }
        record.pin_order = request.pin_order.unwrap_or(record.pin_order);
        record.labels = request.labels.unwrap_or(record.labels);
        if request.plan_mode.is_some() {
            not_a_child(&record)?;
        }
        let planned = record.plan_mode;
        record.plan_mode = request.plan_mode.unwrap_or(planned);
        if let Some(workspace) = request.workspace_id {
            let mut wrong = Vec::new();
            if let Some(workspace) = workspace {
                self.workspace_check(&mut write, owner, workspace, &mut wrong).await?;
            }
            if !wrong.is_empty() {
                return Err(Error::invalid(wrong));
            }
            record.workspace_id = workspace;
        }
        chats::chat_update_fields(&mut write, &record).await?;
        self.plan_mode_audit(&mut write, ctx, &record, planned).await?;
        write.commit().await?;
        // As committed: an older status that is published later must not win.
        record.snapshot_version += 1;
        self.status_announce(&record);
        self.children_announce(&children);
        Ok(record.to_wire())
    }
}

fn problems(request: &ChatUpdate) -> Vec<Validation> {
    let mut wrong = Vec::new();
    if let Some(title) = &request.title {
        let length = title.trim().chars().count();
        if length == 0 || length > TITLE_CHARS || title.chars().any(char::is_control) {
            wrong.push(Validation::new("title", format!("Use 1 to {TITLE_CHARS} characters on one line.")));
        }
    }
    if request.pin_order.is_some_and(|order| !(0..=PIN_ORDER_MAX).contains(&order)) {
        wrong.push(Validation::new(
            "pin_order",
            format!("Use 1 to {PIN_ORDER_MAX}, or 0 to take the chat out."),
        ));
    }
    if let Some(labels) = &request.labels
        && let Err(detail) = check_labels(labels)
    {
        wrong.push(Validation::new("labels", detail));
    }
    wrong
}

fn check_labels(labels: &BTreeMap<String, String>) -> std::result::Result<(), String> {
    if labels.len() > LABELS {
        return Err(format!("A chat has at most {LABELS} labels."));
    }
    for (key, value) in labels {
        check_key(key)?;
        if value.chars().count() > LABEL_VALUE || value.chars().any(char::is_control) {
            return Err(format!("The value of {key} must be one line of at most {LABEL_VALUE} characters."));
        }
    }
    Ok(())
}

/// Also what makes a key safe within a path of JSON.
fn check_key(key: &str) -> std::result::Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if key.is_empty() || key.len() > LABEL_KEY || !key.chars().all(fits) {
        return Err(format!(
            "The key of a label has 1 to {LABEL_KEY} characters: letters a to z, digits, dots, dashes, underscores and slashes."
        ));
    }
    Ok(())
}
