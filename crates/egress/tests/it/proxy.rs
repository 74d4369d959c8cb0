//! Threats B 29: a proxy in the environment is ignored. The environment of a running process cannot be changed safely,
//! so the request is made by a child: this test binary once more.

use std::process::Stdio;

use url::Url;

use crate::support::{Server, egress, get, ok};

const TARGET: &str = "PATCHBAY_TEST_PROXY_TARGET";

#[tokio::test]
async fn proxies_in_the_environment_are_ignored() {
    let proxy = Server::start(|_| ok()).await;
    let server = Server::start(|_| ok()).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "proxy::child_sends_one_request", "--ignored"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.url("/").as_str());
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    child.env(TARGET, server.url("/").as_str()).stdin(Stdio::null()).kill_on_drop(true);
    let output = child.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(server.seen().len(), 1);
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child_sends_one_request() {
    let target = std::env::var(TARGET).expect("started by proxies_in_the_environment_are_ignored");
    let url = Url::parse(&target).unwrap();
    let egress = egress(&format!("127.0.0.1:{}", url.port().unwrap()));
    egress.send(get(url)).await.unwrap().bytes().await.unwrap();
}
