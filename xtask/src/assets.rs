//! The browser half: from Rust, CSS and static files to the table of files that the server embeds.
//!
//! ```text
//! npm packages -> wasm32 build -> wasm-bindgen -> wasm-opt (release) \
//!                 style/ + app/src/ -> Tailwind ----------------------> pack -> target/site/{debug,release}/
//!                 public/ -------------------------------------------- /
//! ```
//!
//! Each step is skipped when its inputs did not change ([`crate::stamp`]). Debug and release sites lie in folders of
//! their own, so that going from one to the other rebuilds neither.

mod bindgen;
mod css;
mod npm;
mod pack;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use npm::{ensure as ensure_npm, node};

use crate::wasm_target;
use crate::workspace::Workspace;

/// Debug or release: decides profiles, optimisation and compression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Debug,
    Release,
}

impl Mode {
    pub(crate) fn from_release(release: bool) -> Self {
        if release { Self::Release } else { Self::Debug }
    }

    /// Cargo's folder of this mode's host artefacts, and ours of the site.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// The profile of the root `Cargo.toml` for the wasm half.
    pub(crate) fn wasm_profile(self) -> &'static str {
        match self {
            Self::Debug => "wasm-dev",
            Self::Release => "wasm-release",
        }
    }
}

/// Where the finished site of a mode lies; `server/build.rs` looks there.
pub(crate) fn site_folder(workspace: &Workspace, mode: Mode) -> PathBuf {
    workspace.target("site").join(mode.folder())
}

/// Brings the site up to date.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a step fails; the text says which.
pub(crate) fn build(workspace: &Workspace, mode: Mode) -> Result<()> {
    ensure_npm(workspace)?;
    let wasm = wasm_target::build(workspace, mode)?;
    let bound = bindgen::bind(workspace, mode, &wasm)?;
    let css = css::build(workspace, mode)?;
    pack::pack(workspace, mode, &bound, &css)
}
