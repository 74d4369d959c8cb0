//! The effect ledger (threats 7, EL): one line per executed effect, on disk before the caller is answered. Its oracle: every
//! logical effect happened at most once.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A file of JSON lines that a fake appends to.
#[derive(Debug)]
pub struct EffectLedger {
    path: PathBuf,
    file: Mutex<File>,
}

impl EffectLedger {
    /// Opens or makes the file.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Self {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap_or_else(|error| panic!("cannot open the ledger {}: {error}", path.display()));
        Self { path: path.to_owned(), file: Mutex::new(file) }
    }

    /// Writes one effect and waits until it is on disk.
    ///
    /// # Panics
    /// When the disk refuses: an effect that is not in the ledger would make its oracle lie.
    pub fn append(&self, effect: &Value) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{effect}\n").as_bytes())
            .and_then(|()| file.sync_data())
            .expect("the ledger is writable");
    }

    /// All effects so far.
    pub fn effects(&self) -> Vec<Value> {
        read_effects(&self.path)
    }
}

/// The effects in a file of JSON lines; none when there is no file. A line that a kill cut short is left out.
///
/// # Panics
/// When the file exists and cannot be read.
pub fn read_effects(path: &Path) -> Vec<Value> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("cannot read the ledger {}: {error}", path.display()),
    }
}

/// The logical ids, by the member `id_field`, that happened more than once, with their counts.
pub fn repeated(effects: &[Value], id_field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for effect in effects {
        *counts.entry(effect[id_field].to_string()).or_insert(0) += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oracle_finds_what_happened_twice_and_nothing_else() {
        let effects = [json!({"id": "a"}), json!({"id": "b"}), json!({"id": "a"})];
        assert_eq!(repeated(&effects, "id"), BTreeMap::from([("\"a\"".to_owned(), 2)]));
        assert!(repeated(&effects[..2], "id").is_empty());
    }

    #[test]
    fn effects_are_read_back_and_a_cut_line_is_left_out() {
        let folder = crate::temp::TempDir::new();
        let path = folder.path().join("effects.jsonl");
        assert!(read_effects(&path).is_empty());
        let ledger = EffectLedger::open(&path);
        ledger.append(&json!({"id": 1}));
        ledger.file.lock().unwrap().write_all(b"{\"id\": 2").unwrap();
        assert_eq!(ledger.effects(), vec![json!({"id": 1})]);
    }
}
