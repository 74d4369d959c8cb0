//! The protected server on rmcp, as a process, asking the fake about its tokens.

use crate::client::{Client, REDIRECT, peer};
use patchbay_testkit::{
    fake_oauth::FakeOauth,
    http::{Answer, Client as Http},
    temp::TempDir,
};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

struct Protected {
    http: Http,
    url: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: TempDir,
}

async fn start(oauth: &FakeOauth) -> Protected {
    oauth.enter_client("resource-server", Some("of its own"), REDIRECT);
    let folder = TempDir::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_protected_mcp"))
        .env("PROTECTED_MCP_ISSUER", oauth.issuer())
        .env("PROTECTED_MCP_INTROSPECTION", oauth.at("/introspect"))
        .env("PROTECTED_MCP_CLIENT_ID", "resource-server")
        .env("PROTECTED_MCP_CLIENT_SECRET", "of its own")
        .env("PROTECTED_MCP_DATA_DIR", folder.path())
        .env("PROTECTED_MCP_TOOL_SCOPES", "create_ticket=tickets:write")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.next_line().await.unwrap().unwrap();
    let url = said.strip_prefix("Protected MCP server at ").unwrap().to_owned();
    let http = Http::new(url.strip_suffix("/mcp").unwrap());
    Protected { http, url, lines, _child: child, _folder: folder }
}

impl Protected {
    async fn ask(&self, token: Option<&str>, message: &Value) -> Answer {
        let request = self.http.request(http::Method::POST, "/mcp").json(message);
        let request = request.header("accept", "application/json, text/event-stream");
        let bearer = token.map(|token| format!("Bearer {token}"));
        match bearer {
            Some(bearer) => request.header("authorization", &bearer).send().await,
            None => request.send().await,
        }
    }

    async fn line(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn protected_server_believes_only_the_authorization_server() {
    let oauth = peer().await;
    let mut server = start(&oauth).await;
    let metadata = server.http.get("/.well-known/oauth-protected-resource/mcp").await.expect(200).json();
    assert_eq!(metadata["resource"], server.url);
    assert_eq!(metadata["authorization_servers"], json!([oauth.issuer()]));

    let client = Client::registered(&oauth, "none").await;
    let (elsewhere, _) = client.connect().await;
    oauth.change(|knobs| knobs.resource = Some(server.url.clone()));
    let client = Client { resource: server.url.clone(), ..client };
    let (access, refresh) = client.connect().await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}});
    let write = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "create_ticket", "arguments": {"title": "x"}}});

    assert!(server.ask(Some(&access), &hello).await.expect(200).body.contains("serverInfo"));
    assert_eq!(server.line().await["event"], "admitted");
    for (token, why) in
        [(None, "no token"), (Some(elsewhere.as_str()), "audience"), (Some(refresh.as_str()), "inactive")]
    {
        let answer = server.ask(token, &hello).await.expect(401);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp\""), "{challenge}");
        assert!(challenge.contains("scope=\"mcp:tools\""), "{challenge}");
        assert_eq!(server.line().await["why"], why);
    }
    let more = server.ask(Some(&access), &write).await.expect(403);
    assert!(more.header("www-authenticate").unwrap().contains("scope=\"tickets:write\""));
    oauth.revoke_all();
    server.ask(Some(&access), &hello).await.expect(401);
    oauth.stop();
    server.ask(Some(&access), &hello).await.expect(503);
}
