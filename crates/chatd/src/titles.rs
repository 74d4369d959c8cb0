//! Titles that a model makes (behaviour 24): one try with a deadline, from the text of the conversation alone, without tools. A title
//! that somebody set meanwhile is never overwritten.

use crate::{
    ChatDaemon,
    digest::digest,
    error::model_error,
    limits,
    runner::{collect, prompt_of},
};
use api::Uuid;
use domain::{chat_settings::TitleModel, title::title_from_model};
use llm::{PromptMessage, tasks::Task};
use store::{
    StoreError,
    chats::{ChatRecord, chat_get_any, chat_title_generated},
    messages::{PageRequest, message_page},
    settings::chat_settings,
};
use tokio_util::sync::CancellationToken;

/// Messages that a title is made from: the first of the chat and the newest.
const FIRST: i64 = 2;
const NEWEST: i64 = 6;

/// Who wants a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TitleWish {
    /// Nobody: the chat has just begun and bears the text of its prompt.
    Begun,
    /// Its owner, whatever title it bears.
    Asked,
}

/// Why there is no new title.
#[derive(Debug, thiserror::Error)]
pub enum TitleRefused {
    #[error("there is no such chat")]
    Gone,
    /// An admin has switched titles off.
    #[error("An admin has switched generated titles off. You can set the title yourself.")]
    Off,
    /// Somebody set another one meanwhile.
    #[error("The title was changed meanwhile, so it was left as it is.")]
    Changed,
    /// The model, in words for people.
    #[error("{0}")]
    Model(String),
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl ChatDaemon {
    /// Makes a title in the background, if it is to be made and the process has room for it.
    pub fn title_begin(&self, chat: Uuid) {
        let Ok(place) = std::sync::Arc::clone(&self.shared().titles).try_acquire_owned() else {
            tracing::debug!(%chat, "too many titles are being made; the text of the prompt stays");
            return;
        };
        let daemon = self.clone();
        tokio::spawn(async move {
            let _place = place;
            match daemon.title_generate(chat, TitleWish::Begun).await {
                Ok(_) | Err(TitleRefused::Off | TitleRefused::Changed | TitleRefused::Gone) => {}
                // The text of the prompt stays; its owner can ask for another.
                Err(error) => tracing::warn!(%chat, %error, "a title could not be made"),
            }
        });
    }

    /// Makes a title, stores it and shows it to open pages; the chat with it.
    ///
    /// # Errors
    /// [`TitleRefused`]: the title is as it was.
    pub async fn title_generate(&self, chat: Uuid, wish: TitleWish) -> Result<ChatRecord, TitleRefused> {
        let deps = &self.shared().deps;
        let mut session = deps.db.read().await?;
        let record = chat_get_any(&mut session, chat).await?.ok_or(TitleRefused::Gone)?;
        if wish == TitleWish::Begun && record.title_source != "prompt" {
            return Err(TitleRefused::Changed);
        }
        let settings = chat_settings(&mut session).await?;
        let model = match settings.title_model {
            TitleModel::Off => return Err(TitleRefused::Off),
            TitleModel::Chat => record.model_config_id,
            TitleModel::Model(id) => Some(id),
        };
        let after = PageRequest { after_id: Some(0), limit: FIRST, before_id: None };
        let (mut messages, _) = message_page(&mut session, chat, after).await?;
        if wish == TitleWish::Asked {
            let newest = PageRequest { limit: NEWEST, ..PageRequest::default() };
            let (newest, _) = message_page(&mut session, chat, newest).await?;
            let known = messages.last().map_or(0, |last| last.id);
            messages.extend(newest.into_iter().rev().filter(|message| message.id > known));
        }
        drop(session);
        // What people and the model said; results of tools are no title.
        let mut prompt = prompt_of(messages);
        prompt.retain(|message| !matches!(message, PromptMessage::Tool { .. }));
        let text = digest(&prompt, limits::TITLE_TEXT);
        let asking = async {
            let model = deps.models.model_resolve(model).await.map_err(|error| error.message)?;
            let cancel = CancellationToken::new();
            let _guard = cancel.clone().drop_guard();
            let request = Task::Title.request(&model.model, &text, model.max_output_tokens);
            let answer = collect(&model, request, cancel, limits::TITLE_ANSWER).await;
            answer.map_err(|error| model_error(&error).message)
        };
        let answer = tokio::time::timeout(limits::TITLE, asking)
            .await
            .map_err(|_| TitleRefused::Model("The model took too long. Try again.".to_owned()))?
            .map_err(TitleRefused::Model)?;
        let title = title_from_model(&answer)
            .ok_or_else(|| TitleRefused::Model("The model gave no title. Try again.".to_owned()))?;
        let mut write = deps.db.write().await?;
        let before = (record.title.as_str(), record.title_source.as_str());
        let Some(titled) = chat_title_generated(&mut write, chat, before, &title).await? else {
            return Err(TitleRefused::Changed);
        };
        write.commit().await?;
        self.chat_changed(&titled);
        Ok(titled)
    }
}
