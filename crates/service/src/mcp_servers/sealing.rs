//! Where the secrets of servers and of their users lie (behaviour 26).

use crate::{
    Error, Result, Service,
    secrets::{Place, seal},
};
use api::Uuid;
use domain::SecretChange;
use secrecy::SecretString;
use std::collections::BTreeMap;
use store::{SealedColumn, mcp_servers::StoredServer};

const TABLE: &str = "mcp_servers";

pub(super) fn api_key_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "api_key_value", row, owner: None }
}

pub(super) fn custom_headers_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "custom_headers", row, owner: None }
}

pub(super) fn oauth2_secret_place(row: Uuid) -> Place {
    Place { table: TABLE, column: "oauth2_client_secret", row, owner: None }
}

/// A user's own values: bound to the user as well, so that nobody's can be used as somebody else's.
pub(super) fn user_values_place(row: Uuid, owner: Uuid) -> Place {
    Place { table: "user_header_values", column: "header_values", row, owner: Some(owner) }
}

/// A map from header name to value as one text, sealed.
pub(super) fn seal_map(
    service: &Service,
    place: &Place,
    map: &BTreeMap<String, String>,
) -> Result<SealedColumn> {
    let text = serde_json::to_string(map).map_err(|e| Error::internal("header values", e))?;
    seal(&service.deps().keyring, place, &SecretString::from(text))
}

impl Service {
    /// Puts what becomes of each secret into the row, and says so in the record.
    pub(super) fn seal_into(
        &self,
        stored: &mut StoredServer,
        api_key: SecretChange,
        custom_headers: SecretChange<BTreeMap<String, String>>,
        oauth2_secret: SecretChange,
    ) -> Result<()> {
        let id = stored.record.id;
        self.seal_text(&mut stored.api_key, &api_key_place(id), api_key)?;
        self.seal_text(&mut stored.oauth2_client_secret, &oauth2_secret_place(id), oauth2_secret)?;
        match custom_headers {
            SecretChange::Keep => {}
            SecretChange::Clear => stored.custom_headers = SealedColumn::default(),
            SecretChange::Set(map) => {
                stored.custom_headers = seal_map(self, &custom_headers_place(id), &map)?
            }
        }
        stored.record.has_api_key = stored.api_key.is_set();
        stored.record.has_custom_headers = stored.custom_headers.is_set();
        stored.record.has_oauth2_secret = stored.oauth2_client_secret.is_set();
        Ok(())
    }

    fn seal_text(&self, column: &mut SealedColumn, place: &Place, change: SecretChange) -> Result<()> {
        match change {
            SecretChange::Keep => {}
            SecretChange::Clear => *column = SealedColumn::default(),
            SecretChange::Set(text) => {
                *column = seal(&self.deps().keyring, place, &SecretString::from(text))?;
            }
        }
        Ok(())
    }
}
