//! Files that appear under their name only when they are whole.

use anyhow::{Context as _, bail};
use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// An empty file of mode 0600 beside the one it shall become; removed unless it is kept.
pub(super) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// # Errors
    /// The folder is not there or not writable, or another command is writing the same file.
    pub(super) fn beside(target: &Path) -> anyhow::Result<Self> {
        let Some(name) = target.file_name() else { bail!("{} is no file name", target.display()) };
        let mut unfinished = name.to_owned();
        unfinished.push(".unfinished");
        let path = target.with_file_name(unfinished);
        File::options().create_new(true).write(true).mode(0o600).open(&path).with_context(|| {
            format!("cannot make {}; remove it if an earlier command was ended in the middle", path.display())
        })?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, if nobody else has taken it meanwhile.
    ///
    /// # Errors
    /// The name is taken, or the disk does not take it.
    pub(super) fn keep(self, target: &Path) -> anyhow::Result<()> {
        sync(&self.path)?;
        // A link does not replace what is there, which a rename would.
        std::fs::hard_link(&self.path, target)
            .with_context(|| format!("cannot write {}", target.display()))?;
        sync_folder(target)
    }

    /// Takes the place of `target`, whatever is there.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) fn replace(self, target: &Path) -> anyhow::Result<()> {
        sync(&self.path)?;
        std::fs::rename(&self.path, target).with_context(|| format!("cannot write {}", target.display()))?;
        sync_folder(target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// The path with more at its end, as SQLite names the files beside a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn sync(path: &Path) -> anyhow::Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("{} cannot be brought to disk", path.display()))
}

/// A name is durable when its folder is.
pub(super) fn sync_folder(of: &Path) -> anyhow::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
            Err(error).with_context(|| format!("{} cannot be brought to disk", folder.display()))
        }
        _ => Ok(()),
    }
}
