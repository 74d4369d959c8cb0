//! Servers that refuse the credential of a turn, or want more permission (behaviour 10 and 15, threats A 12 and 19).

use crate::{
    servers::{Renewing, Servers},
    support::{
        Say, World, answer, call, calls, config, end, outcomes, record, result_text, served, step_server,
    },
    turn::{echo, stopped_within_half_a_second},
};
use api::{
    Uuid,
    chats::ChatStatus,
    check::ConnectOutcome,
    messages::{ToolNeeds, ToolOutcome},
    servers::{AuthStatus, AuthType},
};
use domain::{mcp_server::ServerRecord, oauth::challenge::Challenge};
use llm::FinishReason;
use patchbay_chatd::{PermissionAsk, StepServer};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use testkit::{
    TestDb,
    axum::{
        Json, Router,
        body::Bytes,
        http::{Method, StatusCode},
        response::{IntoResponse as _, Response},
        routing::any,
    },
    both_engines,
    fake_mcp::FakeMcp,
};
use tokio::sync::Notify;

const LAB: Uuid = Uuid::from_u128(1);
const WANTS_MORE: &str = "Bearer error=\"insufficient_scope\", scope=\"files:read files:write\"";

/// A server of OAuth under the slug `lab`, with this token as the credential of this version.
fn lab(url: &str, token: &str, version: i64) -> StepServer {
    let record = ServerRecord { auth_type: AuthType::Oauth2, ..record(1, "lab") };
    let mut server = step_server(record, url);
    server.facts.auth_status = AuthStatus::Connected;
    if let Ok(target) = &mut server.access {
        let value = SecretString::from(format!("Bearer {token}"));
        target.headers = vec![("authorization".parse().unwrap(), value)];
        target.credential_version = version;
    }
    server
}

fn require(mcp: &FakeMcp, token: &str) {
    mcp.require_header("authorization", &format!("Bearer {token}"));
}

/// A world with these servers, of which `lab` can be renewed to `renewed`. `allow`: where they are.
async fn world_with(db: &TestDb, allow: &str, step: Vec<StepServer>, renewed: StepServer) -> World {
    let servers =
        Servers { step: Mutex::new(step), renewed: Mutex::new(Some(renewed)), ..Servers::default() };
    let world = World::start(db, allow, Arc::new(servers), Arc::default(), config()).await;
    world.owner_insert().await;
    world
}

/// A world whose `lab` is dialled with the token `old`, version 1; its renewal gives `new`, version 2.
async fn world_of(db: &TestDb, mcp: &FakeMcp) -> World {
    let url = mcp.url();
    world_with(db, &mcp.authority(), vec![lab(&url, "old", 1)], lab(&url, "new", 2)).await
}

/// The same with another server beside it, `calm`.
async fn world_beside(db: &TestDb, mcp: &FakeMcp, calm: &FakeMcp) -> World {
    let url = mcp.url();
    let step = vec![lab(&url, "old", 1), step_server(record(2, "calm"), &calm.url())];
    let allow = format!("{},{}", mcp.authority(), calm.authority());
    world_with(db, &allow, step, lab(&url, "new", 2)).await
}

/// Calls of the echo tool, made only when the test lets the model go on: the list is there, and then the token is revoked.
fn calls_after(go: &Arc<Notify>, ids: &[&str]) -> Vec<Say> {
    let mut says = vec![Say::Wait(Arc::clone(go))];
    for (index, id) in ids.iter().enumerate() {
        says.extend(call(index, id, "lab__echo", r#"{"text":"x"}"#));
    }
    says.push(end(FinishReason::ToolCalls));
    says
}

fn versions(world: &World) -> Vec<i64> {
    world.servers.refusals.lock().unwrap().iter().map(|(_, version, _)| *version).collect()
}

both_engines! {
    /// Protocol R3. One effect, one row of the ledger, one entry in the audit log that something was sent.
    async fn a_refused_call_goes_out_once_more_with_the_renewed_credential(db: TestDb) {
        let mcp = FakeMcp::start(vec![echo()]).await;
        require(&mcp, "old");
        let world = world_of(&db, &mcp).await;
        let go = Arc::new(Notify::new());
        world.script.then(calls_after(&go, &["a"]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.until_asked(1).await;
        require(&mcp, "new");
        go.notify_one();
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        let results = world.results(chat).await;
        assert_eq!(outcomes(&results), [("a", ToolOutcome::Ok)]);
        assert_eq!((result_text(&results[0]), results[0].needs), ("heard \"x\"", None));
        assert_eq!((mcp.calls().len(), mcp.effects().len()), (2, 1), "refused once, done once");
        let refusals = world.servers.refusals.lock().unwrap().clone();
        assert_eq!(refusals, [(LAB, 1, Some(Challenge::default()))]);
        assert_eq!(db.number("SELECT COUNT(*) FROM tool_calls").await, 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM tool_calls WHERE outcome = 'ok'").await, 1);
        assert_eq!(db.number("SELECT COUNT(*) FROM audit_log WHERE action = 'tool_call.sent'").await, 1);
    }
}

/// A token that is revoked under a whole step of calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_step_is_done_once_after_a_renewal() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "old");
    let world = world_of(&db, &mcp).await;
    let go = Arc::new(Notify::new());
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    world.script.then(calls_after(&go, &ids));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.until_asked(1).await;
    require(&mcp, "new");
    go.notify_one();
    world.ended(chat).await;
    let results = world.results(chat).await;
    assert!(results.iter().all(|result| result.outcome == ToolOutcome::Ok), "{results:#?}");
    let mut done: Vec<_> =
        mcp.effects().iter().map(|effect| effect["id"].as_str().unwrap().to_owned()).collect();
    done.sort();
    assert_eq!(done, ids);
    assert!(versions(&world).iter().all(|version| *version == 1), "{:?}", versions(&world));
}

/// Threats A 12: that is the end of it, whatever the server says. The turn and its other servers go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_refusal_ends_the_call_and_nothing_else() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    let calm = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "old");
    let world = world_beside(&db, &mcp, &calm).await;
    let go = Arc::new(Notify::new());
    let mut says = vec![Say::Wait(Arc::clone(&go))];
    says.extend(call(0, "a", "lab__echo", r#"{"text":"1"}"#));
    says.extend(call(1, "b", "calm__echo", r#"{"text":"2"}"#));
    says.push(end(FinishReason::ToolCalls));
    world.script.then(says);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.until_asked(1).await;
    require(&mcp, "neither");
    go.notify_one();
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let results = world.results(chat).await;
    assert_eq!(outcomes(&results), [("a", ToolOutcome::Error), ("b", ToolOutcome::Ok)]);
    assert_eq!(results[0].needs, Some(ToolNeeds::Connection));
    let text = result_text(&results[0]);
    assert!(text.contains("LAB does not accept the credentials. The person has to connect"), "{text}");
    assert_eq!(world.script.told()[0].1, text, "model and user are told the same");
    assert_eq!(versions(&world), [1, 2], "both are told, neither is told twice");
    assert_eq!((mcp.effects().len(), calm.effects().len()), (0, 1));
    // In the next step the server is left out, and the user sees what to do.
    let kept = world.messages(chat).await[0].mcp_status.clone().unwrap();
    let shown: Vec<_> = kept.iter().map(|one| (one.slug.as_str(), one.outcome, one.auth_status)).collect();
    let lab = ("lab", ConnectOutcome::Skipped, Some(AuthStatus::NeedsReconnect));
    assert_eq!(shown, [lab, ("calm", ConnectOutcome::Connected, None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_another_credential_nothing_is_sent_again() {
    for (auth_type, renewing, needs, word) in [
        (AuthType::Oauth2, Renewing::Works, Some(ToolNeeds::Connection), "The person has to connect"),
        (AuthType::Oauth2, Renewing::Fails, None, "could not be renewed at the moment"),
        (AuthType::UserHeader, Renewing::Works, Some(ToolNeeds::Connection), "The person has to connect"),
        (AuthType::ApiKey, Renewing::Works, None, "An admin has to correct them"),
    ] {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo()]).await;
        require(&mcp, "old");
        let world = world_of(&db, &mcp).await;
        *world.servers.renewed.lock().unwrap() = None;
        *world.servers.renewing.lock().unwrap() = renewing;
        let status =
            if auth_type == AuthType::ApiKey { AuthStatus::NotRequired } else { AuthStatus::Connected };
        {
            let mut step = world.servers.step.lock().unwrap();
            (step[0].record.auth_type, step[0].facts.auth_status) = (auth_type, status);
        }
        let go = Arc::new(Notify::new());
        world.script.then(calls_after(&go, &["a"]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.until_asked(1).await;
        require(&mcp, "new");
        go.notify_one();
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!((results[0].outcome, results[0].needs), (ToolOutcome::Error, needs), "{auth_type:?}");
        assert!(result_text(&results[0]).contains(word), "{:?}", results[0]);
        assert_eq!((mcp.calls().len(), mcp.effects().len()), (1, 0), "{auth_type:?}");
    }
}

/// What was renewed passes the gates again before it is dialled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_credential_opens_no_gate() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "old");
    let world = world_of(&db, &mcp).await;
    let mut denied = lab(&mcp.url(), "new", 2);
    denied.record.tool_deny_list = vec!["ec*".to_owned()];
    *world.servers.renewed.lock().unwrap() = Some(denied);
    let go = Arc::new(Notify::new());
    world.script.then(calls_after(&go, &["a"]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.until_asked(1).await;
    require(&mcp, "new");
    go.notify_one();
    world.ended(chat).await;
    let results = world.results(chat).await;
    assert_eq!(results[0].outcome, ToolOutcome::Denied, "{:?}", results[0]);
    assert_eq!((mcp.calls().len(), mcp.effects().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_during_a_renewal_ends_the_call_as_cancelled() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "old");
    let world = world_of(&db, &mcp).await;
    *world.servers.renewing.lock().unwrap() = Renewing::Hangs;
    let go = Arc::new(Notify::new());
    world.script.then(calls_after(&go, &["a"]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.until_asked(1).await;
    require(&mcp, "new");
    go.notify_one();
    testkit::wait::until("the refusal", || async { (!versions(&world).is_empty()).then_some(()) }).await;
    stopped_within_half_a_second(&world, chat).await;
    // It was refused and not sent again: nothing is unknown about it.
    assert_eq!(outcomes(&world.results(chat).await), [("a", ToolOutcome::Cancelled)]);
    assert_eq!((mcp.calls().len(), mcp.effects().len()), (1, 0));
    assert_eq!(db.number("SELECT COUNT(*) FROM tool_calls WHERE outcome IS NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_during_the_renewal_for_a_listing_ends_the_turn() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "new");
    let world = world_of(&db, &mcp).await;
    *world.servers.renewing.lock().unwrap() = Renewing::Hangs;
    let chat = world.chat().await;
    world.send(chat, "go").await;
    testkit::wait::until("the refusal", || async { (!versions(&world).is_empty()).then_some(()) }).await;
    stopped_within_half_a_second(&world, chat).await;
    assert!(world.script.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_listing_is_done_once_more_with_the_renewed_credential() {
    let db = TestDb::sqlite().await;
    let mcp = FakeMcp::start(vec![echo()]).await;
    require(&mcp, "new");
    let world = world_of(&db, &mcp).await;
    world.script.then(calls(&[("a", "lab__echo", r#"{"text":"x"}"#)]));
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    assert_eq!(outcomes(&world.results(chat).await), [("a", ToolOutcome::Ok)]);
    assert_eq!(versions(&world), [1]);
    let kept = world.messages(chat).await[0].mcp_status.clone().unwrap();
    assert_eq!(
        (kept[0].outcome, kept[0].auth_status),
        (ConnectOutcome::Connected, Some(AuthStatus::Connected))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_stays_refused_shows_what_to_do() {
    for (newest, renewing, told, status, word) in [
        ("neither", Renewing::Works, &[1, 2][..], AuthStatus::NeedsReconnect, "Connect to it again"),
        ("neither", Renewing::Fails, &[1], AuthStatus::ExpiredRefreshable, "The next step tries again"),
    ] {
        let db = TestDb::sqlite().await;
        let mcp = FakeMcp::start(vec![echo()]).await;
        let calm = FakeMcp::start(vec![echo()]).await;
        require(&mcp, newest);
        let world = world_beside(&db, &mcp, &calm).await;
        *world.servers.renewing.lock().unwrap() = renewing;
        world.script.then(answer("done"));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
        assert_eq!(versions(&world), told);
        let kept = world.messages(chat).await[0].mcp_status.clone().unwrap();
        assert_eq!((kept[0].outcome, kept[0].auth_status), (ConnectOutcome::Error, Some(status)));
        assert!(kept[0].error.contains(word), "{}", kept[0].error);
        assert_eq!((kept[1].outcome, kept[1].auth_status), (ConnectOutcome::Connected, None));
        assert_eq!(served(&world.script.requests()[0]), ["calm__echo"]);
    }
}

/// A server that turns away what `guard` says, and does the rest.
struct Guarded {
    url: String,
    authority: String,
    /// Tools that ran.
    ran: Arc<Mutex<Vec<String>>>,
}

/// The refusal of a request, by its message.
type Guard = fn(&Value) -> Option<Response>;

impl Guarded {
    async fn start(guard: Guard) -> Self {
        let ran: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&ran);
        let answering = move |method: Method, body: Bytes| {
            let ran = Arc::clone(&seen);
            async move { guarded(guard, &ran, &method, &body) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let router = Router::new().route("/mcp", any(answering));
        tokio::spawn(async move { testkit::axum::serve(listener, router).await.unwrap() });
        Self { url: format!("http://{authority}/mcp"), authority, ran }
    }

    async fn world(&self, db: &TestDb) -> World {
        let step = vec![lab(&self.url, "old", 1)];
        world_with(db, &self.authority, step, lab(&self.url, "new", 2)).await
    }

    fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }
}

fn guarded(guard: Guard, ran: &Mutex<Vec<String>>, method: &Method, body: &Bytes) -> Response {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    if *method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if let Some(refused) = guard(&message) {
        return refused;
    }
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let answer = match message["method"].as_str().unwrap_or_default() {
        "initialize" => {
            json!({"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {}}})
        }
        "tools/list" => json!({"result": {"tools": [tool("read"), tool("write")]}}),
        "tools/call" => {
            ran.lock().unwrap().push(message["params"]["name"].as_str().unwrap_or_default().to_owned());
            json!({"result": {"content": [{"type": "text", "text": "done"}]}})
        }
        _ if message["id"].is_null() => return StatusCode::ACCEPTED.into_response(),
        _ => json!({"error": {"code": -32601, "message": "no"}}),
    };
    let mut whole = json!({"jsonrpc": "2.0", "id": message["id"]});
    whole.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    Json(whole).into_response()
}

fn refusal(status: StatusCode, field: &'static str) -> Response {
    (status, [("www-authenticate", field)], "no").into_response()
}

fn is_write(message: &Value) -> bool {
    message["method"] == "tools/call" && message["params"]["name"] == "write"
}

/// Threats A 19. The daemon asks at each refusal; when it is told that it was enough, the person is shown nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_for_more_permission_becomes_a_question_and_no_loop() {
    let db = TestDb::sqlite().await;
    let server =
        Guarded::start(|message| is_write(message).then(|| refusal(StatusCode::FORBIDDEN, WANTS_MORE))).await;
    let world = server.world(&db).await;
    world.servers.asks.lock().unwrap().extend([
        PermissionAsk::Asked,
        PermissionAsk::Asked,
        PermissionAsk::Declined,
    ]);
    for step in ["a", "b", "c", "d"] {
        let read = format!("{step}-read");
        world.script.then(calls(&[(step, "lab__write", "{}"), (&read, "lab__read", "{}")]));
    }
    let chat = world.chat().await;
    world.send(chat, "go").await;
    assert_eq!(world.ended(chat).await.status, ChatStatus::Waiting);
    let results = world.results(chat).await;
    let refused: Vec<_> = results.iter().filter(|result| !result.tool_call_id.ends_with("read")).collect();
    let wants = Some(ToolNeeds::Permission);
    let needs: Vec<_> = refused.iter().map(|result| result.needs).collect();
    assert_eq!(needs, [wants, wants, None, None]);
    let words = ["been asked.", "been asked.", "declined that.", "been asked too often already."];
    for (result, how) in refused.iter().zip(words) {
        let text = result_text(result);
        assert!(
            text.contains("LAB needs more permission (scopes files:read, files:write); the person "),
            "{text}"
        );
        assert!(text.contains(how) && text.ends_with("Do not repeat this call in this turn."), "{text}");
        assert_eq!(result.outcome, ToolOutcome::Error);
    }
    assert_eq!(server.ran(), ["read"; 4], "what was granted still works");
    assert!(versions(&world).is_empty(), "the credential is good: nothing is renewed");
    let wish = ("write".to_owned(), "files:read files:write".to_owned());
    assert_eq!(*world.servers.wishes.lock().unwrap(), vec![wish; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_403_renews_nothing_and_asks_nobody() {
    let guards: [Guard; 3] = [
        |message| is_write(message).then(|| StatusCode::FORBIDDEN.into_response()),
        |message| is_write(message).then(|| refusal(StatusCode::FORBIDDEN, "Bearer error=\"invalid_token\"")),
        |message| is_write(message).then(|| refusal(StatusCode::BAD_REQUEST, WANTS_MORE)),
    ];
    for guard in guards {
        let db = TestDb::sqlite().await;
        let server = Guarded::start(guard).await;
        let world = server.world(&db).await;
        world.script.then(calls(&[("a", "lab__write", "{}")]));
        let chat = world.chat().await;
        world.send(chat, "go").await;
        world.ended(chat).await;
        let results = world.results(chat).await;
        assert_eq!((results[0].outcome, results[0].needs), (ToolOutcome::Error, None));
        assert!(versions(&world).is_empty() && world.servers.wishes.lock().unwrap().is_empty());
        assert!(server.ran().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_wants_more_permission_asks_too() {
    let db = TestDb::sqlite().await;
    let server = Guarded::start(|message| {
        (message["method"] == "tools/list").then(|| refusal(StatusCode::FORBIDDEN, WANTS_MORE))
    })
    .await;
    let world = server.world(&db).await;
    world.servers.asks.lock().unwrap().push_back(PermissionAsk::Asked);
    let chat = world.chat().await;
    world.send(chat, "go").await;
    world.ended(chat).await;
    let kept = world.messages(chat).await[0].mcp_status.clone().unwrap();
    assert_eq!(
        (kept[0].outcome, kept[0].auth_status),
        (ConnectOutcome::Error, Some(AuthStatus::NeedsPermission))
    );
    assert!(kept[0].error.contains("asks for more permission"), "{}", kept[0].error);
    assert_eq!(world.servers.wishes.lock().unwrap()[0].0, "tools/list");
    assert!(versions(&world).is_empty());
}
