//! Files that people attach to messages (behaviour 17): names, types, and what of them a model is given.

use crate::{text::has_control, validation::at_most};

/// Bytes of one file.
pub const FILE_BYTES: usize = 10 * 1024 * 1024;
/// Files of one chat; the oldest make room.
pub const FILES_PER_CHAT: i64 = 50;
/// Files of one user that no message names yet; the oldest make room.
pub const FILES_LOOSE: i64 = 50;
/// Bytes of a text file that a model is given.
pub const TEXT_TO_MODEL: usize = 256 * 1024;
/// Bytes of one image that a model is given: providers refuse larger ones.
pub const IMAGE_TO_MODEL: usize = 4 * 1024 * 1024;
/// Bytes of all files of one prompt; the newest come first.
pub const PROMPT_FILES: usize = 16 * 1024 * 1024;
const NAME_CHARS: usize = 255;
const TYPE_BYTES: usize = 127;
/// What a file is of which nothing better is known.
pub const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The name of a file without its folders.
///
/// # Errors
/// A sentence for people.
pub fn check_name(name: &str) -> Result<String, String> {
    let name = name.trim().rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || name == "." || name == ".." {
        return Err("Give the file a name.".to_owned());
    }
    at_most(name, NAME_CHARS)?;
    if has_control(name) {
        return Err("The name contains a control character or line break. Remove it.".to_owned());
    }
    Ok(name.to_owned())
}

/// What a file is: an image only where its bytes are one, else what was claimed.
pub fn media_type(claimed: &str, data: &[u8]) -> String {
    if let Some(image) = image_type(data) {
        return image.to_owned();
    }
    let essence = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match essence.split_once('/') {
        // Without its bytes a claim would be passed to a provider, which refuses the whole conversation for it.
        Some(("image", _)) if essence != "image/svg+xml" => UNKNOWN_TYPE.to_owned(),
        Some((kind, form)) if essence.len() <= TYPE_BYTES && fits(kind) && fits(form) => essence,
        _ => UNKNOWN_TYPE.to_owned(),
    }
}

/// Images that browsers draw without running anything, and that providers take.
fn image_type(data: &[u8]) -> Option<&'static str> {
    match data {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Whether a browser may draw it in place; everything else is saved.
pub fn is_shown(media_type: &str) -> bool {
    matches!(media_type, "image/png" | "image/jpeg" | "image/gif" | "image/webp")
}

/// The file as text, where it is one.
pub fn as_text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_bear_out() {
        for (claimed, data, is) in [
            ("text/html", &b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            ("image/png", b"<svg onload=x>", UNKNOWN_TYPE),
            ("text/plain; charset=utf-8", b"hi", "text/plain"),
            ("TEXT/CSV", b"a,b", "text/csv"),
            ("", b"hi", UNKNOWN_TYPE),
            ("no type", b"hi", UNKNOWN_TYPE),
            ("text/x\r\nEvil: 1", b"hi", UNKNOWN_TYPE),
            ("image/svg+xml", b"<svg/>", "image/svg+xml"),
        ] {
            assert_eq!(media_type(claimed, data), is, "{claimed}");
        }
        assert!(is_shown("image/png") && !is_shown("image/svg+xml") && !is_shown("text/html"));
        assert_eq!(as_text("ä".as_bytes()), Some("ä"));
        assert_eq!(as_text(b"a\0b"), None);
        assert_eq!(as_text(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_name_has_no_folders() {
        assert_eq!(check_name("C:\\Users\\ada\\notes.txt").unwrap(), "notes.txt");
        assert_eq!(check_name("../../etc/passwd").unwrap(), "passwd");
        for bad in ["", " ", "a/", "..", "a\nb", &"x".repeat(256)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
