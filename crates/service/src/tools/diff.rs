//! What changed between two definitions, as it is answered.

use api::tools::{DefinitionChange, DefinitionDiff};
use serde_json::Value;

/// From the stored text of the accepted definition to the one that is listed now.
pub(super) fn between(before: &str, after: &Value) -> DefinitionDiff {
    let before = serde_json::from_str(before).unwrap_or_default();
    let found = domain::definition_diff::diff(&before, after);
    let changes = found.changes.into_iter().map(|change| DefinitionChange {
        path: change.path,
        place: change.place,
        before: change.before,
        after: change.after,
        severity: change.severity,
        why: change.why.to_owned(),
    });
    DefinitionDiff { changes: changes.collect(), more: i64::try_from(found.more).unwrap_or(i64::MAX) }
}
