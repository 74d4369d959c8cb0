//! An authorization server and the MCP server that it protects, on one loopback port: the peer of every test of OAuth.
//!
//! It is honest until a test turns one of its [`Knobs`]. Honest means strict: exact redirect addresses, PKCE with S256, `resource`
//! in every request, each client by the one method it registered, codes used once, and refresh tokens that rotate and take their
//! whole grant with them when one comes twice. Every request is recorded before anything else happens to it.

mod authorize;
mod books;
pub mod browser;
mod clients;
mod desk;
mod documents;
mod knobs;
mod meddle;
mod resource;
mod search;
mod shared;
mod token;
mod upkeep;

pub use books::{Client, Family};
pub use browser::approve;
pub use clients::basic;
pub use knobs::{Elsewhere, Iss, Knobs};
pub use meddle::{Canned, Meddle};
pub use token::challenge_of;

use crate::{
    fake_mcp::{self, FakeTool},
    record::Recorded,
    serve::Serving,
    temp::TempDir,
};
use axum::Router;
use serde_json::Value;
use shared::Shared;

/// The scope that the resource asks for and that a request without `scope` is given.
pub const SCOPE: &str = "mcp:tools";

/// The peer. Dropped, it is gone with all that it knew.
#[derive(Debug)]
pub struct FakeOauth {
    serving: Serving,
    shared: Shared,
    _folder: TempDir,
}

impl FakeOauth {
    /// An honest peer whose MCP server has these tools.
    pub async fn start(tools: Vec<FakeTool>) -> Self {
        Self::start_with(tools, Knobs::default()).await
    }

    /// A peer that is like this from its first request on.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub async fn start_with(tools: Vec<FakeTool>, knobs: Knobs) -> Self {
        let folder = TempDir::new();
        let listener = Serving::bind().await;
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Shared::new(&format!("http://{addr}"), fake_mcp::Shared::new(tools, &folder));
        *shared.knobs() = knobs;
        let router = Router::new().fallback(desk::answer).with_state(shared.clone());
        Self { serving: Serving::start_on(listener, router), shared, _folder: folder }
    }

    /// From now on the peer is like this.
    pub fn change(&self, change: impl FnOnce(&mut Knobs)) {
        // On a copy, so that the closure may ask the peer for its addresses.
        let mut knobs = self.shared.knobs().clone();
        change(&mut knobs);
        *self.shared.knobs() = knobs;
    }

    /// From now on requests at this path meet this fault; of several at one path the first that takes a request is met.
    pub fn meddle(&self, path: &str, meddle: Meddle) {
        self.shared.meddling().add(path, meddle);
    }

    /// From now on this path is honest again.
    pub fn honest(&self, path: &str) {
        self.shared.meddling().clear(path);
    }

    /// From now on the MCP server has these tools.
    pub fn set_tools(&self, tools: Vec<FakeTool>) {
        self.shared.mcp.set_tools(tools);
    }

    /// Goes down: connections are cut, new ones refused.
    pub fn stop(&self) {
        self.serving.stop();
    }
}

/// Where it is and what it publishes.
impl FakeOauth {
    /// The MCP endpoint.
    pub fn url(&self) -> String {
        self.shared.url(fake_mcp::PATH)
    }

    /// `host:port`, as the egress allow list takes it.
    pub fn authority(&self) -> String {
        self.serving.addr.to_string()
    }

    /// `http://host:port`.
    pub fn origin(&self) -> String {
        self.shared.origin.to_string()
    }

    /// The URL of one of its paths, such as `/token`.
    pub fn at(&self, path: &str) -> String {
        self.shared.url(path)
    }

    /// The issuer that its metadata names.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// The identifier of the protected resource.
    pub fn resource(&self) -> String {
        self.shared.resource()
    }

    /// The server's metadata as it is published now.
    pub fn as_metadata(&self) -> Value {
        documents::server(&self.shared)
    }

    /// The resource's metadata as it is published now.
    pub fn resource_metadata(&self) -> Value {
        documents::resource(&self.shared)
    }
}

/// What it was asked.
impl FakeOauth {
    /// Every request so far, at any path.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.record.all()
    }

    /// The requests at this path so far.
    pub fn requests_at(&self, path: &str) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    /// The requests at the token endpoint with this grant type, answered or not.
    pub fn token_requests(&self, grant_type: &str) -> Vec<Recorded> {
        let grant = ("grant_type".to_owned(), grant_type.to_owned());
        self.requests_at("/token").into_iter().filter(|request| request.form().contains(&grant)).collect()
    }

    /// The bodies of the tool calls that got past the check of the token.
    pub fn calls(&self) -> Vec<Value> {
        let admitted = self.shared.mcp.record.all();
        admitted.iter().map(Recorded::json).filter(|body| body["method"] == "tools/call").collect()
    }

    /// The effects of those calls, as [`FakeMcp::effects`](crate::fake_mcp::FakeMcp::effects) has them.
    pub fn effects(&self) -> Vec<Value> {
        self.shared.mcp.effects()
    }

    /// The requests that carried this text anywhere: plainly, URL-encoded, or inside a Basic header.
    pub fn saw(&self, canary: &str) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| search::carries(request, canary)).collect()
    }
}

/// What it remembers, and what a test may do to that.
impl FakeOauth {
    /// Enters a client by hand, as an operator would; without a secret it is a public one, else it comes with Basic.
    pub fn enter_client(&self, id: &str, secret: Option<&str>, redirect_uri: &str) {
        let method = if secret.is_some() { "client_secret_basic" } else { "none" };
        let client = Client {
            id: id.to_owned(),
            secret: secret.map(str::to_owned),
            auth_method: method.to_owned(),
            redirect_uris: vec![redirect_uri.to_owned()],
            registration_token: None,
        };
        self.shared.books().clients.insert(id.to_owned(), client);
    }

    /// The clients it knows.
    pub fn clients(&self) -> Vec<Client> {
        self.shared.books().clients.values().cloned().collect()
    }

    /// How many registrations succeeded.
    pub fn registrations(&self) -> usize {
        self.shared.books().registrations
    }

    /// Forgets every client: `invalid_client` until they register anew.
    pub fn forget_clients(&self) {
        self.shared.books().clients.clear();
    }

    /// The grants so far.
    pub fn families(&self) -> Vec<Family> {
        self.shared.books().families().to_vec()
    }

    /// How many grants stand.
    pub fn live_families(&self) -> usize {
        self.families().iter().filter(|family| !family.revoked).count()
    }

    /// How many grants were revoked, by a client, a test or the detection of reuse.
    pub fn revoked_families(&self) -> usize {
        self.families().iter().filter(|family| family.revoked).count()
    }

    /// The grant that a token of either kind belongs to.
    pub fn family_of(&self, token: &str) -> Option<usize> {
        self.shared.books().family_of(token)
    }

    /// Whether the resource would take this access token now.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.shared.books().live(access_token).is_some()
    }

    /// Revokes a grant, as a person does on the provider's page.
    pub fn revoke_family(&self, id: usize) {
        self.shared.books().revoke(id);
    }

    /// Revokes all grants.
    pub fn revoke_all(&self) {
        let mut books = self.shared.books();
        (0..books.families().len()).for_each(|id| books.revoke(id));
    }

    /// Every access token so far has expired; refresh tokens go on.
    pub fn expire_access_tokens(&self) {
        self.shared.books().expire_access();
    }
}
