//! What this machine is and can install: only Debian (and what is built on it) as root is changed, anything else is
//! told what it lacks.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Whether the operating system is Debian or says it is like it.
pub(crate) fn is_debian() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| os_release_is_debian(&text))
}

fn os_release_is_debian(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .any(|word| word == "debian")
}

/// Whether we run as the super-user (PostgreSQL refuses to, apt demands to).
///
/// # Errors
/// When `id` cannot be run.
pub(crate) fn is_root() -> Result<bool> {
    Ok(process::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Installs Debian packages, or fails with the words to type.
///
/// `why` completes the sentence "… needs".
///
/// # Errors
/// When this is no Debian, when we are not root, or when apt fails.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    if !is_debian() {
        bail!(
            "{why} is missing. Install it with your system's package manager (on Debian: apt-get install {list}) and run this again"
        );
    }
    if !is_root()? {
        bail!("{why} is missing. Install it with `sudo apt-get install {list}` and run this again");
    }
    let shown = format!("installing {list} with apt-get ({why})");
    process::timed(&shown, || {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-q", "-o", "DPkg::Lock::Timeout=120"])
                .args(arguments);
            process::run(&mut command)
        };
        apt(&["update"])
            .context("the package lists could not be fetched; is Debian's package server in reach?")?;
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(packages);
        apt(&arguments)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_debian_and_its_children() {
        assert!(os_release_is_debian("NAME=x\nID=debian\n"));
        assert!(os_release_is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(os_release_is_debian("ID=mint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!os_release_is_debian("ID=fedora\nID_LIKE=\"rhel\"\nNAME=\"not debian\"\n"));
    }
}
