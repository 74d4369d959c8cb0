//! Names to vetted addresses: the only resolver the connection pools know.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::{FutureExt as _, future::BoxFuture};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    limits::{ADDRESSES_DIALLED, ADDRESSES_PER_NAME, CONNECT_PLAIN},
    policy::Policy,
    target::Target,
};

/// Where names are looked up. The system's resolver in production; tests put hostile answers here.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of a name. An empty answer means that the name does not exist.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when the name does not exist, anything else when nobody could say.
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// `getaddrinfo` of the system, on the runtime's blocking threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move {
            match tokio::net::lookup_host((host, 0)).await {
                Ok(found) => Ok(found.map(|addr| addr.ip()).take(ADDRESSES_PER_NAME + 1).collect()),
                Err(error) if is_temporary(&error) => Err(error),
                Err(error) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            }
        }
        .boxed()
    }
}

/// std keeps the code of `getaddrinfo` to itself; its text is all there is to tell "no such name" from "ask later".
fn is_temporary(error: &io::Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["temporary failure", "try again", "non-recoverable failure", "system error"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// A name that led to no address. [`crate::EgressError`] gives it a public face.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupFailure {
    #[error("name not found")]
    NotFound,
    #[error("name lookup failed")]
    Failed(#[source] io::Error),
    #[error("name lookup timed out")]
    TimedOut,
    #[error("the name has more than {ADDRESSES_PER_NAME} addresses")]
    TooMany,
}

/// Resolves for one port. reqwest does not tell its resolver the port, and the verdict depends on it, so there is one
/// connection pool with one of these per port.
pub(crate) struct VettingResolver {
    pub(crate) policy: Arc<Policy>,
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) port: u16,
}

impl fmt::Debug for VettingResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VettingResolver").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, lookup, port) = (Arc::clone(&self.policy), Arc::clone(&self.lookup), self.port);
        Box::pin(async move {
            let addrs = vetted(&policy, &*lookup, name.as_str(), port).await?;
            Ok(Box::new(addrs.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name that may be dialled.
///
/// # Errors
/// A [`LookupFailure`] or a refusal of the policy.
pub(crate) async fn vetted(
    policy: &Policy,
    lookup: &dyn Lookup,
    name: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let target = Target::of_name(name, port);
    policy.check_host(&target)?;
    let found = tokio::time::timeout(CONNECT_PLAIN, lookup.lookup(name))
        .await
        .map_err(|_| LookupFailure::TimedOut)?
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LookupFailure::NotFound,
            _ => LookupFailure::Failed(error),
        })?;
    if found.is_empty() {
        return Err(LookupFailure::NotFound.into());
    }
    if found.len() > ADDRESSES_PER_NAME {
        return Err(LookupFailure::TooMany.into());
    }
    // One bad address condemns the name: a mixed answer is how rebinding smuggles the inside in.
    for ip in &found {
        policy.check_address(&target, *ip)?;
    }
    Ok(found.into_iter().take(ADDRESSES_DIALLED).map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect())
}
