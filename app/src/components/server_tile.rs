//! A server's icon, or the first letter of its name.

use leptos::prelude::*;

/// Only paths on this deployment are loaded as icons (behaviour 3); anything else falls back to the letter.
#[component]
pub fn ServerTile(#[prop(into)] name: String, #[prop(into)] icon_url: String) -> impl IntoView {
    if is_local_path(&icon_url) {
        return view! { <img class="tile" src=icon_url alt="" width="32" height="32" loading="lazy"/> }
            .into_any();
    }
    let letter = name.trim().chars().next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    // A steady colour per name, out of a fixed set: the policy forbids inline styles.
    let hue = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 6;
    view! { <span class=format!("tile tile-{hue}") aria-hidden="true">{letter}</span> }.into_any()
}

/// Exactly one leading `/`, no backslash.
fn is_local_path(url: &str) -> bool {
    url.starts_with('/') && !url.starts_with("//") && !url.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::is_local_path;

    #[test]
    fn only_own_paths_are_loaded() {
        assert!(is_local_path("/icons/linear.svg"));
        for foreign in
            ["", "//evil.example/x.png", "/\\evil.example", "https://evil.example/x", "javascript:alert(1)"]
        {
            assert!(!is_local_path(foreign), "{foreign}");
        }
    }
}
