//! Protected resource metadata (RFC 9728, 2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use domain::limits::URL_BYTES;

use crate::{
    limits::{AUTHORIZATION_SERVERS, LIST_ENTRIES, PUBLISHED_SCOPES},
    metadata::{Refusal, members::Members},
    resource::{Fit, fits},
    urls::check_endpoint,
};

/// What a resource says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceMetadata {
    /// Its identifier, as it was written: the audience of tokens.
    pub resource: String,
    /// Its issuers, as they were written, in their order; those that cannot be used are left out. At least one.
    pub authorization_servers: Vec<String>,
    /// Its scopes.
    pub scopes_supported: Vec<String>,
}

impl ResourceMetadata {
    /// Reads the document of the server at `server_url`, and how its resource fits that server.
    ///
    /// # Errors
    /// [`Refusal`]. Only [`Refusal::NotADocument`] means that nothing is published here.
    pub fn read(body: &[u8], server_url: &str) -> Result<(Self, Fit), Refusal> {
        let members = Members::read(body)?;
        // Whatever has no such list is the answer to another question (protocol.md 14.2).
        let Some(listed) = members.get("authorization_servers").and_then(Value::as_array) else {
            return Err(Refusal::NotADocument("it has no authorization_servers"));
        };
        // First: a document about something else has no say in anything.
        let resource = members.text("resource").unwrap_or_default();
        let Some(fit) = fits(server_url, resource) else {
            let resource = domain::text::head(resource, URL_BYTES).to_owned();
            return Err(Refusal::ResourceMismatch { resource });
        };
        if members.is_true("dpop_bound_access_tokens_required") {
            return Err(Refusal::NotSupported { what: "tokens bound by DPoP".into() });
        }
        let methods = members.ruling_list("bearer_methods_supported", LIST_ENTRIES)?;
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "header")) {
            return Err(Refusal::NotSupported { what: "tokens outside the Authorization header".into() });
        }
        Ok((
            Self {
                resource: resource.to_owned(),
                authorization_servers: issuers(listed)?,
                scopes_supported: members.list("scopes_supported", PUBLISHED_SCOPES).unwrap_or_default(),
            },
            fit,
        ))
    }
}

/// The usable ones; one bad entry must not cost the good ones.
fn issuers(listed: &[Value]) -> Result<Vec<String>, Refusal> {
    const FIELD: &str = "authorization_servers";
    let mut usable: Vec<String> = Vec::new();
    let mut refused = None;
    for issuer in listed.iter().filter_map(Value::as_str) {
        match check_issuer(issuer) {
            Ok(()) if usable.iter().any(|known| known == issuer) => {}
            Ok(()) => usable.push(issuer.to_owned()),
            Err(advice) => refused = refused.or(Some(advice)),
        }
        if usable.len() == AUTHORIZATION_SERVERS {
            break;
        }
    }
    match (usable.is_empty(), refused) {
        (false, _) => Ok(usable),
        (true, Some(advice)) => Err(Refusal::Unsafe { field: FIELD, advice }),
        (true, None) => Err(Refusal::Malformed { field: FIELD }),
    }
}

/// An issuer is an address without a query (RFC 8414, 2).
pub(crate) fn check_issuer(issuer: &str) -> Result<(), &'static str> {
    check_endpoint(issuer)?;
    if issuer.contains('?') { Err("remove the part from ? on") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVER: &str = "https://h.example/v1/mcp";

    fn read(document: &Value) -> Result<(ResourceMetadata, Fit), Refusal> {
        ResourceMetadata::read(document.to_string().as_bytes(), SERVER)
    }

    #[test]
    fn a_document_of_the_server() {
        let (metadata, fit) = read(&json!({
            "resource": "https://h.example",
            "authorization_servers": ["https://a.example/", 7, "javascript:x", "https://a.example/", "https://b.example"],
            "scopes_supported": ["files:read", 1, "two words", "files:write"],
            "bearer_methods_supported": ["body", "header"],
            "resource_name": {"odd": [1]},
        }))
        .unwrap();
        assert_eq!(fit, Fit::Ancestor);
        assert_eq!(metadata.resource, "https://h.example");
        assert_eq!(metadata.authorization_servers, ["https://a.example/", "https://b.example"]);
        assert_eq!(metadata.scopes_supported, ["files:read", "files:write"]);
    }

    #[test]
    fn what_is_no_metadata_at_all() {
        for body in [
            "",
            "<html>",
            "[]",
            "7",
            "{}",
            r#"{"resource":"https://h.example"}"#,
            r#"{"authorization_servers":"x"}"#,
            "\u{0}",
        ] {
            let refusal = ResourceMetadata::read(body.as_bytes(), SERVER).unwrap_err();
            assert!(matches!(refusal, Refusal::NotADocument(_)), "{body}: {refusal}");
        }
        let deep = "[".repeat(5000);
        assert!(ResourceMetadata::read(deep.as_bytes(), SERVER).is_err());
    }

    /// Threats 5 and 7.
    #[test]
    fn what_is_refused() {
        let with = |name: &str, value: Value| {
            let mut document = json!({"resource": SERVER, "authorization_servers": ["https://a.example"]});
            document[name] = value;
            read(&document).unwrap_err()
        };
        for resource in [
            json!(null),
            json!(7),
            json!(""),
            json!("https://h.example/v2"),
            json!("https://H.example/V1"),
            json!([SERVER]),
        ] {
            assert!(matches!(with("resource", resource), Refusal::ResourceMismatch { .. }));
        }
        for servers in [json!([]), json!([null, 7])] {
            assert_eq!(
                with("authorization_servers", servers),
                Refusal::Malformed { field: "authorization_servers" }
            );
        }
        for bad in crate::urls::tests::BAD.iter().chain(&["https://a.example/?x=y"]) {
            let refusal = with("authorization_servers", json!([bad]));
            assert!(matches!(refusal, Refusal::Unsafe { field: "authorization_servers", .. }), "{bad}");
        }
        assert!(matches!(
            with("dpop_bound_access_tokens_required", json!(true)),
            Refusal::NotSupported { .. }
        ));
        assert!(matches!(
            with("bearer_methods_supported", json!(["body", "query"])),
            Refusal::NotSupported { .. }
        ));
        assert!(matches!(with("bearer_methods_supported", json!([])), Refusal::NotSupported { .. }));
        assert!(matches!(with("bearer_methods_supported", json!("header")), Refusal::Malformed { .. }));
    }

    #[test]
    fn lists_are_bounded() {
        let servers: Vec<String> = (0..1000).map(|n| format!("https://a{n}.example")).collect();
        let scopes: Vec<String> = (0..5000).map(|n| format!("s{n}")).collect();
        let (metadata, _) =
            read(&json!({"resource": SERVER, "authorization_servers": servers, "scopes_supported": scopes}))
                .unwrap();
        assert_eq!(metadata.authorization_servers.len(), AUTHORIZATION_SERVERS);
        assert_eq!(metadata.scopes_supported.len(), PUBLISHED_SCOPES);
    }
}
