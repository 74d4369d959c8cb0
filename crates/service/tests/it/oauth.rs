//! Connecting people to servers over OAuth (behaviour 5 to 10; threats 9.A and 95 to 98): the use cases against a provider that is
//! honest until a test says otherwise, and that records all it was asked.

mod ahead;
mod answers;
mod busy;
mod callbacks;
mod choices;
mod connect;
mod disconnect;
mod discover;
mod everywhere;
mod foreign;
mod lost;
mod moved;
mod own;
mod races;
mod refresh;
mod refused;
mod scopes;
mod secrets;
mod setup;
mod setup_fails;
mod step_up;
mod unreadable;
mod update;

use crate::bench::{Bench, service};
use api::{
    Uuid,
    servers::{AuthStatus, McpServer, ServerWrite},
    users::Role,
};
use chatd::{ServerSource as _, TurnScope};
use service::{CallbackQuery, CallbackRefused, OpContext, Service};
use testkit::{
    TestDb,
    fake_mcp::FakeTool,
    fake_oauth::{FakeOauth, Knobs, approve, browser},
};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn tools() -> Vec<FakeTool> {
    vec![FakeTool::of_text("notes", "Lists notes")]
}

/// A server with nothing but its URL.
fn server(slug: &str, url: &str) -> ServerWrite {
    ServerWrite {
        display_name: text("Lab"),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text(url),
        auth_type: text("oauth2"),
        availability: text("default_off"),
        enabled: Some(true),
        ..ServerWrite::default()
    }
}

/// One server, its provider, and an owner who added it.
struct Scene {
    bench: Bench,
    peer: FakeOauth,
    owner: OpContext,
    id: Uuid,
}

impl Scene {
    async fn new(db: TestDb) -> Self {
        Self::with(db, Knobs::default()).await
    }

    /// At a provider that is like this from the beginning.
    async fn with(db: TestDb, knobs: Knobs) -> Self {
        let peer = FakeOauth::start_with(tools(), knobs).await;
        Self::on(Bench::new(db).await, peer).await
    }

    /// On a bench that was prepared.
    async fn on(bench: Bench, peer: FakeOauth) -> Self {
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (made, _) = bench.service.server_create(&owner, server("lab", &peer.url())).await.unwrap();
        Self { bench, peer, owner, id: made.id }
    }

    /// The owner is connected.
    async fn connected(db: TestDb) -> Self {
        Self::connected_with(db, Knobs::default()).await
    }

    async fn connected_with(db: TestDb, knobs: Knobs) -> Self {
        let scene = Self::with(db, knobs).await;
        connect(scene.service(), &scene.owner, scene.id).await;
        scene
    }

    fn service(&self) -> &Service {
        &self.bench.service
    }

    async fn member(&self, name: &str) -> OpContext {
        self.bench.signed_in(name, Role::Member).await.0
    }

    async fn wire(&self) -> McpServer {
        self.service().server_get(&self.owner, self.id).await.unwrap().0
    }

    /// How the owner's connection stands.
    async fn status(&self) -> (AuthStatus, String) {
        status(self.service(), &self.owner, self.id).await
    }

    /// Requests at the token endpoint so far.
    fn token_requests(&self) -> usize {
        self.peer.requests_at("/token").len()
    }

    fn refreshes(&self) -> usize {
        self.peer.token_requests("refresh_token").len()
    }

    async fn count(&self, sql: &str) -> i64 {
        self.bench.db.number(sql).await
    }

    async fn tokens(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM mcp_user_tokens").await
    }

    async fn flows(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM mcp_oauth_flows").await
    }

    async fn raw(&self, sql: &str) {
        self.bench.db.raw(sql).await.unwrap();
    }

    /// Every access token has expired by our clock, and none was renewed a moment ago.
    async fn expire(&self) {
        self.bench.pass(3600);
        self.raw("UPDATE mcp_user_tokens SET refresh_not_before = NULL").await;
    }

    /// The pause after a failure is over.
    async fn pause_is_over(&self) {
        self.raw("UPDATE mcp_user_tokens SET refresh_not_before = NULL").await;
    }

    /// The version of the owner's credential that a call would be sent with.
    async fn credential_version(&self) -> i64 {
        let user = user_of(&self.owner);
        let step = self
            .bench
            .sources
            .call_server(TurnScope::normal(user, &[self.id]), self.id)
            .await
            .unwrap()
            .unwrap();
        step.access.unwrap().credential_version
    }

    /// Every entry of the audit log, as `action outcome actor resource [fields]`.
    async fn log(&self) -> Vec<String> {
        let sql = "SELECT action || ' ' || outcome || ' ' || actor_name || ' ' || resource_name || ' ' || \
                   CAST(changed_fields AS TEXT) FROM audit_log ORDER BY at, id";
        self.bench.db.texts(sql).await
    }

    /// How many entries begin so.
    async fn logged(&self, begin: &str) -> usize {
        self.log().await.iter().filter(|line| line.starts_with(begin)).count()
    }
}

fn user_of(ctx: &OpContext) -> Uuid {
    ctx.require().unwrap().user.id
}

async fn status(service: &Service, ctx: &OpContext, id: Uuid) -> (AuthStatus, String) {
    let wire = service.server_get(ctx, id).await.unwrap().0;
    (wire.auth_status, wire.auth_status_reason)
}

fn needs_reconnect(reason: &str) -> (AuthStatus, String) {
    (AuthStatus::NeedsReconnect, reason.to_owned())
}

fn is(status: AuthStatus) -> (AuthStatus, String) {
    (status, String::new())
}

/// What the provider sends the browser back with.
fn query_of(location: &str) -> CallbackQuery {
    let mut parameters = browser::parameters(location);
    let mut taken = |name: &str| parameters.remove(name).unwrap_or_default();
    let (state, code) = (taken("state"), taken("code"));
    let (error, error_description) = (taken("error"), taken("error_description"));
    CallbackQuery { state, code, iss: parameters.remove("iss"), error, error_description }
}

/// Begins a sign-in and consents to it: the browser is on its way back.
async fn consent(service: &Service, ctx: &OpContext, id: Uuid) -> CallbackQuery {
    let url = service.oauth_connect(ctx, id, None).await.unwrap();
    query_of(&approve(&url).await)
}

/// Connects as a person does.
async fn connect(service: &Service, ctx: &OpContext, id: Uuid) {
    let query = consent(service, ctx, id).await;
    service.oauth_callback(ctx, id, query).await.unwrap();
}

/// A callback that makes no connection.
async fn refused(service: &Service, ctx: &OpContext, id: Uuid, query: CallbackQuery) -> CallbackRefused {
    service.oauth_callback(ctx, id, query).await.unwrap_err()
}
