//! The servers of a workspace while they are entered, and the same as a JSON document.

use api::workspaces::McpDocument;
use leptos::prelude::*;
use serde_json::{Map, Value, json};

/// One server. Plain text, no signals of its own: rows come and go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) name: String,
    /// `http` or `sse`.
    pub(super) kind: String,
    pub(super) url: String,
    /// One `Name: value` a line.
    pub(super) headers: String,
}

/// The rows on screen.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) rows: RwSignal<Vec<Row>>,
    next: StoredValue<u64>,
}

impl Rows {
    pub(super) fn new(document: &McpDocument) -> Self {
        let rows = Self { rows: RwSignal::default(), next: StoredValue::new(0) };
        rows.show(document);
        rows
    }

    /// Replaces every row.
    pub(super) fn show(self, document: &McpDocument) {
        self.take(serde_json::to_value(document).as_ref().ok().and_then(rows_of).unwrap_or_default());
    }

    pub(super) fn take(self, mut rows: Vec<Row>) {
        for row in &mut rows {
            row.id = self.fresh();
        }
        self.rows.set(rows);
    }

    fn fresh(self) -> u64 {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        id
    }

    pub(super) fn add(self) {
        let id = self.fresh();
        self.rows.update(|rows| rows.push(Row { id, kind: "http".to_owned(), ..Row::default() }));
    }

    pub(super) fn remove(self, id: u64) {
        self.rows.update(|rows| rows.retain(|row| row.id != id));
    }

    pub(super) fn edit(self, id: u64, change: impl FnOnce(&mut Row)) {
        self.rows.update(|rows| {
            if let Some(row) = rows.iter_mut().find(|row| row.id == id) {
                change(row);
            }
        });
    }

    /// The name of a row as it is now.
    pub(super) fn name_of(self, id: u64) -> String {
        self.rows
            .with(|rows| rows.iter().find(|row| row.id == id).map(|row| row.name.trim().to_owned()))
            .unwrap_or_default()
    }
}

/// The document that the rows make.
pub(super) fn document_of(rows: &[Row]) -> Result<Value, String> {
    let mut servers = Map::new();
    for row in rows {
        let name = row.name.trim();
        if servers.contains_key(name) {
            return Err(if name.is_empty() {
                "Give every server a name.".to_owned()
            } else {
                format!("Two servers have the name {name}. Give one of them another.")
            });
        }
        let mut headers = Map::new();
        for line in row.headers.lines().filter(|line| !line.trim().is_empty()) {
            let (header, value) = line.split_once(':').unwrap_or((line, ""));
            headers.insert(header.trim().to_owned(), Value::from(value.trim()));
        }
        let mut entry = json!({"type": row.kind, "url": row.url.trim()});
        if !headers.is_empty() {
            entry["headers"] = Value::Object(headers);
        }
        servers.insert(name.to_owned(), entry);
    }
    Ok(json!({"mcpServers": servers}))
}

/// The rows of a document; `None` where it has parts that rows cannot show, which then stays JSON.
pub(super) fn rows_of(document: &Value) -> Option<Vec<Row>> {
    let members = document.as_object()?;
    if members.keys().any(|name| name != "mcpServers") {
        return None;
    }
    let Some(servers) = members.get("mcpServers") else { return Some(Vec::new()) };
    servers.as_object()?.iter().map(|(name, entry)| row_of(name, entry)).collect()
}

fn row_of(name: &str, entry: &Value) -> Option<Row> {
    let members = entry.as_object()?;
    if members.keys().any(|member| !matches!(member.as_str(), "type" | "url" | "headers")) {
        return None;
    }
    let text = |member: &str, missing: &str| match members.get(member) {
        None => Some(missing.to_owned()),
        Some(value) => value.as_str().map(str::to_owned),
    };
    let kind = text("type", "http").filter(|kind| matches!(kind.as_str(), "http" | "sse"))?;
    let mut headers = Vec::new();
    for (header, value) in members.get("headers").map_or(Some(&Map::new()), Value::as_object)? {
        headers.push(format!("{header}: {}", value.as_str()?));
    }
    Some(Row { id: 0, name: name.to_owned(), kind, url: text("url", "")?, headers: headers.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_and_its_rows_say_the_same() {
        let document = json!({"mcpServers": {
            "a": {"type": "http", "url": "https://a.example.com/mcp", "headers": {"Authorization": "<stored>", "X-A": "b: c"}},
            "b": {"type": "sse", "url": "https://b.example.com/sse"},
        }});
        let rows = rows_of(&document).unwrap();
        assert_eq!(rows[0].headers, "Authorization: <stored>\nX-A: b: c");
        assert_eq!(document_of(&rows).unwrap(), document);
        assert_eq!(rows_of(&json!({})).unwrap(), []);
    }

    #[test]
    fn what_rows_cannot_show_stays_json() {
        for document in [
            json!([]),
            json!({"other": 1}),
            json!({"mcpServers": {"a": {"command": "npx"}}}),
            json!({"mcpServers": {"a": {"type": "ws", "url": "x"}}}),
            json!({"mcpServers": {"a": {"url": 7}}}),
        ] {
            assert_eq!(rows_of(&document), None, "{document}");
        }
    }

    #[test]
    fn two_rows_of_one_name_are_not_one_server() {
        let row = |name: &str| Row { name: name.to_owned(), ..Row::default() };
        assert!(document_of(&[row("a"), row("a ")]).unwrap_err().contains("name a"));
        assert!(document_of(&[row(""), row(" ")]).unwrap_err().contains("every server"));
    }
}
