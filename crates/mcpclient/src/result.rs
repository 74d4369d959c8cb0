//! From the raw result of a call to the parts that are stored (behaviour 15, protocol.md T8-T10).

use api::messages::ResultContent;
use domain::text::{human_bytes, quote};
use serde_json::{Map, Value};

use crate::{
    call::CallOutcome,
    limits::{MEDIA, MEDIA_PARTS, PARTS, STRUCTURED},
    redact::Secrets,
    schema::Checker,
};

/// Maps a result that came back, in the server's order, without the secrets of its target. `output` checks structured
/// content, where the tool declares its form: what does not fit is noted, not hidden (protocol.md T11). More than `max` bytes are not
/// kept.
pub(crate) fn outcome(
    mut result: Value,
    secrets: &Secrets,
    output: Option<&Checker>,
    max: u64,
) -> CallOutcome {
    secrets.clean_value(&mut result);
    let Value::Object(mut result) = result else {
        return CallOutcome::Unknown {
            message:
                "The server answered the call with something that is no result. The tool has probably run."
                    .into(),
            lost: false,
        };
    };
    let total_bytes = size_of(&result);
    if total_bytes > max {
        return too_large(Some(total_bytes), max);
    }
    let mut is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let mut parts = Parts::default();
    if let Some(kind) = result.get("resultType").and_then(Value::as_str)
        && kind != "complete"
    {
        // Rounds are dealt with before; anything else is no result to build upon (protocol.md H12).
        is_error = true;
        parts.note(format!(
            "The server answered with a result of the type \"{}\", which is not supported.",
            quote(kind, 64)
        ));
    }
    match result.remove("content") {
        Some(Value::Array(items)) => {
            let left_out = items.len().saturating_sub(PARTS);
            for item in items.into_iter().take(PARTS) {
                parts.add(item);
            }
            if left_out > 0 {
                parts.note(format!("{left_out} more parts of the result were left out."));
            }
        }
        None | Some(Value::Null) => {}
        Some(_) => parts.content.push(ResultContent::Unknown { kind: "content that is no list".into() }),
    }
    match (result.remove("structuredContent"), output.filter(|_| !is_error)) {
        (Some(value), output) => {
            let unfit = output.and_then(|output| output.check(&value).err());
            parts.structured(value);
            if let Some(why) = unfit {
                parts.note(format!(
                    "The structured content does not match the schema that the tool declares: {why}."
                ));
            }
        }
        (None, Some(_)) => parts.note("The tool declares structured content and sent none.".to_owned()),
        (None, None) => {}
    }
    CallOutcome::Done { content: parts.content, is_error, total_bytes }
}

/// A call that ended with no result to build upon.
pub(crate) fn failed(text: String) -> CallOutcome {
    let total_bytes = text.len() as u64;
    CallOutcome::Done { content: vec![ResultContent::Text { text }], is_error: true, total_bytes }
}

/// The tool ran and its result cannot be kept.
pub(crate) fn too_large(size: Option<u64>, max: u64) -> CallOutcome {
    let size_text = size.map_or_else(String::new, |size| format!(" ({})", human_bytes(clamp(size))));
    let text = format!(
        "The tool ran, but its result was too large{size_text}: at most {} are kept. Ask for less at once.",
        human_bytes(clamp(max))
    );
    CallOutcome::Done {
        content: vec![ResultContent::Text { text }],
        is_error: true,
        total_bytes: size.unwrap_or(max + 1),
    }
}

fn clamp(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn size_of(result: &Map<String, Value>) -> u64 {
    // Without `_meta`, which is not kept.
    ["content", "structuredContent"]
        .iter()
        .filter_map(|key| result.get(*key))
        .map(|value| serde_json::to_vec(value).map_or(u64::MAX, |bytes| bytes.len() as u64))
        .fold(0, u64::saturating_add)
}

#[derive(Default)]
struct Parts {
    content: Vec<ResultContent>,
    media: usize,
}

impl Parts {
    fn note(&mut self, text: String) {
        self.content.push(ResultContent::Text { text });
    }

    fn add(&mut self, item: Value) {
        let Value::Object(mut item) = item else {
            self.content.push(ResultContent::Unknown { kind: "no object".into() });
            return;
        };
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let part = match kind.as_str() {
            "text" => take(&mut item, "text").map(|text| ResultContent::Text { text }),
            "image" | "audio" => match self.media(&mut item, &kind) {
                Some(part) => Some(part),
                None => return,
            },
            "resource" => resource(&mut item),
            "resource_link" => take(&mut item, "uri").map(|uri| ResultContent::ResourceLink {
                name: take(&mut item, "title")
                    .or_else(|| take(&mut item, "name"))
                    .unwrap_or_else(|| uri.clone()),
                uri,
                description: take(&mut item, "description").unwrap_or_default(),
            }),
            _ => None,
        };
        // A known kind without what makes it one is as unknown as any other.
        let kind = if kind.is_empty() { "without a type".to_owned() } else { quote(&kind, 64) };
        self.content.push(part.unwrap_or(ResultContent::Unknown { kind }));
    }

    /// `None` when it became a note.
    fn media(&mut self, item: &mut Map<String, Value>, kind: &str) -> Option<ResultContent> {
        let data = take(item, "data").unwrap_or_default();
        let mime_type = take(item, "mimeType")
            .filter(|mime| is_mime(mime))
            .unwrap_or_else(|| "application/octet-stream".into());
        let bytes = data.len() / 4 * 3;
        let refused = if !is_base64(&data) {
            Some("its data cannot be read".to_owned())
        } else if bytes > MEDIA {
            Some(format!("it has {}, more than {}", human_bytes(bytes), human_bytes(MEDIA)))
        } else if self.media >= MEDIA_PARTS {
            Some(format!("at most {MEDIA_PARTS} are kept"))
        } else {
            None
        };
        if let Some(why) = refused {
            let name = if kind == "image" { "An image" } else { "An audio clip" };
            self.note(format!("{name} ({mime_type}) was left out: {why}."));
            return None;
        }
        self.media += 1;
        Some(if kind == "image" {
            ResultContent::Image { mime_type, data }
        } else {
            ResultContent::Audio { mime_type, data }
        })
    }

    fn structured(&mut self, mut value: Value) {
        let size = value.to_string().len();
        if size > STRUCTURED {
            let (size, max) = (human_bytes(size), human_bytes(STRUCTURED));
            return self
                .note(format!("The structured content was left out: it has {size}, more than {max}."));
        }
        without_nul(&mut value);
        self.content.push(ResultContent::Structured { value });
    }
}

fn resource(item: &mut Map<String, Value>) -> Option<ResultContent> {
    let Some(Value::Object(mut resource)) = item.remove("resource") else { return None };
    let uri = take(&mut resource, "uri")?;
    let mime_type = take(&mut resource, "mimeType").filter(|mime| is_mime(mime));
    let text = take(&mut resource, "text");
    let blob = take(&mut resource, "blob").filter(|blob| text.is_none() && is_base64(blob));
    Some(ResultContent::Resource { uri, mime_type, text, blob })
}

/// Text without NUL, which PostgreSQL cannot store. Other control characters stay; the views make them visible.
fn take(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.remove(key)? {
        Value::String(text) if text.contains('\0') => Some(text.replace('\0', "\u{fffd}")),
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The depth is bounded by the message.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, value)| (key.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            map.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}

/// `type/subtype`: it goes into a `data:` URI and an HTTP header.
fn is_mime(mime: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    mime.len() <= 128 && mime.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

fn is_base64(data: &str) -> bool {
    let body = data.trim_end_matches('=');
    data.len() - body.len() <= 2
        && !body.is_empty()
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::RESULT;

    fn done(result: Value) -> (Vec<ResultContent>, bool) {
        match outcome(result, &Secrets::default(), None, RESULT) {
            CallOutcome::Done { content, is_error, .. } => (content, is_error),
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str) -> ResultContent {
        ResultContent::Text { text: text.into() }
    }

    #[test]
    fn every_kind_in_order() {
        let (content, is_error) = done(json!({"content": [
            {"type": "text", "text": "a\u{0}b\u{7}"},
            {"type": "image", "mimeType": "image/png", "data": "aGk="},
            {"type": "audio", "mimeType": "audio/wav; x", "data": "aGk="},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "t"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGk="}},
            {"type": "resource_link", "uri": "https://example.com/x", "name": "x"},
            {"type": "hologram", "data": 1},
            {"type": "text"},
            7,
        ], "structuredContent": {"k\u{0}": ["v\u{0}"]}}));
        assert!(!is_error);
        assert_eq!(
            content,
            [
                text("a\u{fffd}b\u{7}"),
                ResultContent::Image { mime_type: "image/png".into(), data: "aGk=".into() },
                ResultContent::Audio { mime_type: "application/octet-stream".into(), data: "aGk=".into() },
                ResultContent::Resource {
                    uri: "file:///a".into(),
                    mime_type: Some("text/plain".into()),
                    text: Some("t".into()),
                    blob: None
                },
                ResultContent::Resource {
                    uri: "file:///b".into(),
                    mime_type: None,
                    text: None,
                    blob: Some("aGk=".into())
                },
                ResultContent::ResourceLink {
                    uri: "https://example.com/x".into(),
                    name: "x".into(),
                    description: String::new()
                },
                ResultContent::Unknown { kind: "hologram".into() },
                ResultContent::Unknown { kind: "text".into() },
                ResultContent::Unknown { kind: "no object".into() },
                ResultContent::Structured { value: json!({"k\u{fffd}": ["v\u{fffd}"]}) },
            ]
        );
    }

    #[test]
    fn missing_content_is_empty_and_null_structured_content_is_present() {
        assert_eq!(done(json!({})), (vec![], false));
        assert_eq!(done(json!({"isError": true})), (vec![], true));
        assert_eq!(
            done(json!({"structuredContent": null})).0,
            [ResultContent::Structured { value: Value::Null }]
        );
    }

    #[test]
    fn structured_content_is_checked_against_the_declared_schema() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        let checker = Checker::new(std::sync::Arc::new(schema));
        let parts = |result: Value| match outcome(result, &Secrets::default(), Some(&checker), RESULT) {
            CallOutcome::Done { content, is_error: false, .. } => content,
            other => panic!("{other:?}"),
        };
        assert_eq!(parts(json!({"structuredContent": {"n": 1}})).len(), 1);
        let unfit = parts(json!({"structuredContent": {"n": "x"}}));
        assert_eq!(unfit[0], ResultContent::Structured { value: json!({"n": "x"}) }, "noted, not hidden");
        let ResultContent::Text { text } = &unfit[1] else { panic!("{unfit:?}") };
        assert!(text.contains("does not match") && text.contains("/n"), "{text}");
        let none = parts(json!({"content": []}));
        assert!(
            matches!(&none[..], [ResultContent::Text { text }] if text.contains("sent none")),
            "{none:?}"
        );
        let failed = outcome(json!({"isError": true}), &Secrets::default(), Some(&checker), RESULT);
        assert!(matches!(failed, CallOutcome::Done { content, is_error: true, .. } if content.is_empty()));
    }

    #[test]
    fn caps_leave_notes() {
        let images: Vec<_> =
            (0..12).map(|_| json!({"type": "image", "mimeType": "image/png", "data": "aGk="})).collect();
        let (content, _) = done(json!({"content": images}));
        assert_eq!(
            content.iter().filter(|part| matches!(part, ResultContent::Image { .. })).count(),
            MEDIA_PARTS
        );
        assert_eq!(content.len(), 12);
        let (content, _) = done(
            json!({"content": [{"type": "image", "mimeType": "image/png", "data": "A".repeat(7 * 1024 * 1024)}]}),
        );
        assert!(matches!(&content[0], ResultContent::Text { text } if text.contains("left out")));
        let (content, _) =
            done(json!({"content": [{"type": "image", "mimeType": "image/png", "data": "<script>"}]}));
        assert!(matches!(&content[0], ResultContent::Text { text } if text.contains("cannot be read")));
        let (content, _) = done(json!({"structuredContent": "x".repeat(STRUCTURED + 1)}));
        assert!(matches!(&content[0], ResultContent::Text { text } if text.contains("structured")));
    }

    #[test]
    fn a_result_over_the_cap_ran_and_is_an_error() {
        let outcome = outcome(
            json!({"content": [{"type": "text", "text": "x".repeat(11 * 1024 * 1024)}]}),
            &Secrets::default(),
            None,
            RESULT,
        );
        let CallOutcome::Done { content, is_error: true, total_bytes } = outcome else { panic!() };
        assert!(total_bytes > RESULT);
        assert!(matches!(&content[0], ResultContent::Text { text } if text.contains("The tool ran")));
    }
}
