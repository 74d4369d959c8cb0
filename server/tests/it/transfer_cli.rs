//! `patchbay mcp export` and `import` as processes, beside a running server.

use crate::{
    process::{patchbay, refused, serve, set_up},
    support::{SERVERS, over, server_body},
};
use serde_json::{Value, json};
use std::path::Path;
use testkit::temp::TempDir;

const URL: &str = "https://mcp.example.org/mcp";

/// A command that must succeed: what it printed.
async fn run(arguments: &[&str], data: &Path) -> String {
    let output =
        patchbay(arguments, &[("PATCHBAY_DATA_DIR", data.to_str().unwrap())]).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn servers_leave_and_come_back_beside_a_running_server() {
    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let client = set_up(&server.url()).await;
    let key = json!({"auth_type": "api_key", "api_key_value": "canary-key-2f"});
    client.post(SERVERS, &over(server_body("linear", URL), key)).await.expect(201);

    let file = data.path().join("servers.yaml");
    let file = file.to_str().unwrap();
    let printed = run(&["mcp", "export"], data.path()).await;
    assert!(run(&["mcp", "export", "--output", file], data.path()).await.is_empty());
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(printed, written);
    assert!(written.starts_with("patchbay: 1\n") && !written.contains("canary"), "{written}");
    let json: Value =
        serde_json::from_str(&run(&["mcp", "export", "--format", "json"], data.path()).await).unwrap();
    assert_eq!(json["servers"][0]["slug"], "linear");
    let said = run(&["mcp", "import", file], data.path()).await;
    assert!(said.contains("= unchanged linear") && said.contains("There is nothing to do"), "{said}");

    let clients = data.path().join("clients.json");
    let document = json!({"mcpServers": {
        "Docs": {"url": "https://docs.example.org/mcp", "headers": {"Authorization": "Bearer canary-token-3a"}},
        "files": {"command": "npx"},
    }});
    std::fs::write(&clients, document.to_string()).unwrap();
    let clients = clients.to_str().unwrap();
    let said = run(&["mcp", "import", clients], data.path()).await;
    assert!(said.contains("+ create    Docs") && said.contains("x refused   files"), "{said}");
    assert!(said.contains("Nothing was changed; repeat with --apply"), "{said}");
    assert_eq!(client.get(SERVERS).await.expect(200).json().as_array().unwrap().len(), 1);

    let plan: Value =
        serde_json::from_str(&run(&["mcp", "import", clients, "--apply", "--json"], data.path()).await)
            .unwrap();
    assert_eq!(plan["applied"], true);
    // The running server sees the new one, without having been asked to.
    let made = format!("{SERVERS}/{}", plan["entries"][0]["server_id"].as_str().unwrap());
    let made = client.get(&made).await.expect(200).json();
    assert_eq!(
        (&made["slug"], &made["has_custom_headers"], &made["enabled"]),
        (&json!("docs"), &json!(true), &json!(false))
    );
    assert_eq!(made["config_problems"], json!([]), "the server can open what the command sealed");
    let said = run(&["mcp", "import", clients, "--apply"], data.path()).await;
    assert!(said.contains("= unchanged Docs") && !said.contains("canary"), "{said}");
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn what_cannot_be_imported_is_one_line_and_a_code() {
    let empty = TempDir::new();
    let nowhere = [("PATCHBAY_DATA_DIR", empty.path().to_str().unwrap())];
    assert!(refused(&["mcp", "export"], &nowhere).await.contains("there is no database"));
    assert!(std::fs::read_dir(empty.path()).unwrap().next().is_none(), "nothing was made");

    let data = TempDir::new();
    let server = serve(data.path(), &[]).await;
    let settings = [("PATCHBAY_DATA_DIR", data.path().to_str().unwrap())];
    let file = |name: &str, bytes: &[u8]| {
        let path = data.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bomb = file("bomb.yaml", b"a: &a [x]\nb: [*a, *a]\n");
    assert!(refused(&["mcp", "import", &bomb], &settings).await.contains("anchors"));
    let large = file("large.yaml", &vec![b'x'; 2 * 1024 * 1024]);
    assert!(refused(&["mcp", "import", &large, "--apply"], &settings).await.contains("1 MiB"));
    let bytes = file("bytes.yaml", &[0xff, 0xfe, 0x00]);
    assert!(refused(&["mcp", "import", &bytes], &settings).await.contains("UTF-8"));
    assert!(refused(&["mcp", "import", "/no/such/file"], &settings).await.contains("/no/such/file"));
    let other = [settings[0], ("PATCHBAY_ENCRYPTION_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    assert!(refused(&["mcp", "export"], &other).await.contains("key"), "a wrong key reads nothing");
    assert!(server.terminate().await.success());
}
