//! The client itself: checks, dials, follows the redirects it may follow.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, header::CONTENT_LENGTH};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    address::BlockClass,
    allow::AllowList,
    clients::Clients,
    error::{EgressError, Phase},
    failure,
    limits::{CONNECT_PLAIN, Limits, RESPONSE_HEADER, RESPONSE_HEADERS},
    policy::Policy,
    redirect::{harmless_headers, next_hop},
    request::{Request, Reuse, without_framing},
    resolve::{Lookup, SystemLookup, vetted},
    response::Response,
    target::Target,
};

/// What the client has to know about its surroundings.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Private destinations that may be dialled.
    pub allow: AllowList,
    /// Addresses this process listens on; requests to them are refused as loops.
    pub own_listeners: Vec<SocketAddr>,
    /// The configured access URL, refused as a loop too.
    pub access_url: Option<Url>,
    /// Sent as `User-Agent` unless a request brings its own.
    pub user_agent: String,
}

/// The outbound client. Clones share connections and settings.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Arc<Policy>,
    clients: Clients,
}

/// Absolute deadlines of one exchange, redirects included.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    first_byte: Instant,
    pub(crate) total: Option<Instant>,
}

impl Egress {
    /// A client that asks the system's resolver.
    ///
    /// # Errors
    /// [`EgressError::Setup`] when the user agent cannot be a header value.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// The same with another source of addresses; the checks are the same.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self, EgressError> {
        let user_agent = HeaderValue::from_str(&config.user_agent).map_err(|error| EgressError::Setup {
            reason: "the user agent has characters that no header may have",
            source: Some(error.into()),
        })?;
        let policy = Arc::new(Policy::new(config.allow, config.own_listeners, config.access_url.as_ref()));
        let clients = Clients::new(user_agent, Arc::clone(&policy), lookup);
        Ok(Self { inner: Arc::new(Inner { policy, clients }) })
    }

    /// Replaces the allow list. Counts for the next request; idle connections are closed if the list changed.
    pub fn set_allow(&self, allow: AllowList) {
        if self.inner.policy.set_allow(allow) {
            self.inner.clients.clear();
        }
    }

    /// The allow list in force.
    pub fn allow(&self) -> AllowList {
        self.inner.policy.allow()
    }

    /// The class of the first entry of `list` that would never open anything: link-local and metadata addresses, ourselves
    /// (behaviour 11). Whoever enters such a list is told before it is stored.
    pub fn never_opens(&self, list: &AllowList) -> Option<BlockClass> {
        self.inner.policy.never_opens(list)
    }

    /// Replaces the addresses this process listens on, known for certain only once the sockets are bound.
    pub fn set_own_listeners(&self, own: Vec<SocketAddr>) {
        if self.inner.policy.set_own_listeners(own) {
            self.inner.clients.clear();
        }
    }

    /// Checks a URL without any traffic: scheme, user info, fragment, and addresses written in it. A name that passes
    /// here can still be refused when it is resolved.
    ///
    /// # Errors
    /// [`EgressError::InvalidUrl`] or [`EgressError::Blocked`].
    pub fn check_url(&self, url: &Url) -> Result<(), EgressError> {
        self.vet(url).map(|_| ())
    }

    pub(crate) fn check_target(&self, url: &Url) -> Result<Target, EgressError> {
        self.vet(url)
    }

    /// The addresses of a name that may be dialled.
    pub(crate) async fn vetted(
        &self,
        name: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        vetted(&self.inner.policy, self.inner.clients.lookup(), name, port).await
    }

    /// Sends a request and waits for the response headers.
    ///
    /// # Errors
    /// See [`EgressError`]; ask [`EgressError::surely_not_sent`] before repeating a request with an effect.
    pub async fn send(&self, request: Request) -> Result<Response, EgressError> {
        let started = Instant::now();
        let Request { method, mut url, headers, mut hop_headers, body, limits, redirects, reuse } = request;
        let mut headers = without_framing(headers);
        let deadlines = Deadlines::new(started, &limits);
        let mut hops = 0u8;
        loop {
            let stamped = hop_headers.as_ref().map(|made| {
                let mut stamped = without_framing(made.headers(&method, &url, &body));
                // On a conflict the request's own headers win (behaviour 12).
                stamped.extend(headers.clone());
                stamped
            });
            let headers_of_hop = stamped.as_ref().unwrap_or(&headers);
            let outgoing =
                Outgoing { method: &method, url: &url, headers: headers_of_hop, body: &body, reuse };
            let outcome = self.send_once(outgoing, &limits, deadlines).await;
            let (response, target) = outcome.map_err(|error| after(hops, error))?;
            tracing::debug!(
                target_host = target.host(),
                target_port = target.port(),
                method = %method,
                status = response.status().as_u16(),
                hops,
                elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                "outbound request answered"
            );
            let hop = next_hop(redirects, &method, &url, hops, response.status(), response.headers())
                .map_err(|error| after(hops, error))?;
            match hop {
                None => return Ok(Response::new(response, url, target, limits, deadlines.total)),
                Some(hop) => {
                    if hop.foreign {
                        headers = harmless_headers(&headers);
                        hop_headers = None;
                    }
                    url = hop.url;
                    hops = hops.saturating_add(1);
                }
            }
        }
    }

    fn vet(&self, url: &Url) -> Result<Target, EgressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressError::InvalidUrl("only http and https are supported"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressError::InvalidUrl("remove the user name and password from it"));
        }
        if url.fragment().is_some() {
            return Err(EgressError::InvalidUrl("remove the part after #"));
        }
        let target = Target::of(url).ok_or(EgressError::InvalidUrl("it has no host"))?;
        if target.port() == 0 {
            return Err(EgressError::InvalidUrl("port 0 does not exist"));
        }
        match self.inner.policy.check_literal(url, &target) {
            Ok(()) => Ok(target),
            Err(refusal) => Err(EgressError::Blocked { target, refusal }),
        }
    }

    async fn send_once(
        &self,
        outgoing: Outgoing<'_>,
        limits: &Limits,
        deadlines: Deadlines,
    ) -> Result<(reqwest::Response, Target), EgressError> {
        let target = self.vet(outgoing.url)?;
        let connect = if target.is_tls() { limits.connect } else { limits.connect.min(CONNECT_PLAIN) };
        let client = self.inner.clients.get(target.port(), connect, outgoing.reuse)?;
        let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
        *request.headers_mut() = outgoing.headers.clone();
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.clone().into());
        } else if matches!(*outgoing.method, Method::POST | Method::PUT | Method::PATCH) {
            // RFC 9110 8.6: these say that they bring nothing; some servers answer 411 otherwise.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let response = match timeout_at(deadlines.headers(), client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure::of_request(error, &target, connect)),
            Err(_) => return Err(deadlines.headers_missed(target, limits)),
        };
        if headers_too_large(response.headers()) {
            return Err(EgressError::HeadersTooLarge { target, limit: RESPONSE_HEADERS });
        }
        Ok((response, target))
    }

    #[cfg(test)]
    pub(crate) fn pools(&self) -> usize {
        self.inner.clients.len()
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("allow", &self.allow().to_string()).finish_non_exhaustive()
    }
}

/// What one hop sends.
#[derive(Clone, Copy)]
struct Outgoing<'a> {
    method: &'a Method,
    url: &'a Url,
    headers: &'a http::HeaderMap,
    body: &'a bytes::Bytes,
    reuse: Reuse,
}

impl Deadlines {
    fn new(started: Instant, limits: &Limits) -> Self {
        Self { first_byte: later(started, limits.first_byte), total: limits.total.map(|t| later(started, t)) }
    }

    fn headers(&self) -> Instant {
        self.total.map_or(self.first_byte, |total| total.min(self.first_byte))
    }

    fn headers_missed(&self, target: Target, limits: &Limits) -> EgressError {
        match (self.total, limits.total) {
            (Some(at), Some(after)) if at <= self.first_byte => {
                EgressError::Timeout { target, phase: Phase::Total, after }
            }
            _ => EgressError::Timeout { target, phase: Phase::FirstByte, after: limits.first_byte },
        }
    }
}

/// Adding a caller's huge duration must not panic; thirty years are as good as never.
pub(crate) fn later(start: Instant, wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    start + wait.min(NEVER)
}

fn after(hops: u8, error: EgressError) -> EgressError {
    if hops == 0 { error } else { EgressError::AfterRedirect(Box::new(error)) }
}

/// hyper bounds what it buffers (about 400 KB) but lets no one set that bound for HTTP/1, so ours is applied here.
fn headers_too_large(headers: &http::HeaderMap) -> bool {
    let sizes = || headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    sizes().any(|size| size > RESPONSE_HEADER)
        || sizes().map(|size| size + 4).sum::<usize>() > RESPONSE_HEADERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::POOLS;

    #[tokio::test]
    async fn the_number_of_pools_is_bounded() {
        let config = EgressConfig {
            allow: AllowList::default(),
            own_listeners: Vec::new(),
            access_url: None,
            user_agent: "patchbay/test".into(),
        };
        let egress = Egress::new(config).expect("the user agent is plain");
        for port in 1..=(POOLS as u16 + 20) {
            egress
                .inner
                .clients
                .get(port, CONNECT_PLAIN, Reuse::Long)
                .expect("CA certificates are installed");
        }
        assert_eq!(egress.pools(), POOLS);
        egress.inner.clients.get(POOLS as u16 + 20, CONNECT_PLAIN, Reuse::Long).expect("it is cached");
        assert_eq!(egress.pools(), POOLS);
        egress.set_allow("localhost:1".parse().expect("a valid entry"));
        assert_eq!(egress.pools(), 0);
    }
}
