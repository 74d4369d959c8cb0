//! What a generation is made from.

use serde_json::{Map, Value};
use std::sync::Arc;

/// One request to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The provider's own name of the model.
    pub model: String,
    /// Instructions before the conversation.
    pub system: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<PromptMessage>,
    /// The tools on offer, in the order in which the model shall see them.
    pub tools: Vec<ToolSpec>,
    /// Tokens; zero or less leaves the provider's own limit.
    pub max_output_tokens: i64,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptMessage {
    /// From the person.
    User { text: String },
    /// A picture of the person's, behind their words. Providers that take none leave it out.
    UserImage {
        media_type: String,
        /// Base64.
        data: Arc<str>,
    },
    /// From the model: its text and the calls it asked for.
    Assistant { text: String, tool_calls: Vec<PromptToolCall> },
    /// What came of one call.
    Tool { tool_call_id: String, name: String, text: String, is_error: bool },
}

/// A call the model asked for earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptToolCall {
    pub id: String,
    /// As the model knows it.
    pub name: String,
    /// As the model wrote them: JSON, unless it wrote nonsense.
    pub arguments: String,
}

impl PromptToolCall {
    /// The arguments as an object; `Err` with one that holds what was written instead, where they are none. Many servers parse
    /// them again and refuse the whole conversation, for ever, over one call that the model once wrote badly.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Map<String, Value>> {
        if self.arguments.trim().is_empty() {
            return Err(Map::new());
        }
        match serde_json::from_str(&self.arguments) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(Map::from_iter([("invalid_json".to_owned(), Value::from(self.arguments.as_str()))])),
        }
    }
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Arc<Value>,
}
