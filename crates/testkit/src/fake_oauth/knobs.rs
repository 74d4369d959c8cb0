//! What the peer is like. A test changes it while it runs, through [`FakeOauth::change`](super::FakeOauth::change).

use crate::limits;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The `iss` of the answers to `/authorize` (RFC 9207).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Iss {
    /// The issuer as published.
    #[default]
    Published,
    Absent,
    Other(String),
}

/// Where `/authorize` sends the browser instead of doing its work: the step of a mix-up.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// An authorization endpoint.
    pub url: String,
    /// Parameters of the request that are replaced; all others go on as they came.
    pub replaced: Vec<(String, String)>,
}

/// All of it. The default is an honest server, and every field says what it changes.
///
/// The *identifier* is the peer's origin and [`tenant`](Self::tenant): what an honest peer publishes as `issuer` and what the
/// resource lists in `authorization_servers`.
#[derive(Debug, Clone)]
pub struct Knobs {
    // What is published.
    /// Path of the issuer, such as `/tenant1`; empty for none.
    pub tenant: String,
    /// Published as `issuer` instead of the identifier; the resource goes on to name the identifier.
    pub issuer: Option<String>,
    /// Paths at which the server's metadata is answered; all forms of the identifier unless told.
    pub as_metadata_at: Option<Vec<String>>,
    /// Paths at which the resource's metadata is answered; with the path of the endpoint and without unless told.
    pub resource_metadata_at: Option<Vec<String>>,
    /// Merge patch (RFC 7396) on the server's metadata: `{"code_challenge_methods_supported": null}` takes a field away.
    pub as_metadata: Value,
    /// Merge patch on the resource's metadata.
    pub resource_metadata: Value,
    /// Whether the metadata says that answers carry `iss`.
    pub advertise_iss: bool,

    // Clients.
    /// Whether there is a registration endpoint.
    pub registration: bool,
    /// Ways of client authentication that are advertised and registered.
    pub auth_methods: Vec<String>,
    /// In registrations; 0 is never.
    pub client_secret_expires_at: u64,
    /// Merge patch on the answer to a registration.
    pub registration_answer: Value,
    /// Documents of clients whose id is a URL. The fake goes nowhere by itself, so the test puts here what it fetched.
    /// While there is one, the metadata says that such clients are welcome.
    pub client_documents: BTreeMap<String, Value>,

    // The authorization endpoint.
    /// A page with a form comes first; otherwise whoever asks has consented.
    pub login_page: bool,
    /// Error and description that end every authorization.
    pub deny: Option<(String, String)>,
    /// Status of its redirects.
    pub redirect_status: u16,
    pub iss: Iss,
    pub authorize_elsewhere: Option<Elsewhere>,

    // Tokens.
    /// Whether `resource` must be there and be the one that is protected, in every request.
    pub demand_resource: bool,
    /// How long access tokens live and, unless patched, what `expires_in` says.
    pub access_lifetime: Duration,
    /// Whether there are refresh tokens.
    pub refresh_tokens: bool,
    /// Whether each use of a refresh token brings a new one.
    pub rotate: bool,
    /// Whether a refresh token that was replaced ends its family when it comes again; otherwise it works on.
    pub reuse_detection: bool,
    /// What is granted instead of what was asked for.
    pub granted_scope: Option<String>,
    /// Merge patch on the answers of the token endpoint.
    pub token_answer: Value,
    /// Whether `/revoke` takes access tokens; otherwise `unsupported_token_type`.
    pub revokes_access_tokens: bool,

    // The protected resource.
    /// Its identifier; the URL of the endpoint unless told.
    pub resource: Option<String>,
    /// `scope` of the challenge of a 401.
    pub challenge_scope: Option<String>,
    /// `resource_metadata` of the challenge instead of its own.
    pub challenge_metadata: Option<String>,
    /// The `WWW-Authenticate` fields of a 401 as they are; empty for none.
    pub challenge: Option<Vec<String>>,
    /// Every token gets 401.
    pub reject_tokens: bool,
    /// Scope that a call of a tool needs, by the tool's name; otherwise 403.
    pub tool_scopes: BTreeMap<String, String>,
    /// Every request with a live token gets 403 and this scope, whatever it was granted.
    pub insufficient_scope: Option<String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            tenant: String::new(),
            issuer: None,
            as_metadata_at: None,
            resource_metadata_at: None,
            as_metadata: json!({}),
            resource_metadata: json!({}),
            advertise_iss: true,
            registration: true,
            auth_methods: ["client_secret_basic", "client_secret_post", "none"].map(str::to_owned).into(),
            client_secret_expires_at: 0,
            registration_answer: json!({}),
            client_documents: BTreeMap::new(),
            login_page: false,
            deny: None,
            redirect_status: 302,
            iss: Iss::Published,
            authorize_elsewhere: None,
            demand_resource: true,
            access_lifetime: limits::ACCESS_TOKEN,
            refresh_tokens: true,
            rotate: true,
            reuse_detection: true,
            granted_scope: None,
            token_answer: json!({}),
            revokes_access_tokens: true,
            resource: None,
            challenge_scope: Some(super::SCOPE.to_owned()),
            challenge_metadata: None,
            challenge: None,
            reject_tokens: false,
            tool_scopes: BTreeMap::new(),
            insufficient_scope: None,
        }
    }
}

/// RFC 7396: what the patch names is replaced, what it names `null` is taken away.
pub(super) fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    let fields = document.as_object_mut().expect("it was made one above");
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
