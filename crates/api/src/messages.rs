//! Messages and their parts: the same shape on the wire and in storage (behaviour 20).

use crate::{Timestamp, check::ServerOutcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    System,
    User,
    Assistant,
    Tool,
}

impl MessageRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A committed message. Ids ascend; every change raises `revision`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatMessage {
    pub id: i64,
    pub chat_id: Uuid,
    pub role: MessageRole,
    pub content: Vec<Part>,
    pub created_at: Timestamp,
    pub revision: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Set when the message holds only what had arrived before a stop or a broken stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// On the user's message that began a turn: the connect outcomes of the turn, as its `mcp_status` event told them last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_status: Option<Vec<ServerOutcome>>,
}

/// Token counts as the provider reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Usage {
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub total_tokens: i64,
    pub reasoning_tokens: i64,
    pub cache_creation_tokens: i64,
    pub cache_read_tokens: i64,
    pub context_limit: i64,
}

/// One piece of a message. Types a newer replica wrote are kept as they are in `Other`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Part {
    Text(TextPart),
    Reasoning(TextPart),
    ToolCall(ToolCallPart),
    ToolResult(ToolResultPart),
    File(FilePart),
    #[serde(untagged)]
    Other(Value),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextPart {
    pub text: String,
    /// Sanitised markup of `text`, only in answers that were asked for it (`rendered=true`); never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A file that the person attached. It may be gone by now: the oldest files of a chat make room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FilePart {
    pub file_id: Uuid,
    pub name: String,
    pub media_type: String,
    /// Bytes.
    pub size: i64,
}

/// The parts that this build knows: what a newer one adds has no schema yet.
#[cfg(feature = "openapi")]
#[derive(Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum KnownPart {
    Text(TextPart),
    Reasoning(TextPart),
    ToolCall(ToolCallPart),
    ToolResult(ToolResultPart),
    File(FilePart),
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Part {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        KnownPart::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Part {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        KnownPart::schemas(schemas);
    }
}

impl Part {
    /// A plain text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextPart { text: text.into(), html: None })
    }

    /// A reasoning part.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::Reasoning(TextPart { text: text.into(), html: None })
    }
}

/// Names of a server copied into the part, so that a call stays named after the server is deleted (behaviour 20, "Do better").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerLabel {
    pub slug: String,
    pub display_name: String,
    #[serde(default)]
    pub icon_url: String,
}

/// A call the model asked for. In the live stream `args_delta` carries the next piece of the raw argument text instead of `args`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCallPart {
    pub tool_call_id: String,
    /// As the model sees it.
    pub tool_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_server_config_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerLabel>,
    /// As the server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_title: Option<String>,
    /// True when the call's arguments carry `model_intent` (behaviour 14).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub model_intent: bool,
    /// As the model wrote them, `model_intent` included; text when it was no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_delta: Option<String>,
    /// The call goes out only after this approval (behaviour 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// What came of a call (behaviour 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ToolOutcome {
    Ok,
    Error,
    Cancelled,
    Denied,
    Unknown,
}

impl ToolOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

/// What the owner of the chat can do so that a call succeeds (behaviour 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolNeeds {
    /// Connect to the server, or connect again.
    Connection,
    /// Grant the server's wish for more permission (protocol.md 14.10).
    Permission,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolResultPart {
    pub tool_call_id: String,
    pub tool_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_server_config_id: Option<Uuid>,
    pub result: Vec<ResultContent>,
    /// The tool itself (`outcome` ok) or Patchbay reported a failure.
    pub is_error: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_media: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provider_executed: bool,
    pub outcome: ToolOutcome,
    /// The model saw less than what is stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<i64>,
    /// The call did not happen, and would after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<ToolNeeds>,
    /// Sanitised markup of a presented plan, only in answers that were asked for it (`rendered=true`); never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    pub created_at: Timestamp,
}

/// One part of a tool's result, in the order the server sent them (behaviour 15).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResultContent {
    Text {
        text: String,
    },
    /// `data` is base64.
    Image {
        mime_type: String,
        data: String,
    },
    /// `data` is base64.
    Audio {
        mime_type: String,
        data: String,
    },
    /// `blob` is base64.
    Resource {
        uri: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blob: Option<String>,
    },
    /// Never fetched by the server.
    ResourceLink {
        uri: String,
        name: String,
        #[serde(default)]
        description: String,
    },
    Structured {
        value: Value,
    },
    /// A kind we do not know, named.
    Unknown {
        kind: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_result_needs_is_absent_in_rows_of_older_builds() {
        let mut stored = json!({
            "type": "tool-result", "tool_call_id": "c", "tool_name": "s__t", "result": [], "is_error": true, "outcome": "error",
            "created_at": "2026-01-01T00:00:00Z",
        });
        let needs = |stored: &Value| match serde_json::from_value(stored.clone()).unwrap() {
            Part::ToolResult(part) => part.needs,
            other => panic!("{other:?}"),
        };
        assert_eq!(needs(&stored), None);
        let again: Part = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), stored);
        stored["needs"] = json!("permission");
        assert_eq!(needs(&stored), Some(ToolNeeds::Permission));
        stored["needs"] = json!("connection");
        assert_eq!(needs(&stored), Some(ToolNeeds::Connection));
    }
}
