//! An HTTP client that does what it is told: no proxy, no redirects followed, no cookie jar, and a deadline.

use crate::limits::ANSWER;
use ::http::{HeaderMap, Method};
use serde_json::Value;

/// How a caller proves itself (behaviour 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Nobody,
    /// The session cookie, with the `Origin` of the server on unsafe requests, as a browser sends it.
    Cookie {
        name: String,
        token: String,
    },
    Bearer(String),
    /// `Coder-Session-Token`.
    Header(String),
}

/// A client of one server, as one caller.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    origin: String,
    proof: Proof,
}

impl Client {
    /// A client of the server at `origin` (`http://host:port`), as nobody.
    ///
    /// # Panics
    /// When the client cannot be built.
    pub fn new(origin: &str) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests talk to the server under test, not to the world"
        )]
        let builder = reqwest::Client::builder();
        let inner = builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Plain http only. Reading the system's certificates costs a tenth of a second in a debug build, for each client.
            .tls_certs_only([])
            .build()
            .expect("a client without certificates can be built");
        Self { inner, origin: origin.trim_end_matches('/').to_owned(), proof: Proof::Nobody }
    }

    /// The same client as another caller.
    #[must_use]
    pub fn with(&self, proof: Proof) -> Self {
        Self { proof, ..self.clone() }
    }

    /// `http://host:port` of the server.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A request with this caller's proof.
    pub fn request(&self, method: Method, path: &str) -> Ask {
        let unsafe_method = !method.is_safe();
        let builder = self.inner.request(method, format!("{}{path}", self.origin));
        let builder = match &self.proof {
            Proof::Nobody => builder,
            Proof::Cookie { name, token } if unsafe_method => {
                builder.header("cookie", format!("{name}={token}")).header("origin", &self.origin)
            }
            Proof::Cookie { name, token } => builder.header("cookie", format!("{name}={token}")),
            Proof::Bearer(token) => builder.bearer_auth(token),
            Proof::Header(token) => builder.header("coder-session-token", token),
        };
        Ask(builder)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PATCH, path).json(body).send().await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path).json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path).send().await
    }
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Ask(reqwest::RequestBuilder);

impl Ask {
    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// A body as it is, under this content type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("content-type", content_type).body(body.into()))
    }

    /// The whole answer.
    ///
    /// # Panics
    /// When there is none within [`ANSWER`].
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// The whole answer, or that there was none.
    ///
    /// # Errors
    /// When the server cannot be reached or cuts the answer.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.0.timeout(ANSWER).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }

    /// The answer with its body unread, for streams; no deadline but the reader's own.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(self) -> reqwest::Response {
        let sent = tokio::time::timeout(ANSWER, self.0.send()).await.expect("headers in time");
        sent.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{} is no JSON ({error}): {}", self.status, self.body))
    }

    /// This answer, if its status is `status`.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The error envelope's sentence.
    ///
    /// # Panics
    /// When the body is no envelope.
    #[track_caller]
    pub fn message(&self) -> String {
        let body = self.json();
        body["message"].as_str().unwrap_or_else(|| panic!("no message in {body}")).to_owned()
    }

    /// The names of the refused fields, sorted.
    #[track_caller]
    pub fn refused_fields(&self) -> Vec<String> {
        let body = self.json();
        let validations = body["validations"].as_array().cloned().unwrap_or_default();
        let mut fields: Vec<String> =
            validations.iter().filter_map(|entry| entry["field"].as_str().map(str::to_owned)).collect();
        fields.sort();
        fields
    }

    /// Status, all headers and the body as one text: to search it for what must not be there.
    pub fn whole(&self) -> String {
        format!("{}\n{:?}\n{}", self.status, self.headers, self.body)
    }
}
