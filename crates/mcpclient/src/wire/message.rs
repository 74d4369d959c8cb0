//! JSON-RPC messages, decoded by value: typed parsing would drop what it does not know, silently.

use serde_json::{Map, Value};

use crate::{
    call::Progress,
    error::RpcError,
    limits::{MESSAGE_DEPTH, MESSAGE_PARTS, PROGRESS_TEXT},
    redact::Secrets,
};
use domain::text::{cut_chars, quote};

/// Bodies above this are parsed on the blocking pool: 12 MiB of JSON hold a worker for a tenth of a second.
const PARSE_INLINE: usize = 256 * 1024;

/// Why something is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("it is not JSON")]
    NotJson,
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("it has too many parts")]
    TooMany,
    #[error("it is not JSON-RPC")]
    NotJsonRpc,
}

/// One message from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// Result or error; the id is missing where the server could not read ours.
    Answer { id: Option<Value>, answer: Result<Value, RpcError> },
    /// The server asks us something.
    Request { id: Value, method: String, params: Value },
    /// The server tells us something.
    Notification { method: String, params: Map<String, Value> },
}

/// Reads the text of one body or event: one message, or a batch where the negotiated revision has batches
/// (2025-03-26, protocol.md L12).
pub(crate) async fn parse(
    bytes: Vec<u8>,
    batches: bool,
    secrets: &Secrets,
) -> Result<Vec<Message>, MessageError> {
    if bytes.len() <= PARSE_INLINE {
        return parse_now(&bytes, batches, secrets);
    }
    let secrets = secrets.clone();
    tokio::task::spawn_blocking(move || parse_now(&bytes, batches, &secrets))
        .await
        .unwrap_or(Err(MessageError::NotJson))
}

fn parse_now(bytes: &[u8], batches: bool, secrets: &Secrets) -> Result<Vec<Message>, MessageError> {
    if parts(bytes) > MESSAGE_PARTS {
        return Err(MessageError::TooMany);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        // Half a surrogate pair is a common fault of servers that cut text; the rest of the answer is worth having.
        Err(_) => serde_json::from_str(&without_lone_surrogates(text)).map_err(|_| MessageError::NotJson)?,
    };
    if deeper_than(&value, MESSAGE_DEPTH) {
        return Err(MessageError::TooDeep);
    }
    match value {
        Value::Array(items) if batches && !items.is_empty() => {
            items.into_iter().map(|item| one(item, secrets)).collect()
        }
        other => Ok(vec![one(other, secrets)?]),
    }
}

/// Methods and error texts are cleaned here, before they are cut or logged; results where they are read.
fn one(value: Value, secrets: &Secrets) -> Result<Message, MessageError> {
    let Value::Object(mut object) = value else { return Err(MessageError::NotJsonRpc) };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(MessageError::NotJsonRpc);
    }
    let id = object.remove("id").filter(|id| !id.is_null());
    if id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(MessageError::NotJsonRpc);
    }
    if let Some(method) = object.remove("method") {
        let Value::String(method) = method else { return Err(MessageError::NotJsonRpc) };
        let method = secrets.clean(&method).into_owned();
        return Ok(match (id, object.remove("params")) {
            (Some(id), params) => Message::Request { id, method, params: params.unwrap_or_default() },
            (None, Some(Value::Object(params))) => Message::Notification { method, params },
            (None, _) => Message::Notification { method, params: Map::new() },
        });
    }
    match (object.remove("result"), object.remove("error")) {
        (Some(result), None) => Ok(Message::Answer { id, answer: Ok(result) }),
        (None, Some(Value::Object(mut error))) => {
            let code = error.get("code").and_then(Value::as_i64).ok_or(MessageError::NotJsonRpc)?;
            let message = match error.remove("message") {
                Some(Value::String(message)) => cut_chars(&secrets.clean(&message), 4096).into_owned(),
                _ => String::new(),
            };
            Ok(Message::Answer {
                id,
                answer: Err(RpcError { code, message, data: error.remove("data"), status: None }),
            })
        }
        _ => Err(MessageError::NotJsonRpc),
    }
}

/// Strings and integers (JSON-RPC 2.0, section 4).
fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64()
}

/// Whether an answer's id means our request. A number that comes back as text is a known fault of servers.
pub(crate) fn same_id(ours: &Value, theirs: &Value) -> bool {
    let as_number = || theirs.as_str().and_then(|text| text.parse::<i64>().ok());
    ours == theirs || ours.as_i64().is_some_and(|number| as_number() == Some(number))
}

/// The progress notification for `token`, if these parameters are one.
pub(crate) fn progress_for(
    token: &Value,
    params: &Map<String, Value>,
    secrets: &Secrets,
) -> Option<Progress> {
    if !params.get("progressToken").is_some_and(|theirs| same_id(token, theirs)) {
        return None;
    }
    Some(Progress {
        progress: params.get("progress")?.as_f64()?,
        total: params.get("total").and_then(Value::as_f64).filter(|total| total.is_finite()),
        message: params
            .get("message")
            .and_then(Value::as_str)
            .map(|text| quote(&secrets.clean(text), PROGRESS_TEXT)),
    })
}

/// At least the values in a JSON text, counted before it is one: each but the first has a comma or a bracket before it.
fn parts(bytes: &[u8]) -> usize {
    let (mut parts, mut in_text, mut escaped) = (1usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => parts += 1,
            _ => {}
        }
    }
    parts
}

fn deeper_than(value: &Value, max: usize) -> bool {
    // Iterative: this runs before anything has bounded the depth (serde_json itself stops at 128).
    let mut open = vec![(value, 1usize)];
    while let Some((value, depth)) = open.pop() {
        if depth > max {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    false
}

/// Replaces `\uD800`-`\uDFFF` escapes that have no partner by `\uFFFD`.
fn without_lone_surrogates(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, replaced) = match escape_unit(rest) {
            Some(0xD800..=0xDBFF) if matches!(escape_unit(&rest[6..]), Some(0xDC00..=0xDFFF)) => (12, None),
            Some(0xD800..=0xDFFF) => (6, Some("\\uFFFD")),
            _ => (rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end), None),
        };
        whole.push_str(replaced.unwrap_or(&rest[..taken]));
        rest = &rest[taken..];
    }
    whole.push_str(rest);
    whole
}

/// The UTF-16 unit of a `\uXXXX` escape at the start of `text`.
fn escape_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Result<Message, MessageError> {
        parse_now(text.as_bytes(), false, &Secrets::default()).map(|mut messages| messages.remove(0))
    }

    #[test]
    fn the_kinds_of_messages() {
        assert_eq!(
            parsed(r#"{"jsonrpc":"2.0","id":1,"result":{"x":1}}"#),
            Ok(Message::Answer { id: Some(json!(1)), answer: Ok(json!({"x": 1})) })
        );
        assert_eq!(
            parsed(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#),
            Ok(Message::Answer {
                id: None,
                answer: Err(RpcError { message: "no".into(), ..RpcError::of(-32600) })
            })
        );
        assert_eq!(
            parsed(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            Ok(Message::Request { id: json!("a"), method: "ping".into(), params: Value::Null })
        );
        assert!(matches!(parsed(r#"{"jsonrpc":"2.0","method":"m"}"#), Ok(Message::Notification { .. })));
    }

    #[test]
    fn what_is_no_message() {
        for (text, why) in [
            ("<html>", MessageError::NotJson),
            ("", MessageError::NotJson),
            ("{}", MessageError::NotJsonRpc),
            ("[]", MessageError::NotJsonRpc),
            (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":1}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":[1],"result":{}}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#, MessageError::NotJsonRpc),
            (r#"{"jsonrpc":"2.0","method":7}"#, MessageError::NotJsonRpc),
        ] {
            assert_eq!(parsed(text), Err(why), "{text}");
        }
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}1{}}}"#, "[".repeat(70), "]".repeat(70));
        assert_eq!(parsed(&deep), Err(MessageError::TooDeep));
    }

    #[test]
    fn parts_are_counted_outside_of_texts() {
        for (text, count) in [
            ("7", 1),
            ("[1,2]", 3),
            (r#"{"a,[{":"\",[","b\\":[]}"#, 4),
            (r#"["\\",1]"#, 3),
            ("[[],[],[]]", 7),
        ] {
            assert_eq!(parts(text.as_bytes()), count, "{text}");
        }
        let dense = format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{}0]}}"#, "[],".repeat(MESSAGE_PARTS));
        assert_eq!(parsed(&dense), Err(MessageError::TooMany));
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "[],{},".repeat(MESSAGE_PARTS));
        assert!(parsed(&long).is_ok());
    }

    #[test]
    fn batches_only_where_they_exist() {
        let batch = r#"[{"jsonrpc":"2.0","method":"m"},{"jsonrpc":"2.0","id":1,"result":{}}]"#;
        assert_eq!(parse_now(batch.as_bytes(), true, &Secrets::default()).unwrap().len(), 2);
        assert_eq!(parse_now(batch.as_bytes(), false, &Secrets::default()), Err(MessageError::NotJsonRpc));
    }

    #[test]
    fn broken_text_costs_a_character_not_the_answer() {
        for (inside, expected) in [
            (r"a\ud83db", "a\u{fffd}b"),
            (r"\ude00", "\u{fffd}"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\\ud83d \ud800", "\\ud83d \u{fffd}"),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"t":"{inside}"}}}}"#);
            let Ok(Message::Answer { answer: Ok(value), .. }) = parsed(&text) else { panic!("{inside}") };
            assert_eq!(value["t"], expected, "{inside}");
        }
        let mut bytes = br#"{"jsonrpc":"2.0","id":1,"result":{"t":"x"}}"#.to_vec();
        bytes[39] = 0xff;
        assert!(parse_now(&bytes, false, &Secrets::default()).is_ok());
    }

    #[test]
    fn secrets_are_taken_out_before_anything_is_cut() {
        let secrets = crate::redact::tests::secrets(&["Bearer tok-12345678"]);
        let params =
            json!({"progressToken": 3, "progress": 1, "message": format!("{}tok-12345678", "x".repeat(505))});
        let report = progress_for(&json!(3), params.as_object().unwrap(), &secrets).unwrap();
        assert!(!report.message.unwrap().contains("tok-"), "the cut would have left its first half");
        let text = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1,
            "message": format!("{}tok-12345678", "x".repeat(4090))}});
        let messages = parse_now(text.to_string().as_bytes(), false, &secrets).unwrap();
        let Message::Answer { answer: Err(error), .. } = &messages[0] else { panic!("{messages:?}") };
        assert!(!error.message.contains("tok-"));
        let text = json!({"jsonrpc": "2.0", "id": 1, "method": "give/tok-12345678"}).to_string();
        let messages = parse_now(text.as_bytes(), false, &secrets).unwrap();
        assert!(matches!(&messages[0], Message::Request { method, .. } if method == "give/[redacted]"));
    }

    #[test]
    fn ids_and_progress() {
        assert!(same_id(&json!(7), &json!("7")));
        assert!(!same_id(&json!(7), &json!(8)));
        let params = json!({"progressToken": 3, "progress": 0.5, "message": "a\nb"});
        let report = progress_for(&json!(3), params.as_object().unwrap(), &Secrets::default()).unwrap();
        assert_eq!(report.progress, 0.5);
        assert!(!report.message.unwrap().contains('\n'));
        assert!(progress_for(&json!(4), params.as_object().unwrap(), &Secrets::default()).is_none());
    }
}
