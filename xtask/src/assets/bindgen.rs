//! wasm-bindgen and wasm-opt: from cargo's wasm to the pair (JavaScript glue, wasm) that the page loads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Mode, npm};
use crate::process;
use crate::stamp::{self, Key};
use crate::workspace::Workspace;

/// What rustc emits by default for wasm32. Named one by one and not `--all-features`, which would let wasm-opt use
/// instructions that browsers of our support range do not know.
const WASM_FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The two files of the browser half.
pub(crate) struct Bound {
    pub(crate) script: PathBuf,
    pub(crate) wasm: PathBuf,
}

/// Makes the glue, and in release mode shrinks the wasm.
pub(super) fn bind(workspace: &Workspace, mode: Mode, wasm: &Path) -> Result<Bound> {
    let folder = workspace.target("front/bindgen").join(mode.folder());
    let script = folder.join("patchbay.js");
    let bound = folder.join("patchbay_bg.wasm");
    let version = wasm_bindgen_version(workspace)?;
    let key = Key::new("bindgen 1").text(mode.folder()).text(&version).file(wasm)?;
    stamp::cached(&folder.join("stamp"), key, &[script.clone(), bound.clone()], || {
        process::timed("wasm-bindgen", || generate(mode, wasm, &folder))
    })?;
    if mode == Mode::Debug {
        return Ok(Bound { script, wasm: bound });
    }
    let optimised = folder.join("patchbay_opt.wasm");
    let key = Key::new("wasm-opt 1")
        .text(&WASM_FEATURES.join(" "))
        .file(&workspace.path("package-lock.json"))?
        .file(&bound)?;
    stamp::cached(&folder.join("stamp-opt"), key, std::slice::from_ref(&optimised), || {
        process::timed("wasm-opt -Oz", || {
            let mut command = npm::tool(workspace, "wasm-opt")?;
            command.args(["-Oz", "--strip-debug", "--strip-producers"]).args(WASM_FEATURES);
            process::run(command.arg("-o").arg(&optimised).arg(&bound))
        })
    })?;
    Ok(Bound { script, wasm: optimised })
}

fn generate(mode: Mode, wasm: &Path, folder: &Path) -> Result<()> {
    let release = mode == Mode::Release;
    let mut output = wasm_bindgen_cli_support::Bindgen::new()
        .input_path(wasm)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .out_name("patchbay")
                .typescript(false)
                .keep_debug(false)
                .remove_name_section(release)
                .remove_producers_section(release)
                // The page passes the hashed address of the wasm; a default path would point at a file that is not served.
                .omit_default_module_path(true)
                .generate_output()
        })
        .context("wasm-bindgen refused the wasm; its version in Cargo.toml must be the one of the library")?;
    let snippets: Vec<&String> =
        output.snippets().iter().filter(|(_, inline)| !inline.is_empty()).map(|(name, _)| name).collect();
    let modules: Vec<&String> = output.local_modules().keys().collect();
    if !snippets.is_empty() || !modules.is_empty() {
        // They would need addresses of their own, which the content hash of one script does not cover.
        bail!("JavaScript snippets of dependencies are not served yet: {snippets:?} {modules:?}");
    }
    fs::create_dir_all(folder)?;
    output.emit(folder)
}

/// The version in `Cargo.lock`, so that an update of the pair runs the step again.
fn wasm_bindgen_version(workspace: &Workspace) -> Result<String> {
    let lock = fs::read_to_string(workspace.path("Cargo.lock")).context("cannot read Cargo.lock")?;
    lock_version(&lock, "wasm-bindgen-cli-support")
        .map(str::to_owned)
        .context("Cargo.lock names no wasm-bindgen-cli-support")
}

fn lock_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_version_in_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.3.4\"\n";
        assert_eq!(lock_version(lock, "b"), Some("2.3.4"));
        assert_eq!(lock_version(lock, "c"), None);
    }
}
