//! Asking the authorization server what a token is (RFC 7662). Every time: a test that revokes a token wants to see it at once.

use patchbay_testkit::{fake_oauth::browser::split, http::Client};
use serde_json::Value;

pub(super) struct Introspection {
    client: Client,
    path: String,
    client_id: String,
    client_secret: String,
}

impl Introspection {
    pub(super) fn new(url: &str, client_id: String, client_secret: String) -> Self {
        let (origin, path) = split(url);
        Self { client: Client::new(origin), path: path.to_owned(), client_id, client_secret }
    }

    /// What the server says about the token; `None` when it says nothing that can be used.
    pub(super) async fn of(&self, token: &str) -> Option<Value> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", token), ("token_type_hint", "access_token")])
            .finish();
        let request = self
            .client
            .request(http::Method::POST, &self.path)
            .header("authorization", &self.basic())
            .body("application/x-www-form-urlencoded", form);
        let answer = request.try_send().await.ok()?;
        if answer.status != 200 {
            return None;
        }
        serde_json::from_str(&answer.body).ok()
    }

    fn basic(&self) -> String {
        patchbay_testkit::fake_oauth::basic(&self.client_id, &self.client_secret)
    }
}
