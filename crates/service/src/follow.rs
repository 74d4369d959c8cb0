//! The live stream of a chat, for its owner and as long as they may see it (behaviour 19).

use crate::{
    Error, OpContext, Result, Service,
    chats::{render_message, veil_outcomes},
};
use api::{
    Uuid,
    stream::{StreamEvent, StreamPayload},
};
use chatd::Resume;
use domain::accounts::{Action, can};
use futures::{Stream, StreamExt as _};
use std::{sync::Arc, time::Duration};
use store::{credentials, users};

/// Access is asked again this often: a revoked session must lose its stream within 5 s (behaviour 2).
const ACCESS_RECHECK: Duration = Duration::from_secs(4);

/// One event, ready for the wire.
#[derive(Debug, Clone)]
pub struct RenderedEvent {
    /// `[A-Za-z0-9_-]` only.
    pub id: String,
    pub name: &'static str,
    /// One line of JSON.
    pub data: String,
}

impl Service {
    /// Follows an own chat: what is committed from `after_id` on, then what happens. `last_event_id` resumes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unauthorized`].
    pub async fn chat_follow(
        &self,
        ctx: &OpContext,
        id: Uuid,
        last_event_id: Option<String>,
        after_id: Option<i64>,
        rendered: bool,
    ) -> Result<impl Stream<Item = RenderedEvent> + Send + 'static> {
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        drop(session);
        let events = chatd::follow(
            self.db().clone(),
            self.deps().chatd.hub().clone(),
            id,
            Resume { last_event_id, after_id },
        );
        let view = View { rendered, unredacted: Self::viewer(ctx).unredacted };
        let events = events.filter_map(move |(id, event)| async move { to_wire(id, &event, view) });
        let ended = access_lost(self.clone(), ctx.clone(), Some(id), view.unredacted);
        Ok(events.take_until(Box::pin(ended)))
    }

    /// Whether the stream may go on as it began: it ends with the credential, and when a role came or went, so that the reader comes
    /// back and is shown what they may see now. `id`: the chat it is about, if it is about one.
    async fn still_allowed(&self, ctx: &OpContext, id: Option<Uuid>, unredacted: bool) -> bool {
        let Some(caller) = &ctx.caller else { return false };
        let Ok(mut session) = self.db().read().await else {
            // The database is away for a moment: the stream shows nothing new anyway, and closing thousands would make it worse.
            return true;
        };
        let live = credentials::credential_alive(&mut session, caller.credential_id, self.now())
            .await
            .unwrap_or(true);
        let user = users::user_get(&mut session, caller.user.id).await.ok().flatten();
        let same_view =
            user.is_none_or(|record| can(&record.user.roles, Action::ServersReadAll) == unredacted);
        let there = match id {
            None => true,
            Some(id) => {
                let found = self.chat_own(ctx, &mut session, id).await;
                found.map_or_else(|error| !matches!(error, Error::NotFound), |_| true)
            }
        };
        live && same_view && there
    }
}

pub(crate) async fn access_lost(service: Service, ctx: OpContext, id: Option<Uuid>, unredacted: bool) {
    loop {
        tokio::time::sleep(ACCESS_RECHECK).await;
        if !service.still_allowed(&ctx, id, unredacted).await {
            return;
        }
    }
}

/// How events are shown.
#[derive(Debug, Clone, Copy)]
struct View {
    /// Text of committed messages comes with markup.
    rendered: bool,
    /// The reader may know where servers are.
    unredacted: bool,
}

fn to_wire(id: impl ToString, event: &Arc<StreamEvent>, view: View) -> Option<RenderedEvent> {
    let name = event.payload.event_name();
    let with = |payload| serde_json::to_string(&StreamEvent { chat_id: event.chat_id, payload });
    let data = match &event.payload {
        StreamPayload::Message { message } if view.rendered || message.mcp_status.is_some() => {
            let mut message = message.clone();
            if view.rendered {
                render_message(&mut message);
            }
            if !view.unredacted {
                veil_outcomes(message.mcp_status.iter_mut().flatten());
            }
            with(StreamPayload::Message { message })
        }
        StreamPayload::McpStatus { mcp_status } if !view.unredacted => {
            let mut mcp_status = mcp_status.clone();
            veil_outcomes(&mut mcp_status);
            with(StreamPayload::McpStatus { mcp_status })
        }
        _ => serde_json::to_string(&**event),
    };
    match data {
        Ok(data) => Some(RenderedEvent { id: id.to_string(), name, data }),
        Err(error) => {
            tracing::error!(%error, "an event could not be written");
            None
        }
    }
}
