//! A server of its own for every test, and clients per kind of caller.

use api::users::Role;
use patchbay_server::{
    config::{Config, Settings},
    http::router,
    listen::serve_connections,
    wiring::{Pacing, Running, wire},
};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    TestDb,
    fake_llm::FakeLlm,
    fake_mcp::FakeMcp,
    http::{Answer, Client, Proof},
    temp::{TempDir, unique},
    wait::until,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const SETUP_TOKEN: &str = "a-setup-token-for-tests";
pub(crate) const OWNER_PASSWORD: &str = "a fine long password";
pub(crate) const OWNER_EMAIL: &str = "owner@example.org";
pub(crate) const SERVERS: &str = "/api/experimental/mcp/servers";
pub(crate) const CHATS: &str = "/api/experimental/chats";
/// The cookie of a server whose access URL is plain http on loopback.
pub(crate) const COOKIE: &str = "patchbay_session";

/// The whole server in this process, on a port of its own.
pub(crate) struct TestServer {
    pub(crate) origin: String,
    pub(crate) data: TempDir,
    pub(crate) running: Running,
    stop: CancellationToken,
    owner: Option<Client>,
    // Last: the database goes after those who use it.
    postgres: Option<TestDb>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Loopback peers may be dialled, on any port.
fn settings(data: &TempDir) -> Settings {
    Settings {
        data_dir: Some(data.path().to_owned()),
        egress_allow: Some("127.0.0.1/32:*".to_owned()),
        ..Settings::default()
    }
}

impl TestServer {
    /// Without any account; set-up is open with [`SETUP_TOKEN`].
    pub(crate) async fn bare() -> Self {
        Self::with(|_| {}).await
    }

    /// With an owner, on SQLite.
    pub(crate) async fn start() -> Self {
        Self::bare().await.owned().await
    }

    /// With an owner, on a PostgreSQL database of its own.
    pub(crate) async fn on_postgres() -> Self {
        let db = TestDb::postgres().await;
        let database = db.config().clone();
        let mut server = Self::with_config(|config| config.database = database, |_| {}).await;
        server.postgres = Some(db);
        server.owned().await
    }

    /// Another replica: a server of its own on the same PostgreSQL database, with the same keys. Its owner is the same.
    pub(crate) async fn beside(&self) -> Self {
        let data = TempDir::new();
        std::fs::copy(self.data.path().join("encryption.key"), data.path().join("encryption.key")).unwrap();
        let database = self.database().config().clone();
        let mut other = Self::over(data, |config| config.database = database, |_| {}).await;
        let token = other.login(OWNER_EMAIL, OWNER_PASSWORD).await;
        other.owner = Some(other.anonymous().with(Proof::Bearer(token)));
        other
    }

    /// The database of a server made by [`Self::on_postgres`].
    pub(crate) fn database(&self) -> &TestDb {
        self.postgres.as_ref().expect("made by `on_postgres`")
    }

    /// Without any account, with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_config(|_| {}, change).await
    }

    async fn with_config(config: impl FnOnce(&mut Config), change: impl FnOnce(&mut Settings)) -> Self {
        let server = Self::over(TempDir::new(), config, change).await;
        let token = service::SetupToken(SETUP_TOKEN.to_owned());
        assert!(server.running.service.setup_token_store(&token).await.unwrap());
        server
    }

    async fn over(
        data: TempDir,
        config: impl FnOnce(&mut Config),
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings(&data);
        change(&mut settings);
        let mut loaded = settings.load().unwrap();
        config(&mut loaded);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        let access_url =
            loaded.access_url.clone().unwrap_or_else(|| Url::parse(&format!("http://{bound}")).unwrap());
        let running = wire(&loaded, bound, access_url, Pacing(Duration::ZERO)).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve_connections(
            listener,
            router(running.state.clone()),
            stop.clone(),
            Duration::from_secs(1),
        ));
        Self { origin: format!("http://{bound}"), data, running, stop, owner: None, postgres: None }
    }

    /// The same data under a new process, so to speak, with other settings.
    pub(crate) async fn restarted(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        self.stop.cancel();
        let data = std::mem::replace(&mut self.data, TempDir::new());
        self.running.chatd.drain(Duration::from_secs(1)).await;
        self.running.db.close().await;
        drop(self);
        let mut server = Self::over(data, |_| {}, change).await;
        let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
        server.owner = Some(server.anonymous().with(Proof::Bearer(token)));
        server
    }

    /// Makes the first owner.
    pub(crate) async fn owned(mut self) -> Self {
        self.anonymous().post("/api/v2/users/first", &first_user()).await.expect(201);
        let token = self.login(OWNER_EMAIL, OWNER_PASSWORD).await;
        self.owner = Some(self.anonymous().with(Proof::Bearer(token)));
        // Titles would take answers of scripted models away; who wants them switches them on.
        let mut write = self.running.db.write().await.unwrap();
        store::settings::setting_put(&mut write, "chat.title-model", "off").await.unwrap();
        write.commit().await.unwrap();
        self
    }

    pub(crate) fn anonymous(&self) -> Client {
        Client::new(&self.origin)
    }

    /// The first owner, by a Bearer session token.
    pub(crate) fn owner(&self) -> &Client {
        self.owner.as_ref().expect("made by `start`")
    }

    /// A new session token.
    pub(crate) async fn login(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        let answer = self.anonymous().post("/api/v2/users/login", &body).await.expect(201);
        answer.json()["session_token"].as_str().unwrap().to_owned()
    }

    /// A new user with this role, signed in.
    pub(crate) async fn user(&self, role: Role) -> Person {
        let username = format!("{}-{}", role.as_str(), &unique()[..6]);
        let (email, password) = (format!("{username}@example.org"), format!("long enough {}", unique()));
        let body =
            json!({"email": email, "username": username, "password": password, "roles": [role.as_str()]});
        let id = self.owner().post("/api/v2/users", &body).await.expect(201).json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let token = self.login(&email, &password).await;
        Person { id, email, password, client: self.anonymous().with(Proof::Bearer(token.clone())), token }
    }

    /// Selects the demo model.
    pub(crate) async fn demo_model(&self) -> String {
        self.model(&json!({"name": "Demo", "type": "demo"}), "demo").await
    }

    /// Selects a model of a scripted provider.
    pub(crate) async fn scripted_model(&self, llm: &FakeLlm, key: &str) -> String {
        let provider =
            json!({"name": "Scripted", "type": "openai", "base_url": llm.base_url(), "api_key": key});
        self.model(&provider, "scripted-1").await
    }

    async fn model(&self, provider: &Value, model: &str) -> String {
        let provider = self.owner().post("/api/v2/providers", provider).await.expect(201).json();
        let body = json!({
            "provider_id": provider["id"], "model": model, "display_name": format!("Model {model}"), "is_default": true,
        });
        self.owner().post("/api/v2/models", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
    }

    /// Registers a server; its id.
    pub(crate) async fn register(&self, body: &Value) -> String {
        id_of(&self.owner().post(SERVERS, body).await.expect(201))
    }

    /// Registers a fake, enabled and `default_on`.
    pub(crate) async fn register_fake(&self, slug: &str, fake: &FakeMcp) -> String {
        let mut body = server_body(slug, &fake.url());
        body["enabled"] = json!(true);
        body["availability"] = json!("default_on");
        self.register(&body).await
    }
}

/// A signed-in user.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) token: String,
    /// By Bearer.
    pub(crate) client: Client,
}

impl Person {
    pub(crate) fn by_cookie(&self) -> Client {
        self.client.with(cookie(&self.token))
    }
}

pub(crate) fn cookie(token: &str) -> Proof {
    Proof::Cookie { name: COOKIE.to_owned(), token: token.to_owned() }
}

pub(crate) fn first_user() -> Value {
    json!({
        "email": OWNER_EMAIL, "username": "owner", "name": "The Owner", "password": OWNER_PASSWORD,
        "setup_token": SETUP_TOKEN,
    })
}

/// The least that a server needs.
pub(crate) fn server_body(slug: &str, url: &str) -> Value {
    json!({
        "display_name": format!("Server {slug}"), "slug": slug, "transport": "streamable_http", "url": url,
        "auth_type": "none", "availability": "default_off",
    })
}

/// `body` with these members put over it.
pub(crate) fn over(mut body: Value, more: Value) -> Value {
    let (Value::Object(target), Value::Object(more)) = (&mut body, more) else {
        panic!("objects are put over objects")
    };
    target.extend(more);
    body
}

#[track_caller]
pub(crate) fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("no id in {}", answer.body)).to_owned()
}

pub(crate) fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

/// Creates a chat and waits for the end of its turn: the whole answer.
pub(crate) async fn chat(client: &Client, body: &Value) -> Value {
    let ask = client.request(http::Method::POST, CHATS).header("prefer", "wait=60").json(body);
    let chat = ask.send().await.expect(201).json();
    assert!(
        matches!(chat["status"].as_str(), Some("waiting" | "error")),
        "the turn is still under way: {chat:#}"
    );
    chat
}

/// Sends a message and waits for the end of its turn.
pub(crate) async fn send(client: &Client, chat_id: &str, body: &Value) -> Value {
    let path = format!("{CHATS}/{chat_id}/messages");
    client
        .request(http::Method::POST, &path)
        .header("prefer", "wait=60")
        .json(body)
        .send()
        .await
        .expect(201)
        .json()
}

/// The chat, once it has this status.
pub(crate) async fn status(client: &Client, chat_id: &str, wanted: &str) -> Value {
    until(&format!("the chat to be {wanted}"), || async {
        let chat = client.get(&format!("{CHATS}/{chat_id}")).await.expect(200).json();
        (chat["status"] == wanted).then_some(chat)
    })
    .await
}

/// All messages of a chat, oldest first.
pub(crate) async fn transcript(client: &Client, chat_id: &str) -> Vec<Value> {
    let page =
        client.get(&format!("{CHATS}/{chat_id}/messages?after_id=0&limit=200")).await.expect(200).json();
    page["messages"].as_array().unwrap().clone()
}

/// Every part of this type in the messages, in order.
pub(crate) fn parts<'a>(messages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    messages
        .iter()
        .flat_map(|message| message["content"].as_array().unwrap())
        .filter(|part| part["type"] == kind)
        .collect()
}

/// All text of the assistant's messages.
pub(crate) fn answer_text(messages: &[Value]) -> String {
    let said = messages.iter().filter(|message| message["role"] == "assistant").cloned().collect::<Vec<_>>();
    parts(&said, "text").iter().filter_map(|part| part["text"].as_str()).collect()
}
