//! The colours of `style/tokens.css` against WCAG 2.2 AA (1.4.3): 4.5:1 for text, in light and in dark.

use std::collections::BTreeMap;

const TOKENS: &str = include_str!("../../style/tokens.css");
const AA: f64 = 4.5;

/// Name to its colours in light and dark.
fn tokens() -> BTreeMap<&'static str, [&'static str; 2]> {
    TOKENS
        .lines()
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": ")?;
            let pair = value.strip_prefix("light-dark(")?.strip_suffix(");")?;
            let (light, dark) = pair.split_once(", ")?;
            (light.starts_with('#') && dark.starts_with('#')).then_some((name, [light, dark]))
        })
        .collect()
}

/// Relative luminance of `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value =
            f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a token is #rrggbb")) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_is_readable_on_every_surface_in_both_themes() {
    let tokens = tokens();
    let surfaces = ["sunken", "surface", "bg", "raised", "hover"];
    let texts = ["fg", "fg-muted", "fg-faint", "accent", "danger", "warn", "ok", "info"];
    let mut pairs: Vec<(String, String)> = Vec::new();
    for text in texts {
        pairs.extend(surfaces.map(|surface| (text.to_owned(), surface.to_owned())));
    }
    for tone in ["accent", "ok", "warn", "danger", "info"] {
        for text in [tone, "fg", "fg-muted"] {
            pairs.push((text.to_owned(), format!("{tone}-soft")));
        }
    }
    for button in ["accent", "danger"] {
        pairs.push((format!("{button}-fg"), button.to_owned()));
        pairs.push((format!("{button}-fg"), format!("{button}-strong")));
    }
    for (text, surface) in pairs {
        for (theme, at) in [("light", 0), ("dark", 1)] {
            let colour = |name: &str| tokens.get(name).unwrap_or_else(|| panic!("no token --{name}"))[at];
            let ratio = contrast(colour(&text), colour(&surface));
            assert!(ratio >= AA, "--{text} on --{surface} in {theme}: {ratio:.2}");
        }
    }
}
