//! The two metadata documents and where they lie (RFC 9728, RFC 8414, OpenID Connect Discovery).

use super::{knobs::merge, meddle::Canned, shared::Shared};
use crate::fake_mcp;
use axum::response::Response;
use serde_json::{Value, json};

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// Where an honest resource says that its metadata lies.
pub(super) fn resource_metadata_url(shared: &Shared) -> String {
    shared.url(&format!("{PROTECTED_RESOURCE}{}", fake_mcp::PATH))
}

/// The document at this path, if there is one.
pub(super) fn at(shared: &Shared, path: &str) -> Option<Response> {
    let (server_paths, resource_paths) = {
        let knobs = shared.knobs();
        let tenant = &knobs.tenant;
        let mut server = vec![format!("{AUTHORIZATION_SERVER}{tenant}"), format!("{OPENID}{tenant}")];
        if !tenant.is_empty() {
            server.push(format!("{tenant}{OPENID}"));
        }
        let resource = vec![format!("{PROTECTED_RESOURCE}{}", fake_mcp::PATH), PROTECTED_RESOURCE.to_owned()];
        (
            knobs.as_metadata_at.clone().unwrap_or(server),
            knobs.resource_metadata_at.clone().unwrap_or(resource),
        )
    };
    let here = |paths: &[String]| paths.iter().any(|known| known == path);
    let document = here(&server_paths).then(|| server(shared));
    let document = document.or_else(|| here(&resource_paths).then(|| resource(shared)))?;
    Some(Canned::json(200, &document).into_response())
}

/// The server's.
pub(super) fn server(shared: &Shared) -> Value {
    let issuer = shared.issuer();
    let knobs = shared.knobs();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": shared.url("/authorize"),
        "token_endpoint": shared.url("/token"),
        "revocation_endpoint": shared.url("/revoke"),
        "introspection_endpoint": shared.url("/introspect"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": knobs.auth_methods,
        "revocation_endpoint_auth_methods_supported": knobs.auth_methods,
        "scopes_supported": [super::SCOPE, "offline_access", "profile"],
    });
    if knobs.registration {
        document["registration_endpoint"] = json!(shared.url("/register"));
    }
    if knobs.advertise_iss {
        document["authorization_response_iss_parameter_supported"] = json!(true);
    }
    if !knobs.client_documents.is_empty() {
        document["client_id_metadata_document_supported"] = json!(true);
    }
    merge(&mut document, &knobs.as_metadata);
    document
}

/// The resource's.
pub(super) fn resource(shared: &Shared) -> Value {
    let (resource, server) = (shared.resource(), shared.identifier());
    let mut document = json!({
        "resource": resource,
        "authorization_servers": [server],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [super::SCOPE],
        "resource_name": "Fake resource",
    });
    merge(&mut document, &shared.knobs().resource_metadata);
    document
}
