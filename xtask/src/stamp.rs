//! Skipping work whose inputs did not change.
//!
//! A step writes the hash of all its inputs beside its output. Hashes and not times, because a fresh clone or a changed
//! branch gives every file a new time, and because an output must keep its old time when nothing changed: cargo would
//! otherwise rebuild the server that embeds it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Collects everything a step depends on.
pub(crate) struct Key(Sha256);

impl Key {
    /// Starts a key. `recipe` names the step and its version: raise it when the step itself changes.
    pub(crate) fn new(recipe: &str) -> Self {
        Self(Sha256::new()).text(recipe)
    }

    /// Adds a value. Lengths go in too, so that ("ab", "c") and ("a", "bc") differ.
    pub(crate) fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    /// Adds the contents of a file.
    pub(crate) fn file(self, path: &Path) -> Result<Self> {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.bytes(&contents))
    }

    /// Adds every file below a folder, with its relative name, in a fixed order. A missing folder counts as empty.
    pub(crate) fn tree(mut self, folder: &Path) -> Result<Self> {
        for path in files_below(folder)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            self = self.text(&name).file(&path)?;
        }
        Ok(self)
    }

    fn bytes(mut self, value: &[u8]) -> Self {
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Runs `work` unless the stamp file already holds this key and every output still exists.
///
/// Returns whether the work was done. The stamp is written last, so an interrupted step runs again.
pub(crate) fn cached(
    stamp: &Path,
    key: Key,
    outputs: &[PathBuf],
    work: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let key = key.finish();
    let known = fs::read_to_string(stamp).is_ok_and(|old| old.trim() == key);
    if known && outputs.iter().all(|output| output.exists()) {
        return Ok(false);
    }
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let _ = fs::remove_file(stamp);
    work()?;
    fs::write(stamp, key).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(true)
}

/// Writes a file only if its contents differ, so that its time stands still otherwise.
pub(crate) fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(contents: &[u8]) -> String {
    hex(&Sha256::digest(contents))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All regular files below a folder, sorted by path.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(current) = pending.pop() {
        let entries = match fs::read_dir(&current) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot list {}", current.display())),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() { pending.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("patchbay-xtask-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn work_runs_once_per_key_and_again_without_its_output() {
        let folder = scratch("stamp");
        let (stamp, output) = (folder.join("stamp"), folder.join("out"));
        let step = |key: &str| {
            cached(&stamp, Key::new("t").text(key), std::slice::from_ref(&output), || {
                Ok(fs::write(&output, "x")?)
            })
        };
        assert!(step("a").unwrap());
        assert!(!step("a").unwrap(), "same inputs must not run again");
        assert!(step("b").unwrap(), "changed inputs must run");
        fs::remove_file(&output).unwrap();
        assert!(step("b").unwrap(), "a lost output must be made again");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn failed_work_leaves_no_stamp() {
        let folder = scratch("failed");
        let stamp = folder.join("stamp");
        assert!(cached(&stamp, Key::new("t"), &[], || anyhow::bail!("no")).is_err());
        assert!(cached(&stamp, Key::new("t"), &[], || Ok(())).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn key_separates_its_parts_and_sees_file_names() {
        assert_ne!(Key::new("t").text("ab").text("c").finish(), Key::new("t").text("a").text("bc").finish());
        let folder = scratch("tree");
        fs::write(folder.join("one"), "x").unwrap();
        let before = Key::new("t").tree(&folder).unwrap().finish();
        fs::rename(folder.join("one"), folder.join("two")).unwrap();
        assert_ne!(before, Key::new("t").tree(&folder).unwrap().finish());
        fs::remove_dir_all(folder).unwrap();
    }
}
