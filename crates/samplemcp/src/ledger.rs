//! Files that remember effects: one JSON line each, on disk before the caller is answered. Tests count these lines to
//! prove that a call had its effect exactly once.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// An append-only file of JSON lines. Clones share the file.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    lines: u64,
}

impl Ledger {
    /// Opens or creates the file and counts what is in it, so that numbers go on after a restart.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let known = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        if known.last().is_some_and(|byte| *byte != b'\n') {
            // A line that a crash cut short must not swallow the next one.
            file.write_all(b"\n")?;
        }
        let lines = known.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
        Ok(Self { inner: Arc::new(Mutex::new(Inner { file, lines })) })
    }

    /// Writes the line made for its number (counted from 1) and returns that number once the line is on disk.
    pub(crate) async fn append<T: Serialize>(
        &self,
        line: impl FnOnce(u64) -> T + Send + 'static,
    ) -> io::Result<u64> {
        let inner = Arc::clone(&self.inner);
        // fsync blocks; a runtime worker must not.
        tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            let number = inner.lines + 1;
            let mut text = serde_json::to_vec(&line(number))?;
            text.push(b'\n');
            inner.file.write_all(&text)?;
            inner.file.sync_data()?;
            inner.lines = number;
            Ok(number)
        })
        .await
        .map_err(io::Error::other)?
    }
}
