//! Names and proxies on the way to a server: 25, 29.

use std::{
    io,
    net::IpAddr,
    process::Stdio,
    sync::{Arc, Mutex},
};

use egress::Lookup;
use futures::{FutureExt as _, future::BoxFuture};
use patchbay_mcpclient::{McpErrorKind, Wire};
use serde_json::{Value, json};
use testkit::raw_peer::{Act, RawPeer, whole};

use super::lab::{Lab, target};
use crate::fake;

type Answers = dyn Fn(&str, usize) -> Vec<IpAddr> + Send + Sync;

/// A name server whose answers a test writes itself, by name and number of the question.
pub(super) struct Names {
    answers: Box<Answers>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn by(answers: impl Fn(&str, usize) -> Vec<IpAddr> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answers: Box::new(answers), asked: Mutex::default() })
    }

    pub(super) fn always(addresses: &[&str]) -> Arc<Self> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Self::by(move |_, _| addresses.clone())
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(host.to_owned());
            asked.len() - 1
        };
        let answer = (self.answers)(host, number);
        async move { Ok(answer) }.boxed()
    }
}

/// An MCP server that closes after each answer, so that every request is a dial and every dial a look-up.
fn forgetful(body: &Value) -> Vec<Act> {
    let result = match body["method"].as_str().unwrap_or_default() {
        "initialize" => fake::hello("2025-11-25"),
        "tools/list" => json!({"tools": [fake::tool("echo")]}),
        _ => json!({}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    let headers = "content-type: application/json\r\nconnection: close\r\n";
    let mut acts = whole("200 OK", headers, answer.to_string());
    acts.push(Act::Close);
    acts
}

#[tokio::test]
pub(super) async fn rebinding() {
    let server = RawPeer::start(|request| forgetful(&request.json())).await;
    let port = server.addr().port();
    let inside =
        RawPeer::start_at(format!("127.0.0.2:{port}").parse().unwrap(), |request| forgetful(&request.json()))
            .await;
    let (outer, inner): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
    let names = Names::by(move |name, number| match name {
        // The address changes between two look-ups, at a step that differs from server to server.
        "flips.test" => vec![if number % 5 == 4 { inner } else { outer }],
        "mixed.test" => vec![outer, inner],
        "mixed-families.test" => vec![outer, "::1".parse().unwrap()],
        // As a CNAME into the inside ends.
        "alias.test" => vec!["10.0.0.1".parse().unwrap()],
        "alias-to-metadata.test" => vec!["169.254.169.254".parse().unwrap()],
        "mapped.test" => vec!["::ffff:127.0.0.2".parse().unwrap()],
        _ => Vec::new(),
    });
    let lab = Lab::resolving(&format!("127.0.0.1:{port}"), names.clone()).await;
    let (mut listed, mut refused) = (0, 0);
    lab.beside(async {
        while names.asked().len() < 500 {
            match lab.list(&target(&format!("http://flips.test:{port}/mcp"), Some(Wire::Streamable))).await {
                Ok(_) => listed += 1,
                Err(error) => {
                    assert_eq!(error.kind(), McpErrorKind::Blocked, "{error}");
                    refused += 1;
                }
            }
        }
        for name in ["mixed", "mixed-families", "alias", "alias-to-metadata", "mapped"] {
            let error = lab.list_fails(&target(&format!("http://{name}.test:{port}/mcp"), None)).await;
            assert_eq!(error.kind(), McpErrorKind::Blocked, "{name}: {error}");
        }
    })
    .await;
    assert!(listed > 20 && refused > 20, "{listed} listed, {refused} refused");
    assert_eq!(inside.connections(), 0);
    assert!(server.connections() >= 350, "{}", server.connections());
}

const CHILD_TARGET: &str = "PATCHBAY_TEST_CORPUS_TARGET";

/// The environment of a running process cannot be changed safely, so the requests are made by a child: this test binary once
/// more.
#[tokio::test]
pub(super) async fn proxy_in_the_environment() {
    let proxy = RawPeer::start(|_| whole("200 OK", "", "")).await;
    let server = fake::honest().await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "corpus::names::child_lists_one_server", "--ignored"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.url("/"));
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    child.env(CHILD_TARGET, format!("http://{}/mcp", server.addr)).stdin(Stdio::null()).kill_on_drop(true);
    let output = child.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(server.count("tools/list"), 1);
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child_lists_one_server() {
    let url = std::env::var(CHILD_TARGET).expect("started by proxy_in_the_environment");
    let lab = Lab::start().await;
    lab.beside(async { lab.list(&target(&url, None)).await.unwrap() }).await;
}
