//! The document of a workspace: names, addresses and headers of its servers (behaviour 23).

use super::DOCUMENT;
use crate::{
    header,
    limits::{HEADERS, WORKSPACE_DOCUMENT_BYTES, WORKSPACE_ENTRY_CHARS, WORKSPACE_SERVERS},
    text::{human_bytes, quote},
    url_rules::{UrlPolicy, check_url, same_origin},
    validation::{Problems, listed, required_line},
};
use api::workspaces::{McpDocument, McpEntry, McpTransport, STORED_HEADER};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const SERVERS: &str = "mcpServers";
/// What only a program started on a person's own machine has.
const STDIO: &[&str] = &["command", "args", "env", "envFile", "cwd"];
/// Clients fill such values in from their surroundings; ours are not the user's.
const PLACEHOLDER: &str = "${";
const NO_COMMANDS: &str = "starts a command on a person's own machine, which Patchbay does not do: only HTTP and SSE servers are \
     possible. Run it behind HTTP and enter its URL.";

/// Takes a document in; what is wrong with which entry goes to `problems`. `stored` is what placeholders of headers stand for.
pub(crate) fn check_document(
    document: &Value,
    stored: &McpDocument,
    policy: &UrlPolicy,
    problems: &mut Problems,
) -> Option<McpDocument> {
    let Value::Object(members) = document else {
        problems.refuse(DOCUMENT, "Enter an object such as {\"mcpServers\": {}}.");
        return None;
    };
    if let Some(unknown) = members.keys().find(|name| *name != SERVERS) {
        let name = quote(unknown, 40);
        problems.refuse(
            DOCUMENT,
            format!("Has the member `{name}`, which is unknown; only `{SERVERS}` is possible."),
        );
    }
    let none = Map::new();
    let servers = match members.get(SERVERS) {
        None | Some(Value::Null) => &none,
        Some(Value::Object(servers)) => servers,
        Some(_) => {
            problems.refuse(DOCUMENT, format!("`{SERVERS}` must be an object with the servers by name."));
            return None;
        }
    };
    if servers.len() > WORKSPACE_SERVERS {
        problems.refuse(
            DOCUMENT,
            format!("Has {} servers; at most {WORKSPACE_SERVERS} are possible.", servers.len()),
        );
        return None;
    }
    let mut taken = McpDocument::default();
    let mut names = BTreeSet::new();
    for (name, entry) in servers {
        let field = field_of(name);
        let Some(known) = problems.take(&field, check_name(name)) else { continue };
        if !names.insert(known.to_lowercase()) {
            problems.refuse(
                &field,
                format!("The name `{}` is given twice; case does not count.", quote(&known, 40)),
            );
            continue;
        }
        let before = stored.mcp_servers.get(&known);
        if let Some(entry) = check_entry(&known, entry, before, policy, problems) {
            taken.mcp_servers.insert(known, entry);
        }
    }
    let bytes = serde_json::to_vec(&taken).map_or(usize::MAX, |text| text.len());
    if bytes > WORKSPACE_DOCUMENT_BYTES {
        problems.refuse(
            DOCUMENT,
            format!(
                "The document has {}; at most {} are possible.",
                human_bytes(bytes),
                human_bytes(WORKSPACE_DOCUMENT_BYTES)
            ),
        );
        return None;
    }
    Some(taken)
}

/// The document as it is shown: no value of a header.
pub fn concealed(document: &McpDocument) -> McpDocument {
    let mut shown = document.clone();
    for entry in shown.mcp_servers.values_mut() {
        entry.headers.values_mut().for_each(|value| STORED_HEADER.clone_into(value));
    }
    shown
}

/// The entries that differ, for the audit log.
pub(super) fn changes(before: &McpDocument, after: &McpDocument) -> Vec<String> {
    let (before, after) = (&before.mcp_servers, &after.mcp_servers);
    let said = |word: &str, name: &str| format!("{DOCUMENT} {word} {}", quote(name, WORKSPACE_ENTRY_CHARS));
    let mut changes = Vec::new();
    for (name, entry) in after {
        match before.get(name) {
            None => changes.push(said("added", name)),
            Some(old) if old != entry => changes.push(said("changed", name)),
            Some(_) => {}
        }
    }
    changes.extend(before.keys().filter(|name| !after.contains_key(*name)).map(|name| said("removed", name)));
    changes
}

/// The field of an entry in the answer to a refused request.
fn field_of(name: &str) -> String {
    format!("{DOCUMENT}.{SERVERS}.{}", quote(name, WORKSPACE_ENTRY_CHARS))
}

fn check_name(name: &str) -> Result<String, String> {
    let checked = required_line(name, "a name for the server", WORKSPACE_ENTRY_CHARS)?;
    if checked != name {
        return Err("The name of a server begins or ends with a blank. Remove it.".to_owned());
    }
    no_placeholder(name)?;
    Ok(checked)
}

fn no_placeholder(text: &str) -> Result<(), String> {
    if text.contains(PLACEHOLDER) {
        return Err("Holds a placeholder such as ${NAME}, which nobody fills in here: the server's environment is not yours. Write \
             the value itself."
            .to_owned());
    }
    Ok(())
}

fn check_entry(
    name: &str,
    entry: &Value,
    before: Option<&McpEntry>,
    policy: &UrlPolicy,
    problems: &mut Problems,
) -> Option<McpEntry> {
    let field = field_of(name);
    let shown = quote(name, WORKSPACE_ENTRY_CHARS);
    let Value::Object(members) = entry else {
        problems.refuse(&field, format!("`{shown}` must be an object with `type`, `url` and `headers`."));
        return None;
    };
    let kind = members.get("type");
    if kind.is_some_and(|kind| kind == "stdio") || members.keys().any(|key| STDIO.contains(&key.as_str())) {
        problems.refuse(&field, format!("`{shown}` {NO_COMMANDS}"));
        return None;
    }
    if let Some(unknown) = members.keys().find(|key| !matches!(key.as_str(), "type" | "url" | "headers")) {
        problems.refuse(
            &field,
            format!(
                "`{shown}` has the member `{}`, which is unknown. Use {}.",
                quote(unknown, 40),
                listed(&["type", "url", "headers"])
            ),
        );
    }
    let transport = match kind {
        None => Some(McpTransport::Http),
        Some(kind) => {
            let known = kind.as_str().and_then(McpTransport::parse);
            problems.take(
                &format!("{field}.type"),
                known.ok_or_else(|| "Use `http` or `sse`: other servers are not possible here.".to_owned()),
            )
        }
    };
    let url = match members.get("url") {
        Some(Value::String(url)) => no_placeholder(url).and_then(|()| check_url(url, policy)),
        None | Some(Value::Null) => Err(format!("Enter the URL of `{shown}`.")),
        Some(_) => Err("Is no text. Put it in quotes.".to_owned()),
    };
    let url = problems.take(&format!("{field}.url"), url);
    let headers = check_headers(&field, members.get("headers"), before, url.as_deref(), problems);
    Some(McpEntry { transport: transport?, url: url?, headers: headers? })
}

/// `url`: the address as it will be, where it is valid.
fn check_headers(
    field: &str,
    headers: Option<&Value>,
    before: Option<&McpEntry>,
    url: Option<&str>,
    problems: &mut Problems,
) -> Option<BTreeMap<String, String>> {
    let whole = format!("{field}.headers");
    let headers = match headers {
        None | Some(Value::Null) => return Some(BTreeMap::new()),
        Some(Value::Object(headers)) => headers,
        Some(_) => {
            problems.refuse(&whole, "Must be an object with the values by name.");
            return None;
        }
    };
    if headers.len() > HEADERS {
        problems.refuse(&whole, format!("Has {} headers; at most {HEADERS} are possible.", headers.len()));
        return None;
    }
    let (mut taken, mut seen, mut sound) = (BTreeMap::new(), BTreeSet::new(), true);
    for (name, value) in headers {
        let one = format!("{whole}.{}", quote(name, 40));
        let checked = header::check_name(name).and_then(|name| {
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err("This header is given twice; case does not count.".to_owned());
            }
            let value = value.as_str().ok_or_else(|| "Is no text. Put it in quotes.".to_owned())?;
            if value == STORED_HEADER {
                return stored_value(&name, before, url).map(|value| (name, value));
            }
            no_placeholder(value)?;
            let value = header::check_value(value)?;
            if value.is_empty() { Err("Enter a value.".to_owned()) } else { Ok((name, value)) }
        });
        match problems.take(&one, checked) {
            Some((name, value)) => drop(taken.insert(name, value)),
            None => sound = false,
        }
    }
    sound.then_some(taken)
}

/// What the placeholder stands for. A secret belongs to an origin (behaviour 6, point 5): it does not follow the address to another.
fn stored_value(name: &str, before: Option<&McpEntry>, url: Option<&str>) -> Result<String, String> {
    let found = before.and_then(|entry| {
        entry
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| (entry, value))
    });
    let Some((entry, value)) = found else {
        return Err(format!(
            "There is no stored value that {STORED_HEADER} could stand for. Enter the value."
        ));
    };
    match url {
        Some(url) if !same_origin(url, &entry.url) => Err(
            "The address goes to another server, and the stored value was meant for the old one. Enter the value again."
                .to_owned(),
        ),
        _ => Ok(value.clone()),
    }
}
