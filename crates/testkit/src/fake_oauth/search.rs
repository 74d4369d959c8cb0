//! Looking for a secret where it must not be.

use super::clients::decode_basic;
use crate::record::Recorded;

/// Whether the text is anywhere in the request, in any of the encodings that OAuth puts it in.
pub(super) fn carries(request: &Recorded, text: &str) -> bool {
    let in_pairs = |pairs: Vec<(String, String)>| {
        pairs.iter().any(|(name, value)| name.contains(text) || value.contains(text))
    };
    let in_basic = request
        .headers
        .get_all("authorization")
        .iter()
        .filter_map(|value| decode_basic(value.to_str().ok()?))
        .any(|(id, secret)| id.contains(text) || secret.contains(text));
    in_basic || request.whole().contains(text) || in_pairs(request.query()) || in_pairs(request.form())
}
