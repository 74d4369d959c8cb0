//! Settings of the deployment (behaviour 30).

use crate::text::hex;
use sha2::{Digest as _, Sha256};

/// The ETag of what owners allow, quotes included. Made of the list itself: the panel makes it of the answer it shows, and a list
/// that is as it was read is nobody's conflict.
pub fn egress_allow_etag(entries: &[String]) -> String {
    let mut hash = Sha256::new();
    for entry in entries {
        hash.update(entry);
        hash.update("\n");
    }
    format!("\"{}\"", hex(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_has_its_own_tag() {
        let lists: [&[&str]; 5] = [&[], &["a:1"], &["a:1", "b:2"], &["b:2", "a:1"], &["a:1b:2"]];
        let tags: Vec<String> = lists
            .iter()
            .map(|list| egress_allow_etag(&list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()))
            .collect();
        for (at, tag) in tags.iter().enumerate() {
            assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
            assert!(!tags[..at].contains(tag), "{:?}", lists[at]);
        }
        assert_eq!(egress_allow_etag(&["a:1".to_owned()]), tags[1]);
    }
}
