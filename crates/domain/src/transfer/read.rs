//! Which kind of document it is, and its entries.

use super::{Document, Entry, clients, own};
use crate::{
    limits::{IMPORT_NOTED_NAMES, IMPORT_SERVERS},
    text::quote,
};
use api::{Validation, transfer::ImportSource};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads a parsed document.
///
/// # Errors
/// What is wrong with the document as a whole, at the field `document`. A mistake in one entry refuses that entry alone.
pub fn read_document(document: &Value) -> Result<Document, Vec<Validation>> {
    let Value::Object(members) = document else {
        return Err(refuse("Is no document of servers: begin with `patchbay: 1`, or with `mcpServers`."));
    };
    let mut read = match (members.get("patchbay"), members.get("mcpServers"), members.get("servers")) {
        (Some(version), _, _) => own::read(version, members)?,
        (None, Some(Value::Object(servers)), _) => clients::read("mcpServers", servers, members),
        // The file of one editor has the same entries below `servers`.
        (None, None, Some(Value::Object(servers))) => clients::read("servers", servers, members),
        (None, Some(_), _) => return Err(refuse("`mcpServers` is no object of servers by name.")),
        (None, None, Some(_)) => {
            return Err(refuse("The version is missing. Write `patchbay: 1` above `servers`."));
        }
        (None, None, None) => {
            return Err(refuse("Holds no servers: begin with `patchbay: 1`, or with `mcpServers`."));
        }
    };
    if read.entries.len() > IMPORT_SERVERS {
        return Err(refuse(format!(
            "Has {} servers; at most {IMPORT_SERVERS} are possible. Split the file.",
            read.entries.len()
        )));
    }
    refuse_twins(&mut read);
    Ok(read)
}

pub(super) fn refuse(detail: impl Into<String>) -> Vec<Validation> {
    vec![Validation::new("document", detail)]
}

/// Of two entries with one slug neither is taken: which of them is meant is not for us to guess.
fn refuse_twins(document: &mut Document) {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, entry) in document.entries.iter().enumerate() {
        if !entry.slug.is_empty() {
            places.entry(entry.slug.to_ascii_lowercase()).or_default().push(place);
        }
    }
    for (slug, twins) in places.into_iter().filter(|(_, twins)| twins.len() > 1) {
        for place in &twins {
            document.entries[*place].reasons.push(Validation::new(
                "slug",
                format!("{} entries have the slug `{}`. Keep one.", twins.len(), quote(&slug, 64)),
            ));
        }
    }
}

/// `` `a`, `b` and 3 more ``; None when there is none.
pub(super) fn names_of<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let all: Vec<&String> = names.collect();
    let shown: Vec<String> =
        all.iter().take(IMPORT_NOTED_NAMES).map(|name| format!("`{}`", quote(name, 40))).collect();
    match all.len().saturating_sub(IMPORT_NOTED_NAMES) {
        _ if all.is_empty() => None,
        0 => Some(shown.join(", ")),
        more => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

/// An entry that is no object.
pub(super) fn no_object(name: &str) -> Entry {
    Entry { name: name.to_owned(), ..Entry::default() }.refused("entry", "Is no object with fields.")
}

/// The text of a member; a note of what it is instead when it is none.
pub(super) fn text_of<'a>(members: &'a Map<String, Value>, field: &str) -> Option<Result<&'a str, String>> {
    members.get(field).map(|value| value.as_str().ok_or_else(|| "Is no text. Put it in quotes.".to_owned()))
}

impl Document {
    pub(super) fn of(source: ImportSource, entries: Vec<Entry>) -> Self {
        Self { source, entries, notes: Vec::new() }
    }
}
