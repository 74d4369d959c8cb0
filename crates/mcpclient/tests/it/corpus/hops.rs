//! Where a server can point: redirects, addresses in its texts, ports of the inside: 26, 31, 32.

use std::time::{Duration, Instant};

use patchbay_mcpclient::{CallOutcome, McpErrorKind, Target, Transport, Wire};
use serde_json::{Value, json};
use testkit::axum::{http::StatusCode, response::IntoResponse};
use testkit::raw_peer::{Act, RawPeer, whole};

use super::{
    lab::{ERAS, Era, KEY, Lab, report, target},
    names::Names,
};
use crate::fake::{self, Seen};

/// Answers as a server of `era` up to the request `stage`, which is redirected to `location`.
async fn redirecting(era: Era, stage: &'static str, status: u16, location: String) -> fake::Fake {
    era.start(move |seen: Seen| {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = match seen.target.as_str() {
            // The second hop, at home.
            "/second" => Some((status, [("location", location.clone())]).into_response()),
            _ if seen.method() == stage => {
                let first = if location.contains("#chain") { "/second" } else { location.as_str() };
                Some((status, [("location", first.to_owned())]).into_response())
            }
            _ => None,
        };
        async move { answer }
    })
    .await
}

#[tokio::test]
pub(super) async fn redirect_chains() {
    // Open to us, so that nothing but the rule for redirects keeps the client away.
    let canary = RawPeer::start(|_| whole("200 OK", "", "the inside")).await;
    let port = canary.addr().port();
    let listed = fake::honest().await;
    let lab = Lab::start().await;
    let mut cases = 0;
    for era in ERAS {
        let first = if era == Era::Initialized { "initialize" } else { "server/discover" };
        for (stage, status, location) in [
            (first, 307, format!("http://127.0.0.1:{port}/{KEY}?{KEY}")),
            (first, 308, format!("http://2130706433:{port}/")),
            (first, 301, format!("http://127.0.0.1:{port}/")),
            (first, 302, "http://169.254.169.254/latest/meta-data/".to_owned()),
            (first, 303, format!("http://[::ffff:7f00:1]:{port}/")),
            (first, 307, format!("http://localhost:{port}/")),
            (first, 307, format!("//127.0.0.1:{port}/")),
            (first, 307, format!("http://user:pass@127.0.0.1:{port}/")),
            (first, 307, "file:///etc/passwd".to_owned()),
            (first, 307, format!("https://127.0.0.1:{port}/")),
            // The first hop leads home, the second inward.
            (first, 307, format!("http://127.0.0.1:{port}/#chain")),
            (first, 308, format!("http://0x7f.1:{port}/#chain")),
            // An MCP server, and still not the one to which the credentials belong.
            (first, 307, format!("http://{}/mcp", listed.addr)),
            ("tools/list", 307, format!("http://127.0.0.1:{port}/")),
            ("tools/list", 308, format!("http://127.0.0.1:{port}/#chain")),
            ("tools/list", 302, format!("http://{}/mcp", listed.addr)),
        ] {
            let server = redirecting(era, stage, status, location.clone()).await;
            let error = lab.beside(lab.list_fails(&era.target(&server))).await;
            let case = format!("{era:?} {stage} {status} {location}: {error}");
            assert_eq!(error.kind(), McpErrorKind::NotMcp, "{case}");
            assert!(error.public_message().contains("redirect"), "{case}");
            let seen = server.seen();
            assert_eq!(
                seen.iter().any(|seen| seen.target == "/second"),
                location.contains("#chain"),
                "{case}"
            );
            cases += 1;
        }
        for status in [302, 307] {
            let location = format!("http://127.0.0.1:{port}/");
            let server = redirecting(era, "tools/call", status, location).await;
            let outcome = lab.beside(lab.call(&era.target(&server), fake::echo("x"))).await;
            assert!(matches!(outcome, CallOutcome::Unknown { .. }), "the server saw the call: {outcome:?}");
            assert_eq!(server.count("tools/call"), 1);
            cases += 1;
        }
    }
    assert!(cases >= 20);
    assert_eq!(canary.connections(), 0);
    assert!(listed.seen().is_empty());
}

/// A tool, a hello and a result that name the canary wherever a client could be tempted to fetch.
#[tokio::test]
pub(super) async fn side_fetches() {
    let canary = RawPeer::start(|_| whole("200 OK", "", "{}")).await;
    for era in ERAS {
        let url = canary.url("");
        let at = {
            let url = url.clone();
            move |place: &str| format!("{url}/{place}")
        };
        let server = era
            .start(move |seen: Seen| {
                let answer = match seen.method() {
                    "initialize" | "server/discover" if seen.method() == first_of(era) => {
                        let mut hello = era.hello(&seen.body["id"]);
                        let about = json!({"name": "fake", "version": "1", "websiteUrl": at("website"),
                            "icons": [{"src": at("server-icon.svg"), "mimeType": "image/svg+xml"}]});
                        hello["result"]["serverInfo"] = about.clone();
                        hello["result"]["_meta"] = json!({"io.modelcontextprotocol/serverInfo": about});
                        hello["result"]["instructions"] =
                            json!(format!("![look]({})", at("instructions.png")));
                        Some(testkit::axum::Json(hello).into_response())
                    }
                    "tools/list" => Some(seen.result(surfaces(&at))),
                    "tools/call" => Some(seen.result(result_with_addresses(&at))),
                    _ => None,
                };
                async move { answer }
            })
            .await;
        let lab = Lab::start().await;
        let target = era.target(&server);
        lab.beside(async {
            let catalogue = lab.list(&target).await.unwrap();
            let names: Vec<_> = catalogue.tools.iter().map(|tool| tool.name.as_str()).collect();
            assert_eq!(names, ["fetching", "output"], "{:?}", catalogue.problems);
            assert!(catalogue.tool("fetching").unwrap().accepts(&json!({"uri": at_of(&url)})).is_ok());
            for tool in ["fetching", "output"] {
                let outcome = lab.call(&target, fake::call(tool, json!({"uri": at_of(&url)}))).await;
                assert!(matches!(outcome, CallOutcome::Done { .. }), "{outcome:?}");
            }
            lab.check(&target).await.unwrap();
        })
        .await;
    }
    // A challenge that names where to look for an authorization server.
    let challenge =
        format!("Bearer resource_metadata=\"{}\", jwks_uri=\"{}\"", canary.url("/prm"), canary.url("/jwks"));
    let refusing = fake::start(move |_| {
        let answer = (
            StatusCode::UNAUTHORIZED,
            [("www-authenticate", challenge.clone()), ("link", challenge.clone())],
        );
        async move { Some(answer.into_response()) }
    })
    .await;
    let lab = Lab::start().await;
    let error = lab.beside(lab.list_fails(&target(&format!("http://{}/mcp", refusing.addr), None))).await;
    assert_eq!(error.kind(), McpErrorKind::Unauthorized);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(canary.connections(), 0);
    lab.list_fails(&target(&canary.url("/mcp"), None)).await;
    assert!(canary.connections() > 0, "an unreachable canary would prove nothing");
}

fn first_of(era: Era) -> &'static str {
    if era == Era::Initialized { "initialize" } else { "server/discover" }
}

fn at_of(url: &str) -> String {
    format!("{url}/argument")
}

fn surfaces(at: &dyn Fn(&str) -> String) -> Value {
    let tool = |name: &str, schema: Value| json!({"name": name, "inputSchema": schema});
    let mut fetching = tool(
        "fetching",
        json!({"type": "object", "$id": at("root-id"),
        "properties": {"uri": {"type": "string", "format": "uri", "default": at("default"), "examples": [at("example")]}}}),
    );
    fetching["description"] = json!(format!("![x]({}) <img src={}>", at("markdown.png"), at("html.png")));
    fetching["icons"] = json!([{"src": at("tool-icon.png")}]);
    fetching["_meta"] = json!({"ui": {"resourceUri": at("app")}, "preview": at("preview")});
    let mut output = tool("output", json!({"type": "object"}));
    output["outputSchema"] = json!({"$ref": at("output-schema.json")});
    json!({"resultType": "complete", "ttlMs": 60000, "cacheScope": "private", "tools": [
        fetching,
        output,
        tool("ref", json!({"type": "object", "properties": {"a": {"$ref": at("schema.json")}}})),
        tool("dynamic", json!({"type": "object", "allOf": [{"$dynamicRef": at("dynamic.json")}]})),
        tool("dialect", json!({"type": "object", "$schema": at("dialect.json")})),
        tool("id", json!({"type": "object", "properties": {"a": {"$id": at("id.json"), "type": "string"}}})),
    ]})
}

fn result_with_addresses(at: &dyn Fn(&str) -> String) -> Value {
    json!({"resultType": "complete", "structuredContent": {"url": at("structured")}, "content": [
        {"type": "resource_link", "uri": at("link"), "name": "x", "icons": [{"src": at("link-icon.png")}]},
        {"type": "resource", "resource": {"uri": at("resource"), "mimeType": "text/html", "text": at("text")}},
        {"type": "image", "mimeType": "image/png", "data": at("image")},
        {"type": "text", "text": format!("![x]({})", at("markdown-result.png"))},
    ]})
}

#[tokio::test]
pub(super) async fn open_and_closed_ports_look_alike() {
    let open = RawPeer::start(|_| whole("200 OK", "", "")).await;
    let ports = [open.addr().port().to_string(), closed_port()];
    let lab = Lab::resolving("", Names::always(&["127.0.0.1"])).await;
    let mut texts = [Vec::new(), Vec::new()];
    let mut took = [Vec::new(), Vec::new()];
    lab.beside(async {
        for round in 0..20 {
            for (side, port) in ports.iter().enumerate() {
                let started = Instant::now();
                for host in ["127.0.0.1", "0x7f.1", "[::ffff:7f00:1]", "inside.test"] {
                    let url = format!("http://{host}:{port}/mcp");
                    let direct =
                        [target(&url, None), Target { transport: Transport::Sse, ..target(&url, None) }];
                    for target in &direct {
                        let error = lab.list_fails(target).await;
                        assert_eq!(error.kind(), McpErrorKind::Blocked, "{error}");
                        texts[side].push(error.public_message().replace(port, "PORT"));
                        let outcome = lab.call(target, fake::echo("x")).await;
                        texts[side].push(fake::text_of(&outcome).replace(port, "PORT"));
                    }
                }
                took[side].push(started.elapsed());
                if round == 0 {
                    texts[side].extend(by_way_of_a_server(port).await);
                }
            }
        }
    })
    .await;
    assert_eq!(texts[0], texts[1]);
    assert_eq!(open.connections(), 0);
    for (name, took) in ["open", "closed"].iter().zip(&mut took) {
        took.sort();
        report(&format!("32: {name} port, eight listings and calls: median {:?}", took[took.len() / 2]));
    }
}

/// What a server learns that sends us there: a redirect, and the address for messages of the old transport.
async fn by_way_of_a_server(port: &str) -> Vec<String> {
    let location = format!("http://127.0.0.1:{port}/");
    let event = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: {location}\n\n"
    );
    let peer = RawPeer::start(move |request| match request.method.as_str() {
        "GET" => vec![Act::Send(event.clone().into())],
        _ => whole("307 Temporary Redirect", &format!("location: {location}\r\n"), ""),
    })
    .await;
    let lab = Lab::allowing(&peer.addr().to_string()).await;
    let mut texts = Vec::new();
    for (transport, wire) in [(Transport::StreamableHttp, Some(Wire::Streamable)), (Transport::Sse, None)] {
        let target = Target { transport, ..target(&peer.url("/mcp"), wire) };
        let text = lab.list_fails(&target).await.public_message();
        texts.push(text.replace(port, "PORT").replace(&peer.addr().port().to_string(), "PEER"));
    }
    texts
}

fn closed_port() -> String {
    testkit::fake_mcp::closed_port().rsplit(':').next().unwrap().to_owned()
}
