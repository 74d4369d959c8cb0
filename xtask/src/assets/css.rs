//! Tailwind: `style/main.css` and the class names in `app/src/` to one minified style sheet.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Mode, npm};
use crate::process;
use crate::stamp::{self, Key};
use crate::workspace::Workspace;

/// Builds the style sheet and returns where it lies.
pub(super) fn build(workspace: &Workspace, mode: Mode) -> Result<PathBuf> {
    let input = workspace.path("style/main.css");
    ensure!(input.exists(), "style/main.css is missing");
    let folder = workspace.target("front/css").join(mode.folder());
    let output = folder.join("patchbay.css");
    let key = Key::new("tailwind 1")
        .file(&workspace.path("package-lock.json"))?
        .tree(&workspace.path("style"))?
        .tree(&workspace.path("app/src"))?;
    stamp::cached(&folder.join("stamp"), key, std::slice::from_ref(&output), || {
        process::timed("style sheet (Tailwind)", || {
            // With the views' folder as working directory Tailwind's own search for class names looks at them alone;
            // from the root it would read the documentation and the tests as well.
            let mut command = npm::tool(workspace, "tailwindcss")?;
            command.arg("--cwd").arg(workspace.path("app/src"));
            process::output(command.arg("--input").arg(&input).arg("--output").arg(&output).arg("--minify"))
                .map(drop)
        })
    })?;
    Ok(output)
}
