//! Connection pools: the only place where a reqwest client is built.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::HeaderValue;

use crate::{
    error::EgressError,
    limits::{IDLE_BRIEFLY, IDLE_CONNECTION, IDLE_CONNECTIONS_PER_ORIGIN, POOLS, RESPONSE_HEADERS},
    policy::Policy,
    request::Reuse,
    resolve::{Lookup, VettingResolver},
};

/// What tells two pools apart: the resolver's verdict depends on the port, and reqwest knows a connect deadline only
/// per client, as it knows how long a connection may be idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    port: u16,
    connect: Duration,
    reuse: Reuse,
}

/// Pools by key, the most recently used one last.
pub(crate) struct Clients {
    user_agent: HeaderValue,
    policy: Arc<Policy>,
    lookup: Arc<dyn Lookup>,
    pools: Mutex<Vec<(Key, reqwest::Client)>>,
}

impl Clients {
    pub(crate) fn new(user_agent: HeaderValue, policy: Arc<Policy>, lookup: Arc<dyn Lookup>) -> Self {
        Self { user_agent, policy, lookup, pools: Mutex::new(Vec::new()) }
    }

    /// The pool for a port, connect deadline and way of reuse.
    pub(crate) fn get(
        &self,
        port: u16,
        connect: Duration,
        reuse: Reuse,
    ) -> Result<reqwest::Client, EgressError> {
        let key = Key { port, connect, reuse };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match pools.iter().position(|(known, _)| *known == key) {
            Some(index) => pools.remove(index),
            None => (key, self.build(key)?),
        };
        let client = entry.1.clone();
        pools.push(entry);
        if pools.len() > POOLS {
            pools.remove(0);
        }
        Ok(client)
    }

    /// Where names are looked up.
    pub(crate) fn lookup(&self) -> &dyn Lookup {
        &*self.lookup
    }

    /// Forgets every idle connection: after a change of policy none may carry a request that would be refused now.
    pub(crate) fn clear(&self) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pools.lock().unwrap().len()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the client that everything else has to use")]
    fn build(&self, key: Key) -> Result<reqwest::Client, EgressError> {
        let (idle, idle_for) = match key.reuse {
            Reuse::Never => (0, Duration::ZERO),
            Reuse::Brief => (IDLE_CONNECTIONS_PER_ORIGIN, IDLE_BRIEFLY),
            Reuse::Long => (IDLE_CONNECTIONS_PER_ORIGIN, IDLE_CONNECTION),
        };
        let headers = u32::try_from(RESPONSE_HEADERS).expect("the header cap is 64 KiB");
        reqwest::Client::builder()
            .dns_resolver(VettingResolver {
                policy: Arc::clone(&self.policy),
                lookup: Arc::clone(&self.lookup),
                port: key.port,
            })
            .user_agent(self.user_agent.clone())
            .connect_timeout(key.connect)
            // A proxy resolves names itself, past every check of ours.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // By default it sends again on some protocol errors; only the caller knows whether that is safe.
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(idle_for)
            .http2_max_header_list_size(headers)
            .build()
            .map_err(|error| EgressError::Setup {
                reason: "TLS could not be set up; install the system's CA certificates or set SSL_CERT_FILE",
                source: Some(error.into()),
            })
    }
}
