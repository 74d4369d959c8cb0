//! Connecting over HTTP as a browser does it: the redirect, the pages, and what they may not do (behaviour 9; threats A).

use crate::support::{CHATS, COOKIE, Person, SERVERS, TestServer, chat, over, send, server_body, text};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::FakeTool,
    fake_oauth::{Canned, FakeOauth, Meddle, approve, browser},
    http::{Answer, Client, Proof},
};

pub(crate) async fn peer() -> FakeOauth {
    FakeOauth::start(vec![FakeTool::of_text("note", "x")]).await
}

/// A server that is found by its URL alone, enabled; its address in the API.
pub(crate) async fn connectable(server: &TestServer, oauth: &FakeOauth, slug: &str) -> String {
    let body = over(server_body(slug, &oauth.url()), json!({"auth_type": "oauth2", "enabled": true}));
    let made = server.owner().post(SERVERS, &body).await.expect(201).json();
    assert_eq!(
        (&made["oauth2_registration"], &made["auth_status"]),
        (&json!("dcr"), &json!("not_connected"))
    );
    format!("{SERVERS}/{}", made["id"].as_str().unwrap())
}

/// The person's browser: the session cookie of one sign-in.
pub(crate) fn browser_of(server: &TestServer, person: &Person) -> Client {
    server.anonymous().with(Proof::Cookie { name: COOKIE.to_owned(), token: person.token.clone() })
}

pub(crate) async fn begin(client: &Client, path: &str) -> String {
    let sent = client.get(&format!("{path}/oauth2/connect")).await.expect(307);
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    sent.header("location").unwrap().to_owned()
}

pub(crate) async fn come_back(client: &Client, callback: &str) -> Answer {
    client.get(browser::split(callback).1).await
}

/// A page for people: never JSON, never kept, never framed, and no script but the one it came with.
pub(crate) fn page(answer: &Answer) -> &str {
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    &answer.body
}

#[tokio::test]
async fn a_person_connects_over_http() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let person = server.user(Role::Member).await;
    let client = browser_of(&server, &person);
    let callback = approve(&begin(&client, &path).await).await;
    let done = come_back(&client, &callback).await.expect(200);
    let shown = page(&done);
    let id = path.rsplit('/').next().unwrap();
    assert!(shown.contains(&format!("data-server=\"{id}\"")) && shown.contains(&server.origin), "{shown}");
    assert!(shown.contains("mcp-oauth2-complete") && shown.contains("is connected"));
    assert_eq!(done.header("cross-origin-opener-policy"), Some("unsafe-none"), "the window finds its opener");
    let seen = client.get(&path).await.expect(200).json();
    assert_eq!((&seen["auth_status"], &seen["auth_connected"]), (&json!("connected"), &json!(true)));
    let checked = client.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
    assert_eq!(checked["outcome"], "connected", "{checked}");
    // Everybody connects for themselves.
    let other = server.user(Role::Member).await;
    assert_eq!(other.client.get(&path).await.expect(200).json()["auth_status"], "not_connected");
    let listed = server.owner().get(&format!("{path}/connections")).await.expect(200).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["auth_status"]), (1, &json!("connected")));
    // The same answer once more is of no use to anybody.
    let again = come_back(&client, &callback).await.expect(400);
    assert!(page(&again).contains("used already"), "{}", again.body);
    assert_eq!(oauth.token_requests("authorization_code").len(), 1);
    let gone = client.delete(&format!("{path}/oauth2/disconnect")).await.expect(204);
    assert_eq!(gone.header("patchbay-token-revoked"), Some("true"));
    assert_eq!((oauth.live_families(), oauth.requests_at("/revoke").len()), (0, 1));
    assert_eq!(client.get(&path).await.expect(200).json()["auth_status"], "not_connected");
    let idle = client.delete(&format!("{path}/oauth2/disconnect")).await.expect(204);
    assert_eq!(idle.header("patchbay-token-revoked"), Some("none"));
}

/// Threats 1 and 3: whoever ends a sign-in is who began it, in the same session, signed in.
#[tokio::test]
async fn a_sign_in_ends_only_where_it_began() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let (person, other) = (server.user(Role::Member).await, server.user(Role::Member).await);
    let client = browser_of(&server, &person);
    let callback = approve(&begin(&client, &path).await).await;
    let nobody = come_back(&server.anonymous(), &callback).await.expect(401);
    assert!(page(&nobody).contains("/login"), "{}", nobody.body);
    let foreign = come_back(&browser_of(&server, &other), &callback).await.expect(403);
    assert!(page(&foreign).contains("somebody else"), "{}", foreign.body);
    let second = Person { token: server.login(&person.email, &person.password).await, ..person };
    come_back(&browser_of(&server, &second), &callback).await.expect(403);
    let elsewhere = connectable(&server, &oauth, "other").await;
    let query = callback.split_once('?').unwrap().1;
    client.get(&format!("{elsewhere}/oauth2/callback?{query}")).await.expect(400);
    assert!(oauth.token_requests("authorization_code").is_empty(), "nothing was exchanged");
    come_back(&client, &callback).await.expect(200);
}

/// A browser without a session signs in first and comes back; other clients are told.
#[tokio::test]
async fn who_is_signed_out_signs_in_first() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let connect = format!("{path}/oauth2/connect?return_to=/account");
    let asked = server.anonymous().request(Method::GET, &connect).header("accept", "text/html,*/*");
    let sent = asked.send().await.expect(303);
    let to = sent.header("location").unwrap();
    assert!(to.starts_with("/login?return_to=%2Fapi%2Fexperimental%2Fmcp%2Fservers%2F"), "{to}");
    server.anonymous().get(&connect).await.expect(401);
    // From the login page it goes on by a page: a redirect to the provider would be refused as the target of our form.
    let person = server.user(Role::Member).await;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("email", &person.email)
        .append_pair("password", &person.password)
        .append_pair("return_to", &connect);
    let sent = server.anonymous().request(Method::POST, "/login").header("origin", &server.origin);
    let onward = sent.body("application/x-www-form-urlencoded", form.finish()).send().await.expect(200);
    assert!(page(&onward).contains(&format!("url={connect}")), "{}", onward.body);
    assert!(onward.header("set-cookie").is_some());
}

/// Only a page of its own begins a sign-in, and `return_to` stays here (threat 16).
#[tokio::test]
async fn frames_and_scripts_begin_nothing() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let person = server.user(Role::Member).await;
    let client = browser_of(&server, &person);
    for (name, value) in
        [("sec-fetch-dest", "iframe"), ("sec-fetch-dest", "image"), ("sec-fetch-mode", "cors")]
    {
        let asked = client.request(Method::GET, &format!("{path}/oauth2/connect")).header(name, value);
        asked.send().await.expect(403);
    }
    for foreign in [
        "//evil.example",
        "/%5Cevil.example",
        "https:evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
    ] {
        let sent = client.get(&format!("{path}/oauth2/connect?return_to={foreign}")).await.expect(307);
        let callback = approve(sent.header("location").unwrap()).await;
        let done = come_back(&client, &callback).await.expect(200);
        assert!(
            !page(&done).contains("evil") && !done.body.contains("javascript"),
            "{foreign}: {}",
            done.body
        );
    }
    let sent = client.get(&format!("{path}/oauth2/connect?return_to=/account")).await.expect(307);
    let done = come_back(&client, &approve(sent.header("location").unwrap()).await).await.expect(200);
    assert!(page(&done).contains("href=\"/account\""), "{}", done.body);
}

/// Threat 17: what a provider or an admin wrote is text.
#[tokio::test]
async fn nothing_on_the_pages_is_markup_of_others() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let hostile = "<img src=x onerror=alert(1)>\"'</h1><script>alert(1)</script>";
    let body = over(
        server_body("linear", &oauth.url()),
        json!({"auth_type": "oauth2", "enabled": true, "display_name": hostile}),
    );
    let path = format!("{SERVERS}/{}", server.register(&body).await);
    let client = browser_of(&server, &server.user(Role::Member).await);
    let state = browser::parameters(&begin(&client, &path).await)["state"].clone();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", &state).append_pair("iss", &oauth.issuer());
    query.append_pair("error", "access_denied").append_pair("error_description", hostile);
    let refused = client.get(&format!("{path}/oauth2/callback?{}", query.finish())).await.expect(400);
    let shown = page(&refused);
    assert!(shown.contains("declined") && shown.contains("&lt;img"), "{shown}");
    let done = come_back(&client, &approve(&begin(&client, &path).await).await).await.expect(200);
    for shown in [shown, page(&done)] {
        assert!(!shown.contains("<img") && !shown.contains("</h1><script"), "{shown}");
        assert!(!shown.contains("<script>"), "every script has its nonce: {shown}");
    }
}

/// Threat 4, over HTTP: until the answer is known to be the provider's, nothing of it is shown.
#[tokio::test]
async fn what_another_issuer_says_is_not_shown() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let client = browser_of(&server, &server.user(Role::Member).await);
    let state = browser::parameters(&begin(&client, &path).await)["state"].clone();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", &state).append_pair("iss", "https://evil.example");
    query.append_pair("error", "canary").append_pair("error_description", "canary");
    let refused = client.get(&format!("{path}/oauth2/callback?{}", query.finish())).await.expect(400);
    let shown = page(&refused);
    assert!(!shown.contains("canary") && !shown.contains("evil.example"), "{shown}");
    assert!(oauth.token_requests("authorization_code").is_empty());
}

/// The document has what providers ask for, and nothing of the server it belongs to.
#[tokio::test]
async fn the_client_document_is_for_everybody() {
    let server = TestServer::start().await;
    let manual = json!({
        "auth_type": "oauth2", "enabled": true, "oauth2_client_id": "c",
        "oauth2_auth_url": "https://id.example.org/a", "oauth2_token_url": "https://id.example.org/t",
    });
    let id = server.register(&over(server_body("linear", "https://mcp.example.org/mcp"), manual)).await;
    let document = format!("{SERVERS}/{id}/oauth2/client-metadata.json");
    server.anonymous().get(&document).await.expect(404);
    let itself = json!({"oauth2_client_id": format!("{}{document}", server.origin)});
    server.owner().patch(&format!("{SERVERS}/{id}"), &itself).await.expect(200);
    let answer = server.anonymous().get(&document).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    assert!(answer.body.len() < 5_000);
    let body: Value = answer.json();
    assert_eq!(body["client_id"], itself["oauth2_client_id"]);
    assert_eq!(body["redirect_uris"], json!([format!("{}{SERVERS}/{id}/oauth2/callback", server.origin)]));
    assert_eq!(body["token_endpoint_auth_method"], "none");
    assert!(!answer.whole().contains("mcp.example.org"));
}

/// Before the first turn the answer says whom to connect; the turn goes on without it. Connected, the same chat calls its tool.
#[tokio::test]
async fn a_chat_says_what_is_not_connected() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    server.demo_model().await;
    let path = connectable(&server, &oauth, "linear").await;
    let id = path.rsplit('/').next().unwrap();
    let person = server.user(Role::Member).await;
    let begun = chat(&person.client, &json!({"content": text("hi"), "mcp_server_ids": [id]})).await;
    assert_eq!(
        begun["auth_required"],
        json!([{
            "server_id": id, "auth_status": "not_connected",
            "connect_url": format!("{}{path}/oauth2/connect", server.origin),
        }])
    );
    let client = browser_of(&server, &person);
    come_back(&client, &approve(&begin(&client, &path).await).await).await.expect(200);
    let next = json!({"content": text("hi again")});
    let chat = format!("{CHATS}/{}/messages", begun["id"].as_str().unwrap());
    let sent =
        person.client.request(Method::POST, &chat).header("prefer", "wait=30").json(&next).send().await;
    assert_eq!(sent.expect(201).json()["auth_required"], json!([]));
}

/// A discovery that fails says everything that was asked, and leaves nothing behind.
#[tokio::test]
async fn a_failed_discovery_is_told_and_leaves_nothing() {
    let oauth = peer().await;
    oauth.change(|knobs| knobs.as_metadata = json!({"code_challenge_methods_supported": null}));
    let server = TestServer::start().await;
    let body = over(server_body("linear", &oauth.url()), json!({"auth_type": "oauth2"}));
    let refused = server.owner().post(SERVERS, &body).await.expect(400);
    assert!(refused.message().contains("PKCE"), "{}", refused.body);
    let candidates = refused.json()["candidates"].as_array().unwrap().clone();
    assert!(
        candidates.iter().any(|asked| asked["what"] == "probe" && asked["status"] == 401),
        "{candidates:?}"
    );
    assert!(candidates.iter().any(|asked| asked["what"] == "authorization_server"), "{candidates:?}");
    assert!(refused.json()["detail"].as_str().unwrap().lines().count() == candidates.len());
    assert_eq!(server.owner().get(SERVERS).await.expect(200).json(), json!([]));
    oauth.change(|knobs| knobs.as_metadata = json!({}));
    server.owner().post(SERVERS, &body).await.expect(201);
}

/// Behaviour 10 and 17: a tool wants more than was granted; from then on a message says what its author can allow, until they have.
#[tokio::test]
async fn a_message_says_that_a_server_needs_permission() {
    let oauth = peer().await;
    oauth.change(|knobs| {
        knobs.tool_scopes.insert("note".to_owned(), "notes:write".to_owned());
    });
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-1").await;
    let path = connectable(&server, &oauth, "linear").await;
    let id = path.rsplit('/').next().unwrap();
    let person = server.user(Role::Member).await;
    let client = browser_of(&server, &person);
    come_back(&client, &approve(&begin(&client, &path).await).await).await.expect(200);
    llm.push(Reply::call(Call::new("c1", "linear__note", &json!({"text": "x"}))));
    let begun = chat(&person.client, &json!({"content": text("note x"), "mcp_server_ids": [id]})).await;
    assert_eq!(begun["auth_required"], json!([]), "nobody knew before the call");
    let seen = client.get(&path).await.expect(200).json();
    assert_eq!((&seen["auth_status"], &seen["auth_connected"]), (&json!("needs_permission"), &json!(false)));
    let chat_id = begun["id"].as_str().unwrap();
    let next = send(&person.client, chat_id, &json!({"content": text("and now?")})).await;
    let connect_url = format!("{}{path}/oauth2/connect", server.origin);
    let entry = json!({"server_id": id, "auth_status": "needs_permission", "connect_url": connect_url});
    assert_eq!(next["auth_required"], json!([entry]));
    // The address asks for all of it, and a message after that has nothing to say.
    let location = begin(&client, &path).await;
    assert!(
        browser::parameters(&location)["scope"].split(' ').any(|scope| scope == "notes:write"),
        "{location}"
    );
    come_back(&client, &approve(&location).await).await.expect(200);
    let next = send(&person.client, chat_id, &json!({"content": text("and now?")})).await;
    assert_eq!(next["auth_required"], json!([]));
}

/// Behaviour 10: a provider that does not take the grant back is no reason to keep it; the header says so.
#[tokio::test]
async fn a_disconnect_says_that_the_provider_did_not_take_it_back() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let client = browser_of(&server, &server.user(Role::Member).await);
    come_back(&client, &approve(&begin(&client, &path).await).await).await.expect(200);
    oauth.meddle("/revoke", Meddle::instead(Canned::status(500)));
    let gone = client.delete(&format!("{path}/oauth2/disconnect")).await.expect(204);
    assert_eq!(gone.header("patchbay-token-revoked"), Some("false"));
    assert_eq!((oauth.requests_at("/revoke").len(), oauth.live_families()), (1, 1));
    assert_eq!(client.get(&path).await.expect(200).json()["auth_status"], "not_connected");
}

/// Behaviour 8, protocol 14.2 and 14.5: over HTTP an admin looks, takes another of the listed providers, and registers again.
#[tokio::test]
async fn an_admin_chooses_a_provider_and_registers_again() {
    let (oauth, other) = (peer().await, peer().await);
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let discover = format!("{path}/discover");
    let both = json!([oauth.issuer(), other.issuer()]);
    oauth.change(|knobs| knobs.resource_metadata = json!({"authorization_servers": both}));
    let look = server.owner().request(Method::POST, &discover).send().await.expect(200).json();
    assert_eq!((&look["found"]["issuer"], &look["found"]["all_issuers"]), (&json!(oauth.issuer()), &both));
    let choice = json!({"issuer": other.issuer()});
    let look = server.owner().post(&discover, &choice).await.expect(200).json();
    assert_eq!((&look["found"]["issuer"], &look["applied"]), (&json!(other.issuer()), &json!(false)));
    assert_eq!(other.registrations(), 0, "a look makes no client");
    let taken =
        server.owner().post(&discover, &over(choice, json!({"apply": true}))).await.expect(200).json();
    assert_eq!(taken["applied"], json!(true));
    let seen = server.owner().get(&path).await.expect(200).json();
    assert_eq!(
        (&seen["oauth2_issuer"], &seen["oauth2_client_id"]),
        (&json!(other.issuer()), &json!(other.clients()[0].id))
    );
    let again = json!({"register_again": true, "apply": true});
    let done = server.owner().post(&discover, &again).await.expect(200).json();
    assert_eq!((&done["applied"], other.registrations(), oauth.registrations()), (&json!(true), 2, 1));
    let after = server.owner().get(&path).await.expect(200).json();
    assert_ne!(after["oauth2_client_id"], seen["oauth2_client_id"]);
    assert_eq!(after["oauth2_issuer"], json!(other.issuer()), "the provider in use is asked again");
    // Neither a provider that nobody lists nor a field that nobody knows.
    let unlisted =
        server.owner().post(&discover, &json!({"issuer": "https://nobody.example"})).await.expect(400);
    assert!(
        unlisted.message().contains("chosen") && unlisted.json()["candidates"].is_array(),
        "{}",
        unlisted.body
    );
    let unknown = server.owner().post(&discover, &json!({"register": true})).await.expect(400);
    assert_eq!(unknown.refused_fields(), ["register"]);
}
