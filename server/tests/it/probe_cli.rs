//! `patchbay mcp probe` as a process: what it says of a server, what it refuses.

use crate::process::patchbay;
use serde_json::{Value, json};
use testkit::{
    fake_mcp::{FakeMcp, FakeTool},
    temp::TempDir,
};

struct Said {
    success: bool,
    out: String,
    errors: String,
}

async fn probe(arguments: &[&str]) -> Said {
    let data = TempDir::new();
    let all: Vec<&str> = ["mcp", "probe"].iter().chain(arguments).copied().collect();
    let output =
        patchbay(&all, &[("PATCHBAY_DATA_DIR", data.path().to_str().unwrap())]).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { success: output.status.success(), out: text(&output.stdout), errors: text(&output.stderr) }
}

#[tokio::test]
async fn a_server_is_described_and_called_without_being_registered() {
    let fake = FakeMcp::start(vec![
        FakeTool::of_text("get_issue", "Reads an issue").title("Get issue"),
        FakeTool::of_text("list repos!", "Lists repositories"),
    ])
    .await;
    let url = fake.url();
    let said = probe(&[&url, "--allow-loopback", "--header", "Authorization: Bearer canary-9d"]).await;
    assert!(said.success, "{}", said.errors);
    for part in [
        "Speaks 2025-06-18 (with a handshake)",
        "fake-mcp 1.2.3",
        "POST server/discover",
        "2 tools:",
        "get_issue  Get issue",
    ] {
        assert!(said.out.contains(part), "{part} / {}", said.out);
    }
    assert!(!said.out.contains("canary") && !said.errors.contains("canary"), "{} {}", said.out, said.errors);
    let carried =
        fake.requests().iter().all(|request| request.header("authorization") == Some("Bearer canary-9d"));
    assert!(carried);

    let said =
        probe(&[&url, "--allow-loopback", "--json", "--call", "get_issue", "--args", r#"{"text": "hi"}"#])
            .await;
    assert!(said.success, "{}", said.errors);
    let whole: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(whole["server"]["protocol_version"], "2025-06-18");
    assert_eq!(whole["server"]["wire"], "streamable");
    assert_eq!(whole["call"]["outcome"], "ok");
    assert!(whole["call"]["content"].as_array().is_some_and(|parts| !parts.is_empty()), "{whole}");
    assert_eq!(whole["server"]["tools"][0]["name"], json!("get_issue"));
    assert_eq!(whole["error"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_probed_says_why_and_fails() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("echo", "Echoes")]).await;
    let url = fake.url();
    for (arguments, word) in [
        (vec![url.as_str()], "PATCHBAY_EGRESS_ALLOW"),
        (vec!["ftp://example.org/"], "http"),
        (vec!["https://u:p@example.org/"], "user name"),
        (vec![url.as_str(), "--allow-loopback", "--header", "nonsense"], "no colon"),
        (vec![url.as_str(), "--allow-loopback", "--call", "echo", "--args", "[1]"], "JSON object"),
        (vec![url.as_str(), "--allow-loopback", "--call", "echo", "--args", "{"], "no JSON"),
        (vec!["http://169.254.169.254/mcp", "--allow-loopback"], "169.254.169.254"),
        (vec!["http://127.0.0.1:1/mcp", "--allow-loopback"], "127.0.0.1:1"),
    ] {
        let said = probe(&arguments).await;
        assert!(!said.success, "{arguments:?}: {}", said.out);
        assert!(said.errors.contains(word), "{arguments:?} / {word}: {}", said.errors);
        assert!(!said.errors.contains("panicked"), "{}", said.errors);
        assert_eq!(said.out, "", "{arguments:?}");
        let said = probe(&[arguments.as_slice(), &["--json"]].concat()).await;
        let whole: Value = serde_json::from_str(&said.out).unwrap();
        assert!(
            !said.success && whole["error"].as_str().is_some_and(|error| error.contains(word)),
            "{whole}"
        );
        assert_eq!((&whole["server"], &whole["call"]), (&Value::Null, &Value::Null), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_call_that_fails_is_told_beside_what_was_found() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("echo", "Echoes")]).await;
    let said = probe(&[&fake.url(), "--allow-loopback", "--json", "--call", "nothing_like_it"]).await;
    assert!(!said.success, "{}", said.out);
    let whole: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(whole["server"]["tools"][0]["name"], json!("echo"));
    assert!(whole["call"].is_object() && whole["error"].is_string(), "{whole}");
}
