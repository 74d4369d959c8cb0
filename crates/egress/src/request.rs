//! What a caller asks for.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use url::Url;

use crate::{limits::Limits, target::origin_text};

/// How a redirect is treated (behaviour 11). The refused ones become [`crate::EgressError::Redirect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// None is followed: token, registration and revocation requests, model providers.
    None,
    /// 307 and 308 to the same scheme, host and port, with method, headers and body: MCP traffic.
    SameOrigin,
    /// `GET` only: up to this many hops (never over [`crate::limits::CHECKED_HOPS`]), each one vetted, headers of the
    /// caller dropped when the origin changes, never from `https` to `http`: discovery.
    Checked(u8),
}

/// Whether a request may travel on a connection that stands idle from an earlier one. The peer may close that one at the very moment:
/// then nobody knows whether the request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A connection of its own: token requests, which must not be lost and are few.
    Never,
    /// Idle for less than [`crate::limits::IDLE_BRIEFLY`], which is shorter than what common servers wait before they close: MCP
    /// traffic, where a lost answer makes a call `unknown`.
    Brief,
    /// Idle for up to [`crate::limits::IDLE_CONNECTION`]: what can simply be asked again.
    Long,
}

/// Headers that depend on where a request goes, such as a signature over its target. Asked anew for every hop, never for one
/// to another origin. A header that the request has already wins.
pub trait HopHeaders: Send + Sync {
    /// What goes along to this URL.
    fn headers(&self, method: &Method, url: &Url, body: &[u8]) -> HeaderMap;
}

/// One request.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// `http` or `https`, without user info and fragment.
    pub url: Url,
    /// Headers; those that frame the message or name the peer are ours and are left out.
    pub headers: HeaderMap,
    /// Headers made for each hop.
    pub hop_headers: Option<Arc<dyn HopHeaders>>,
    /// The whole body.
    pub body: Bytes,
    /// Deadlines and the cap of the answer.
    pub limits: Limits,
    /// What to do with a redirect.
    pub redirects: Redirects,
    /// Which connection it may use.
    pub reuse: Reuse,
}

impl Request {
    /// A `GET` with default limits that follows no redirect.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Bytes::new())
    }

    /// A `POST` with default limits that follows no redirect.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, url, body.into())
    }

    /// A request with default limits that follows no redirect.
    pub fn new(method: Method, url: Url, body: Bytes) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            hop_headers: None,
            body,
            limits: Limits::default(),
            redirects: Redirects::None,
            reuse: Reuse::Long,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values, path and query can carry credentials.
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("origin", &origin_text(&self.url))
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("limits", &self.limits)
            .field("redirects", &self.redirects)
            .field("reuse", &self.reuse)
            .finish()
    }
}

/// Leaves out what the connection itself decides: a caller's `Host` would separate the vetted name from the served one,
/// a second framing header is request smuggling, and nobody here can decompress an answer.
pub(crate) fn without_framing(mut headers: HeaderMap) -> HeaderMap {
    const OURS: [HeaderName; 10] = [
        HOST,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        TE,
        TRAILER,
        UPGRADE,
        EXPECT,
        PROXY_AUTHORIZATION,
        ACCEPT_ENCODING,
    ];
    for name in &OURS {
        headers.remove(name);
    }
    for name in ["proxy-connection", "keep-alive", "http2-settings"] {
        headers.remove(name);
    }
    headers
}
