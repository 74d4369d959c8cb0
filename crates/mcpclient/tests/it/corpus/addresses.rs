//! Addresses as a server's row or a server itself may write them: 24, 27, 28, 30.

use std::{collections::HashSet, sync::Arc};

use egress::SystemLookup;
use patchbay_mcpclient::{CallOutcome, McpErrorKind, Target, Transport, Wire};
use testkit::raw_peer::{Act, RawPeer, whole};
use url::Url;

use super::{
    lab::{Lab, short, target},
    names::Names,
};
use crate::fake;

/// Spellings of inside addresses. `PORT` becomes that of the canary.
const LITERALS: &str = "
    127.0.0.1:PORT 127.0.0.1.:PORT 127.1:PORT 127.0.1:PORT 127.1.:PORT 2130706433:PORT 2130706433.:PORT
    017700000001:PORT 00017700000001:PORT 0x7f000001:PORT 0X7F000001:PORT 0x7f.1:PORT 0x7f.0x0.0x0.0x1:PORT
    0x7f.0.0.1:PORT 0177.0.0.1:PORT 0177.0.0.01:PORT 0177.1:PORT 127.0x1:PORT 127.00000.00000.0001:PORT
    127.127.127.127:PORT 127.255.255.254:PORT %31%32%37.0.0.1:PORT 127%2e0%2e0%2e1:PORT 127。0。0。1:PORT
    ①②⑦.⓪.⓪.①:PORT 0:PORT 0.0.0.0:PORT 0x0:PORT 00000000000:PORT 0.0.0.1:PORT [::]:PORT [0:0:0:0:0:0:0:0]:PORT
    [::1]:PORT [0:0:0:0:0:0:0:1]:PORT [0000:0000:0000:0000:0000:0000:0000:0001]:PORT [::ffff:127.0.0.1]:PORT
    [::ffff:7f00:1]:PORT [::FFFF:7F00:0001]:PORT [0:0:0:0:0:ffff:127.0.0.1]:PORT [::127.0.0.1]:PORT [::7f00:1]:PORT
    [::ffff:0:127.0.0.1]:PORT [::ffff:10.0.0.1]:PORT [::ffff:169.254.169.254] [::ffff:a9fe:a9fe]
    [64:ff9b::127.0.0.1]:PORT [64:ff9b::7f00:1]:PORT [64:ff9b::a9fe:a9fe] [64:ff9b::10.0.0.1] [64:ff9b:1::7f00:1]
    [2002:7f00:1::]:PORT [2002:a00:1::1] [2002:a9fe:a9fe::] [2002:c0a8:101::] [2001:0:7f00:1::]
    [2001:0:808:808:0:0:80ff:fffe] [2606:4700::5efe:127.0.0.1] [fe80::1] [febf::1] [fec0::1] [fc00::1] [fd00::1]
    [fd00:ec2::254] [fd20:ce::254] [ff02::1] [100::1] 10.0.0.1 10.1 167772161 0xa000001 012.0.0.1 172.16.0.1
    172.31.255.255 0xac100001 192.168.0.1 192.168.1 3232235777 0300.0250.1.1 100.64.0.1 100.127.255.255 1681915905
    198.18.0.1 192.0.0.1 224.0.0.1 240.0.0.1 255.255.255.255 169.254.169.254 169.254.169.254. 2852039166 0xa9fea9fe
    0xA9.0xFE.0xA9.0xFE 0251.0376.0251.0376 169.254.43518 169.16689662 169.254.170.2 168.63.129.16 2822734096
    192.0.0.192 3221225664 100.100.100.200 1684301000
    [fe80::1%25eth0] [fe80::1%eth0] [::1%25lo]:PORT 127.0.0.257:PORT 4294967297:PORT";

/// A server on 127.0.0.1 that nobody may reach.
async fn canary() -> RawPeer {
    RawPeer::start(|_| whole("200 OK", "", "the inside")).await
}

#[tokio::test]
pub(super) async fn ip_literals() {
    let canary = canary().await;
    let port = canary.addr().port().to_string();
    let lab = Lab::allowing("").await;
    let mut judged = 0;
    lab.beside(async {
        for literal in LITERALS.split_whitespace() {
            // What does not even parse is refused when the server is saved.
            let Ok(url) = Url::parse(&format!("http://{}/mcp", literal.replace("PORT", &port))) else {
                continue;
            };
            let paths = [
                target(url.as_str(), None),
                target(url.as_str(), Some(Wire::Streamable)),
                target(url.as_str(), Some(Wire::Stateless)),
                Target { transport: Transport::Sse, ..target(url.as_str(), None) },
            ];
            for target in &paths {
                let error = lab.list_fails(target).await;
                assert_eq!(error.kind(), McpErrorKind::Blocked, "{literal}: {error}");
                let outcome = lab.call(target, fake::echo("x")).await;
                assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{literal}: {outcome:?}");
            }
            assert_eq!(lab.check(&paths[0]).await.unwrap_err().kind(), McpErrorKind::Blocked, "{literal}");
            judged += 1;
        }
        for literal in ["127.0.0.1", "0x7f000001", "[::ffff:7f00:1]", "localhost", "169.254.169.254"] {
            named_as_the_address_for_messages(&lab, literal, &port).await;
        }
    })
    .await;
    assert!(judged >= 80, "only {judged} literals reached our check");
    assert_eq!(canary.connections(), 0);

    // An unreachable canary would prove nothing.
    let open = Lab::start().await;
    open.list_fails(&target(&canary.url("/mcp"), Some(Wire::Streamable))).await;
    assert_eq!(canary.connections(), 1);
}

/// The old transport lets a server choose where messages go.
async fn named_as_the_address_for_messages(lab: &Lab, literal: &str, port: &str) {
    let event = format!("event: endpoint\ndata: http://{literal}:{port}/messages\n\n");
    let old = RawPeer::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        vec![Act::Send(format!("{head}{event}").into())]
    })
    .await;
    let inside = Lab::allowing(&old.addr().to_string()).await;
    let target = Target { transport: Transport::Sse, ..target(&old.url("/sse"), None) };
    let error = inside.list_fails(&target).await;
    assert_eq!(error.kind(), McpErrorKind::Protocol, "{literal}: {error}");
    assert_eq!(lab.list_fails(&target).await.kind(), McpErrorKind::Blocked);
}

/// Texts in which two parsers could see two hosts.
const DIFFERENTIALS: &[&str] = &[
    "http://example.test@127.0.0.1:PORT/",
    "http://example.test:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@example.test:PORT/",
    "http://127.0.0.1@example.test:PORT/",
    "http://example.test%40127.0.0.1:PORT/",
    "http://example.test:PORT#@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@example.test:PORT/",
    "http://example.test:PORT\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@example.test:PORT/",
    "http://example.test:PORT/@127.0.0.1:PORT/",
    "http://example.test:PORT?@127.0.0.1:PORT/",
    "http://example.test:PORT/\\127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:\\\\example.test:PORT\\@127.0.0.1\\",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "http:///example.test:PORT/",
    "ht\ttp://127.0.\n0.1:PORT/",
    "http://exam\tple.te\nst:PORT/",
    " http://127.0.0.1:PORT/ ",
    "http://127.0.0.1 :PORT/",
    "http://example.test :PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://example.test:PORT:80/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://example。test:PORT/",
    "http://ⓔⓧⓐⓜⓟⓛⓔ.test:PORT/",
    "http://ex\u{ad}ample.test:PORT/",
    "http://example.test.:PORT/",
    "http://EXAMPLE.test:PORT/",
    "http://ex%61mple.test:PORT/",
    "http://127.0.0.1%00.example.test:PORT/",
    "http://example.test%2f@127.0.0.1:PORT/",
    "http://example.test%23@127.0.0.1:PORT/",
    "http://127.0.0.1%2eexample.test:PORT/",
    "http://0x7f.1.example.test:PORT/",
    "http://example.test;127.0.0.1:PORT/",
    "http://example.test,127.0.0.1:PORT/",
    "http://example.test&127.0.0.1:PORT/",
    "http://пример.test:PORT/",
    "http://xn--e1afmkfd.test:PORT/",
];

#[tokio::test]
pub(super) async fn parser_differentials() {
    let canary = canary().await;
    let port = canary.addr().port();
    // Every name leads to this one, on the same port and another address.
    let outside =
        RawPeer::start_at(format!("127.0.0.2:{port}").parse().unwrap(), |_| whole("404 Not Found", "", ""))
            .await;
    let names = Names::always(&["127.0.0.2"]);
    let lab = Lab::resolving(&format!("127.0.0.2:{port}"), names.clone()).await;
    let (mut dialled, mut refused) = (0, 0);
    lab.beside(async {
        for text in DIFFERENTIALS {
            let text = text.replace("PORT", &port.to_string());
            let Ok(url) = Url::parse(&text) else {
                refused += 1;
                continue;
            };
            let (asked, seen) = (names.asked().len(), outside.requests().len());
            let error = lab.list_fails(&target(url.as_str(), Some(Wire::Streamable))).await;
            let (asked, seen) = (names.asked().split_off(asked), outside.requests().split_off(seen));
            if error.kind() == McpErrorKind::Blocked {
                assert!(asked.is_empty() && seen.is_empty(), "{text}: {error}");
                refused += 1;
                continue;
            }
            // The name that was looked up and the one the server was told are those that our parser sees.
            let host = url.host_str().unwrap();
            assert!(asked.iter().all(|name| name == host), "{text}: {asked:?}");
            assert!(!seen.is_empty(), "{text}: {error}");
            assert!(seen.iter().all(|seen| seen.header("host") == Some(&format!("{host}:{port}"))), "{text}");
            dialled += 1;
        }
    })
    .await;
    assert_eq!(canary.connections(), 0);
    assert!(dialled >= 8 && refused >= 20 && dialled + refused >= 40, "{dialled} dialled, {refused} refused");
    let hosts: HashSet<String> = names.asked().into_iter().collect();
    assert!(hosts.iter().all(|host| host.ends_with(".test") || host.ends_with(".test.")), "{hosts:?}");
}

#[tokio::test]
pub(super) async fn listed_private_servers() {
    let server = fake::honest().await;
    let port = server.addr.port();
    let other = port ^ 1;
    for (allow, host, opens) in [
        (format!("127.0.0.1:{port}"), "127.0.0.1", true),
        (format!("127.0.0.1:{port}"), "0x7f000001", true),
        (format!("127.0.0.0/8:{port}"), "127.0.0.1", true),
        (format!("server.test:{port}"), "server.test", true),
        ("127.0.0.1:*".to_owned(), "127.0.0.1", true),
        (format!("127.0.0.1:{other}"), "127.0.0.1", false),
        (format!("127.0.0.2:{port}"), "127.0.0.1", false),
        (format!("server.test:{port}"), "other.test", false),
        (format!("server.test:{port}"), "127.0.0.1", false),
        ("10.0.0.0/8:*".to_owned(), "127.0.0.1", false),
    ] {
        let lab = Lab::resolving(&allow, Names::always(&["127.0.0.1"])).await;
        let target = target(&format!("http://{host}:{port}/mcp"), None);
        let listed = lab.beside(lab.list(&target)).await;
        assert_eq!(listed.is_ok(), opens, "{allow} and {host}: {listed:?}");
        if let Err(error) = listed {
            assert_eq!(error.kind(), McpErrorKind::Blocked, "{error}");
            assert!(error.public_message().contains("PATCHBAY_EGRESS_ALLOW"), "says what opens it: {error}");
        }
    }
    // No entry opens link-local addresses or metadata, whatever leads there.
    let everything = "0.0.0.0/0:*,[::/0]:*,inside.test:*";
    for inside in
        ["169.254.169.254", "169.254.1.1", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1"]
    {
        let lab = Lab::resolving(everything, Names::always(&[inside])).await;
        let literal = if inside.contains(':') { format!("[{inside}]") } else { inside.to_owned() };
        for host in [literal.as_str(), "inside.test"] {
            let error = lab.list_fails(&target(&format!("http://{host}/mcp"), None)).await;
            assert_eq!(error.kind(), McpErrorKind::Blocked, "{host}: {error}");
            assert!(error.public_message().contains("cannot be allowed"), "{error}");
        }
    }
}

/// One replica: it knows its own listeners and its access URL. Nothing counts hops over several replicas.
#[tokio::test]
pub(super) async fn our_own_url() {
    let ourselves = canary().await;
    let port = ourselves.addr().port();
    let allow = format!("127.0.0.0/8:*,[::1]:*,localhost:*,patchbay.test:{port},elsewhere.test:{port}");
    let lab = Lab::build(&allow, Names::always(&["127.0.0.1"]), short(), |config| {
        config.own_listeners = vec![format!("0.0.0.0:{port}").parse().unwrap()];
        config.access_url = Some(format!("http://patchbay.test:{port}/").parse().unwrap());
    })
    .await;
    lab.beside(async {
        for host in
            ["127.0.0.1", "127.0.0.2", "0x7f.1", "[::1]", "patchbay.test", "elsewhere.test", "localhost"]
        {
            let target = target(&format!("http://{host}:{port}/mcp"), None);
            let error = lab.check(&target).await.unwrap_err();
            assert_eq!(error.kind(), McpErrorKind::Blocked, "{host}: {error}");
            assert!(error.public_message().contains("cannot be allowed"), "{host}: {error}");
            let outcome = lab.call(&target, fake::echo("x")).await;
            assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{host}: {outcome:?}");
        }
    })
    .await;
    assert_eq!(ourselves.connections(), 0);
    let open = Lab::build(&allow, Arc::new(SystemLookup), short(), |_| {}).await;
    open.list_fails(&target(&ourselves.url("/mcp"), None)).await;
    assert!(ourselves.connections() > 0, "an unreachable listener would prove nothing");
}
