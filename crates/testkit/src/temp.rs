//! Folders that vanish with the test.

use std::path::{Path, PathBuf};

/// Sixteen hex characters that no other test has, in this process or another.
///
/// # Panics
/// Without randomness from the operating system.
pub fn unique() -> String {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the operating system always has randomness after boot");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An empty folder of its own; dropped with all that is in it.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes the folder.
    ///
    /// # Panics
    /// When the system's folder for temporary files cannot be written.
    #[expect(clippy::new_without_default, reason = "making a folder is no default value")]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("patchbay-test-{}", unique()));
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What cannot be removed is left to the system; the test's own verdict matters more.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
