//! What an import would do to one entry: the same validation and the same merge as POST and PATCH, shown as a difference.

use super::{Entry, GroupNames, SECRET_FIELDS, export::fields};
use crate::{
    UrlPolicy,
    limits::IMPORT_NOTED_NAMES,
    mcp_server::{
        Access, ServerChange, ServerDraft, ServerRecord, Viewer, config_problems, merge_update, to_wire,
        validate_create,
    },
    text::{hex, quote},
};
use api::{
    Uuid, Validation,
    servers::ServerWrite,
    transfer::{FieldChange, ImportAction, ImportEntry},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What carries an entry out.
pub enum Step {
    Create(Box<ServerDraft>),
    Update(Box<ServerChange>),
    /// Unchanged or refused.
    Nothing,
}

impl Step {
    fn needs_discovery(&self) -> bool {
        match self {
            Self::Create(draft) => draft.discover,
            Self::Update(change) => change.discover,
            Self::Nothing => false,
        }
    }
}

/// One entry of a plan and what carries it out.
pub struct Planned {
    pub entry: ImportEntry,
    pub step: Step,
}

/// Plans one entry. `current` is the registered server with its slug; `same` are the secrets of the entry that equal what is
/// stored there, so that a document that holds secrets changes nothing when it is imported again.
pub fn plan_entry(
    entry: &Entry,
    current: Option<&ServerRecord>,
    same: &[&'static str],
    groups: &GroupNames,
    policy: &UrlPolicy,
) -> Planned {
    let mut reasons = entry.reasons.clone();
    // Of a program, or of something that is no object, nothing was read: what each field lacks would only hide the one reason.
    if !reasons.is_empty() && entry.write == ServerWrite::default() {
        return refused(entry, current, reasons, Vec::new());
    }
    let mut write = entry.write.clone();
    match group_ids(entry, groups) {
        Ok(ids) => write.allowed_group_ids = ids,
        Err(unknown) => reasons.push(unknown),
    }
    if current.is_none() {
        write = over(&entry.defaults, &write);
    }
    let step = match current {
        None => validate_create(&write, policy).map(|draft| Step::Create(Box::new(draft))),
        Some(current) => merge(current, &write, same, policy).map(|change| Step::Update(Box::new(change))),
    };
    match step {
        Err(problems) => refused(entry, current, reasons, problems),
        Ok(_) if !reasons.is_empty() => refused(entry, current, reasons, Vec::new()),
        // An import asks nobody outside: a document says the same whenever it is read.
        Ok(step) if step.needs_discovery() => refused(
            entry,
            current,
            reasons,
            vec![Validation::new(
                "oauth2_client_id",
                "An import runs no discovery. Write `oauth2_client_id`, `oauth2_auth_url` and `oauth2_token_url` into the entry, \
                 or add this server in the panel.",
            )],
        ),
        Ok(step) => planned(entry, current, step, groups),
    }
}

fn refused(
    entry: &Entry,
    current: Option<&ServerRecord>,
    mut reasons: Vec<Validation>,
    problems: Vec<Validation>,
) -> Planned {
    for problem in problems {
        if !reasons.iter().any(|known| known.field == problem.field) {
            reasons.push(problem);
        }
    }
    let mut answer = entry.answer(ImportAction::Refused);
    answer.server_id = current.map(|server| server.id);
    if reasons.iter().any(|reason| SECRET_FIELDS.contains(&reason.field.as_str())) {
        answer.notes.push("Exports hold no secrets: write the missing value into the entry.".to_owned());
    }
    answer.reasons = reasons;
    Planned { entry: answer, step: Step::Nothing }
}

fn planned(entry: &Entry, current: Option<&ServerRecord>, step: Step, groups: &GroupNames) -> Planned {
    let mut answer = entry.answer(ImportAction::Unchanged);
    answer.server_id = current.map(|server| server.id);
    let merged = match &step {
        Step::Create(draft) => {
            answer.action = ImportAction::Create;
            answer.credentials_cleared = draft.cleared.clone();
            answer.changes = differences(None, &shown(&draft.merged, groups));
            answer.changes.extend(secret_changes(created_secrets(draft)));
            &draft.merged
        }
        Step::Update(change) if change.changed.is_empty() => {
            return Planned { entry: answer, step: Step::Nothing };
        }
        Step::Update(change) => {
            answer.action = ImportAction::Update;
            answer.credentials_cleared = change.cleared.clone();
            let before = current.map(|current| shown(current, groups));
            answer.changes = differences(before.as_ref(), &shown(&change.merged, groups));
            answer
                .changes
                .extend(current.into_iter().flat_map(|now| secret_changes(changed_secrets(change, now))));
            &change.merged
        }
        Step::Nothing => return Planned { entry: answer, step },
    };
    answer
        .notes
        .extend(config_problems(merged, &Access::default()).into_iter().map(|problem| problem.detail));
    Planned { entry: answer, step }
}

/// The merge of PATCH. A secret that is already stored is left alone unless leaving it would wipe it.
fn merge(
    current: &ServerRecord,
    write: &ServerWrite,
    same: &[&'static str],
    policy: &UrlPolicy,
) -> Result<ServerChange, Vec<Validation>> {
    if !same.is_empty()
        && let Ok(change) = merge_update(current, &without(write, same), policy)
        && !change.cleared.fields.iter().any(|field| same.contains(&field.as_str()))
    {
        return Ok(change);
    }
    merge_update(current, write, policy)
}

fn group_ids(entry: &Entry, groups: &GroupNames) -> Result<Option<Vec<Uuid>>, Validation> {
    let Some(names) = &entry.groups else { return Ok(None) };
    let mut ids = Vec::with_capacity(names.len());
    let mut unknown = Vec::new();
    for name in names {
        match groups.id(name) {
            Some(id) if ids.contains(&id) => {}
            Some(id) => ids.push(id),
            None => unknown.push(format!("`{}`", quote(name, 40))),
        }
    }
    if unknown.is_empty() {
        return Ok(Some(ids));
    }
    unknown.truncate(IMPORT_NOTED_NAMES);
    let detail = format!("There is no group {}. Make it first, or remove it.", unknown.join(", "));
    Err(Validation::new("allowed_groups", detail))
}

fn members(write: &ServerWrite) -> Map<String, Value> {
    match serde_json::to_value(write) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn over(defaults: &ServerWrite, write: &ServerWrite) -> ServerWrite {
    let mut both = members(defaults);
    both.extend(members(write));
    serde_json::from_value(Value::Object(both)).unwrap_or_default()
}

fn without(write: &ServerWrite, fields: &[&str]) -> ServerWrite {
    let mut kept = members(write);
    kept.retain(|field, _| !fields.contains(&field.as_str()));
    serde_json::from_value(Value::Object(kept)).unwrap_or_default()
}

fn shown(record: &ServerRecord, groups: &GroupNames) -> Map<String, Value> {
    fields(&to_wire(record, Viewer { unredacted: true }, &Access::default()), groups)
}

/// Fields that differ; of a new server those that say something.
fn differences(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let Some(before) = before else {
        let told = after.iter().filter(|(field, value)| *field == "enabled" || !is_blank(value));
        return told.map(|(field, value)| change(field, None, Some(value))).collect();
    };
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    after
        .keys()
        .chain(gone)
        .filter(|field| before.get(*field) != after.get(*field))
        .map(|field| change(field, before.get(field), after.get(field)))
        .collect()
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn change(field: &str, old: Option<&Value>, new: Option<&Value>) -> FieldChange {
    let (old, new) = (old.cloned().unwrap_or_default(), new.cloned().unwrap_or_default());
    FieldChange { field: field.to_owned(), old, new, secret: None }
}

type SecretWord = (&'static str, Option<&'static str>);

fn created_secrets(draft: &ServerDraft) -> Vec<SecretWord> {
    vec![
        ("api_key_value", draft.api_key.audit_word(false)),
        ("custom_headers", draft.custom_headers.audit_word(false)),
        ("oauth2_client_secret", draft.oauth2_secret.audit_word(false)),
    ]
}

fn changed_secrets(change: &ServerChange, now: &ServerRecord) -> Vec<SecretWord> {
    vec![
        ("api_key_value", change.api_key.audit_word(now.has_api_key)),
        ("custom_headers", change.custom_headers.audit_word(now.has_custom_headers)),
        ("oauth2_client_secret", change.oauth2_secret.audit_word(now.has_oauth2_secret)),
    ]
}

fn secret_changes(words: Vec<SecretWord>) -> Vec<FieldChange> {
    let told = words.into_iter().filter_map(|(field, word)| {
        let secret = Some(word?.to_owned());
        Some(FieldChange { field: field.to_owned(), old: Value::Null, new: Value::Null, secret })
    });
    told.collect()
}

/// Names a plan: the document, what it would do, and the versions of the servers it would do it to.
pub fn plan_hash(document: &str, entries: &[ImportEntry], versions: &[Option<String>]) -> String {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(document));
    // Values of serde are always JSON; an error would only make every plan of this kind stale.
    hash.update(serde_json::to_vec(&(entries, versions)).unwrap_or_default());
    hex(&hash.finalize())
}
