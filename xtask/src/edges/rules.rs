//! The table of the plan: rooms, what each may import, and who owns which external crate.

/// Each room with what it may import, apart from `api`, which [`NO_API`] treats.
const ROOMS: [(&str, &[&str]); 16] = [
    ("api", &[]),
    ("dbcrypt", &[]),
    ("egress", &[]),
    ("samplemcp", &[]),
    ("domain", &[]),
    ("mcpauth", &["egress", "domain"]),
    ("mcpclient", &["egress", "domain"]),
    ("llm", &["egress", "domain"]),
    ("store", &["domain", "dbcrypt"]),
    ("chatd", &["domain", "store", "llm", "mcpclient"]),
    ("service", &["domain", "dbcrypt", "egress", "mcpauth", "mcpclient", "llm", "store", "chatd"]),
    ("app", &["domain"]),
    ("frontend", &["app"]),
    (
        "server",
        &[
            "app",
            "service",
            "chatd",
            "store",
            "llm",
            "mcpclient",
            "mcpauth",
            "egress",
            "dbcrypt",
            "domain",
            "samplemcp",
        ],
    ),
    (
        "testkit",
        &[
            "domain",
            "dbcrypt",
            "egress",
            "mcpauth",
            "mcpclient",
            "llm",
            "store",
            "chatd",
            "service",
            "samplemcp",
        ],
    ),
    ("xtask", &[]),
];

/// Rooms that import nothing of ours at all, not even the wire types.
const NO_API: [&str; 5] = ["api", "dbcrypt", "egress", "samplemcp", "xtask"];

/// External crates with owners. A crate not named here is anyone's.
const OWNED: [(&[&str], &[&str]); 9] = [
    (&["leptos", "leptos_axum", "leptos_meta", "leptos_router", "server_fn"], &["app", "frontend", "server"]),
    (&["axum", "axum-extra"], &["server", "samplemcp", "testkit"]),
    (&["sqlx"], &["store", "testkit"]),
    (&["reqwest"], &["egress", "testkit"]),
    (&["rmcp"], &["samplemcp", "testkit"]),
    (&["aes-gcm"], &["dbcrypt", "testkit"]),
    // `api` derives schemas behind its feature `openapi`; only the server makes a description of them.
    (&["utoipa"], &["api", "server"]),
    (&["utoipa-axum", "utoipa-swagger-ui"], &["server"]),
    (&["oauth2", "openidconnect"], &["mcpauth", "testkit"]),
];

/// Features of `app` and the one crate that turns each on: together they would make one binary of two halves.
const APP_FEATURES: [(&str, &str); 2] = [("ssr", "server"), ("hydrate", "frontend")];

/// The name of a room without the prefix of its package.
pub(super) fn short_name(package: &str) -> &str {
    package.strip_prefix("patchbay-").unwrap_or(package)
}

pub(super) fn is_known(room: &str) -> bool {
    ROOMS.iter().any(|(name, _)| *name == room)
}

pub(super) fn may_import(importer: &str, imported: &str) -> bool {
    if imported == "api" {
        return !NO_API.contains(&importer);
    }
    allowed(importer).contains(&imported)
}

pub(super) fn allowed_text(importer: &str) -> String {
    let mut names = allowed(importer).to_vec();
    if !NO_API.contains(&importer) {
        names.push("api");
    }
    if names.is_empty() { "none of ours".to_owned() } else { names.join(", ") }
}

fn allowed(importer: &str) -> &'static [&'static str] {
    ROOMS.iter().find(|(name, _)| *name == importer).map_or(&[], |(_, allowed)| allowed)
}

/// The rooms that may import an external crate, if it has owners.
pub(super) fn owners_of(external: &str) -> Option<&'static [&'static str]> {
    OWNED.iter().find(|(crates, _)| crates.contains(&external)).map(|(_, owners)| *owners)
}

/// The rightful user and the name of a feature that `importer` must not turn on.
pub(super) fn feature_owner(
    imported: &str,
    features: &[String],
    importer: &str,
) -> Option<(&'static str, &'static str)> {
    if imported != "app" {
        return None;
    }
    APP_FEATURES
        .iter()
        .find(|(feature, owner)| features.iter().any(|turned_on| turned_on == feature) && *owner != importer)
        .map(|(feature, owner)| (*owner, *feature))
}
