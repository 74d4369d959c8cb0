//! The description itself: complete, current, served, and shown (behaviour 3 and 30).

use crate::{
    description::{DOCUMENT, Description},
    support::TestServer,
};
use patchbay_server::http::openapi::published;
use serde_json::Value;
use std::collections::BTreeSet;

/// The copy that people read without a running server.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_checked_in_description_is_current() {
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(
        checked_in == published().text,
        "docs/openapi.json is not what this build describes: run `cargo xtask openapi` and look at the difference"
    );
}

#[test]
fn the_command_prints_the_same_description() {
    let binary = env!("CARGO_BIN_EXE_patchbay");
    let printed = std::process::Command::new(binary).arg("openapi").env_clear().output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), published().text);
}

#[tokio::test]
async fn the_description_is_whole() {
    let server = TestServer::bare().await;
    let description = Description::of(&server).await;
    let document = &description.document;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(
        (&document["info"]["title"], &document["info"]["license"]["name"]),
        (&"Patchbay".into(), &"Apache-2.0".into())
    );
    let carriers: Vec<&String> =
        document["components"]["securitySchemes"].as_object().unwrap().keys().collect();
    assert_eq!(carriers, ["bearer", "cookie", "token"]);
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for operation in description.operations() {
        let (key, described) = (operation.key(), &operation.described);
        let name = described["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{key}: `{name}` is taken");
        assert!(described["summary"].as_str().is_some_and(|text| !text.is_empty()), "{key} has no summary");
        let tag = described["tags"][0].as_str().unwrap();
        assert!(tags.contains(tag), "{key}: nothing is said about the tag `{tag}`");
        let responses = described["responses"].as_object().unwrap();
        let good = |status: &String| status.starts_with('2') || status == "307";
        assert!(responses.keys().any(good), "{key} has no good answer");
        assert_eq!(
            responses.contains_key("401"),
            !operation.is_anonymous() || key.ends_with("/login"),
            "{key}"
        );
        for (status, answer) in responses {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{key} {status} says nothing");
            // The callback answers people: with pages, whatever happens.
            let is_page = key.ends_with("/oauth2/callback");
            if status.starts_with(['4', '5']) && !is_page {
                let envelope = &answer["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(envelope, "#/components/schemas/ErrorBody", "{key} {status}");
            }
        }
        let placeholders: BTreeSet<&str> =
            operation.path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
        let named: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(placeholders, named, "{key}");
    }
    dangling(document, document);
}

/// Every reference leads somewhere.
fn dangling(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(pointer) =
                members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'))
            {
                assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
            }
            members.values().for_each(|member| dangling(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| dangling(document, item)),
        _ => {}
    }
}

/// What a type refuses and hides is in its schema, too.
#[tokio::test]
async fn schemas_say_what_the_types_do() {
    let server = TestServer::bare().await;
    let document = Description::of(&server).await.document;
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let write = schema("ServerWrite");
    assert_eq!(write["additionalProperties"], false, "unknown fields are refused");
    assert!(
        write.get("required").is_none(),
        "what is required depends on the call, and all problems come in one answer"
    );
    let object = schema("McpServer");
    for secret in ["oauth2_client_secret", "api_key_value", "custom_headers", "signing_secret"] {
        assert!(write["properties"].get(secret).is_some(), "{secret} can be written");
        assert!(object["properties"].get(secret).is_none(), "{secret} is never answered");
    }
    assert_eq!(schema("Timestamp")["format"], "date-time");
    assert_eq!(object["properties"]["id"]["format"], "uuid");
    assert_eq!(schema("AuthType")["enum"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn the_document_is_kept_by_its_etag() {
    let server = TestServer::bare().await;
    let first = server.anonymous().get(DOCUMENT).await.expect(200);
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("cache-control"), Some("public, no-cache"));
    let etag = first.header("etag").unwrap().to_owned();
    let again = server.anonymous().request(http::Method::GET, DOCUMENT).header("if-none-match", &etag);
    let again = again.send().await.expect(304);
    assert_eq!((again.body.as_str(), again.header("etag")), ("", Some(etag.as_str())));
    let other = server.anonymous().request(http::Method::GET, DOCUMENT).header("if-none-match", "\"other\"");
    other.send().await.expect(200);
}

/// The viewer runs under a policy without inline code, and its page asks for nothing from elsewhere.
#[tokio::test]
async fn the_viewer_loads_only_from_here() {
    let server = TestServer::bare().await;
    let page = server.anonymous().get("/api/docs").await.expect(200);
    let policy = page.header("content-security-policy").unwrap();
    for forbidden in ["unsafe-inline", "unsafe-eval", "http:", "https:", "*"] {
        assert!(!policy.contains(forbidden), "{policy}");
    }
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        !page.body.contains("<style") && !page.body.contains("style=") && !page.body.contains(" on"),
        "{}",
        page.body
    );
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for part in page.body.split(attribute).skip(1) {
            let path = part.split('"').next().unwrap();
            assert!(path.starts_with('/') && !path.starts_with("//"), "{path}");
            // Part of the built site, which a plain `cargo test` does without.
            if path == "/favicon.svg" {
                continue;
            }
            let file = server.anonymous().get(path).await.expect(200);
            let kind = file.header("content-type").unwrap();
            assert!(!kind.starts_with("text/html"), "{path} is a page: {kind}");
            assert!(!file.body.is_empty(), "{path} is empty");
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "{}", page.body);
    assert!(
        page.body.split("<script").skip(1).all(|script| script.trim_start().starts_with("src=")),
        "{}",
        page.body
    );
}

/// Packed and unpacked are the same file.
#[tokio::test]
async fn the_viewer_is_sent_packed_to_those_who_take_it() {
    let server = TestServer::bare().await;
    let path = "/api/docs/swagger-ui.css";
    let plain = server.anonymous().get(path).await.expect(200);
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    assert!(plain.body.contains(".swagger-ui"), "not the style sheet");
    let packed = server.anonymous().request(http::Method::GET, path).header("accept-encoding", "gzip");
    let packed = packed.open().await;
    assert_eq!(packed.headers().get("content-encoding").unwrap(), "gzip");
    assert!(packed.bytes().await.unwrap().len() * 3 < plain.body.len());
    server.anonymous().get("/api/docs/index.html").await.expect(404);
}
