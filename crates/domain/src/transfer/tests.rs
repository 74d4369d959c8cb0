use super::*;
use crate::{
    UrlPolicy,
    mcp_server::{Access, ServerRecord, Viewer, tests::record, to_wire},
};
use api::transfer::{ImportAction, ImportEntry};
use serde_json::{Value, json};

mod documents;
mod plans;
mod round_trip;

fn policy() -> UrlPolicy {
    UrlPolicy::https_only()
}

fn read(document: Value) -> Document {
    read_document(&document).unwrap_or_else(|problems| panic!("{document}: {problems:?}"))
}

/// The plan of every entry against these servers.
fn plan(document: Value, stored: &[ServerRecord]) -> Vec<ImportEntry> {
    let read = read(document);
    let entries = read.entries.iter().map(|entry| {
        let current = stored.iter().find(|server| server.slug.eq_ignore_ascii_case(&entry.slug));
        plan_entry(entry, current, &[], &GroupNames::default(), &policy()).entry
    });
    entries.collect()
}

/// The plan of one entry of a client.
fn client(name: &str, entry: Value, stored: &[ServerRecord]) -> ImportEntry {
    plan(json!({"mcpServers": {name: entry}}), stored).remove(0)
}

fn export(servers: &[ServerRecord]) -> Value {
    let answers: Vec<_> = servers
        .iter()
        .map(|server| to_wire(server, Viewer { unredacted: true }, &Access::default()))
        .collect();
    export_document(&answers, &GroupNames::default())
}

fn reasons(entry: &ImportEntry) -> Vec<&str> {
    entry.reasons.iter().map(|reason| reason.field.as_str()).collect()
}

fn changed(entry: &ImportEntry) -> Vec<&str> {
    entry.changes.iter().map(|change| change.field.as_str()).collect()
}
