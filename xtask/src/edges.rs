//! Who may import whom: DESIGN.md's law, kept in ARCHITECTURE.md of this repository, as a check.
//!
//! It reads the declared dependencies, not the resolved graph: what an external crate pulls in is its own affair.

mod rules;

use anyhow::{Result, bail};
use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

use crate::process;
use crate::workspace::Workspace;

/// Where people read the rules.
const RULE_TEXT: &str = "ARCHITECTURE.md (\"Who may import whom\"), as code in xtask/src/edges/rules.rs";

/// Checks every declared dependency of the workspace.
///
/// # Errors
/// Naming every forbidden edge and where the rule stands.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let found = violations(workspace.metadata());
    if found.is_empty() {
        process::announce("dependency edges: as the plan of the house allows");
        return Ok(());
    }
    bail!("forbidden dependency edges; the rule stands in {RULE_TEXT}:\n  {}", found.join("\n  "));
}

/// All breaches, one sentence each.
fn violations(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let mut found = Vec::new();
    for package in packages {
        let importer = rules::short_name(package.name.as_str());
        if !rules::is_known(importer) {
            found.push(format!("`{importer}` is no room of the house: give it a place in the plan first"));
        }
        found.extend(
            package.dependencies.iter().filter_map(|dependency| judge(importer, package, dependency)),
        );
    }
    found
}

fn judge(importer: &str, package: &Package, dependency: &Dependency) -> Option<String> {
    let manifest = package.manifest_path.as_str();
    let dev = dependency.kind == DependencyKind::Development;
    if dependency.path.is_none() {
        let owners = rules::owners_of(&dependency.name)?;
        return (!owners.contains(&importer)).then(|| {
            format!(
                "{importer} -> {} ({manifest}): only {} may import it",
                dependency.name,
                owners.join(", ")
            )
        });
    }
    let imported = rules::short_name(&dependency.name);
    if let Some((owner, feature)) = rules::feature_owner(imported, &dependency.features, importer) {
        return Some(format!("{importer} -> {imported}[{feature}] ({manifest}): this feature is {owner}'s"));
    }
    if imported == "testkit" {
        return (!dev)
            .then(|| format!("{importer} -> testkit ({manifest}): testkit is for [dev-dependencies] only"));
    }
    (!rules::may_import(importer, imported)).then(|| {
        format!("{importer} -> {imported} ({manifest}): allowed are {}", rules::allowed_text(importer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_keeps_to_the_plan() {
        let workspace = Workspace::load().unwrap();
        let found = violations(workspace.metadata());
        assert!(found.is_empty(), "forbidden edges ({RULE_TEXT}):\n{}", found.join("\n"));
    }

    /// Adds an edge to the real metadata and wants it to be found.
    fn found_after_adding(package: &str, dependency: serde_json::Value) -> Vec<String> {
        let workspace = Workspace::load().unwrap();
        let mut metadata = serde_json::to_value(workspace.metadata()).unwrap();
        let packages = metadata["packages"].as_array_mut().unwrap();
        let package = packages.iter_mut().find(|p| p["name"] == package).unwrap();
        package["dependencies"].as_array_mut().unwrap().push(dependency);
        violations(&serde_json::from_value(metadata).unwrap())
    }

    fn dependency(name: &str, kind: Option<&str>, ours: bool, features: &[&str]) -> serde_json::Value {
        serde_json::json!({
            "name": name, "source": null, "req": "*", "kind": kind, "rename": null, "optional": false,
            "uses_default_features": true, "features": features, "target": null, "registry": null,
            "path": ours.then_some("/somewhere"),
        })
    }

    #[test]
    fn forbidden_edges_are_found() {
        let cases = [
            ("patchbay-domain", dependency("patchbay-store", None, true, &[]), "domain -> store"),
            ("patchbay-api", dependency("patchbay-domain", None, true, &[]), "api -> domain"),
            ("patchbay-app", dependency("patchbay-service", None, true, &[]), "app -> service"),
            ("patchbay-egress", dependency("patchbay-api", None, true, &[]), "egress -> api"),
            ("patchbay-xtask", dependency("patchbay-api", None, true, &[]), "xtask -> api"),
            ("patchbay-service", dependency("patchbay-testkit", None, true, &[]), "service -> testkit"),
            ("patchbay-chatd", dependency("patchbay-egress", Some("dev"), true, &[]), "chatd -> egress"),
            ("patchbay-server", dependency("patchbay-app", None, true, &["hydrate"]), "app[hydrate]"),
            ("patchbay-service", dependency("sqlx", None, false, &[]), "service -> sqlx"),
            ("patchbay-llm", dependency("reqwest", Some("dev"), false, &[]), "llm -> reqwest"),
            ("patchbay-service", dependency("leptos_axum", None, false, &[]), "service -> leptos_axum"),
        ];
        for (package, edge, expected) in cases {
            let found = found_after_adding(package, edge);
            assert!(found.iter().any(|text| text.contains(expected)), "{expected} not in {found:?}");
        }
    }

    #[test]
    fn allowed_edges_are_not_reported() {
        let before = violations(Workspace::load().unwrap().metadata());
        for (package, edge) in [
            ("patchbay-service", dependency("patchbay-testkit", Some("dev"), true, &[])),
            ("patchbay-store", dependency("patchbay-api", None, true, &[])),
            ("patchbay-testkit", dependency("sqlx", None, false, &[])),
            ("patchbay-domain", dependency("serde", None, false, &[])),
        ] {
            assert_eq!(found_after_adding(package, edge), before);
        }
    }
}
