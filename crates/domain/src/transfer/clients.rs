//! The map of servers that desktop clients keep: `{"mcpServers": {"name": {"url": …, "type": …, "headers": {…}}}}`.

use super::{
    Document, Entry,
    read::{names_of, no_object, text_of},
};
use crate::{mcp_server::slug_from_name, text::quote};
use api::{servers::ServerWrite, transfer::ImportSource};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What an entry may say to us.
const KNOWN: &[&str] = &["url", "type", "transport", "headers"];
/// What only a program started on a person's own machine has.
const STDIO: &[&str] = &["command", "args", "env", "envFile", "cwd"];
/// Clients fill such values in themselves; here they would be sent as they stand.
const PLACEHOLDER: &str = "${";

pub(super) fn read(member: &str, servers: &Map<String, Value>, document: &Map<String, Value>) -> Document {
    let entries = servers.iter().map(|(name, server)| match server {
        Value::Object(members) => entry(name, members),
        _ => no_object(name),
    });
    let mut read = Document::of(ImportSource::McpServers, entries.collect());
    if let Some(names) = names_of(document.keys().filter(|name| *name != member)) {
        read.notes.push(format!("Left out, because it describes no server: {names}."));
    }
    read
}

fn entry(name: &str, members: &Map<String, Value>) -> Entry {
    let mut entry = Entry { name: name.to_owned(), slug: slug_from_name(name), ..Entry::default() };
    let kind =
        ["type", "transport"].into_iter().find_map(|field| members.get(field).map(|kind| (field, kind)));
    let is_stdio = kind.is_some_and(|(_, kind)| kind == "stdio");
    if is_stdio || (members.contains_key("command") && !members.contains_key("url")) {
        return entry.refused(
            if members.contains_key("command") { "command" } else { "type" },
            "Starts a program on a person's own machine. Patchbay reaches servers by URL only: run it behind HTTP and register its URL.",
        );
    }
    if entry.slug.is_empty() {
        entry = entry.refused("slug", "No slug can be made from this name. Give it a letter or digit.");
    }
    let unknown =
        members.keys().filter(|field| !KNOWN.contains(&field.as_str()) && !STDIO.contains(&field.as_str()));
    if let Some(names) = names_of(unknown) {
        entry.notes.push(format!("Left out, because Patchbay has no such setting: {names}."));
    }
    if let Some(names) = names_of(members.keys().filter(|field| STDIO.contains(&field.as_str()))) {
        entry.notes.push(format!("Left out, because it belongs to a program, not to a URL: {names}."));
    }
    entry.write = ServerWrite { transport: Some("streamable_http".to_owned()), ..ServerWrite::default() };
    if let Some((field, kind)) = kind {
        match kind.as_str() {
            Some("http" | "streamable-http" | "streamable_http" | "streamableHttp") => {}
            Some("sse") => entry.write.transport = Some("sse".to_owned()),
            Some(other) => {
                let detail = format!("`{}` is no transport. Use `http` or `sse`.", quote(other, 40));
                entry = entry.refused(field, detail);
            }
            None => entry = entry.refused(field, "Is no text. Use `http` or `sse`."),
        }
    }
    entry = match text_of(members, "url") {
        None => entry.refused("url", "Enter a URL."),
        Some(Err(detail)) => entry.refused("url", detail),
        Some(Ok(url)) if url.contains(PLACEHOLDER) => entry.refused("url", placeholder("the address")),
        Some(Ok(url)) => {
            entry.write.url = Some(url.to_owned());
            entry
        }
    };
    entry.defaults = ServerWrite {
        display_name: Some(name.to_owned()),
        slug: Some(entry.slug.clone()),
        auth_type: Some("none".to_owned()),
        availability: Some("default_off".to_owned()),
        enabled: Some(false),
        ..ServerWrite::default()
    };
    with_headers(entry, members.get("headers"))
}

/// Headers of a client carry its credentials, so all of them are taken as secrets. No headers say nothing about how a registered
/// server authenticates.
fn with_headers(mut entry: Entry, headers: Option<&Value>) -> Entry {
    let headers = match headers {
        None | Some(Value::Null) => return entry,
        Some(Value::Object(headers)) if headers.is_empty() => return entry,
        Some(Value::Object(headers)) => headers,
        Some(_) => return entry.refused("headers", "Is no object of texts by name."),
    };
    let mut map = BTreeMap::new();
    for (name, value) in headers {
        let field = || format!("headers.{}", quote(name, 40));
        match value.as_str() {
            None => entry = entry.refused(&field(), "Is no text. Put it in quotes."),
            Some(value) if value.contains(PLACEHOLDER) => {
                entry = entry.refused(&field(), placeholder("the value"));
            }
            Some(value) => {
                map.insert(name.clone(), value.to_owned());
            }
        }
    }
    entry.write.auth_type = Some("custom_headers".to_owned());
    entry.write.custom_headers = Some(map);
    entry
}

fn placeholder(what: &str) -> String {
    format!("Holds a placeholder that a client would fill in. Write {what} itself.")
}
