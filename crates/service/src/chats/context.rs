//! What the model is told of a chat: cleared, summarised; and the chat's title (behaviour 24).

use super::{Error, OpContext, Result, Service, children::not_a_child, state_of};
use api::{Uuid, chats::Chat};
use chatd::{TitleRefused, TitleWish};
use domain::{
    boundary::shown_clear,
    chat::{ChatConflict, ChatEvent, transition},
};
use store::chats::{self, NewBoundary, Transition};

impl Service {
    /// Draws a boundary: what is before stays for people and is no longer sent to the model. No model is asked.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while a turn runs, in an archived chat, and where there is nothing to clear.
    pub async fn chat_clear(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let now = self.now();
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        not_a_child(&record)?;
        if record.archived {
            return Err(conflict(ChatConflict::Archived));
        }
        if record.status.is_busy() {
            return Err(conflict(ChatConflict::Busy));
        }
        if !chats::context_is_worth_clearing(&mut write, id).await? {
            return Err(Error::conflict(
                "There is nothing to clear: the model is told nothing of this chat yet.",
            ));
        }
        let step = Transition::stay(&record, now).history();
        let moved = chats::chat_transition(&mut write, &record.fence(), &step).await?;
        let record = moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?;
        let boundary = NewBoundary {
            chat_id: id,
            summary: None,
            model_config_id: None,
            replay_from: None,
            steps: 0,
            calls: 0,
            shown: shown_clear(&self.new_id().to_string(), now),
            created_at: now,
        };
        let (call, result) = chats::boundary_insert(&mut write, boundary).await?;
        write.commit().await?;
        let publisher = self.deps().chatd.hub().publisher(id, record.edit_version);
        publisher.message(&call);
        publisher.message(&result);
        publisher.status(&record);
        Ok(record.to_wire())
    }

    /// Has the chat summarised: the next runner asks its model, and the model is told the summary instead of what is before. After a
    /// failed turn that turn goes on behind the summary.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while a turn runs, in an archived chat, and where there is nothing to summarise.
    pub async fn chat_compact(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let now = self.now();
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        not_a_child(&record)?;
        // The runner is begun as for a turn that goes on: with the history as it is, and what waits keeps waiting.
        let next = transition(state_of(&record), ChatEvent::Retry).map_err(conflict)?;
        if !chats::boundary_is_worthwhile(&mut write, id).await? {
            return Err(Error::conflict("There is nothing to summarise: the model has said nothing since."));
        }
        let resume = record.status == api::chats::ChatStatus::Error;
        let step = Transition::to(next.status, now).lease(self.deps().chatd.lease_on_send());
        let moved = chats::chat_transition(&mut write, &record.fence(), &step).await?;
        let record = moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?;
        chats::compaction_request_put(&mut write, id, resume, now).await?;
        let service = self.clone();
        let begun = async move {
            write.commit().await?;
            service.status_announce(&record);
            service.deps().chatd.wake_chat(&record);
            Result::Ok(record.to_wire())
        };
        // Also when the caller leaves in between: the lease is taken.
        tokio::spawn(begun).await.map_err(|error| Error::internal("beginning a summary", error))?
    }

    /// Has a model make a title, whatever title the chat bears; the chat with it. Open pages hear of it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when titles are off, when the model could not make one, and when somebody set another
    /// title meanwhile.
    pub async fn title_regenerate(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        drop(session);
        match self.deps().chatd.title_generate(id, TitleWish::Asked).await {
            Ok(record) => Ok(record.to_wire()),
            Err(TitleRefused::Gone) => Err(Error::NotFound),
            Err(TitleRefused::Database(error)) => Err(error.into()),
            Err(refused) => Err(Error::conflict(refused.to_string())),
        }
    }
}

fn conflict(refused: ChatConflict) -> Error {
    Error::conflict(refused.to_string())
}
