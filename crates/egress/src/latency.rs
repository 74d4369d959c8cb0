//! How long the steps of a connection take, for an admin who wonders where the time goes. Measured on a connection of its own, which says
//! nothing and is closed.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::{
    client::Egress,
    limits::{CONNECT_PLAIN, CONNECT_TLS},
};

/// What was measured; a step that was not needed or did not come off is missing, and so are those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Looking up the host's name; missing for a literal address.
    pub name: Option<Duration>,
    /// Until the TCP connection stood.
    pub tcp: Option<Duration>,
    /// The TLS handshake; missing for plain http.
    pub tls: Option<Duration>,
}

impl Egress {
    /// Measures how a connection to the host of `url` comes about. The same checks as for every request; trouble leaves steps out, as
    /// the request itself says what is wrong.
    pub async fn measure(&self, url: &Url) -> Latency {
        let mut measured = Latency::default();
        let Ok(target) = self.check_target(url) else { return measured };
        let addresses = match url.host() {
            Some(Host::Domain(name)) => {
                let started = Instant::now();
                let Ok(found) = self.vetted(name, target.port()).await else { return measured };
                measured.name = Some(started.elapsed());
                found
            }
            Some(Host::Ipv4(ip)) => vec![(ip, target.port()).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, target.port()).into()],
            None => return measured,
        };
        let started = Instant::now();
        let Some(address) = addresses.first() else { return measured };
        let Ok(Ok(stream)) = timeout(CONNECT_PLAIN, TcpStream::connect(address)).await else {
            return measured;
        };
        measured.tcp = Some(started.elapsed());
        if target.is_tls() {
            measured.tls = handshake(stream, target.host()).await;
        }
        measured
    }
}

async fn handshake(stream: TcpStream, host: &str) -> Option<Duration> {
    let config = rustls::ClientConfig::with_platform_verifier().ok()?;
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let started = Instant::now();
    let done = timeout(CONNECT_TLS, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    matches!(done, Ok(Ok(_))).then(|| started.elapsed())
}
