//! The OpenAPI description: read off the handlers and types that answer, completed by what is the same everywhere, and served
//! (behaviour 3, "Do better"; behaviour 30).

mod complete;
mod document;
mod viewer;

pub(crate) use complete::complete;
pub(crate) use document::{__path_document, document};
pub use document::{Document, published};
pub(crate) use viewer::{__path_page, file, page};

use api::{ErrorBody, Validation};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

/// What no route says: who we are, how callers prove themselves, the error envelope.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Patchbay",
        description = "Plug MCP servers into AI chats without giving up control. Every failed answer has the body `ErrorBody`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(),
    ),
    tags(
        (name = "servers", description = "MCP servers: registering, limiting, checking"),
        (name = "tools", description = "Tools of a server, and how servers are doing"),
        (name = "connections", description = "Who is connected to a server, and own connections"),
        (name = "chats", description = "Chats, messages and the live stream"),
        (name = "users", description = "Accounts, sessions and API tokens"),
        (name = "models", description = "Model providers and models"),
        (name = "groups", description = "Groups of users, which limit servers"),
        (name = "workspaces", description = "Projects of one user, each with MCP servers of its own"),
        (name = "audit", description = "Who did what"),
        (name = "settings", description = "Settings of the deployment"),
        (name = "keys", description = "Encryption keys"),
        (name = "operations", description = "Health, build and this description"),
    ),
    components(schemas(ErrorBody, Validation)),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    modifiers(&Carriers),
)]
pub(crate) struct Base;

/// The three carriers of a token (behaviour 2).
struct Carriers;

impl Modify for Carriers {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let cookie = "The session cookie of the login page (`__Host-patchbay_session` when the access URL is https). Unsafe requests \
                      that carry it must come from a page of this deployment.";
        let schemes = [
            ("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))),
            ("token", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("Coder-Session-Token")))),
            (
                "cookie",
                SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                    "patchbay_session",
                    cookie,
                ))),
            ),
        ];
        for (name, scheme) in schemes {
            components.add_security_scheme(name, scheme);
        }
    }
}
