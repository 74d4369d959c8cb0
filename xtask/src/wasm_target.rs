//! Compiling the frontend for wasm32, with rustup's target or, where rustup's server is out of reach, Debian's compiler.
//!
//! docs/wasm-target.md tells the same for people.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::assets::Mode;
use crate::workspace::Workspace;
use crate::{host, process};

const TARGET: &str = "wasm32-unknown-unknown";
const FRONTEND: &str = "patchbay-frontend";
/// A second, complete rustc beside rustup's, and the standard library's source to build for wasm32.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What compiles wasm on this machine.
enum Toolchain {
    /// The toolchain in use has the target's standard library.
    Own,
    /// Debian's rustc builds the standard library itself, with the linker of the toolchain in use.
    Debian { linker: PathBuf },
}

/// Compiles the frontend and returns the wasm file.
///
/// # Errors
/// When no toolchain can be had or the code does not compile.
pub(crate) fn build(workspace: &Workspace, mode: Mode) -> Result<PathBuf> {
    let toolchain = toolchain(workspace)?;
    let front = workspace.target("front");
    let shown = format!("frontend for {TARGET} ({})", mode.wasm_profile());
    process::timed(&shown, || {
        let mut command = process::cargo(workspace.root());
        command.args(["build", "--locked", "--package", FRONTEND, "--lib", "--target", TARGET]);
        command.args(["--profile", mode.wasm_profile(), "--target-dir"]).arg(&front);
        toolchain.apply(&mut command);
        process::run(&mut command).context("the frontend did not compile for the browser")
    })?;
    Ok(front.join(TARGET).join(mode.wasm_profile()).join("patchbay_frontend.wasm"))
}

/// Clippy, warnings denied, on the code as the browser gets it.
///
/// # Errors
/// When clippy finds something.
pub(crate) fn clippy(workspace: &Workspace) -> Result<()> {
    let mut command = process::cargo(workspace.root());
    command.args(["clippy", "--locked", "--package", FRONTEND, "--profile", "wasm-dev", "--target-dir"]);
    command.arg(workspace.target("front"));
    match toolchain(workspace)? {
        Toolchain::Own => {
            command.args(["--target", TARGET]);
        }
        // Clippy belongs to the toolchain in use, which has no standard library for wasm32 then. The same code with the
        // same features compiles for the host as well, and the lints are the same.
        Toolchain::Debian { .. } => process::announce(
            "no wasm32 standard library for clippy: checking the hydrate half on the host target",
        ),
    }
    command.args(["--", "--deny", "warnings"]);
    process::timed("clippy, browser half", || process::run(&mut command))
}

impl Toolchain {
    fn apply(&self, command: &mut Command) {
        if let Self::Debian { linker } = self {
            command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
    }
}

/// Finds or gets a toolchain: the target that is there, then rustup, then Debian.
fn toolchain(workspace: &Workspace) -> Result<Toolchain> {
    let sysroot = sysroot(workspace)?;
    if std::env::var_os("PATCHBAY_WASM_TOOLCHAIN").is_some_and(|choice| choice == "debian") {
        return debian(&sysroot);
    }
    if has_target(&sysroot) {
        return Ok(Toolchain::Own);
    }
    let from_rustup = process::timed(&format!("rustup target add {TARGET}"), || {
        let mut command = Command::new("rustup");
        process::run(command.current_dir(workspace.root()).args(["target", "add", TARGET]))
    });
    match from_rustup {
        Ok(()) if has_target(&sysroot) => Ok(Toolchain::Own),
        Ok(()) => bail!(
            "rustup added {TARGET}, but not to the toolchain cargo uses ({}). docs/wasm-target.md says what to do",
            sysroot.display()
        ),
        Err(error) => {
            process::announce(&format!("{error}; trying Debian's compiler instead (docs/wasm-target.md)"));
            debian(&sysroot)
        }
    }
}

fn debian(sysroot: &Path) -> Result<Toolchain> {
    if !Path::new(DEBIAN_RUSTC).exists() || standard_library_source().is_none() {
        host::install(&DEBIAN_PACKAGES, &format!("a compiler for {TARGET} (docs/wasm-target.md)"))?;
    }
    let linker = rust_lld(sysroot).with_context(|| format!("no rust-lld below {}", sysroot.display()))?;
    if standard_library_source().is_none() {
        bail!("Debian's rust-web-src lies elsewhere than {DEBIAN_RUSTC} looks; see docs/wasm-target.md");
    }
    Ok(Toolchain::Debian { linker })
}

/// Where Debian's rustc expects the source of the standard library, if it is there.
fn standard_library_source() -> Option<PathBuf> {
    let sysroot = process::output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"])).ok()?;
    let lock = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.toml");
    lock.exists().then_some(lock)
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.current_dir(workspace.root()).args(["--print", "sysroot"]);
    Ok(process::output(&mut command)?.trim().into())
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").exists()
}

/// The LLVM linker that every rustup toolchain carries for its own host.
fn rust_lld(sysroot: &Path) -> Option<PathBuf> {
    std::fs::read_dir(sysroot.join("lib/rustlib"))
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin/rust-lld"))
        .find(|candidate| candidate.exists())
}
