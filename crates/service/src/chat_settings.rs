//! Settings of chats: what admins set for all, what people set for their own (behaviour 17, `/config/*`), and the archive that fills
//! by itself (behaviour 24).

use crate::{Error, OpContext, Result, Service, audit::Act};
use api::chat_settings::{ChatSettingName, ChatSettingValues, OwnChatSettings};
use domain::{
    accounts::Action,
    chat_settings::{ChatSettings, TitleModel, check_threshold},
};
use store::{chats, models, settings};

const DAY_SECONDS: i64 = 24 * 3600;
/// Chats archived in one transaction, and transactions of one run; what is left waits for the next.
const ARCHIVE_BATCH: i64 = 200;
const ARCHIVE_BATCHES: usize = 20;

/// Settings that every account may read: they say what happens to its chats. The texts for the model are for those who write and audit
/// them.
const FOR_ALL: [ChatSettingName; 3] =
    [ChatSettingName::AutoArchiveDays, ChatSettingName::TitleModel, ChatSettingName::CompactionThreshold];

impl Service {
    /// The values of `names`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]; [`Error::Forbidden`] where a text for the model is asked for.
    pub async fn chat_settings_get(
        &self,
        ctx: &OpContext,
        names: &[ChatSettingName],
    ) -> Result<ChatSettingValues> {
        ctx.require()?;
        if !names.iter().all(|name| FOR_ALL.contains(name)) {
            ctx.authorize(Action::ChatSettingsRead)?;
        }
        let mut session = self.db().read().await?;
        Ok(settings::chat_settings(&mut session).await?.to_wire(names))
    }

    /// Sets those that `write` names; their values as they are then.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] naming each field.
    pub async fn chat_settings_put(
        &self,
        ctx: &OpContext,
        write: ChatSettingValues,
    ) -> Result<ChatSettingValues> {
        ctx.authorize(Action::ChatSettingsWrite)?;
        let mut session = self.db().write().await?;
        let names = named(&write);
        for name in &names {
            // A row to lock: two admins at once do not lose each other's audit entries.
            let default = ChatSettings::default().stored(*name);
            settings::setting_get_for_update(&mut session, &key(*name), &default).await?;
        }
        let before = settings::chat_settings(&mut session).await?;
        let (after, changed) = before.changed(&write).map_err(Error::invalid)?;
        if let TitleModel::Model(id) = after.title_model
            && before.title_model != after.title_model
            && models::model_get(&mut session, id).await?.is_none()
        {
            return Err(Error::invalid_field("title_model", "There is no such model."));
        }
        for name in changed {
            settings::setting_put(&mut session, &key(name), &after.stored(name)).await?;
            let act = Act {
                action: "settings.update",
                resource_type: "setting",
                resource_id: format!("chat-{}", name.as_str()),
                resource_name: name.as_str(),
                changed_fields: vec![fact(&after, name)],
            };
            self.audit(&mut session, ctx, act).await?;
        }
        session.commit().await?;
        Ok(after.to_wire(&names))
    }

    /// What the caller set for their own chats.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn own_chat_settings_get(&self, ctx: &OpContext) -> Result<OwnChatSettings> {
        let user = ctx.require()?.user.id;
        let mut session = self.db().read().await?;
        let compaction_threshold = chats::own_threshold_get(&mut session, user).await?;
        Ok(OwnChatSettings { compaction_threshold })
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]; [`Error::Invalid`].
    pub async fn own_chat_settings_put(
        &self,
        ctx: &OpContext,
        own: OwnChatSettings,
    ) -> Result<OwnChatSettings> {
        let user = ctx.require()?.user.id;
        check_threshold(own.compaction_threshold, true)
            .map_err(|detail| Error::invalid_field("compaction_threshold", detail))?;
        let mut write = self.db().write().await?;
        chats::own_threshold_put(&mut write, user, own.compaction_threshold).await?;
        write.commit().await?;
        Ok(own)
    }

    /// Archives chats that nobody touched for as long as admins say; how many. Replicas that do it at once take different chats, and
    /// open pages hear of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn chats_auto_archive(&self) -> Result<usize> {
        let mut session = self.db().read().await?;
        let days = settings::chat_settings(&mut session).await?.auto_archive_days;
        drop(session);
        if days == 0 {
            return Ok(0);
        }
        let before = self.now().plus_seconds(-days * DAY_SECONDS);
        let mut total = 0;
        for _ in 0..ARCHIVE_BATCHES {
            let mut write = self.db().write().await?;
            let archived = chats::chats_auto_archive(&mut write, before, ARCHIVE_BATCH).await?;
            write.commit().await?;
            archived.iter().for_each(|record| self.deps().chatd.chat_changed(record));
            total += archived.len();
            if archived.len() < usize::try_from(ARCHIVE_BATCH).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(total)
    }
}

fn key(name: ChatSettingName) -> String {
    format!("{}{}", settings::CHAT_SETTINGS, name.as_str())
}

/// The settings that a write names.
fn named(write: &ChatSettingValues) -> Vec<ChatSettingName> {
    let given = |name: &ChatSettingName| match name {
        ChatSettingName::SystemPrompt => write.system_prompt.is_some(),
        ChatSettingName::PlanModeInstructions => write.plan_mode_instructions.is_some(),
        ChatSettingName::AutoArchiveDays => write.auto_archive_days.is_some(),
        ChatSettingName::TitleModel => write.title_model.is_some(),
        ChatSettingName::CompactionThreshold => write.compaction_threshold.is_some(),
    };
    ChatSettingName::ALL.into_iter().filter(given).collect()
}

/// For the audit log: texts by their length, the rest as it is.
fn fact(after: &ChatSettings, name: ChatSettingName) -> String {
    let value = after.stored(name);
    match name {
        ChatSettingName::SystemPrompt | ChatSettingName::PlanModeInstructions => {
            format!("{} ({} characters)", name.field(), value.chars().count())
        }
        _ => format!("{}={value}", name.field()),
    }
}
