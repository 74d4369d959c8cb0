//! What a browser makes of the events of a chat, and what must hold of it at every moment.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sse::Event;

/// What stands on the screen.
#[derive(Default)]
pub(super) struct Screen {
    messages: BTreeMap<i64, Value>,
    live: String,
    attempt: (i64, i64),
    pub(super) status: String,
    pub(super) last: Option<String>,
    pub(super) resets: usize,
    /// What must not happen, in words.
    pub(super) faults: Vec<String>,
}

impl Screen {
    /// Takes an event in.
    pub(super) fn take(&mut self, event: &Event) {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
            self.faults.push(format!("an event is no JSON: {}", event.data));
            return;
        };
        self.last = Some(event.id.clone());
        match event.kind.as_str() {
            "message" => self.message(&data["message"]),
            "message_part" => self.part(&data["message_part"]),
            "preview_reset" => self.live.clear(),
            "history_reset" => {
                self.messages.clear();
                self.live.clear();
                self.resets += 1;
            }
            "status" => {
                self.status = data["status"]["status"].as_str().unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }

    fn message(&mut self, message: &Value) {
        let id = message["id"].as_i64().unwrap_or(0);
        if self.messages.contains_key(&id) {
            self.faults.push(format!("message {id} is shown twice"));
        }
        if self.messages.last_key_value().is_some_and(|(last, _)| *last > id) {
            self.faults.push(format!("message {id} comes after a later one"));
        }
        if message["role"] == "assistant" && !text_of(message).starts_with(&self.live) {
            self.faults
                .push(format!("what was shown before message {id} is not how it begins: {:?}", self.live));
        }
        self.live.clear();
        self.messages.insert(id, without_outcomes(message));
    }

    fn part(&mut self, part: &Value) {
        let number = |name: &str| part[name].as_i64().unwrap_or(0);
        let attempt = (number("history_version"), number("attempt"));
        if attempt != self.attempt {
            self.attempt = attempt;
            self.live.clear();
        }
        if part["role"] == "assistant" && part["part"]["type"] == "text" {
            self.live.push_str(part["part"]["text"].as_str().unwrap_or_default());
        }
    }

    /// The newest message.
    pub(super) fn newest(&self) -> i64 {
        self.messages.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// The transcript as bytes. A stream begins with the newest page, so both are cut to what this screen has.
    pub(super) fn differs_from(&self, stored: &[Value]) -> Option<String> {
        let first = self.messages.first_key_value().map_or(0, |(id, _)| *id);
        let stored = stored.iter().filter(|message| message["id"].as_i64().unwrap_or(0) >= first);
        let stored = stored.map(|message| without_outcomes(message).to_string()).collect::<Vec<_>>();
        let shown = self.messages.values().map(Value::to_string).collect::<Vec<_>>();
        if shown == stored {
            return None;
        }
        let at = shown.iter().zip(&stored).position(|(shown, stored)| shown != stored);
        Some(format!(
            "{} messages are shown and {} stored; the first difference is at {at:?}",
            shown.len(),
            stored.len()
        ))
    }
}

/// A message with its members in order and without the connect outcomes of its turn, which events of their own tell later.
fn without_outcomes(message: &Value) -> Value {
    let mut members: Vec<(String, Value)> = match message.as_object() {
        Some(object) => object.clone().into_iter().filter(|(name, _)| name != "mcp_status").collect(),
        None => return message.clone(),
    };
    members.sort_by(|one, two| one.0.cmp(&two.0));
    Value::Object(members.into_iter().collect())
}

/// The text of a message.
fn text_of(message: &Value) -> String {
    let parts = message["content"].as_array().into_iter().flatten();
    parts.filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, data: Value) -> Event {
        Event { id: "x".to_owned(), kind: kind.to_owned(), data: data.to_string() }
    }

    fn part(attempt: i64, text: &str) -> Event {
        let part = json!({ "role": "assistant", "attempt": attempt, "history_version": 1, "part": { "type": "text", "text": text } });
        event("message_part", json!({ "message_part": part }))
    }

    fn message(id: i64, text: &str) -> Value {
        json!({ "id": id, "role": "assistant", "content": [{ "type": "text", "text": text }] })
    }

    #[test]
    fn what_must_not_happen_is_noticed() {
        let mut screen = Screen::default();
        for shown in [part(1, "lost"), part(2, "He"), part(2, "llo")] {
            screen.take(&shown);
        }
        screen.take(&event("message", json!({ "message": message(4, "Hello!") })));
        assert!(screen.faults.is_empty(), "{:?}", screen.faults);
        assert_eq!(screen.differs_from(&[message(3, "before"), message(4, "Hello!")]), None);
        assert!(screen.differs_from(&[message(4, "Hello?")]).is_some());
        screen.take(&part(3, "lo"));
        screen.take(&event("message", json!({ "message": message(5, "Hello") })));
        screen.take(&event("message", json!({ "message": message(5, "Hello") })));
        screen.take(&event("message", json!({ "message": message(2, "x") })));
        assert_eq!(screen.faults.len(), 3, "{:?}", screen.faults);
    }
}
