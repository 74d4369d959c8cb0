//! Settings of chats for the whole deployment, and what follows from them (behaviour 17, `/config/*`, and 24).

use crate::{
    limits::{AUTO_ARCHIVE_DAYS, CHAT_INSTRUCTIONS_BYTES, COMPACTION_PERCENT},
    validation::Problems,
};
use api::{
    Uuid, Validation,
    chat_settings::{ChatSettingName, ChatSettingValues},
};

/// Which model makes titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TitleModel {
    /// The one that answers in the chat.
    #[default]
    Chat,
    /// None: the text of the first prompt stays.
    Off,
    /// This one.
    Model(Uuid),
}

impl TitleModel {
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "chat" => Some(Self::Chat),
            "off" => Some(Self::Off),
            id => id.parse().ok().map(Self::Model),
        }
    }

    fn to_text(self) -> String {
        match self {
            Self::Chat => "chat".to_owned(),
            Self::Off => "off".to_owned(),
            Self::Model(id) => id.to_string(),
        }
    }
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSettings {
    /// For every model before every conversation; may be empty.
    pub system_prompt: String,
    /// For models in plan mode, besides what Patchbay says of it; may be empty.
    pub plan_mode_instructions: String,
    /// Days; 0: never.
    pub auto_archive_days: i64,
    pub title_model: TitleModel,
    /// Percent of a model's context; 100: never by itself.
    pub compaction_threshold: i64,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self {
            system_prompt: String::new(),
            plan_mode_instructions: String::new(),
            auto_archive_days: 0,
            title_model: TitleModel::Chat,
            compaction_threshold: COMPACTION_PERCENT,
        }
    }
}

impl ChatSettings {
    /// Of stored names and values. What a newer build wrote and this one cannot read counts as not set.
    pub fn of_stored<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut settings = Self::default();
        for (name, value) in rows {
            let Some(name) = ChatSettingName::parse(name) else { continue };
            let number = value.parse::<i64>().ok();
            match name {
                ChatSettingName::SystemPrompt => value.clone_into(&mut settings.system_prompt),
                ChatSettingName::PlanModeInstructions => {
                    value.clone_into(&mut settings.plan_mode_instructions);
                }
                ChatSettingName::AutoArchiveDays => {
                    let days = number.filter(|days| (0..=AUTO_ARCHIVE_DAYS).contains(days));
                    settings.auto_archive_days = days.unwrap_or(settings.auto_archive_days);
                }
                ChatSettingName::TitleModel => {
                    settings.title_model = TitleModel::parse(value).unwrap_or(settings.title_model);
                }
                ChatSettingName::CompactionThreshold => {
                    let percent = number.filter(|percent| (1..=100).contains(percent));
                    settings.compaction_threshold = percent.unwrap_or(settings.compaction_threshold);
                }
            }
        }
        settings
    }

    /// One setting as it is stored.
    pub fn stored(&self, name: ChatSettingName) -> String {
        match name {
            ChatSettingName::SystemPrompt => self.system_prompt.clone(),
            ChatSettingName::PlanModeInstructions => self.plan_mode_instructions.clone(),
            ChatSettingName::AutoArchiveDays => self.auto_archive_days.to_string(),
            ChatSettingName::TitleModel => self.title_model.to_text(),
            ChatSettingName::CompactionThreshold => self.compaction_threshold.to_string(),
        }
    }

    /// The values of `names` as REST shows them.
    pub fn to_wire(&self, names: &[ChatSettingName]) -> ChatSettingValues {
        let has = |name| names.contains(&name);
        ChatSettingValues {
            system_prompt: has(ChatSettingName::SystemPrompt).then(|| self.system_prompt.clone()),
            plan_mode_instructions: has(ChatSettingName::PlanModeInstructions)
                .then(|| self.plan_mode_instructions.clone()),
            auto_archive_days: has(ChatSettingName::AutoArchiveDays).then_some(self.auto_archive_days),
            title_model: has(ChatSettingName::TitleModel).then(|| self.title_model.to_text()),
            compaction_threshold: has(ChatSettingName::CompactionThreshold)
                .then_some(self.compaction_threshold),
        }
    }

    /// The settings after a write, and which of them it changed. Whether a model exists is the caller's to ask.
    ///
    /// # Errors
    /// Every problem, one entry per field.
    pub fn changed(
        &self,
        write: &ChatSettingValues,
    ) -> Result<(Self, Vec<ChatSettingName>), Vec<Validation>> {
        let mut problems = Problems::default();
        let mut after = self.clone();
        let text = |text: &str| {
            let text = text.trim().replace("\r\n", "\n");
            if text.len() > CHAT_INSTRUCTIONS_BYTES {
                Err(format!("At most {} KiB of text are possible.", CHAT_INSTRUCTIONS_BYTES / 1024))
            } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
                Err("Contains a control character. Remove it.".to_owned())
            } else {
                Ok(text)
            }
        };
        if let Some(given) = &write.system_prompt {
            after.system_prompt = problems.take("system_prompt", text(given)).unwrap_or_default();
        }
        if let Some(given) = &write.plan_mode_instructions {
            after.plan_mode_instructions =
                problems.take("plan_mode_instructions", text(given)).unwrap_or_default();
        }
        if let Some(days) = write.auto_archive_days {
            if !(0..=AUTO_ARCHIVE_DAYS).contains(&days) {
                problems.refuse(
                    "auto_archive_days",
                    format!("Enter 1 to {AUTO_ARCHIVE_DAYS} days, or 0 for never."),
                );
            }
            after.auto_archive_days = days;
        }
        if let Some(given) = &write.title_model {
            match TitleModel::parse(given) {
                Some(model) => after.title_model = model,
                None => problems.refuse("title_model", "Use chat, off, or the id of a model."),
            }
        }
        if let Some(percent) = write.compaction_threshold {
            if let Err(detail) = check_threshold(percent, false) {
                problems.refuse("compaction_threshold", detail);
            }
            after.compaction_threshold = percent;
        }
        problems.finish(&ChatSettingName::ALL.map(ChatSettingName::field))?;
        let changed =
            ChatSettingName::ALL.into_iter().filter(|name| self.stored(*name) != after.stored(*name));
        let changed = changed.collect();
        Ok((after, changed))
    }
}

/// A threshold as somebody wrote it; with `inherits`, 0 takes what the wider setting says.
///
/// # Errors
/// What to enter instead.
pub fn check_threshold(percent: i64, inherits: bool) -> Result<(), String> {
    let least = i64::from(!inherits);
    if (least..=100).contains(&percent) {
        return Ok(());
    }
    Err(if inherits {
        "Enter 1 to 100 percent (100: never by itself), or 0 for the default.".to_owned()
    } else {
        "Enter 1 to 100 percent; 100 means never by itself.".to_owned()
    })
}

/// The percentage that counts: the person's own, else the model's, else the deployment's. 0 stands for "not set".
pub fn threshold(own: i64, model: i64, deployment: i64) -> i64 {
    [own, model, deployment]
        .into_iter()
        .find(|percent| (1..=100).contains(percent))
        .unwrap_or(COMPACTION_PERCENT)
}

/// Whether a conversation of `used` tokens passes `threshold` percent of a context of `limit` tokens.
pub fn is_full(used: i64, limit: i64, threshold: i64) -> bool {
    threshold < 100 && limit > 0 && used.saturating_mul(100) >= limit.saturating_mul(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_and_nonsense_counts_as_not_set() {
        let write = ChatSettingValues {
            system_prompt: Some(" Be kind.\r\nBe short. ".to_owned()),
            plan_mode_instructions: Some("Plan.".to_owned()),
            auto_archive_days: Some(30),
            title_model: Some("off".to_owned()),
            compaction_threshold: Some(60),
        };
        let (settings, changed) = ChatSettings::default().changed(&write).unwrap();
        assert_eq!(changed, ChatSettingName::ALL);
        assert_eq!(settings.system_prompt, "Be kind.\nBe short.");
        let stored: Vec<(&str, String)> =
            ChatSettingName::ALL.iter().map(|name| (name.as_str(), settings.stored(*name))).collect();
        let again = ChatSettings::of_stored(stored.iter().map(|(name, value)| (*name, value.as_str())));
        assert_eq!(again, settings);
        let broken =
            [("auto-archive-days", "x"), ("title-model", "?"), ("compaction-threshold", "0"), ("new", "1")];
        assert_eq!(ChatSettings::of_stored(broken), ChatSettings::default());
        assert_eq!(settings.changed(&ChatSettingValues::default()).unwrap().1, []);
        let one = settings.to_wire(&[ChatSettingName::AutoArchiveDays]);
        assert_eq!(serde_json::to_value(one).unwrap(), serde_json::json!({"auto_archive_days": 30}));
    }

    #[test]
    fn every_mistake_is_named() {
        let long = "x".repeat(CHAT_INSTRUCTIONS_BYTES + 1);
        let write = ChatSettingValues {
            system_prompt: Some(long),
            plan_mode_instructions: Some("bell\u{7}".to_owned()),
            auto_archive_days: Some(3651),
            title_model: Some("best".to_owned()),
            compaction_threshold: Some(0),
        };
        let wrong = ChatSettings::default().changed(&write).unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ChatSettingName::ALL.map(ChatSettingName::field));
    }

    #[test]
    fn the_narrowest_threshold_counts() {
        assert_eq!(threshold(0, 0, 70), 70);
        assert_eq!(threshold(0, 50, 70), 50);
        assert_eq!(threshold(100, 50, 70), 100);
        assert_eq!(threshold(0, 0, 0), COMPACTION_PERCENT);
        assert!(is_full(800, 1000, 80) && !is_full(799, 1000, 80));
        assert!(!is_full(5000, 1000, 100), "100 switches it off");
        assert!(!is_full(5000, 0, 80));
        assert!(check_threshold(0, true).is_ok() && check_threshold(0, false).is_err());
        assert!(check_threshold(101, true).is_err() && check_threshold(-1, true).is_err());
    }
}
