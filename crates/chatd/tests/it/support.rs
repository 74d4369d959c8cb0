//! A small deployment: database, daemon, one fake MCP server, a model that says what the test wrote down.

use api::{
    Timestamp, Uuid,
    chats::{ChatStatus, PlanMode, TurnError},
    check::ConnectOutcome,
    messages::{ChatMessage, MessageRole, Part, ToolOutcome, ToolResultPart, Usage},
    servers::{AuthType, Availability, Transport},
    users::{Role, User, UserStatus},
};
use async_trait::async_trait;
use domain::{
    clock::{Clock, Entropy, new_id},
    gates::{Choice, ServerFacts},
    mcp_server::ServerRecord,
};
use futures::StreamExt;
use llm::{FinishReason, GenerationRequest, ModelError, ModelEvent, ModelProvider, PromptMessage};
use mcpclient::{ClientConfig, McpClients, Target};
use patchbay_chatd::{
    ChatDaemon, ChatdConfig, Deps, ModelSource, ResolvedModel, ServerSource, StepServer, Unusable,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{
    Db,
    chats::{ChatRecord, Transition, chat_get_any, chat_get_for_update, chat_insert, chat_transition},
    messages::{NewMessage, PageRequest, message_insert, message_page},
};
use testkit::egress::{Egress, EgressConfig};
use testkit::fake_mcp::FakeMcp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::servers::Servers;

/// A clock that only ever goes forward, by a microsecond per look.
#[derive(Debug)]
pub(crate) struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Different bytes for every daemon of a test.
#[derive(Debug)]
pub(crate) struct Counting(AtomicU64);

static DAEMONS: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        domain::clock::SeededEntropy::new(self.0.fetch_add(1, Ordering::SeqCst) ^ (1 << 40)).fill(buffer);
    }
}

/// One thing a scripted model does.
#[derive(Clone)]
pub(crate) enum Say {
    Event(ModelEvent),
    Error(ModelError),
    /// Waits until the test lets it go on.
    Wait(Arc<Notify>),
    /// Says nothing more for ever.
    Hang,
    Panic,
}

pub(crate) fn text(text: &str) -> Say {
    Say::Event(ModelEvent::Text(text.to_owned()))
}

pub(crate) fn end(reason: FinishReason) -> Say {
    Say::Event(ModelEvent::End { reason })
}

/// A call in small pieces.
pub(crate) fn call(index: usize, id: &str, name: &str, arguments: &str) -> Vec<Say> {
    let mut says =
        vec![Say::Event(ModelEvent::ToolCallStart { index, id: id.to_owned(), name: name.to_owned() })];
    let letters: Vec<char> = arguments.chars().collect();
    for piece in letters.chunks(3) {
        says.push(Say::Event(ModelEvent::ToolCallDelta { index, arguments: piece.iter().collect() }));
    }
    says.push(Say::Event(ModelEvent::ToolCallEnd { index }));
    says
}

/// An answer that only calls.
pub(crate) fn calls(calls: &[(&str, &str, &str)]) -> Vec<Say> {
    let mut says: Vec<Say> =
        calls.iter().enumerate().flat_map(|(index, (id, name, args))| call(index, id, name, args)).collect();
    says.push(end(FinishReason::ToolCalls));
    says
}

/// An answer in words.
pub(crate) fn answer(words: &str) -> Vec<Say> {
    let mut says: Vec<Say> = words.split_inclusive(' ').map(text).collect();
    says.push(Say::Event(ModelEvent::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() })));
    says.push(end(FinishReason::Stop));
    says
}

/// What is said to a request; `None`: whatever comes next in the script.
type Reply = dyn Fn(&GenerationRequest) -> Option<Vec<Say>> + Send + Sync;

/// A model that says its scripts one after the other, then "Done." for ever.
#[derive(Default)]
pub(crate) struct Script {
    reply: Mutex<Option<Arc<Reply>>>,
    answers: Mutex<VecDeque<Vec<Say>>>,
    requests: Mutex<Vec<GenerationRequest>>,
    /// How many streams were dropped before their end.
    pub(crate) dropped: Arc<AtomicU64>,
}

impl Script {
    pub(crate) fn then(&self, answer: Vec<Say>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// Asked before the script: where several chats ask at once, their order is nobody's.
    pub(crate) fn reply(
        &self,
        reply: impl Fn(&GenerationRequest) -> Option<Vec<Say>> + Send + Sync + 'static,
    ) {
        *self.reply.lock().unwrap() = Some(Arc::new(reply));
    }

    pub(crate) fn requests(&self) -> Vec<GenerationRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// The results the model was told in its newest request, by call id.
    pub(crate) fn told(&self) -> Vec<(String, String, bool)> {
        let requests = self.requests();
        let last = requests.last().expect("the model was asked");
        last.messages
            .iter()
            .filter_map(|message| match message {
                PromptMessage::Tool { tool_call_id, text, is_error, .. } => {
                    Some((tool_call_id.clone(), text.clone(), *is_error))
                }
                _ => None,
            })
            .collect()
    }
}

struct Playing {
    left: VecDeque<Say>,
    dropped: Arc<AtomicU64>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        if !self.left.is_empty() {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl ModelProvider for Script {
    async fn generate(
        &self,
        request: GenerationRequest,
        _cancel: CancellationToken,
    ) -> Result<llm::ModelStream, ModelError> {
        let reply = self.reply.lock().unwrap().clone();
        let replied = reply.and_then(|reply| reply(&request));
        self.requests.lock().unwrap().push(request);
        let next = || self.answers.lock().unwrap().pop_front().unwrap_or_else(|| answer("Done."));
        let script = replied.unwrap_or_else(next);
        // An error that comes first is a refusal of the request.
        if let Some(Say::Error(error)) = script.first() {
            return Err(error.clone());
        }
        let playing = Playing { left: script.into(), dropped: Arc::clone(&self.dropped) };
        let stream = futures::stream::unfold(playing, |mut playing| async move {
            loop {
                match playing.left.front()?.clone() {
                    Say::Event(event) => {
                        playing.left.pop_front();
                        return Some((Ok(event), playing));
                    }
                    Say::Error(error) => {
                        playing.left.clear();
                        return Some((Err(error), playing));
                    }
                    Say::Wait(go) => {
                        go.notified().await;
                        playing.left.pop_front();
                    }
                    Say::Hang => std::future::pending::<()>().await,
                    Say::Panic => panic!("a scripted panic"),
                }
            }
        });
        Ok(stream.boxed())
    }
}

struct OneModel(Arc<Script>);

#[async_trait]
impl ModelSource for OneModel {
    async fn model_resolve(&self, _id: Option<Uuid>) -> Result<ResolvedModel, TurnError> {
        Ok(ResolvedModel {
            id: Uuid::from_u128(77),
            provider: Arc::clone(&self.0) as Arc<dyn ModelProvider>,
            model: "scripted".to_owned(),
            max_output_tokens: 1000,
            context_limit: 1_000_000,
        })
    }
}

pub(crate) fn record(id: u128, slug: &str) -> ServerRecord {
    ServerRecord {
        id: Uuid::from_u128(id),
        display_name: slug.to_uppercase(),
        slug: slug.to_owned(),
        description: String::new(),
        icon_url: String::new(),
        transport: Transport::StreamableHttp,
        url: "http://unused.invalid/".to_owned(),
        auth_type: AuthType::None,
        api_key_header: String::new(),
        has_api_key: false,
        has_custom_headers: false,
        oauth2: Default::default(),
        has_oauth2_secret: false,
        user_headers: Vec::new(),
        tool_allow_list: Vec::new(),
        tool_deny_list: Vec::new(),
        tool_idempotent_list: Vec::new(),
        tool_approval_list: Vec::new(),
        availability: Availability::DefaultOn,
        enabled: true,
        model_intent: false,
        allow_in_plan_mode: false,
        forward_coder_headers: false,
        has_signing_secret: false,
        send_trace_context: false,
        use_instructions: false,
        tool_change_policy: api::servers::ToolChangePolicy::Notify,
        allowed_group_ids: Vec::new(),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        created_by: None,
        updated_by: None,
        version: 1,
        credential_version: 1,
    }
}

pub(crate) fn step_server(record: ServerRecord, url: &str) -> StepServer {
    let target = Target {
        server_id: record.id,
        user_id: OWNER,
        slug: record.slug.clone(),
        url: url.parse().expect("a fake's URL"),
        transport: mcpclient::Transport::StreamableHttp,
        wire: None,
        forwarding: None,
        headers: Vec::new(),
        credential_version: record.credential_version,
    };
    StepServer { facts: ServerFacts::open(&record, Choice::Chosen), record, access: Ok(target) }
}

pub(crate) fn unusable(record: ServerRecord, message: &str) -> StepServer {
    StepServer {
        facts: ServerFacts { configured: false, ..ServerFacts::open(&record, Choice::Chosen) },
        record,
        access: Err(Unusable { outcome: ConnectOutcome::Error, message: message.to_owned() }),
    }
}

pub(crate) const OWNER: Uuid = Uuid::from_u128(500);

/// Short figures, so that tests of time take none.
pub(crate) fn config() -> ChatdConfig {
    ChatdConfig {
        poll: Duration::from_millis(200),
        retry_delay: |attempt, _, _| (attempt <= 3).then(|| Duration::from_millis(5)),
        ..ChatdConfig::default()
    }
}

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) daemon: ChatDaemon,
    pub(crate) script: Arc<Script>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) clock: Arc<Ticks>,
    pub(crate) entropy: Arc<Counting>,
}

impl World {
    /// A deployment on `db` whose one server is `mcp`, under the slug `lab`.
    pub(crate) async fn new(db: &Db, mcp: &FakeMcp) -> Self {
        Self::with(db, mcp, config()).await
    }

    pub(crate) async fn with(db: &Db, mcp: &FakeMcp, config: ChatdConfig) -> Self {
        let servers = Arc::new(Servers::default());
        servers.step.lock().unwrap().push(step_server(record(1, "lab"), &mcp.url()));
        let world = Self::start(db, &mcp.authority(), servers, Arc::default(), config).await;
        world.owner_insert().await;
        world
    }

    pub(crate) async fn start(
        db: &Db,
        allow: &str,
        servers: Arc<Servers>,
        script: Arc<Script>,
        config: ChatdConfig,
    ) -> Self {
        let egress = Egress::new(EgressConfig {
            allow: allow.parse().expect("an allow list"),
            own_listeners: Vec::new(),
            access_url: None,
            user_agent: "chatd-tests".to_owned(),
        })
        .expect("an outbound client");
        let number = DAEMONS.fetch_add(1, Ordering::SeqCst);
        let clock = Arc::new(Ticks(AtomicI64::new(
            1_800_000_000_000_000 + i64::try_from(number).unwrap() * 1_000_000,
        )));
        let entropy = Arc::new(Counting(AtomicU64::new(number << 44)));
        let daemon = ChatDaemon::start(Deps {
            db: db.clone(),
            mcp: McpClients::new(
                egress,
                ClientConfig {
                    observer: None,
                    version: "0.0.0".to_owned(),
                    clock: Arc::new(domain::clock::ManualClock::default()),
                },
            ),
            models: Arc::new(OneModel(Arc::clone(&script))),
            servers: Arc::clone(&servers) as Arc<dyn ServerSource>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&entropy) as Arc<dyn Entropy>,
            config,
        })
        .await
        .expect("the daemon starts");
        Self { db: db.clone(), daemon, script, servers, clock, entropy }
    }

    pub(crate) async fn owner_insert(&self) {
        let user = User {
            id: OWNER,
            email: "a@example.com".to_owned(),
            username: "ada".to_owned(),
            name: String::new(),
            roles: vec![Role::Member],
            status: UserStatus::Active,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        };
        let mut write = self.db.write().await.unwrap();
        store::users::user_insert(&mut write, &store::users::UserRecord { user, password_hash: None })
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// An idle chat.
    pub(crate) async fn chat(&self) -> Uuid {
        self.chat_with(Vec::new()).await
    }

    /// The same with tools of its client.
    pub(crate) async fn chat_with(&self, dynamic_tools: Vec<api::actions::DynamicTool>) -> Uuid {
        self.chat_of("ui", dynamic_tools).await
    }

    /// The same of this type.
    pub(crate) async fn chat_of(
        &self,
        client_type: &str,
        dynamic_tools: Vec<api::actions::DynamicTool>,
    ) -> Uuid {
        let id = new_id(&*self.clock, &*self.entropy);
        let at = self.clock.now();
        let chat = ChatRecord {
            parent_chat_id: None,
            mode: None,
            pin_order: 0,
            queued_for_capacity: false,
            plan_mode: PlanMode::Off,
            turn_plan_mode: PlanMode::Off,
            plan_version: 0,
            queue_length: 0,
            queue_version: 0,
            id,
            owner_id: OWNER,
            title: "Chat".to_owned(),
            title_source: "prompt".to_owned(),
            status: ChatStatus::Waiting,
            last_error: None,
            model_config_id: None,
            mcp_server_ids: Vec::new(),
            labels: std::collections::BTreeMap::new(),
            workspace_id: None,
            archived: false,
            client_type: client_type.to_owned(),
            dynamic_tools,
            snapshot_version: 1,
            history_version: 0,
            edit_version: 0,
            generation_attempt: 0,
            lease_holder: None,
            lease_epoch: 0,
            lease_expires_at: None,
            created_at: at,
            updated_at: at,
        };
        let mut write = self.db.write().await.unwrap();
        chat_insert(&mut write, &chat).await.unwrap();
        write.commit().await.unwrap();
        id
    }

    /// What `service` does when plan mode is switched and the next message begins a turn with it.
    pub(crate) async fn plan(&self, chat: Uuid, mode: PlanMode) {
        let mut write = self.db.write().await.unwrap();
        let mut record = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        (record.plan_mode, record.turn_plan_mode) = (mode, mode);
        store::chats::chat_update_fields(&mut write, &record).await.unwrap();
        write.commit().await.unwrap();
    }

    /// What `service` does with a message: one transaction, then the daemon hears of it.
    pub(crate) async fn send(&self, chat: Uuid, words: &str) -> ChatMessage {
        let (record, message) = self.store_message(chat, words).await;
        self.daemon.turn_begun(&record, &message);
        message
    }

    pub(crate) async fn store_message(&self, chat: Uuid, words: &str) -> (ChatRecord, ChatMessage) {
        let mut write = self.db.write().await.unwrap();
        let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        let step = Transition::to(ChatStatus::Running, self.clock.now())
            .history()
            .lease(self.daemon.lease_on_send());
        let record =
            chat_transition(&mut write, &before.fence(), &step).await.unwrap().expect("nobody else writes");
        let message = message_insert(&mut write, user_message(chat, words, self.clock.now())).await.unwrap();
        write.commit().await.unwrap();
        (record, message)
    }

    /// What `service` does with Stop.
    pub(crate) async fn stop(&self, chat: Uuid) {
        let mut write = self.db.write().await.unwrap();
        let before = chat_get_for_update(&mut write, OWNER, chat).await.unwrap().unwrap();
        let step = Transition::to(ChatStatus::Interrupting, self.clock.now());
        let record =
            chat_transition(&mut write, &before.fence(), &step).await.unwrap().expect("nobody else writes");
        write.commit().await.unwrap();
        self.daemon.chat_changed(&record);
        self.daemon.interrupt(chat);
    }

    pub(crate) async fn record(&self, chat: Uuid) -> ChatRecord {
        chat_get_any(&mut self.db.read().await.unwrap(), chat).await.unwrap().expect("the chat is there")
    }

    /// Waits for the end of the turn.
    pub(crate) async fn ended(&self, chat: Uuid) -> ChatRecord {
        let record =
            self.daemon.wait_idle(chat, Duration::from_secs(20)).await.unwrap().expect("the chat is there");
        assert!(!record.status.is_busy(), "the turn did not end: {:?}", record.status);
        record
    }

    /// The visible messages, oldest first.
    pub(crate) async fn messages(&self, chat: Uuid) -> Vec<ChatMessage> {
        messages(&self.db, chat).await
    }

    /// The results of the chat, in their order.
    pub(crate) async fn results(&self, chat: Uuid) -> Vec<ToolResultPart> {
        results(&self.messages(chat).await)
    }

    /// Waits until a look finds something.
    pub(crate) async fn until_asked(&self, times: usize) {
        testkit::wait::until("the model to be asked", || async {
            (self.script.requests().len() >= times).then_some(())
        })
        .await;
    }
}

pub(crate) async fn messages(db: &Db, chat: Uuid) -> Vec<ChatMessage> {
    let page = PageRequest { limit: 1000, ..PageRequest::default() };
    let (mut messages, more) = message_page(&mut db.read().await.unwrap(), chat, page).await.unwrap();
    assert!(!more);
    messages.reverse();
    messages
}

pub(crate) fn results(messages: &[ChatMessage]) -> Vec<ToolResultPart> {
    let parts = messages.iter().flat_map(|message| &message.content);
    parts
        .filter_map(|part| match part {
            Part::ToolResult(result) => Some(result.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn user_message(chat: Uuid, words: &str, at: Timestamp) -> NewMessage {
    NewMessage {
        chat_id: chat,
        role: MessageRole::User,
        content: vec![Part::text(words)],
        model_config_id: None,
        usage: None,
        interrupted: false,
        created_at: at,
    }
}

pub(crate) fn roles(messages: &[ChatMessage]) -> Vec<MessageRole> {
    messages.iter().map(|message| message.role).collect()
}

/// The text parts of a message, joined.
pub(crate) fn words(message: &ChatMessage) -> String {
    message
        .content
        .iter()
        .filter_map(|part| match part {
            Part::Text(part) => Some(part.text.as_str()),
            _ => None,
        })
        .collect()
}

/// The first text of a result.
pub(crate) fn result_text(result: &ToolResultPart) -> &str {
    match result.result.first() {
        Some(api::messages::ResultContent::Text { text }) => text,
        other => panic!("no text: {other:?}"),
    }
}

pub(crate) fn outcomes(results: &[ToolResultPart]) -> Vec<(&str, ToolOutcome)> {
    results.iter().map(|result| (result.tool_call_id.as_str(), result.outcome)).collect()
}

/// The servers' tools that a request offers, without our own.
pub(crate) fn served(request: &GenerationRequest) -> Vec<String> {
    let names = request.tools.iter().map(|tool| tool.name.clone());
    names.filter(|name| !domain::tools::BUILT_IN_NAMES.contains(&name.as_str())).collect()
}
