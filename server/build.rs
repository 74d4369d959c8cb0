//! Embeds the browser half: hands the table that `cargo xtask build` wrote to `src/assets.rs`.
//!
//! Without a built site (`cargo check`, clippy, a first `cargo test`) the table is empty and everything still compiles.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Another folder with a finished site, for packagers.
const SITE_VARIABLE: &str = "PATCHBAY_SITE_DIR";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={SITE_VARIABLE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let site = site_folder(&out)?;
    let table = site.join("table.rs");
    let source = if table.exists() {
        println!("cargo:rerun-if-changed={}", table.display());
        fs::read_to_string(&table)?
    } else {
        // A path that does not exist would make cargo run this script, and compile the server, every single time; a
        // folder that exists is watched properly.
        fs::create_dir_all(&site)?;
        println!("cargo:rerun-if-changed={}", site.display());
        "&[]\n".to_owned()
    };
    println!("cargo:rustc-env=PATCHBAY_EMBED_DIR={}", site.display());
    fs::write(out.join("assets_table.rs"), source)?;
    Ok(())
}

/// `target/site/debug` or `target/site/release`, beside the artefacts that cargo is building right now.
fn site_folder(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(chosen) = env::var_os(SITE_VARIABLE) {
        return Ok(fs::canonicalize(chosen)?);
    }
    // cargo marks its target folder with this file; OUT_DIR lies four or five levels below it.
    let target = out
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .ok_or("OUT_DIR lies in no target folder")?;
    let profile = env::var("PROFILE")?;
    Ok(target.join("site").join(profile))
}
