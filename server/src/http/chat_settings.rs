//! Settings of chats (behaviour 17, `/config/*`).

use super::{
    auth::{ChatSettingsWriter, SignedIn},
    body::Json,
    error::{ApiError, ApiResult},
    router::AppState,
};
use api::chat_settings::{ChatSettingName, ChatSettingValues, OwnChatSettings};
use axum::extract::{Path, State};

fn name_of(text: &str) -> ApiResult<ChatSettingName> {
    ChatSettingName::parse(text).ok_or_else(|| {
        let known = ChatSettingName::ALL.map(ChatSettingName::as_str).join(", ");
        ApiError::invalid("setting", format!("is none of the settings: {known}"))
    })
}

/// One setting of all chats; the texts for models for owners, admins and auditors.
#[utoipa::path(
    get, path = "/api/experimental/chats/config/{setting}", tag = "chats",
    params(("setting" = inline(ChatSettingName), Path, description = "Which setting")),
    responses((status = 200, body = ChatSettingValues, description = "One member, named after the setting"), (status = 403)),
)]
pub(crate) async fn setting_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(setting): Path<String>,
) -> ApiResult<axum::Json<ChatSettingValues>> {
    Ok(axum::Json(state.service.chat_settings_get(&ctx, &[name_of(&setting)?]).await?))
}

/// Sets one setting of all chats.
#[utoipa::path(
    put, path = "/api/experimental/chats/config/{setting}", tag = "chats",
    params(("setting" = inline(ChatSettingName), Path, description = "Which setting")),
    request_body(content = ChatSettingValues, description = "The member named after the setting, and no other"),
    responses((status = 200, body = ChatSettingValues), (status = 403)),
)]
pub(crate) async fn setting_put(
    State(state): State<AppState>,
    ChatSettingsWriter(ctx): ChatSettingsWriter,
    Path(setting): Path<String>,
    Json(write): Json<ChatSettingValues>,
) -> ApiResult<axum::Json<ChatSettingValues>> {
    let name = name_of(&setting)?;
    let only = ChatSettingValues {
        system_prompt: write.system_prompt.clone().filter(|_| name == ChatSettingName::SystemPrompt),
        plan_mode_instructions: write
            .plan_mode_instructions
            .clone()
            .filter(|_| name == ChatSettingName::PlanModeInstructions),
        auto_archive_days: write.auto_archive_days.filter(|_| name == ChatSettingName::AutoArchiveDays),
        title_model: write.title_model.clone().filter(|_| name == ChatSettingName::TitleModel),
        compaction_threshold: write
            .compaction_threshold
            .filter(|_| name == ChatSettingName::CompactionThreshold),
    };
    if only != write || only == ChatSettingValues::default() {
        return Err(ApiError::invalid(name.field(), "Send this member and no other."));
    }
    Ok(axum::Json(state.service.chat_settings_put(&ctx, only).await?))
}

/// What the caller set for their own chats.
#[utoipa::path(
    get, path = "/api/experimental/chats/config/own", tag = "chats",
    responses((status = 200, body = OwnChatSettings)),
)]
pub(crate) async fn own_get(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
) -> ApiResult<axum::Json<OwnChatSettings>> {
    Ok(axum::Json(state.service.own_chat_settings_get(&ctx).await?))
}

/// Sets what holds for the caller's own chats.
#[utoipa::path(
    put, path = "/api/experimental/chats/config/own", tag = "chats",
    request_body = OwnChatSettings,
    responses((status = 200, body = OwnChatSettings)),
)]
pub(crate) async fn own_put(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Json(own): Json<OwnChatSettings>,
) -> ApiResult<axum::Json<OwnChatSettings>> {
    Ok(axum::Json(state.service.own_chat_settings_put(&ctx, own).await?))
}
