//! Threats B 24 and 27: no spelling of an inside address is dialled, and what is judged is what would be dialled.

use patchbay_egress::{BlockClass, EgressError};
use url::Url;

use crate::support::{Server, egress, get, ok};

/// `PORT` becomes the port of a canary on 127.0.0.1. Each one must be refused, by the URL parser or by us.
const PAYLOADS: &[&str] = &[
    // loopback: dotted, decimal, octal, hex, short, mixed, odd digits
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.1.:PORT/",
    "http://2130706433:PORT/",
    "http://2130706433.:PORT/",
    "http://017700000001:PORT/",
    "http://00017700000001:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://0177.1:PORT/",
    "http://127.0x1:PORT/",
    "http://127.00000.00000.0001:PORT/",
    "http://127.127.127.127:PORT/",
    "http://127.255.255.254:PORT/",
    "http://127.0.0.1%2e:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://4294967297:PORT/",
    "http://127.0.0.257:PORT/",
    "http://127.0.0.0.1:PORT/",
    // unspecified
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0x0:PORT/",
    "http://00000000000:PORT/",
    "http://0.0.0.1:PORT/",
    "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:0]:PORT/",
    // IPv6 loopback and IPv4 in IPv6
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::FFFF:7F00:0001]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[::ffff:10.0.0.1]:PORT/",
    "http://[::ffff:a00:1]:PORT/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[64:ff9b:1::808:808]/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a00:1::1]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2002:c0a8:101::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:0:808:808:0:0:80ff:fffe]/",
    "http://[2001::808:808:0:0:5601:5601]/",
    "http://[2606:4700::5efe:127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]:PORT/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fd00:0ec2:0:0:0:0:0:0254]/",
    "http://[fd20:ce::254]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:2::1]/",
    "http://[2001:db8::1]/",
    "http://[4000::1]/",
    "http://[5f00::1]/",
    // private, shared, special
    "http://10.0.0.1/",
    "http://10.1/",
    "http://167772161/",
    "http://0xa000001/",
    "http://012.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://0xac100001/",
    "http://192.168.0.1/",
    "http://192.168.1/",
    "http://3232235777/",
    "http://0300.0250.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://1681915905/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://192.0.0.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://4294967295/",
    // cloud metadata
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254./",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xA9.0xFE.0xA9.0xFE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.0.1/",
    "http://168.63.129.16/",
    "http://2822734096/",
    "http://192.0.0.192/",
    "http://3221225664/",
    "http://100.100.100.200/",
    "http://1684301000/",
    "https://169.254.169.254/",
    "https://[::1]:PORT/",
    // parser differentials
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@example.com/",
    "http://example.com%40127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "ht\ttp://127.0.\n0.1:PORT/",
    " http://127.0.0.1:PORT/ ",
    "http://127.0.0.1 :PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://[::1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:0/",
    "http://:PORT/",
    "http:///127.0.0.1:PORT/",
    // other schemes
    "file:///etc/passwd",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_x",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1:PORT/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "jar:http://127.0.0.1:PORT/!/",
    // names
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://loc%61lhost:PORT/",
    "http://localhost:PORT/",
    "http://user@localhost:PORT/",
];

#[tokio::test]
async fn no_payload_reaches_the_canary() {
    let canary = Server::start(|_| ok()).await;
    let egress = egress("");
    let port = canary.addr.port().to_string();
    let (mut ours, mut parsers) = (0, 0);
    for payload in PAYLOADS {
        let text = payload.replace("PORT", &port);
        let Ok(url) = Url::parse(&text) else {
            parsers += 1;
            continue;
        };
        let by_name = url.domain().is_some_and(|name| name.trim_end_matches('.') == "localhost")
            && url.username().is_empty();
        let checked = egress.check_url(&url);
        assert_eq!(checked.is_ok(), by_name, "{text}: {checked:?}");
        let error = egress.send(get(url)).await.expect_err(&text);
        // not every system resolver knows `localhost.`
        let refused = matches!(error, EgressError::Blocked { .. } | EgressError::InvalidUrl(_))
            || (by_name
                && matches!(error, EgressError::NameNotFound { .. } | EgressError::NameLookup { .. }));
        assert!(refused, "{text}: {error:?}");
        assert!(error.surely_not_sent(), "{text}");
        assert!(by_name || !error.is_retryable(), "{text}");
        ours += 1;
    }
    assert_eq!(canary.connections(), 0);
    assert!(ours >= 120, "only {ours} payloads reached our check; {parsers} did not parse");
}

#[tokio::test]
async fn the_canary_is_reachable_once_it_is_listed() {
    // Guards the test above: an unreachable canary would prove nothing.
    let canary = Server::start(|_| ok()).await;
    let port = canary.addr.port();
    let egress = egress(&format!("127.0.0.1:{port}"));
    for text in ["http://127.1:PORT/", "http://0x7f000001:PORT/", "http://[::ffff:7f00:1]:PORT/"] {
        let url = Url::parse(&text.replace("PORT", &port.to_string())).unwrap();
        egress.send(get(url)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    assert_eq!(canary.seen().len(), 3);
}

#[tokio::test]
async fn own_listeners_and_the_access_url_are_never_dialled() {
    let ourselves = Server::start(|_| ok()).await;
    let port = ourselves.addr.port();
    let mut config =
        crate::support::config(&format!("127.0.0.0/8:*,localhost:*,[::1]:*,patchbay.test:{port}"));
    config.access_url = Some(Url::parse(&format!("http://patchbay.test:{port}/")).unwrap());
    let egress =
        patchbay_egress::Egress::with_lookup(config, crate::support::FakeDns::fixed(&["127.0.0.1"])).unwrap();
    let url = |host: &str| Url::parse(&format!("http://{host}:{port}/")).unwrap();

    // before the sockets are bound only the access URL is known, and it is refused by name alone
    let error = egress.send(get(url("patchbay.test"))).await.unwrap_err();
    assert_eq!(error.refusal().map(|r| r.class()), Some(BlockClass::OwnListener));
    egress.send(get(url("127.0.0.1"))).await.unwrap();
    assert_eq!(ourselves.seen().len(), 1);

    for listener in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        egress.set_own_listeners(vec![listener.parse().unwrap()]);
        for host in ["127.0.0.1", "localhost", "other.name", "[::ffff:127.0.0.1]"] {
            let error = egress.send(get(url(host))).await.expect_err(host);
            assert_eq!(
                error.refusal().map(|r| r.class()),
                Some(BlockClass::OwnListener),
                "{host} with listener {listener}: {error}"
            );
            assert!(error.refusal().unwrap().allow_entry().is_none());
        }
    }
    assert_eq!(ourselves.seen().len(), 1, "a request reached ourselves");
}

#[tokio::test]
async fn an_open_and_a_closed_inside_port_look_the_same() {
    let open = Server::start(|_| ok()).await;
    let closed = {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap().port()
    };
    let egress = egress("");
    let mut texts = Vec::new();
    for (host, port) in [("127.0.0.1", open.addr.port()), ("127.0.0.1", closed)] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let text = egress.send(get(url)).await.unwrap_err().public_message();
        texts.push(text.replace(&port.to_string(), "PORT"));
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(
        texts[0],
        "127.0.0.1:PORT: blocked address (loopback); to allow it, start with PATCHBAY_EGRESS_ALLOW=127.0.0.1:PORT"
    );
    assert_eq!(open.connections(), 0);
}
