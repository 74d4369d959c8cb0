//! Light, dark, or as the system says; kept in a cookie so that the server's first paint is right.

use serde::{Deserialize, Serialize};

/// Name of the cookie. No secret, so it is readable by script.
pub const THEME_COOKIE: &str = "patchbay_theme";

/// The person's choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Follows `prefers-color-scheme`.
    #[default]
    System,
    Light,
    Dark,
}

/// The brief name under which the server knows it.
pub type ThemeChoice = Theme;

impl Theme {
    pub const ALL: [Theme; 3] = [Self::System, Self::Light, Self::Dark];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    /// Value of `data-theme` on `<html>`; absent when the system decides.
    pub fn attribute(self) -> Option<&'static str> {
        (self != Self::System).then(|| self.as_str())
    }

    /// Reads a `Cookie` header; anything unknown means the system's choice.
    pub fn from_cookies(header: &str) -> Self {
        header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == THEME_COOKIE)
            .and_then(|(_, value)| Self::ALL.into_iter().find(|theme| theme.as_str() == value))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_decides_and_rubbish_does_not() {
        for (header, expected) in [
            ("", Theme::System),
            ("patchbay_theme=dark", Theme::Dark),
            ("a=b; patchbay_theme=light; c=d", Theme::Light),
            ("patchbay_theme=\"><script>", Theme::System),
            ("xpatchbay_theme=dark", Theme::System),
        ] {
            assert_eq!(Theme::from_cookies(header), expected, "{header}");
        }
    }
}
