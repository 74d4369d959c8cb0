//! What is typed of an OAuth client, and what of it is sent.

use crate::components::SecretInput;
use api::{
    oauth::ManualSetup,
    servers::{AuthType, McpServer, ServerWrite},
};
use leptos::prelude::*;

/// The choice and the fields of a setup by hand; the scopes belong to both.
#[derive(Clone, Copy, Default)]
pub(in crate::pages::admin::servers::editor) struct OAuthInput {
    /// Off: everything is found by discovery.
    pub(in crate::pages::admin::servers::editor) by_hand: RwSignal<bool>,
    pub(in crate::pages::admin::servers::editor) client_id: RwSignal<String>,
    pub(in crate::pages::admin::servers::editor) client_secret: RwSignal<SecretInput>,
    pub(in crate::pages::admin::servers::editor) auth_url: RwSignal<String>,
    pub(in crate::pages::admin::servers::editor) token_url: RwSignal<String>,
    pub(in crate::pages::admin::servers::editor) revocation_url: RwSignal<String>,
    pub(in crate::pages::admin::servers::editor) scopes: RwSignal<String>,
    pub(in crate::pages::admin::servers::editor) issuer: RwSignal<String>,
    /// The issuer was filled in from what the provider published, and no admin has said that it is theirs.
    pub(in crate::pages::admin::servers::editor) unconfirmed: RwSignal<bool>,
}

impl OAuthInput {
    /// Takes over what is stored. What discovery found stands ready for a setup by hand, but for the client: it is none of the admin's.
    pub(in crate::pages::admin::servers::editor) fn load(self, server: &McpServer) {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let by_hand = server.auth_type == AuthType::Oauth2 && !is_found(server) && has_client(server);
        self.by_hand.set(by_hand);
        self.client_id.set(if by_hand { text(&server.oauth2_client_id) } else { String::new() });
        self.client_secret.set(SecretInput::Keep);
        self.auth_url.set(text(&server.oauth2_auth_url));
        self.token_url.set(text(&server.oauth2_token_url));
        self.revocation_url.set(text(&server.oauth2_revocation_url));
        self.scopes.set(text(&server.oauth2_scopes));
        self.issuer.set(text(&server.oauth2_issuer));
        self.unconfirmed.set(false);
    }

    /// Takes over what a provider published, to be confirmed.
    pub(super) fn take_over(self, setup: &ManualSetup) {
        self.by_hand.set(true);
        self.auth_url.set(setup.auth_url.clone());
        self.token_url.set(setup.token_url.clone());
        self.revocation_url.set(setup.revocation_url.clone());
        if !setup.scopes.is_empty() {
            self.scopes.set(setup.scopes.clone());
        }
        self.issuer.set(setup.issuer.clone());
        self.unconfirmed.set(!setup.issuer.is_empty());
    }

    /// What was found before is not sent again; a client entered by hand is emptied, which makes the server discover.
    pub(in crate::pages::admin::servers::editor) fn write(
        self,
        write: &mut ServerWrite,
        saved: Option<&McpServer>,
    ) {
        write.oauth2_scopes = Some(self.scopes.get());
        if self.by_hand.get() {
            write.oauth2_client_id = Some(self.client_id.get());
            write.oauth2_client_secret = self.client_secret.get().to_wire();
            write.oauth2_auth_url = Some(self.auth_url.get());
            write.oauth2_token_url = Some(self.token_url.get());
            write.oauth2_revocation_url = Some(self.revocation_url.get());
            write.oauth2_issuer = Some(self.issuer.get());
        } else if saved.is_some_and(|saved| saved.auth_type == AuthType::Oauth2 && !is_found(saved)) {
            write.oauth2_client_id = Some(String::new());
            write.oauth2_auth_url = Some(String::new());
            write.oauth2_token_url = Some(String::new());
            write.oauth2_revocation_url = Some(String::new());
            write.oauth2_issuer = Some(String::new());
        }
    }
}

/// Whether discovery found what is stored.
fn is_found(server: &McpServer) -> bool {
    matches!(server.oauth2_registration.as_deref(), Some("cimd" | "dcr"))
}

fn has_client(server: &McpServer) -> bool {
    let filled = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
    filled(&server.oauth2_client_id) || filled(&server.oauth2_auth_url) || filled(&server.oauth2_token_url)
}
