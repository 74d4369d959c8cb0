//! Bounded, displayable text. Everything from servers and models passes here before people see it.

use std::{borrow::Cow, fmt::Write as _};

/// Stands where text was cut.
pub const CUT_MARKER: &str = "…";

/// At most `max` bytes, marker included, cut on a character boundary (behaviour 13).
pub fn cut_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    match max.checked_sub(CUT_MARKER.len()) {
        Some(room) => Cow::Owned(format!("{}{CUT_MARKER}", head(text, room))),
        // No room for the marker: the bound matters more.
        None => Cow::Borrowed(head(text, max)),
    }
}

/// At most `max` characters, marker included.
pub fn cut_chars(text: &str, max: usize) -> Cow<'_, str> {
    if text.chars().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let mut kept: String = text.chars().take(max.saturating_sub(1)).collect();
    if max > 0 {
        kept.push_str(CUT_MARKER);
    }
    Cow::Owned(kept)
}

/// The longest prefix of at most `max` bytes that ends on a character boundary.
pub fn head(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// A tool result for the model: the first `max` bytes and a line with shown and total size (behaviour 15). The line is not
/// counted. The flag tells whether something was cut.
pub fn cut_for_model(text: &str, max: usize) -> (Cow<'_, str>, bool) {
    if text.len() <= max {
        return (Cow::Borrowed(text), false);
    }
    let shown = head(text, max);
    let marked = format!(
        "{shown}\n[Result shortened: {} of {} shown]",
        human_bytes(shown.len()),
        human_bytes(text.len())
    );
    (Cow::Owned(marked), true)
}

/// A size with its unit: `512 B`, `256 KiB`, `3.1 MiB`.
pub fn human_bytes(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit in integers: floats would round 1023.99 KiB to a strange 1024.0 KiB.
    let (mut tenths, mut unit) = (bytes.saturating_mul(10) / 1024, 0);
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

/// Lower-case hexadecimal, two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a one-line text holds a control character or a line break of any kind.
pub fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || is_line_break(c))
}

/// Characters that end a line (UAX #14, mandatory breaks).
pub fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Text of a server or model made safe to show: control characters become visible signs, and the marks that reorder
/// text become U+FFFD; line breaks (as `\n`) and tabs stay. Joiners and direction marks stay: words need them.
pub fn neutralise(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c == '\r' || visible(c) != c) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => shown.push('\n'),
            other => shown.push(visible(other)),
        }
    }
    Cow::Owned(shown)
}

/// Text with everything that cannot be seen written out, as `⟨U+200B⟩`: for those who must see exactly what is there, such as what
/// changed in a definition or what an approval is for (behaviour 15). Line breaks (as `\n`) and tabs stay.
pub fn reveal(text: &str) -> Cow<'_, str> {
    let hides = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c);
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            c if hides(c) => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character takes no room on the screen or reorders others: joiners, direction marks, fillers, tags, variation selectors
/// (Unicode's `Default_Ignorable_Code_Point`, the line and paragraph separators and the blank Braille pattern).
pub fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// [`neutralise`] for a quotation inside a sentence: one line, at most `max` characters.
pub fn quote(text: &str, max: usize) -> String {
    let line: String = text.chars().map(|c| if is_line_break(c) { ' ' } else { visible(c) }).collect();
    cut_chars(&line, max).into_owned()
}

/// The character shown for `c`.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => c,
        // Unicode has a picture for each of these.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        // Embeddings, overrides and isolates: with them a text can show the reverse of what it says.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_keep_characters_whole() {
        assert_eq!(cut_bytes("abc", 3), "abc");
        assert_eq!(cut_bytes("abcdef", 5), "ab…");
        assert_eq!(cut_bytes("ääää", 6), "ä…");
        assert_eq!(cut_bytes("ääää", 2), "ä");
        assert_eq!(cut_bytes("ääää", 0), "");
        assert_eq!(cut_chars("ääää", 4), "ääää");
        assert_eq!(cut_chars("äääää", 4), "äää…");
        assert_eq!(cut_chars("ä", 0), "");
    }

    #[test]
    fn results_say_how_much_is_shown() {
        let text = "x".repeat(300 * 1024);
        let (cut, was_cut) = cut_for_model(&text, 256 * 1024);
        assert!(was_cut);
        assert!(
            cut.ends_with("x\n[Result shortened: 256 KiB of 300 KiB shown]"),
            "{}",
            &cut[cut.len() - 60..]
        );
        assert_eq!(cut_for_model("short", 256), (Cow::Borrowed("short"), false));
    }

    #[test]
    fn sizes_have_units() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (256 * 1024, "256 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (3_250_586, "3.1 MiB"),
            (5 << 30, "5 GiB"),
        ] {
            assert_eq!(human_bytes(bytes), shown);
        }
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(neutralise("plain\ttext\n"), "plain\ttext\n");
        assert_eq!(neutralise("a\u{1b}[31mred\0"), "a␛[31mred␀");
        assert_eq!(neutralise("a\r\nb\rc"), "a\nb\nc");
        assert_eq!(neutralise("user\u{202e}gpj.exe"), "user\u{fffd}gpj.exe");
        assert_eq!(neutralise("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(quote("a\nb\u{7}cdef", 6), "a b␇c…");
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(reveal("plain ä\ttext\n"), "plain ä\ttext\n");
        assert_eq!(reveal("a\r\nb\u{1b}[31m"), "a\nb⟨U+001B⟩[31m");
        assert_eq!(reveal("pass\u{200b}word\u{202e}x"), "pass⟨U+200B⟩word⟨U+202E⟩x");
        assert_eq!(reveal("tag\u{e0041}"), "tag⟨U+E0041⟩");
    }

    proptest! {
        #[test]
        fn cuts_hold_their_bound(text in ".{0,60}", max in 0_usize..80) {
            let cut = cut_bytes(&text, max);
            prop_assert!(cut.len() <= max);
            prop_assert!(text.starts_with(cut.strip_suffix(CUT_MARKER).unwrap_or(&cut)));
            prop_assert!(cut_chars(&text, max).chars().count() <= max);
        }

        #[test]
        fn neutral_text_stays_neutral(text in "\\PC*|[\\x00-\\x9f]*") {
            let once = neutralise(&text).into_owned();
            prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(neutralise(&once), once.as_str());
        }
    }
}
