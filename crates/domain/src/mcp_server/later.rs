//! Fields of the contract whose feature is not in this build: only the default is accepted, so that nothing inert is stored.

use super::fields::NOT_AVAILABLE;
use crate::validation::Problems;
use api::servers::ServerWrite;

/// Notes every field that is anything but its default.
pub(super) fn refuse_later_fields(write: &ServerWrite, problems: &mut Problems) {
    let texts = [("oidc_trusted_origin", &write.oidc_trusted_origin)];
    for (field, text) in texts {
        if text.as_ref().is_some_and(|text| !text.trim().is_empty()) {
            problems.refuse(field, format!("This is {NOT_AVAILABLE}. Leave it out or send \"\"."));
        }
    }
}
