//! Where things lie: the root of the repository and the target folder cargo really uses.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The checkout this xtask belongs to.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and a `build.target-dir` in anyone's configuration are honoured.
    ///
    /// # Errors
    /// When `cargo metadata` fails, which means a broken `Cargo.toml`.
    pub(crate) fn load() -> Result<Self> {
        // cargo says at run time which checkout it runs; the one compiled in may be another's where two share a target folder.
        let manifest =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .context("xtask has no parent folder; it must lie inside the workspace")?;
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo metadata failed; `cargo metadata --no-deps` shows the reason")?;
        Ok(Self { root: root.to_owned(), target: metadata.target_directory.clone().into(), metadata })
    }

    /// Root of the repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path below cargo's target folder.
    pub(crate) fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// The packages of the workspace with their declared (not resolved) dependencies.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// A path for people: relative to the root where it lies inside.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
