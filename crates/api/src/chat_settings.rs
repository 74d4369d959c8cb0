//! Settings of chats: what admins set for all, and what everybody sets for their own (behaviour 17, `/config/*`, and 24).

use serde::{Deserialize, Serialize};

/// One setting of chats for the whole deployment; its name in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ChatSettingName {
    SystemPrompt,
    PlanModeInstructions,
    AutoArchiveDays,
    TitleModel,
    CompactionThreshold,
}

impl ChatSettingName {
    pub const ALL: [ChatSettingName; 5] = [
        Self::SystemPrompt,
        Self::PlanModeInstructions,
        Self::AutoArchiveDays,
        Self::TitleModel,
        Self::CompactionThreshold,
    ];

    /// In the path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemPrompt => "system-prompt",
            Self::PlanModeInstructions => "plan-mode-instructions",
            Self::AutoArchiveDays => "auto-archive-days",
            Self::TitleModel => "title-model",
            Self::CompactionThreshold => "compaction-threshold",
        }
    }

    /// The member of [`ChatSettingValues`].
    pub fn field(self) -> &'static str {
        match self {
            Self::SystemPrompt => "system_prompt",
            Self::PlanModeInstructions => "plan_mode_instructions",
            Self::AutoArchiveDays => "auto_archive_days",
            Self::TitleModel => "title_model",
            Self::CompactionThreshold => "compaction_threshold",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// Values of settings: an answer has those that were asked for, a write those that change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ChatSettingValues {
    /// What every model is told before every conversation, after Patchbay's own words; at most 32 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// What a model is told in plan mode besides Patchbay's own words; at most 32 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode_instructions: Option<String>,
    /// Days without a change after which a chat is archived, 0 to 3650; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_archive_days: Option<i64>,
    /// Which model makes titles: `chat` (the chat's own), `off`, or the id of a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_model: Option<String>,
    /// Percent of a model's context from which a chat is summarised, 1 to 100; 100: never by itself. Models and people may have their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction_threshold: Option<i64>,
}

/// What people set for their own chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OwnChatSettings {
    /// Percent of a model's context from which one's chats are summarised, 1 to 100; 100: never by itself; 0: as the model says.
    pub compaction_threshold: i64,
}
