//! Which alphabets a host name is written in.

/// Alphabets of host names, as far as they are confused with one another (UTS #39, 5). The rest are one each by their block of 128, which
/// is close enough for a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Han,
    Kana,
    Hangul,
    Bopomofo,
    Other(u32),
}

/// Whether one label mixes alphabets in a way that no language does. Japanese, Korean and Chinese mix theirs, also with Latin.
pub(super) fn mixes_scripts(label: &str) -> bool {
    let mut found: Vec<Script> = Vec::new();
    for script in label.chars().filter_map(script) {
        if !found.contains(&script) {
            found.push(script);
        }
    }
    let within = |allowed: &[Script]| found.iter().all(|script| allowed.contains(script));
    found.len() > 1
        && !within(&[Script::Latin, Script::Han, Script::Kana])
        && !within(&[Script::Latin, Script::Han, Script::Hangul])
        && !within(&[Script::Latin, Script::Han, Script::Bopomofo])
}

/// The alphabet of a letter; digits, hyphens and marks that go with any have none.
fn script(c: char) -> Option<Script> {
    Some(match u32::from(c) {
        _ if c.is_ascii_alphabetic() => Script::Latin,
        0..=0x7f | 0xb7 | 0x2b0..=0x36f | 0x3001..=0x3003 | 0x30fb => return None,
        0xaa..=0x24f
        | 0x250..=0x2af
        | 0x1e00..=0x1eff
        | 0x2c60..=0x2c7f
        | 0xa720..=0xa7ff
        | 0xff21..=0xff5a => Script::Latin,
        0x370..=0x3ff | 0x1f00..=0x1fff => Script::Greek,
        0x400..=0x52f | 0x1c80..=0x1c8f | 0x2de0..=0x2dff | 0xa640..=0xa69f => Script::Cyrillic,
        0x2e80..=0x2fdf
        | 0x3005..=0x3007
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xf900..=0xfaff
        | 0x20000..=0x3ffff => Script::Han,
        0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f => Script::Kana,
        0x3100..=0x312f | 0x31a0..=0x31bf => Script::Bopomofo,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xa960..=0xa97f | 0xac00..=0xd7ff => Script::Hangul,
        _ if !c.is_alphabetic() => return None,
        code => Script::Other(code / 128),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_one_language_and_of_none() {
        for (label, mixed) in [
            ("example", false),
            ("café-24", false),
            ("пример", false),
            ("日本語テスト", false),
            ("ab日本", false),
            ("한국test", false),
            ("שלום", false),
            ("", false),
            ("123-4", false),
            ("pаypal", true),
            ("gοogle", true),
            ("αбв", true),
            ("テスト한", true),
            ("aשב", true),
        ] {
            assert_eq!(mixes_scripts(label), mixed, "{label}");
        }
    }
}
