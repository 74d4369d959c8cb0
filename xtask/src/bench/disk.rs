//! What one durable write costs on this disk: the floor under every turn, which commits several times.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// A page of the database.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// Appends 4 KiB and waits until the disk has them, `count` times; the time of each.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn commit_times(folder: &Path, count: usize) -> Result<Vec<Duration>> {
    let path = folder.join("commits");
    let context = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(context)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(&BLOCK).with_context(context)?;
        file.sync_data().with_context(context)?;
        times.push(start.elapsed());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_in_the_file() {
        let folder = std::env::temp_dir().join(format!("patchbay-xtask-{}-commits", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(commit_times(&folder, 3).unwrap().len(), 3);
        assert_eq!(commit_times(&folder, 2).unwrap().len(), 2);
        assert_eq!(std::fs::metadata(folder.join("commits")).unwrap().len(), 5 * 4096);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(commit_times(&folder, 1).unwrap_err().to_string().contains("commits"));
    }
}
