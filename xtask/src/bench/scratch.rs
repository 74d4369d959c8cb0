//! The folder a benchmark works in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// A folder that is gone afterwards, also on failure.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Below the target folder and not in /tmp, which is memory on many machines and would make commits free.
    pub(crate) fn new(workspace: &Workspace, bench: &str) -> Result<Self> {
        let folder = workspace.target("bench").join(format!("{bench}-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
