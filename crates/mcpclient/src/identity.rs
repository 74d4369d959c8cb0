//! Identity headers and their signature (behaviour 12): on every request, the first included, never off the origin.

use std::{fmt, sync::Arc};

use domain::{clock::Clock, text::hex};
use egress::HopHeaders;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

const OWNER: HeaderName = HeaderName::from_static("x-coder-owner-id");
const CHAT: HeaderName = HeaderName::from_static("x-coder-chat-id");
const SUBCHAT: HeaderName = HeaderName::from_static("x-coder-subchat-id");
const WORKSPACE: HeaderName = HeaderName::from_static("x-coder-workspace-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-coder-signature-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-coder-signature");

/// For whom a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The owner of the chat, or who tries a tool by hand.
    pub owner: Uuid,
    /// The root chat, also for subagents; missing outside of chats.
    pub chat: Option<Uuid>,
    /// The child chat, in child chats only.
    pub subchat: Option<Uuid>,
    /// The workspace, if the chat is bound to one.
    pub workspace: Option<Uuid>,
}

/// What a server with `forward_coder_headers` is told.
#[derive(Clone)]
pub struct Forwarding {
    /// For whom.
    pub identity: Identity,
    /// With it the headers are signed; without it they are plain claims.
    pub signing_secret: Option<SecretString>,
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding")
            .field("identity", &self.identity)
            .field("signed", &self.signing_secret.is_some())
            .finish()
    }
}

/// Makes the headers of one request, at the moment it leaves.
pub(crate) struct Stamp {
    pub(crate) forwarding: Forwarding,
    pub(crate) clock: Arc<dyn Clock>,
}

impl HopHeaders for Stamp {
    fn headers(&self, method: &Method, url: &Url, body: &[u8]) -> HeaderMap {
        let Forwarding { identity, signing_secret } = &self.forwarding;
        let mut headers = HeaderMap::new();
        let mut put = |name: &HeaderName, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        put(&OWNER, identity.owner.to_string());
        for (name, id) in
            [(&CHAT, identity.chat), (&SUBCHAT, identity.subchat), (&WORKSPACE, identity.workspace)]
        {
            if let Some(id) = id {
                put(name, id.to_string());
            }
        }
        if let Some(secret) = signing_secret {
            let timestamp = self.clock.now().as_millis() / 1000;
            put(&TIMESTAMP, timestamp.to_string());
            put(&SIGNATURE, signature(secret, timestamp, method, url, body, identity));
        }
        headers
    }
}

/// `v1=` and the hex HMAC-SHA256 over the lines of behaviour 12.
fn signature(
    secret: &SecretString,
    timestamp: i64,
    method: &Method,
    url: &Url,
    body: &[u8],
    identity: &Identity,
) -> String {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let lines = [
        "v1".to_owned(),
        timestamp.to_string(),
        method.as_str().to_ascii_uppercase(),
        target,
        hex(&Sha256::digest(body)),
        format!("owner={}", identity.owner),
        format!("chat={}", id(identity.chat)),
        format!("subchat={}", id(identity.subchat)),
        format!("workspace={}", id(identity.workspace)),
    ];
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        unreachable!("HMAC takes keys of every length (RFC 2104, section 2)")
    };
    mac.update(lines.join("\n").as_bytes());
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use api::Timestamp;
    use domain::clock::ManualClock;

    use super::*;

    fn stamp(secret: Option<&str>, identity: Identity) -> Stamp {
        let forwarding = Forwarding { identity, signing_secret: secret.map(SecretString::from) };
        Stamp { forwarding, clock: Arc::new(ManualClock::at(Timestamp(1_793_491_200_123_456))) }
    }

    const NOBODY: Identity =
        Identity { owner: Uuid::from_u128(1), chat: None, subchat: None, workspace: None };

    /// The vectors of docs/identity-headers.md; computed with OpenSSL.
    #[test]
    fn signatures_are_those_of_the_manual() {
        let url: Url = "https://mcp.example.com/mcp?tenant=a%20b".parse().unwrap();
        let identity = Identity { chat: Some(Uuid::from_u128(2)), ..NOBODY };
        let headers = stamp(Some("0123456789abcdef"), identity).headers(&Method::POST, &url, b"{}");
        assert_eq!(headers["x-coder-owner-id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(headers["x-coder-chat-id"], "00000000-0000-0000-0000-000000000002");
        assert!(!headers.contains_key("x-coder-subchat-id") && !headers.contains_key("x-coder-workspace-id"));
        assert_eq!(headers["x-coder-signature-timestamp"], "1793491200");
        assert_eq!(
            headers["x-coder-signature"],
            "v1=08f46bfc3113e22210b2c43499c4c4ef128862e3851684b08e232dec8fae1cb8"
        );
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        let url: Url = "https://mcp.example.com/".parse().unwrap();
        let headers = stamp(None, NOBODY).headers(&Method::GET, &url, b"");
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert!(!format!("{:?}", stamp(Some("0123456789abcdef"), NOBODY).forwarding).contains("0123"));
    }

    /// Each line counts: moving anything from one to another changes the signature.
    #[test]
    fn everything_is_signed() {
        let sign = |method: Method, url: &str, body: &[u8], identity: Identity| {
            stamp(Some("0123456789abcdef"), identity).headers(&method, &url.parse().unwrap(), body)
                ["x-coder-signature"]
                .clone()
        };
        let of = |chat, subchat, workspace| Identity { chat, subchat, workspace, ..NOBODY };
        let id = Some(Uuid::from_u128(7));
        let all = [
            sign(Method::POST, "https://h/a", b"x", NOBODY),
            sign(Method::GET, "https://h/a", b"x", NOBODY),
            sign(Method::POST, "https://h/b", b"x", NOBODY),
            sign(Method::POST, "https://h/a?b", b"x", NOBODY),
            sign(Method::POST, "https://h/a", b"y", NOBODY),
            sign(Method::POST, "https://h/a", b"x", of(id, None, None)),
            sign(Method::POST, "https://h/a", b"x", of(None, id, None)),
            sign(Method::POST, "https://h/a", b"x", of(None, None, id)),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
