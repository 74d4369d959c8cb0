//! Our own document: `{patchbay: 1, servers: [{slug, …}]}`. An entry is the body of POST and PATCH, with groups by name.

use super::{
    Document, Entry, SECRET_FIELDS,
    read::{names_of, no_object, refuse},
};
use crate::text::quote;
use api::{
    Validation,
    servers::ServerWrite,
    transfer::{DOCUMENT_VERSION, ImportSource},
};
use serde_json::{Map, Value};

/// Said by exports for people; nothing to import.
const FOR_PEOPLE: &str = "secrets_needed";
const GROUPS: &str = "allowed_groups";

pub(super) fn read(version: &Value, members: &Map<String, Value>) -> Result<Document, Vec<Validation>> {
    if version.as_u64() != Some(DOCUMENT_VERSION) {
        return Err(refuse(format!(
            "`patchbay` names the version of the document. This build reads version {DOCUMENT_VERSION}."
        )));
    }
    let unknown = members.keys().filter(|name| !["patchbay", "servers"].contains(&name.as_str()));
    if let Some(names) = names_of(unknown) {
        return Err(refuse(format!("Does not know {names}. Remove it.")));
    }
    let Some(Value::Array(servers)) = members.get("servers") else {
        return Err(refuse("`servers` is no list of servers."));
    };
    let entries = servers.iter().enumerate().map(|(place, server)| match server {
        Value::Object(members) => entry(place, members),
        _ => no_object(&place_name(place)),
    });
    Ok(Document::of(ImportSource::Patchbay, entries.collect()))
}

fn place_name(place: usize) -> String {
    format!("servers[{place}]")
}

fn entry(place: usize, members: &Map<String, Value>) -> Entry {
    let slug = members.get("slug").and_then(Value::as_str).unwrap_or_default().trim();
    let name = if slug.is_empty() { place_name(place) } else { slug.to_owned() };
    let mut entry = Entry { name, slug: slug.to_owned(), ..Entry::default() };
    if slug.is_empty() {
        entry = entry.refused("slug", "Enter a slug, such as `linear`.");
    }
    let mut body = Map::new();
    for (field, value) in members {
        match field.as_str() {
            FOR_PEOPLE => {}
            "allowed_group_ids" => {
                let detail =
                    format!("Ids of groups mean nothing elsewhere. Write `{GROUPS}` with their names.");
                entry = entry.refused(field, detail);
            }
            GROUPS => match serde_json::from_value(value.clone()) {
                Ok(names) => entry.groups = Some(names),
                Err(_) => entry = entry.refused(field, "Is no list of group names."),
            },
            // One at a time, so that every mistake of the entry is named.
            _ => match field_problem(field, value) {
                Some(detail) => entry = entry.refused(&quote(field, 64), detail),
                None => {
                    body.insert(field.clone(), value.clone());
                }
            },
        }
    }
    entry.write = serde_json::from_value(Value::Object(body)).unwrap_or_default();
    entry
}

/// Why the field cannot be written like this. Values of secrets are never quoted.
fn field_problem(field: &str, value: &Value) -> Option<String> {
    let alone = Value::Object(Map::from_iter([(field.to_owned(), value.clone())]));
    let text = serde_json::from_value::<ServerWrite>(alone).err()?.to_string();
    if text.starts_with("unknown field") {
        return Some("Is no field of a server. Remove it.".to_owned());
    }
    if SECRET_FIELDS.contains(&field) {
        let shape = if field == "custom_headers" { "an object of texts by name" } else { "a text" };
        return Some(format!("Is not {shape}. Put values in quotes."));
    }
    Some(format!("Has the wrong type: {}.", quote(&text, 160)))
}
