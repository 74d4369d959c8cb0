//! docs/coverage.md says which test shows which paragraph of the contract. This checks that the tests it names exist.
//!
//! A name in backticks inside a table row is one of
//! - `crate::path::test_name`: a test function, `crate` being a room of the house;
//! - `end2end/file.test.mjs: title`: a test of the browser suite;
//! - `cargo xtask command …`: a command of this program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{cli, process, stamp};

const TABLE: &str = "docs/coverage.md";

/// Checks the table.
///
/// # Errors
/// When the table is missing or names something that does not exist.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let text = fs::read_to_string(workspace.path(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let names = names(&text);
    let problems: Vec<String> = names.iter().filter_map(|name| problem(workspace.root(), name)).collect();
    if names.is_empty() {
        bail!("{TABLE} names no test");
    }
    if !problems.is_empty() {
        bail!("{TABLE} names what does not exist:\n  {}", problems.join("\n  "));
    }
    process::announce(&format!("{TABLE}: all {} named tests exist", names.len()));
    Ok(())
}

/// The references of all table rows: what stands in backticks and looks like one of the three kinds.
fn names(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.trim_start().starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|quoted| {
            quoted.starts_with("end2end/")
                || quoted.starts_with("cargo xtask ")
                || (quoted.contains("::") && !quoted.contains(char::is_whitespace))
        })
        .map(str::to_owned)
        .collect()
}

/// Why a reference is wrong, or nothing.
fn problem(root: &Path, name: &str) -> Option<String> {
    let result = if let Some(rest) = name.strip_prefix("cargo xtask ") {
        xtask_command(rest)
    } else if name.starts_with("end2end/") {
        browser_test(root, name)
    } else {
        rust_test(root, name)
    };
    result.err().map(|reason| format!("`{name}`: {reason}"))
}

fn xtask_command(rest: &str) -> Result<(), String> {
    let command = rest.split_whitespace().next().unwrap_or_default();
    if cli::subcommand_names().iter().any(|known| known == command) {
        return Ok(());
    }
    Err(format!("no command `{command}` in xtask"))
}

fn browser_test(root: &Path, name: &str) -> Result<(), String> {
    let (file, title) = name.split_once(": ").ok_or("wanted `end2end/file.test.mjs: title`")?;
    let source = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    let found = ['"', '\'', '`'].iter().any(|quote| source.contains(&format!("{quote}{title}{quote}")));
    if found { Ok(()) } else { Err(format!("no test of that title in {file}")) }
}

fn rust_test(root: &Path, name: &str) -> Result<(), String> {
    let segments: Vec<&str> = name.split("::").collect();
    let [room, modules @ .., function] = segments.as_slice() else {
        return Err("wanted `crate::path::test_name`".to_owned());
    };
    let folder = room_folder(root, room).ok_or_else(|| format!("no crate `{room}`"))?;
    let sources: Vec<PathBuf> = ["src", "tests"]
        .iter()
        .flat_map(|part| stamp::files_below(&folder.join(part)).unwrap_or_default())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    for path in &sources {
        let Ok(text) = fs::read_to_string(path) else { continue };
        let relative = path.strip_prefix(&folder).unwrap_or(path);
        if has_test(&text, function)
            && modules.iter().all(|module| in_path(relative, module) || has_module(&text, module))
        {
            return Ok(());
        }
    }
    Err(format!(
        "no test function `{function}` on that path below {}",
        folder.strip_prefix(root).unwrap_or(&folder).display()
    ))
}

/// A test is a function with an attribute that makes it one shortly above it, or inside a macro that makes tests.
fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = format!("fn {function}(");
    lines.iter().enumerate().filter(|(_, line)| line.contains(&declared)).any(|(at, line)| {
        // `both_engines! { async fn name(db: TestDb) { … } }` makes one test per engine.
        if line.contains("(db: TestDb)") && lines[..at].contains(&"both_engines! {") {
            return true;
        }
        let above = &lines[at.saturating_sub(8)..at];
        above
            .iter()
            .rev()
            .take_while(|line| !line.starts_with('}'))
            .any(|line| line.starts_with("#[") && (line.contains("test") || line.contains("rstest")))
    })
}

fn has_module(text: &str, module: &str) -> bool {
    text.contains(&format!("mod {module} "))
}

fn in_path(path: &Path, module: &str) -> bool {
    path.with_extension("").components().any(|component| component.as_os_str() == module)
}

fn room_folder(root: &Path, room: &str) -> Option<PathBuf> {
    let room = room.strip_prefix("patchbay_").unwrap_or(room);
    [root.join(room), root.join("crates").join(room)]
        .into_iter()
        .find(|folder| folder.join("Cargo.toml").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Workspace::load().unwrap().root().to_owned()
    }

    #[test]
    fn coverage_table_names_only_what_exists() {
        let workspace = Workspace::load().unwrap();
        // The table belongs to the product; a checkout without it fails, it does not pass silently.
        check(&workspace).unwrap();
    }

    #[test]
    fn reads_references_from_table_rows_only() {
        let text = "See `a::b`.\n| s | `a::b::c` and `end2end/x.test.mjs: a title` |\n| t | `cargo xtask test`, `word` |\n";
        assert_eq!(names(text), ["a::b::c", "end2end/x.test.mjs: a title", "cargo xtask test"]);
    }

    #[test]
    fn finds_this_very_test_and_not_its_neighbour() {
        assert_eq!(problem(&root(), "xtask::coverage::finds_this_very_test_and_not_its_neighbour"), None);
        assert!(problem(&root(), "xtask::coverage::finds_no_such_test").is_some());
        assert!(problem(&root(), "xtask::elsewhere::finds_this_very_test_and_not_its_neighbour").is_some());
        assert!(problem(&root(), "nocrate::x").is_some());
        // A function that is no test does not count.
        assert!(problem(&root(), "xtask::coverage::has_module").is_some());
    }

    #[test]
    fn finds_commands_and_browser_tests() {
        assert_eq!(problem(&root(), "cargo xtask test --fast"), None);
        assert!(problem(&root(), "cargo xtask fly").is_some());
        assert!(problem(&root(), "end2end/none.test.mjs: nothing").is_some());
    }
}
