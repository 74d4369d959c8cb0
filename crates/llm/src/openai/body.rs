//! The request body.

use crate::{GenerationRequest, PromptMessage, PromptToolCall, ToolSpec};
use domain::provider_schema::{self, adapt};
use serde_json::{Map, Value, json};

/// What the server at hand takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// `stream_options` is understood.
    pub(super) usage: bool,
    /// The output limit is called `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
}

/// The JSON text of `request`.
pub(super) fn build(request: &GenerationRequest, dialect: Dialect) -> String {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    body.insert("messages".to_owned(), Value::Array(messages(request)));
    body.insert("stream".to_owned(), json!(true));
    if dialect.usage {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if request.max_output_tokens > 0 {
        let name = if dialect.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body.insert(name.to_owned(), json!(request.max_output_tokens));
    }
    let tools: Vec<Value> = request.tools.iter().filter_map(tool).collect();
    // `tools: []` is refused by several servers. Parallel calls are every server's default; naming it is refused by some.
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    Value::Object(body).to_string()
}

fn messages(request: &GenerationRequest) -> Vec<Value> {
    let system = request.system.iter().map(|text| json!({"role": "system", "content": text}));
    let mut all: Vec<Value> = system.collect();
    for asked in &request.messages {
        match (asked, all.last_mut()) {
            // Beside the words, in the same message: many servers want the roles to alternate.
            (PromptMessage::UserImage { media_type, data }, Some(last)) if last["role"] == "user" => {
                add_image(last, media_type, data);
            }
            _ => all.extend(message(asked)),
        }
    }
    all
}

fn image(media_type: &str, data: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}})
}

/// Turns the content of a message from words into parts where it is not parts yet.
fn add_image(message: &mut Value, media_type: &str, data: &str) {
    let mut parts = match message["content"].take() {
        Value::Array(parts) => parts,
        Value::String(text) if text.is_empty() => Vec::new(),
        text => vec![json!({"type": "text", "text": text})],
    };
    parts.push(image(media_type, data));
    message["content"] = Value::Array(parts);
}

fn message(message: &PromptMessage) -> Option<Value> {
    Some(match message {
        PromptMessage::User { text } => json!({"role": "user", "content": text}),
        PromptMessage::UserImage { media_type, data } => {
            json!({"role": "user", "content": [image(media_type, data)]})
        }
        // An answer that was stopped before its first word; servers refuse an empty one.
        PromptMessage::Assistant { text, tool_calls } if text.is_empty() && tool_calls.is_empty() => {
            return None;
        }
        PromptMessage::Assistant { text, tool_calls } => {
            let mut object = Map::new();
            object.insert("role".to_owned(), json!("assistant"));
            object.insert("content".to_owned(), if text.is_empty() { Value::Null } else { json!(text) });
            if !tool_calls.is_empty() {
                object.insert("tool_calls".to_owned(), tool_calls.iter().map(tool_call).collect());
            }
            Value::Object(object)
        }
        PromptMessage::Tool { tool_call_id, text, is_error, .. } => {
            // The dialect has no mark for a failed call, so the text says it.
            let content = if *is_error { format!("Error: {text}") } else { text.clone() };
            json!({"role": "tool", "tool_call_id": tool_call_id, "content": content})
        }
    })
}

fn tool_call(call: &PromptToolCall) -> Value {
    let arguments = match call.object() {
        Ok(_) => call.arguments.clone(),
        Err(instead) => Value::Object(instead).to_string(),
    };
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// A tool in the words of the dialect (behaviour 14). One that cannot be put into them is left out: with it the server would refuse the
/// whole conversation. The catalogue bounds schemas more closely and tells the admin of such tools, so this happens to none of its tools.
fn tool(spec: &ToolSpec) -> Option<Value> {
    match adapt(&spec.parameters, provider_schema::Dialect::OpenAi) {
        Ok(adapted) => Some(json!({
            "type": "function",
            "function": {"name": spec.name, "description": spec.description, "parameters": adapted.schema},
        })),
        Err(refused) => {
            tracing::warn!(tool = spec.name, path = refused.path, %refused, "a tool is not offered to the model");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const FULL: Dialect = Dialect { usage: true, completion_tokens: false };

    fn request(messages: Vec<PromptMessage>, tools: Vec<ToolSpec>) -> GenerationRequest {
        GenerationRequest {
            model: "m".to_owned(),
            system: Some("be brief".to_owned()),
            messages,
            tools,
            max_output_tokens: 100,
        }
    }

    fn built(request: &GenerationRequest, dialect: Dialect) -> Value {
        serde_json::from_str(&build(request, dialect)).unwrap()
    }

    #[test]
    fn a_picture_stands_beside_the_words() {
        let image = || PromptMessage::UserImage { media_type: "image/png".to_owned(), data: "aGk=".into() };
        let messages = vec![PromptMessage::User { text: "look".to_owned() }, image(), image()];
        let body = built(&request(messages, vec![]), FULL);
        let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
        assert_eq!(
            body["messages"][1],
            json!({"role": "user", "content": [{"type": "text", "text": "look"}, picture, picture]})
        );
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_whole_conversation() {
        let call = |arguments: &str| PromptToolCall {
            id: "c1".to_owned(),
            name: "look".to_owned(),
            arguments: arguments.to_owned(),
        };
        let messages = vec![
            PromptMessage::User { text: "hi".to_owned() },
            PromptMessage::Assistant {
                text: String::new(),
                tool_calls: vec![call("{\"a\": 1}"), call(""), call("{\"a\"")],
            },
            PromptMessage::Tool {
                tool_call_id: "c1".to_owned(),
                name: "look".to_owned(),
                text: "no".to_owned(),
                is_error: true,
            },
            PromptMessage::Assistant { text: String::new(), tool_calls: vec![] },
            PromptMessage::Assistant { text: "done".to_owned(), tool_calls: vec![] },
        ];
        let body = built(&request(messages, vec![]), FULL);
        assert_eq!(
            body,
            json!({
                "model": "m",
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": null, "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"a\": 1}"}},
                        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"invalid_json\":\"{\\\"a\\\"\"}"}},
                    ]},
                    {"role": "tool", "tool_call_id": "c1", "content": "Error: no"},
                    {"role": "assistant", "content": "done"},
                ],
                "stream": true,
                "stream_options": {"include_usage": true},
                "max_tokens": 100,
            })
        );
    }

    #[test]
    fn schemas_pass_through_whole_and_become_objects() {
        let schema = json!({"$defs": {"x": {"type": "string"}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}});
        let spec = |parameters: Value| ToolSpec {
            name: "t".to_owned(),
            description: "d".to_owned(),
            parameters: Arc::new(parameters),
        };
        let body = built(
            &request(vec![], vec![spec(schema.clone()), spec(json!({"type": "object"})), spec(json!(true))]),
            FULL,
        );
        assert_eq!(body["tools"][0]["function"]["parameters"], schema);
        assert_eq!(body["tools"][1]["function"]["parameters"], json!({"type": "object", "properties": {}}));
        assert_eq!(body["tools"][2]["function"]["parameters"], json!({"type": "object", "properties": {}}));
    }

    #[test]
    fn what_the_dialect_refuses_is_said_otherwise_or_left_out() {
        let spec = |name: &str, parameters: Value| ToolSpec {
            name: name.to_owned(),
            description: "d".to_owned(),
            parameters: Arc::new(parameters),
        };
        let either =
            json!({"type": "object", "properties": {"a": {"type": "array"}}, "anyOf": [{"required": ["a"]}]});
        let away = json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}});
        let body = built(&request(vec![], vec![spec("away", away.clone()), spec("either", either)]), FULL);
        let offered = body["tools"].as_array().unwrap();
        assert_eq!(offered.len(), 1);
        assert_eq!(
            offered[0]["function"]["parameters"],
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {}}}, "required": ["a"]})
        );
        assert_eq!(built(&request(vec![], vec![spec("away", away)]), FULL).get("tools"), None);
    }

    #[test]
    fn the_dialect_decides_on_optional_parameters() {
        let mut asked = request(vec![], vec![]);
        let body = built(&asked, Dialect { usage: false, completion_tokens: true });
        assert_eq!(body.get("stream_options"), None);
        assert_eq!(body.get("max_tokens"), None);
        assert_eq!(body["max_completion_tokens"], 100);
        asked.max_output_tokens = 0;
        let body = built(&asked, FULL);
        assert_eq!(body.get("max_tokens"), None);
        assert_eq!(body.get("tools"), None);
    }
}
