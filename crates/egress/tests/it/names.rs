//! Threats B 25 and 28: names are resolved once per dial, every address is judged, only a judged one is dialled.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use patchbay_egress::{BlockClass, Egress, EgressError, Lookup, Phase};
use url::Url;

use crate::support::{Act, FakeDns, Server, config, get, ok};

fn closing() -> Vec<Act> {
    vec![
        Act::Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        Act::Close,
    ]
}

fn named(port: u16) -> Url {
    Url::parse(&format!("http://mcp.test:{port}/mcp")).unwrap()
}

fn client(allow: &str, dns: Arc<impl Lookup>) -> Egress {
    Egress::with_lookup(config(allow), dns).unwrap()
}

#[tokio::test]
async fn one_blocked_address_condemns_the_whole_answer() {
    let server = Server::start(|_| ok()).await;
    let port = server.addr.port();
    let allow = format!("127.0.0.1:{port}");
    for (answer, class) in [
        (&["127.0.0.1", "10.0.0.1"][..], BlockClass::Private),
        (&["10.0.0.1", "127.0.0.1"], BlockClass::Private),
        (&["127.0.0.1", "::1"], BlockClass::Loopback),
        (&["127.0.0.1", "169.254.169.254"], BlockClass::Metadata),
        (&["127.0.0.1", "::ffff:10.0.0.1"], BlockClass::Private),
        (&["127.0.0.1", "64:ff9b::a00:1"], BlockClass::Private),
        (&["8.8.8.8", "127.0.0.2"], BlockClass::Loopback),
    ] {
        let egress = client(&allow, FakeDns::fixed(answer));
        let error = egress.send(get(named(port))).await.unwrap_err();
        assert_eq!(error.refusal().map(|r| r.class()), Some(class), "{answer:?}: {error}");
        assert!(error.surely_not_sent());
    }
    assert_eq!(server.connections(), 0);
    let egress = client(&allow, FakeDns::fixed(&["127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"]));
    egress.send(get(named(port))).await.unwrap();
}

#[tokio::test]
async fn a_flipping_name_is_dialled_at_the_vetted_address_only() {
    let server = Server::start(|_| closing()).await;
    let port = server.addr.port();
    let inside = Server::start_at(format!("127.0.0.2:{port}").parse().unwrap(), |_| closing()).await;
    // Even queries get the allowed address, odd ones the inside: a second lookup for one dial would be caught.
    let dns = FakeDns::new(|_, number| {
        Ok(vec![if number % 2 == 0 { "127.0.0.1" } else { "127.0.0.2" }.parse().unwrap()])
    });
    let egress = client(&format!("127.0.0.1:{port}"), Arc::clone(&dns));
    let (mut served, mut refused) = (0, 0);
    for _ in 0..500 {
        match egress.send(get(named(port))).await {
            Ok(response) => {
                assert_eq!(&response.bytes().await.unwrap()[..], b"ok");
                served += 1;
            }
            Err(error) => {
                assert_eq!(error.refusal().map(|r| r.class()), Some(BlockClass::Loopback), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((served, refused, dns.asked()), (250, 250, 500));
    assert_eq!(inside.connections(), 0);
    assert_eq!(server.seen()[0].header("host"), Some(format!("mcp.test:{port}").as_str()));
}

#[tokio::test]
async fn a_host_entry_opens_its_name_only() {
    let server = Server::start(|_| ok()).await;
    let port = server.addr.port();
    let egress = client(&format!("mcp.test:{port}"), FakeDns::fixed(&["127.0.0.1"]));
    egress.send(get(named(port))).await.unwrap();
    for host in ["other.test", "x.mcp.test", "mcp.test.evil", "127.0.0.1"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = egress.send(get(url)).await.expect_err(host);
        assert_eq!(error.refusal().map(|r| r.class()), Some(BlockClass::Loopback), "{host}");
    }
    let other_port = Url::parse(&format!("http://mcp.test:{}/", port ^ 1)).unwrap();
    let error = egress.send(get(other_port)).await.unwrap_err();
    assert_eq!(
        error.refusal().and_then(|r| r.allow_entry()),
        Some(format!("mcp.test:{}", port ^ 1).as_str())
    );
    assert_eq!(server.connections(), 1);

    // an allowed name still cannot lead to metadata
    let egress = client("mcp.test:*,0.0.0.0/0:*", FakeDns::fixed(&["169.254.169.254"]));
    let error = egress.send(get(named(80))).await.unwrap_err();
    assert_eq!(error.refusal().map(|r| r.class()), Some(BlockClass::Metadata));
    assert_eq!(error.public_message(), "mcp.test: blocked address (cloud metadata); it cannot be allowed");
}

#[tokio::test]
async fn closing_the_list_closes_idle_connections_too() {
    let server = Server::start(|_| ok()).await;
    let port = server.addr.port();
    let allow = format!("127.0.0.1:{port}");
    let egress = client(&allow, FakeDns::fixed(&["127.0.0.1"]));
    for _ in 0..3 {
        egress.send(get(named(port))).await.unwrap().bytes().await.unwrap();
        egress.set_allow(allow.parse().unwrap()); // the same list: the connection stays
    }
    assert_eq!(server.connections(), 1, "keep-alive is not used");
    egress.set_allow("".parse().unwrap());
    assert!(egress.allow().is_empty());
    let error = egress.send(get(named(port))).await.unwrap_err();
    assert!(matches!(error, EgressError::Blocked { .. }), "{error}");
    egress.set_allow(allow.parse().unwrap());
    egress.send(get(named(port))).await.unwrap();
    assert_eq!(server.connections(), 2);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn failed_lookups_are_told_apart() {
    let missing = || Err(io::Error::from(io::ErrorKind::NotFound));
    let egress = client("", FakeDns::new(move |_, _| missing()));
    let error = egress.send(get(Url::parse("https://mcp.test/x?token=1").unwrap())).await.unwrap_err();
    assert_eq!(error.public_message(), "could not connect to mcp.test: name not found");
    assert!(error.surely_not_sent() && !error.is_retryable());

    let egress = client("", FakeDns::new(|_, _| Ok(Vec::new())));
    let error = egress.send(get(named(443))).await.unwrap_err();
    assert!(matches!(error, EgressError::NameNotFound { .. }), "{error:?}");

    let egress = client("", FakeDns::new(|_, _| Err(io::Error::other("secret resolver detail"))));
    let error = egress.send(get(named(80))).await.unwrap_err();
    assert_eq!(error.public_message(), "could not connect to mcp.test: name lookup failed");
    assert!(error.surely_not_sent() && error.is_retryable());

    let crowd: Vec<IpAddr> = (0..100).map(|n| IpAddr::from([8, 8, 8, n])).collect();
    let egress = client("", FakeDns::new(move |_, _| Ok(crowd.clone())));
    let error = egress.send(get(named(80))).await.unwrap_err();
    assert!(matches!(error, EgressError::NameLookup { .. }), "{error:?}");
}

struct Silent;

impl Lookup for Silent {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_silent_name_server_costs_the_connect_deadline() {
    let egress = client("", Arc::new(Silent));
    let mut request = get(named(443));
    request.limits.connect = Duration::from_millis(200);
    let error = egress.send(request).await.unwrap_err();
    assert!(matches!(error, EgressError::Timeout { phase: Phase::Connect, .. }), "{error:?}");
    assert_eq!(error.public_message(), "could not connect to mcp.test:443 within 200 ms");
    assert!(error.is_timeout() && error.surely_not_sent());
}
