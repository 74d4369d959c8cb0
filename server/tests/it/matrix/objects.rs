//! The deployment that the matrix walks through: one person per kind of caller, and objects that some of them may see.

use super::caller::Who;
use crate::{
    description::Description,
    support::{
        CHATS, OWNER_EMAIL, OWNER_PASSWORD, Person, SERVERS, TestServer, chat, over, parts, server_body,
        status, text,
    },
};
use api::users::Role;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Mutex};
use testkit::{
    fake_llm::{FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool},
    fake_oauth::FakeOauth,
    http::Client,
    temp::unique,
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";

pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) description: Description,
    people: BTreeMap<Who, Person>,
    /// Somebody whose things are nobody else's.
    stranger: Person,
    /// Objects that stay as they are, by name.
    fixed: BTreeMap<&'static str, String>,
    /// A chat of each person, its turn ended.
    own_chats: BTreeMap<Who, String>,
    /// A second session of each person, to be ended.
    spare_sessions: BTreeMap<Who, String>,
    /// The first message of the chat made last.
    message: Mutex<String>,
    /// The call of the last `called_chat`.
    call: Mutex<String>,
    /// The message that waits in the last `queued_chat`, and that chat with its owner.
    queued: Mutex<String>,
    queued_chat: Mutex<Option<(Client, String)>>,
    /// What the last `parked_chat` or `client_chat` waits for, and that chat with its owner.
    action: Mutex<String>,
    parked_chat: Mutex<Option<(Client, String)>>,
    /// A model that never answers: what is sent behind its turn waits.
    silent_model: String,
    _silent: FakeLlm,
    _fake: FakeMcp,
    _curious: FakeMcp,
    _oauth: FakeOauth,
}

impl World {
    pub(super) async fn new(server: TestServer) -> Self {
        let fake = FakeMcp::start(vec![FakeTool::of_text("get_issue", "Reads an issue")]).await;
        let curious =
            FakeMcp::start(vec![FakeTool::of_text("get_issue", "Reads an issue").asking("Which one?")]).await;
        let oauth = FakeOauth::start(vec![FakeTool::of_text("get_issue", "Reads an issue")]).await;
        let silent = FakeLlm::scripted(|_| Reply::Stall(Vec::new())).await;
        let silent_model = server.scripted_model(&silent, "k").await;
        let model = server.demo_model().await;
        let titles = json!({"title_model": model});
        server.owner().put(&format!("{CHATS}/config/title-model"), &titles).await.expect(200);
        let mut people = BTreeMap::new();
        for (who, role) in [
            (Who::Suspended, Role::Member),
            (Who::Outside, Role::Member),
            (Who::Inside, Role::Member),
            (Who::Auditor, Role::Auditor),
            (Who::Admin, Role::Admin),
            (Who::Owner, Role::Owner),
        ] {
            people.insert(who, server.user(role).await);
        }
        let suspended = format!("/api/v2/users/{}", people[&Who::Suspended].id);
        server.owner().patch(&suspended, &json!({"status": "suspended"})).await.expect(200);
        let stranger = server.user(Role::Member).await;
        let mut spare_sessions = BTreeMap::new();
        for (who, person) in people.iter().filter(|(who, _)| **who != Who::Suspended) {
            spare_sessions.insert(*who, spare_session(&server, person).await);
        }
        let first_owner = server.owner().get("/api/v2/users/me").await.expect(200).json();
        let insiders = group(&server, "insiders").await;
        let join = json!({"add_users": [people[&Who::Inside].id]});
        server.owner().patch(&format!("/api/v2/groups/{insiders}"), &join).await.expect(200);
        let (foreign_chat, foreign_message) = chat_of(&stranger.client).await;
        let mut own_chats = BTreeMap::new();
        for (who, person) in people.iter().filter(|(who, _)| **who != Who::Suspended) {
            own_chats.insert(*who, chat_of(&person.client).await.0);
        }
        let open = server.register_fake("open", &fake).await;
        // Its tools are known from here on.
        server.owner().post(&format!("{SERVERS}/{open}/check"), &json!({})).await.expect(200);
        let fixed = BTreeMap::from([
            ("unknown", UNKNOWN.to_owned()),
            ("malformed", "not-a-uuid".to_owned()),
            ("open", open),
            ("asking", asking_server(&server, &fake).await),
            ("curious", curious_server(&server, &curious).await),
            ("tool", "get_issue".to_owned()),
            ("disabled", server.register(&server_body("disabled", &fake.url())).await),
            ("grouped", grouped_server(&server, &fake, &insiders).await),
            ("personal", personal_server(&server, &fake).await),
            ("oauth", oauth_server(&server, &oauth).await),
            ("group", insiders),
            ("stranger", stranger.id.clone()),
            ("first_owner", first_owner["id"].as_str().unwrap().to_owned()),
            ("owner_email", OWNER_EMAIL.to_owned()),
            ("owner_password", OWNER_PASSWORD.to_owned()),
            ("model", model),
            ("system-prompt", "system-prompt".to_owned()),
            ("plan-mode-instructions", "plan-mode-instructions".to_owned()),
            ("auto-archive-days", "auto-archive-days".to_owned()),
            ("foreign_chat", foreign_chat),
            ("foreign_message", foreign_message),
            ("foreign_file", file_of(&stranger.client).await),
            ("foreign_workspace", workspace_of(&stranger.client).await),
            ("foreign_token", token_of(&stranger.client).await),
            ("foreign_session", spare_session(&server, &stranger).await),
            ("provider", provider(&server).await),
        ]);
        let description = Description::of(&server).await;
        let message = Mutex::new(fixed["foreign_message"].clone());
        let call = Mutex::new("no-call".to_owned());
        Self {
            server,
            description,
            people,
            stranger,
            fixed,
            own_chats,
            spare_sessions,
            message,
            call,
            queued: Mutex::new("1".to_owned()),
            queued_chat: Mutex::new(None),
            action: Mutex::new(UNKNOWN.to_owned()),
            parked_chat: Mutex::new(None),
            silent_model,
            _silent: silent,
            _fake: fake,
            _curious: curious,
            _oauth: oauth,
        }
    }

    /// # Panics
    /// For anonymous callers: they are nobody.
    pub(super) fn person(&self, who: Who) -> &Person {
        &self.people[&who]
    }

    pub(super) fn client(&self, who: Who) -> &Client {
        &self.person(who).client
    }

    /// The text of an object by its name in the tables; `fresh_…` is made for this one request.
    pub(super) async fn object(&self, name: &str, who: Who) -> String {
        if let Some(id) = self.fixed.get(name) {
            return id.clone();
        }
        // Whoever cannot make things of their own asks for somebody's.
        let own = match who {
            Who::Anonymous | Who::Suspended => &self.stranger.client,
            _ => self.client(who),
        };
        match name {
            "unique" => format!("u{}", &unique()[..12]),
            "message" => self.message.lock().unwrap().clone(),
            // Refused before anything is read: a chat that is nobody's to spare would cost a turn.
            "fresh_chat" if matches!(who, Who::Anonymous | Who::Suspended) => {
                self.fixed["foreign_chat"].clone()
            }
            "fresh_chat" => {
                let (id, message) = chat_of(own).await;
                *self.message.lock().unwrap() = message;
                id
            }
            "called_chat" if matches!(who, Who::Anonymous | Who::Suspended) => {
                self.fixed["foreign_chat"].clone()
            }
            "called_chat" => {
                let (id, call) = chat_with_call(own, &self.fixed["open"]).await;
                *self.call.lock().unwrap() = call;
                id
            }
            "call" => self.call.lock().unwrap().clone(),
            "queued_chat" if matches!(who, Who::Anonymous | Who::Suspended) => {
                self.fixed["foreign_chat"].clone()
            }
            "queued_chat" => self.queued_chat_of(own).await,
            "queued" => self.queued.lock().unwrap().clone(),
            "parked_chat" | "client_chat" | "asked_chat"
                if matches!(who, Who::Anonymous | Who::Suspended) =>
            {
                self.fixed["foreign_chat"].clone()
            }
            "parked_chat" => {
                self.parked_chat_of(own, &json!({"mcp_server_ids": [self.fixed["asking"]]})).await
            }
            "client_chat" => {
                let tools = json!([{"name": "get_issue", "description": "Reads an issue"}]);
                self.parked_chat_of(own, &json!({"mcp_server_ids": [], "unsafe_dynamic_tools": tools})).await
            }
            "asked_chat" => {
                let with = json!({"mcp_server_ids": [self.fixed["curious"]], "client_type": "ui"});
                self.parked_chat_of(own, &with).await
            }
            "action" => self.action.lock().unwrap().clone(),
            "own_chat" => self.own_chats.get(&who).unwrap_or(&self.fixed["foreign_chat"]).clone(),
            "connected" => {
                let path = format!("{SERVERS}/{}/user_headers", self.fixed["personal"]);
                self.stranger.client.put(&path, &json!({"values": {"X-Token": "mine"}})).await.expect(204);
                self.stranger.id.clone()
            }
            "fresh_file" => file_of(own).await,
            "fresh_workspace" => workspace_of(own).await,
            "fresh_group" => group(&self.server, &self.slug()).await,
            "fresh_token" => token_of(own).await,
            "spare_session" => self.spare_sessions.get(&who).cloned().unwrap_or_else(|| UNKNOWN.to_owned()),
            "fresh_server" => {
                let slug = self.slug();
                self.server.register(&server_body(&slug, "https://mcp.example.com/mcp")).await
            }
            "fresh_user" => self.server.user(Role::Member).await.id,
            "fresh_provider" => provider(&self.server).await,
            "fresh_model" => {
                let body = json!({"provider_id": self.fixed["provider"], "model": self.slug(), "display_name": "Fresh"});
                id(&self.server.owner().post("/api/v2/models", &body).await.expect(201).json())
            }
            other => panic!("the tables name an unknown object: {other}"),
        }
    }

    /// A chat in which a message waits. The one before goes: a person's turns are few.
    async fn queued_chat_of(&self, client: &Client) -> String {
        let before = self.queued_chat.lock().unwrap().take();
        if let Some((owner, id)) = before {
            owner.delete(&format!("{CHATS}/{id}")).await;
        }
        let body = json!({"content": text("hello"), "model_config_id": self.silent_model});
        let id = id(&client.post(CHATS, &body).await.expect(201).json());
        let sent = client.post(&format!("{CHATS}/{id}/messages"), &json!({"content": text("next")})).await;
        *self.queued.lock().unwrap() = sent.expect(201).json()["queued_message"]["id"].to_string();
        *self.queued_chat.lock().unwrap() = Some((client.clone(), id.clone()));
        id
    }

    /// A chat whose turn waits for somebody. The one before goes: a person's turns are few.
    async fn parked_chat_of(&self, client: &Client, with: &Value) -> String {
        let before = self.parked_chat.lock().unwrap().take();
        if let Some((owner, id)) = before {
            owner.delete(&format!("{CHATS}/{id}")).await;
        }
        let mut body = json!({"content": text("Get the issue \"login page\"")});
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let id = id(&client.post(CHATS, &body).await.expect(201).json());
        status(client, &id, "requires_action").await;
        let page = client.get(&format!("{CHATS}/{id}/messages")).await.expect(200).json();
        let action = &page["actions"][0];
        *self.action.lock().unwrap() = action["id"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned();
        *self.call.lock().unwrap() = action["tool_call_id"].as_str().unwrap().to_owned();
        *self.parked_chat.lock().unwrap() = Some((client.clone(), id.clone()));
        id
    }

    fn slug(&self) -> String {
        format!("s{}", &unique()[..12])
    }

    /// `{id=open}` becomes the id of the object `open`.
    pub(super) async fn fill_path(&self, path: &str, who: Who) -> String {
        let mut filled = String::new();
        let mut parts = path.split('{');
        filled += parts.next().unwrap_or_default();
        for part in parts {
            let (inside, after) = part.split_once('}').unwrap();
            match inside.split_once('=') {
                Some((_, name)) if name != "me" => filled += &self.object(name, who).await,
                Some((_, own)) => filled += own,
                None => panic!("{path} leaves {{{inside}}} open"),
            }
            filled += after;
        }
        filled
    }

    /// `<open>` becomes the id of the object `open`.
    pub(super) async fn fill(&self, body: &str, who: Who) -> String {
        let mut parts = body.split('<');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once('>').unwrap();
            filled += &self.object(name, who).await;
            filled += after;
        }
        filled
    }
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}

/// A chat whose turn has ended, and its first message.
async fn chat_of(client: &Client) -> (String, String) {
    let made = chat(client, &json!({"content": text("hello")})).await;
    let id = id(&made);
    let messages = client.get(&format!("{CHATS}/{id}/messages?after_id=0")).await.expect(200).json();
    (id, messages["messages"][0]["id"].to_string())
}

/// A chat in which a tool was called, and that call's id.
async fn chat_with_call(client: &Client, server: &str) -> (String, String) {
    let content = text("Get the issue \"login page\"");
    let made = chat(client, &json!({"content": content, "mcp_server_ids": [server]})).await;
    let call = &parts(made["messages"].as_array().unwrap(), "tool-result")[0]["tool_call_id"];
    (id(&made), call.as_str().unwrap().to_owned())
}

async fn file_of(client: &Client) -> String {
    id(&client.post("/api/experimental/chats/files?name=a.txt", &json!({})).await.expect(201).json())
}

async fn workspace_of(client: &Client) -> String {
    id(&client.post("/api/v2/workspaces", &json!({"name": "Project"})).await.expect(201).json())
}

async fn token_of(client: &Client) -> String {
    let body = json!({"token_name": unique()});
    id(&client.post("/api/v2/users/me/keys/tokens", &body).await.expect(201).json())
}

/// The id of a new session of this person.
async fn spare_session(server: &TestServer, person: &Person) -> String {
    let token = server.login(&person.email, &person.password).await;
    let client = server.anonymous().with(testkit::http::Proof::Bearer(token));
    let sessions = client.get("/api/v2/users/me/sessions").await.expect(200).json();
    let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).cloned();
    id(&current.unwrap())
}

async fn provider(server: &TestServer) -> String {
    let body = json!({"name": unique(), "type": "demo"});
    id(&server.owner().post("/api/v2/providers", &body).await.expect(201).json())
}

async fn group(server: &TestServer, name: &str) -> String {
    id(&server.owner().post("/api/v2/groups", &json!({"name": name})).await.expect(201).json())
}

/// An enabled server whose every call has to be approved.
async fn asking_server(server: &TestServer, fake: &FakeMcp) -> String {
    let mut body = server_body("asking", &fake.url());
    body["enabled"] = json!(true);
    body["tool_approval_list"] = json!(["*"]);
    server.register(&body).await
}

/// An enabled server whose tool asks the person something.
async fn curious_server(server: &TestServer, fake: &FakeMcp) -> String {
    let mut body = server_body("curious", &fake.url());
    body["enabled"] = json!(true);
    server.register(&body).await
}

/// An enabled server that only the members of `group` may use.
async fn grouped_server(server: &TestServer, fake: &FakeMcp, group: &str) -> String {
    let limited = json!({"enabled": true, "allowed_group_ids": [group]});
    server.register(&over(server_body("grouped", &fake.url()), limited)).await
}

/// An enabled server that asks every user for a header.
/// Found by its URL alone.
async fn oauth_server(server: &TestServer, oauth: &FakeOauth) -> String {
    let body = json!({"auth_type": "oauth2", "enabled": true});
    server.register(&over(server_body("oauth", &oauth.url()), body)).await
}

async fn personal_server(server: &TestServer, fake: &FakeMcp) -> String {
    let asks = json!({"enabled": true, "auth_type": "user_header", "user_headers": [{"name": "X-Token"}]});
    server.register(&over(server_body("personal", &fake.url()), asks)).await
}
