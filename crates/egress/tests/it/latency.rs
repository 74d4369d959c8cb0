//! How long the steps of a connection take: each that happens, and none towards an address that may not be dialled.

use patchbay_egress::{Egress, Latency};
use url::Url;

use crate::support::{FakeDns, Server, config, ok};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[tokio::test]
async fn each_step_that_happens_is_measured() {
    let server = Server::start(|_| ok()).await;
    let port = server.addr.port();
    let egress =
        Egress::with_lookup(config(&format!("127.0.0.1:{port}")), FakeDns::fixed(&["127.0.0.1"])).unwrap();
    let literal = egress.measure(&url(&format!("http://127.0.0.1:{port}/mcp?key=x"))).await;
    assert!(literal.name.is_none() && literal.tcp.is_some() && literal.tls.is_none(), "{literal:?}");
    let named = egress.measure(&url(&format!("http://mcp.test:{port}/"))).await;
    assert!(named.name.is_some() && named.tcp.is_some(), "{named:?}");
    // Nobody there speaks TLS: the step is missing, and nothing waits for it.
    let broken = egress.measure(&url(&format!("https://mcp.test:{port}/"))).await;
    assert!(broken.tcp.is_some() && broken.tls.is_none(), "{broken:?}");
}

#[tokio::test]
async fn what_may_not_be_dialled_is_not_measured_either() {
    let canary = Server::start(|_| ok()).await;
    let port = canary.addr.port();
    let egress = Egress::with_lookup(config(""), FakeDns::fixed(&["127.0.0.1"])).unwrap();
    for target in [format!("http://127.0.0.1:{port}/"), format!("http://mcp.test:{port}/")] {
        let measured = egress.measure(&url(&target)).await;
        assert_eq!(measured.tcp, None, "{target}");
    }
    assert_eq!(egress.measure(&url("ftp://mcp.test/")).await, Latency::default());
    assert_eq!(canary.connections(), 0);
}
