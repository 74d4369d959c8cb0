//! Who asks: the cookie, `Authorization: Bearer`, or `Coder-Session-Token` (behaviour 2). A token in the URL is never read.

use super::{error::ApiError, oauth_pages::refused_page, request_id::RequestId, router::AppState};
use crate::listen::Peer;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::accounts::Action;
use http::{HeaderMap, header::AUTHORIZATION, header::USER_AGENT, request::Parts};
use service::{CallbackRefused, OpContext, RequestInfo};
use std::net::IpAddr;

/// The context of the request, for handlers.
#[derive(Debug, Clone)]
pub(crate) struct Ctx(pub(crate) OpContext);

/// True in the extensions of requests whose caller came from the cookie; CSRF rules look at the cookie itself.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let from_header = headers.get("coder-session-token").and_then(|v| v.to_str().ok()).map(str::trim);
    let from_bearer = headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    from_bearer.or(from_header).filter(|token| !token.is_empty()).map(str::to_owned)
}

/// Resolves the caller once per request and puts [`Ctx`] into its extensions. A database that cannot be reached is 503, never
/// anonymous (threats 67). Paths that need no caller (assets, health) are not behind this layer.
pub(crate) async fn resolve(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let token = bearer(request.headers()).or_else(|| state.cookie.read(request.headers()));
    let info = request_info(&state, &request);
    let caller = match token {
        Some(token) => match state.service.authenticate(&token).await {
            Ok(caller) => caller,
            Err(error) => return unresolved(&state, &request, error),
        },
        None => None,
    };
    request.extensions_mut().insert(Ctx(OpContext { caller, request: info }));
    next.run(request).await
}

/// People come back from a provider to a page, whatever happens here.
fn unresolved(state: &AppState, request: &Request, error: service::Error) -> Response {
    let error = ApiError::from(error);
    let path = request.uri().path();
    if !(path.starts_with("/api/experimental/mcp/servers/") && path.ends_with("/oauth2/callback")) {
        return error.into_response();
    }
    let refused = CallbackRefused {
        status: error.status.as_u16(),
        title: "Something went wrong",
        text:
            "Patchbay cannot reach its database just now. Nothing was used up: reload this page in a moment."
                .to_owned(),
        may_retry: false,
        display_name: String::new(),
        return_to: String::new(),
    };
    refused_page(state, api::Uuid::nil(), &refused)
}

pub(super) fn request_info(state: &AppState, request: &Request) -> RequestInfo {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let user_agent = request.headers().get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    RequestInfo {
        actor: "",
        address: client_address(peer, request.headers(), &state.trusted_proxies),
        user_agent: user_agent.chars().take(256).collect(),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        target: format!("{} {}", request.method(), request.uri().path()),
        refusals: state.service.refusals(),
    }
}

/// The client's address. `X-Forwarded-For` counts only from a trusted proxy, read from the right.
fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpAddr]) -> String {
    let Some(peer) = peer else { return String::new() };
    if !trusted.contains(&peer) {
        return peer.to_string();
    }
    let forwarded: Vec<IpAddr> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|text| text.trim().parse().ok())
        .collect();
    forwarded.iter().rev().find(|address| !trusted.contains(address)).unwrap_or(&peer).to_string()
}

impl<S: Send + Sync> FromRequestParts<S> for Ctx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // Only a route outside the layer lacks it: fail closed.
        parts.extensions.get::<Ctx>().cloned().ok_or_else(|| service::Error::Unauthorized.into())
    }
}

/// Extractors that ask for a right before the body is looked at: a caller without it learns nothing but that (behaviour 4).
macro_rules! caller_with {
    ($(#[$meta:meta])* $name:ident, $check:expr) => {
        $(#[$meta])*
        pub(crate) struct $name(pub(crate) OpContext);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let Ctx(ctx) = Ctx::from_request_parts(parts, state).await?;
                let check: fn(&OpContext) -> service::Result<()> = $check;
                check(&ctx)?;
                Ok(Self(ctx))
            }
        }
    };
}

caller_with!(
    /// Anybody who is signed in.
    SignedIn,
    |ctx| ctx.require().map(|_| ())
);
caller_with!(
    /// Whoever may change servers.
    ServersWriter,
    |ctx| ctx.authorize(Action::ServersWrite).map(|_| ())
);
caller_with!(
    /// Whoever may read every server unredacted.
    ServersReader,
    |ctx| ctx.authorize(Action::ServersReadAll).map(|_| ())
);
caller_with!(
    /// Whoever may change providers and models.
    ModelsWriter,
    |ctx| ctx.authorize(Action::ModelsWrite).map(|_| ())
);
caller_with!(
    /// Whoever may manage users.
    UsersManager,
    |ctx| ctx.authorize(Action::UsersManage).map(|_| ())
);
caller_with!(
    /// Whoever may change groups.
    GroupsManager,
    |ctx| ctx.authorize(Action::GroupsManage).map(|_| ())
);
caller_with!(
    /// Whoever may allow private destinations.
    EgressAllowWriter,
    |ctx| ctx.authorize(Action::EgressAllowWrite).map(|_| ())
);

caller_with!(
    /// Whoever may set what holds for all chats.
    ChatSettingsWriter,
    |ctx| ctx.authorize(Action::ChatSettingsWrite).map(|_| ())
);

caller_with!(
    /// Whoever may read the audit log.
    AuditReader,
    |ctx| ctx.authorize(Action::AuditRead).map(|_| ())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let (proxy, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.9".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.1".parse().unwrap());
        assert_eq!(client_address(Some(other), &headers, &[proxy]), "10.0.0.9");
        assert_eq!(client_address(Some(proxy), &headers, &[proxy]), "1.2.3.4");
        assert_eq!(client_address(Some(proxy), &HeaderMap::new(), &[proxy]), "10.0.0.1");
    }

    #[test]
    fn both_headers_carry_the_same_token() {
        let mut headers = HeaderMap::new();
        headers.insert("coder-session-token", "abc".parse().unwrap());
        assert_eq!(bearer(&headers).as_deref(), Some("abc"));
        headers.insert(AUTHORIZATION, "bearer  xyz".parse().unwrap());
        assert_eq!(bearer(&headers).as_deref(), Some("xyz"));
        headers.insert(AUTHORIZATION, "Basic eHl6".parse().unwrap());
        assert_eq!(bearer(&headers).as_deref(), Some("abc"));
    }
}
