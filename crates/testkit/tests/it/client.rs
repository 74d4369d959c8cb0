//! An honest client, in the few lines that it takes; each test spoils one of its requests.

use patchbay_testkit::{
    fake_mcp::FakeTool,
    fake_oauth::{FakeOauth, Knobs, approve, basic, browser::parameters, challenge_of},
    http::{Answer, Client as Http},
};
use serde_json::{Value, json};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:1/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";
pub(crate) const STATE: &str = "state&with=signs";

/// Pairs of a form or a query.
pub(crate) type Pairs = Vec<(String, String)>;

pub(crate) struct Client {
    pub(crate) http: Http,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) resource: String,
}

pub(crate) async fn peer() -> FakeOauth {
    peer_with(Knobs::default()).await
}

pub(crate) async fn peer_with(knobs: Knobs) -> FakeOauth {
    FakeOauth::start_with(
        vec![FakeTool::of_text("echo", "Says it"), FakeTool::of_text("write", "Writes it")],
        knobs,
    )
    .await
}

pub(crate) fn registration(method: &str) -> Value {
    json!({
        "client_name": "Patchbay", "redirect_uris": [REDIRECT], "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": method,
    })
}

/// Changes or takes away one pair.
pub(crate) fn with(mut pairs: Pairs, name: &str, value: Option<&str>) -> Pairs {
    pairs.retain(|(key, _)| key != name);
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    pairs
}

fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn encode(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Client {
    pub(crate) async fn registered(oauth: &FakeOauth, method: &str) -> Self {
        let http = Http::new(&oauth.origin());
        let answer = http.post("/register", &registration(method)).await.expect(201).json();
        Self {
            http,
            id: answer["client_id"].as_str().unwrap().to_owned(),
            secret: answer["client_secret"].as_str().map(str::to_owned),
            resource: oauth.resource(),
        }
    }

    pub(crate) fn authorization(&self) -> Pairs {
        owned(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT),
            ("state", STATE),
            ("code_challenge", &challenge_of(VERIFIER)),
            ("code_challenge_method", "S256"),
            ("resource", &self.resource),
        ])
    }

    pub(crate) fn authorize_url(&self, pairs: &Pairs) -> String {
        format!("{}/authorize?{}", self.http.origin(), encode(pairs))
    }

    /// The code of an authorization that nothing is wrong with.
    pub(crate) async fn code(&self) -> String {
        let callback = approve(&self.authorize_url(&self.authorization())).await;
        parameters(&callback).remove("code").unwrap()
    }

    pub(crate) fn exchange(&self, code: &str) -> Pairs {
        owned(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("resource", &self.resource),
        ])
    }

    pub(crate) fn refresh(&self, token: &str) -> Pairs {
        owned(&[("grant_type", "refresh_token"), ("refresh_token", token), ("resource", &self.resource)])
    }

    /// By Basic with a secret, else as a public client.
    pub(crate) async fn send(&self, path: &str, pairs: Pairs) -> Answer {
        let request = self.http.request(http::Method::POST, path);
        let (request, pairs) = match &self.secret {
            Some(secret) => (request.header("authorization", &basic(&self.id, secret)), pairs),
            None => (request, with(pairs, "client_id", Some(&self.id))),
        };
        request.body("application/x-www-form-urlencoded", encode(&pairs)).send().await
    }

    pub(crate) async fn token(&self, pairs: Pairs) -> Answer {
        self.send("/token", pairs).await
    }

    /// Access and refresh token of a grant that nothing is wrong with.
    pub(crate) async fn connect(&self) -> (String, String) {
        let answer = self.token(self.exchange(&self.code().await)).await.expect(200);
        pair_of(&answer)
    }

    pub(crate) async fn call(&self, access: Option<&str>, tool: &str) -> Answer {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": {"text": "hello"}}});
        let request = self.http.request(http::Method::POST, "/mcp").json(&message);
        let bearer = access.map(|token| format!("Bearer {token}"));
        match bearer {
            Some(bearer) => request.header("authorization", &bearer).send().await,
            None => request.send().await,
        }
    }
}

pub(crate) fn pair_of(answer: &Answer) -> (String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

/// The error that a refused request named.
#[track_caller]
pub(crate) fn error_of(answer: &Answer) -> String {
    answer.json()["error"].as_str().unwrap_or_else(|| panic!("no error in {}", answer.body)).to_owned()
}
