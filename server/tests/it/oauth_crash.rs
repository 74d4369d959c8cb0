//! Real processes that end or race between a provider's answer and our commit (threats 95 and 96; behaviour 5 and 10).

use crate::{
    oauth::{begin, come_back},
    process::{Process, serve, set_up},
    support::{OWNER_EMAIL, OWNER_PASSWORD, SERVERS, over, server_body},
};
use futures::future::join_all;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use store::{Db, DbConfig};
use testkit::{
    TestDb,
    fake_mcp::FakeTool,
    fake_oauth::{FakeOauth, Knobs, Meddle, approve},
    http::{Client, Proof},
    raw_sql,
    temp::TempDir,
    wait::until,
};

/// Processes that are killed for each kind of provider. A run is a sign-in, a kill, a start and what follows: half a second.
const RUNS: usize = 40;
/// Of which die twice with one refresh token.
const TWICE: usize = 20;
/// How long a provider holds back an answer that nobody will read.
const HELD: Duration = Duration::from_secs(120);
/// Until something has happened that the product does by itself: a lease that runs out, a sweep.
const BY_ITSELF: Duration = Duration::from_secs(60);
/// Where the sample of a resource publishes who issues its tokens.
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// Processes on one database, callers of each at once, and times that the token expires.
const PROCESSES: usize = 3;
const CALLERS: usize = 100;
const ROUNDS: usize = 5;

fn tools() -> Vec<FakeTool> {
    vec![FakeTool::of_text("note", "Notes a text")]
}

/// One process at a time over the same data, and the provider that outlives them all.
struct Scene {
    oauth: FakeOauth,
    data: TempDir,
    process: Option<Process>,
    token: String,
    client: Client,
}

impl Scene {
    async fn start(knobs: Knobs) -> Self {
        let oauth = FakeOauth::start_with(tools(), knobs).await;
        let data = TempDir::new();
        let process = serve(data.path(), &[("PATCHBAY_EGRESS_ALLOW", &oauth.authority())]).await;
        let owner = set_up(&process.url()).await;
        let login = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
        let token =
            owner.post("/api/v2/users/login", &login).await.expect(201).json()["session_token"].clone();
        let token = token.as_str().unwrap().to_owned();
        let client = Client::new(&process.url()).with(Proof::Bearer(token.clone()));
        Self { oauth, data, process: Some(process), token, client }
    }

    /// Past the store, beside the process or after it.
    async fn raw(&self, sql: &str) -> u64 {
        let db =
            Db::connect(&DbConfig::Sqlite { path: self.data.path().join("patchbay.sqlite") }).await.unwrap();
        let rows = raw_sql(&db, sql).await.unwrap();
        db.close().await;
        rows
    }

    /// `kill -9`, then this, then a new process.
    async fn killed(&mut self, sql: Option<&str>) {
        self.process.take().unwrap().kill().await;
        if let Some(sql) = sql {
            assert_eq!(self.raw(sql).await, 1, "{sql}");
        }
        let process = serve(self.data.path(), &[("PATCHBAY_EGRESS_ALLOW", &self.oauth.authority())]).await;
        self.client = Client::new(&process.url()).with(Proof::Bearer(self.token.clone()));
        self.process = Some(process);
    }

    /// A new server to which the owner is connected; its address.
    async fn connected(&self, slug: &str) -> String {
        let body = json!({"auth_type": "oauth2", "enabled": true});
        let made = self.client.post(SERVERS, &over(server_body(slug, &self.oauth.url()), body)).await;
        let path = format!("{SERVERS}/{}", made.expect(201).json()["id"].as_str().unwrap());
        let callback = approve(&begin(&self.client, &path).await).await;
        come_back(&self.client, &callback).await.expect(200);
        path
    }

    /// The access token of this server has expired long ago, and may be renewed.
    async fn expire(&self, path: &str) {
        let id = path.rsplit('/').next().unwrap().replace('-', "");
        let sql = format!(
            "UPDATE mcp_user_tokens SET expires_at = 1, refresh_not_before = NULL WHERE mcp_server_id = x'{id}'"
        );
        assert_eq!(self.raw(&sql).await, 1);
    }

    /// How often the provider renewed something or took a grant back: what it has done, whatever became of the answer.
    fn done_there(&self) -> usize {
        self.oauth.families().iter().map(|family| family.rotations + usize::from(family.revoked)).sum()
    }

    fn renewals(&self) -> Vec<String> {
        let sent = self.oauth.token_requests("refresh_token");
        sent.iter()
            .map(|request| request.form().into_iter().find(|(name, _)| name == "refresh_token").unwrap().1)
            .collect()
    }

    /// Asks for the server, and ends the process between the provider's answer and the commit. The lease of the dead is over with `lapse`.
    async fn killed_while_renewing(&mut self, path: &str, lapse: bool) {
        let (sent, done) = (self.renewals().len(), self.done_there());
        self.oauth.meddle("/token", Meddle::late(HELD).only_with("grant_type=refresh_token").times(1));
        let (client, asked) = (self.client.clone(), path.to_owned());
        let asking = tokio::spawn(async move { client.request(http::Method::GET, &asked).try_send().await });
        until("the provider has done its part", || async { (self.done_there() > done).then_some(()) }).await;
        let lapsed = "UPDATE mcp_user_tokens SET refresh_lease_until = 1 WHERE refresh_lease_until > 1";
        self.killed(lapse.then_some(lapsed)).await;
        // In time or not, it knew nothing new.
        drop(asking.await);
        self.oauth.honest("/token");
        assert_eq!(self.renewals().len(), sent + 1, "one request went out before the end");
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.expect(200).json()
    }

    /// Status and reason, once a renewal is over that the first look begins.
    async fn settled(&self, path: &str) -> (String, String) {
        until("the renewal to be over", || async {
            let seen = self.get(path).await;
            let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
            (seen["auth_status"] != "expired_refreshable")
                .then(|| (text("auth_status"), text("auth_status_reason")))
        })
        .await
    }

    /// However often somebody looks, nothing more is sent.
    async fn quiet(&self, path: &str, sent: usize) {
        for _ in 0..3 {
            self.get(path).await;
            self.get(SERVERS).await;
        }
        assert_eq!(self.renewals().len(), sent, "no further token request");
    }

    /// It is the end of the connection: one prompt, one entry, and nothing is sent any more.
    async fn prompted(&self, path: &str, sent: usize) {
        assert_eq!(self.settled(path).await, ("needs_reconnect".to_owned(), "refresh_rejected".to_owned()));
        self.quiet(path, sent).await;
        let id = path.rsplit('/').next().unwrap();
        let log = format!("/api/v2/audit?action=connection.ended&resource_id={id}");
        let ended = self.get(&log).await;
        assert_eq!(
            (ended.as_array().unwrap().len(), &ended[0]["outcome"]),
            (1, &json!("failed")),
            "{ended:#}"
        );
    }
}

/// Threat 96: a provider that detects reuse ends the grant at the one retry: one prompt, and no more requests, now or after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_answer_a_strict_provider_makes_one_prompt() {
    let mut scene = Scene::start(Knobs::default()).await;
    let mut paths = Vec::new();
    for run in 1..=RUNS {
        let path = scene.connected(&format!("run-{run}")).await;
        scene.expire(&path).await;
        scene.killed_while_renewing(&path, true).await;
        scene.prompted(&path, 2 * run).await;
        let sent = scene.renewals();
        assert_eq!(sent[sent.len() - 2], sent[sent.len() - 1], "the retry is with the old refresh token");
        assert_eq!((scene.oauth.live_families(), scene.oauth.revoked_families()), (0, run));
        paths.push(path);
    }
    scene.killed(None).await;
    for path in &paths {
        assert_eq!(scene.get(path).await["auth_status"], "needs_reconnect");
    }
    scene.quiet(&paths[0], 2 * RUNS).await;
    // The prompt is all it takes.
    let path = scene.connected("after").await;
    assert_eq!(scene.settled(&path).await.0, "connected");
}

/// Threat 96: a provider that forgives goes on after the one retry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_answer_a_forgiving_provider_goes_on() {
    let mut scene = Scene::start(Knobs { reuse_detection: false, ..Knobs::default() }).await;
    for run in 1..=RUNS {
        let path = scene.connected(&format!("run-{run}")).await;
        scene.expire(&path).await;
        scene.killed_while_renewing(&path, true).await;
        assert_eq!(scene.settled(&path).await.0, "connected");
        scene.quiet(&path, 2 * run).await;
        let sent = scene.renewals();
        assert_eq!(sent[sent.len() - 2], sent[sent.len() - 1], "the retry is with the old refresh token");
        let checked = scene.client.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
        assert_eq!(checked["outcome"], "connected", "{checked}");
    }
    assert_eq!((scene.oauth.live_families(), scene.oauth.revoked_families()), (RUNS, 0));
}

/// Threat 96: who dies at the retry, too, leaves one prompt and no third request, whatever the provider makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twice_after_the_answer_there_is_no_third_request() {
    let mut scene = Scene::start(Knobs::default()).await;
    for run in 1..=TWICE {
        scene.oauth.change(|knobs| knobs.reuse_detection = run % 2 == 0);
        let path = scene.connected(&format!("run-{run}")).await;
        scene.expire(&path).await;
        scene.killed_while_renewing(&path, true).await;
        scene.killed_while_renewing(&path, true).await;
        scene.prompted(&path, 2 * run).await;
        let listed = scene.get(&format!("{path}/connections")).await;
        assert!(listed[0]["last_error"].as_str().unwrap().contains("lost"), "{listed:#}");
    }
}

/// Threats 95 and 96: nobody helps a process that starts after a kill: until the lease of the dead one has run out it sends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_of_a_killed_process_runs_out_by_itself() {
    let mut scene = Scene::start(Knobs { reuse_detection: false, ..Knobs::default() }).await;
    let path = scene.connected("lab").await;
    scene.expire(&path).await;
    scene.killed_while_renewing(&path, false).await;
    assert_eq!(scene.get(&path).await["auth_status"], "expired_refreshable");
    assert_eq!(scene.renewals().len(), 1, "somebody else could be alive");
    let begun = Instant::now();
    while scene.get(&path).await["auth_status"] != "connected" {
        assert!(begun.elapsed() < BY_ITSELF, "the lease is never over");
    }
    assert_eq!(scene.renewals().len(), 2);
}

/// Behaviour 5: a setup that a kill cuts, before or after the provider made a client, is seen by nobody and swept; the client that was made
/// is none of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setup_that_is_killed_leaves_nothing_that_is_believed_in() {
    let mut scene = Scene::start(Knobs::default()).await;
    let oauth = &scene.oauth;
    oauth.meddle(RESOURCE_METADATA, Meddle::hang().times(1));
    let creating = |slug: &str| {
        let ask = scene.client.request(http::Method::POST, SERVERS);
        let body = json!({"auth_type": "oauth2", "enabled": true});
        let ask = ask.json(&over(server_body(slug, &oauth.url()), body));
        async move { ask.try_send().await }
    };
    let asked = tokio::spawn(creating("asked"));
    until("the metadata is asked for", || async {
        (!oauth.requests_at(RESOURCE_METADATA).is_empty()).then_some(())
    })
    .await;
    oauth.meddle("/register", Meddle::late(HELD).times(1));
    let registered = tokio::spawn(creating("registered"));
    until("a client is made", || async { (oauth.registrations() == 1).then_some(()) }).await;
    let orphan = oauth.clients().remove(0);
    scene.killed(None).await;
    drop((asked.await, registered.await));
    assert_eq!(scene.get(SERVERS).await, json!([]), "nobody sees them");
    let body = |slug: &str| {
        over(server_body(slug, &scene.oauth.url()), json!({"auth_type": "oauth2", "enabled": true}))
    };
    for slug in ["asked", "registered"] {
        scene.client.post(SERVERS, &body(slug)).await.expect(409);
    }
    assert_eq!(scene.raw("UPDATE mcp_servers SET setup_until = 1 WHERE setup_until > 1").await, 2);
    let begun = Instant::now();
    for slug in ["asked", "registered"] {
        let made = loop {
            let answer = scene.client.post(SERVERS, &body(slug)).await;
            if answer.status == 201 {
                break answer.json();
            }
            assert_eq!(answer.status, 409, "{}", answer.body);
            assert!(begun.elapsed() < BY_ITSELF, "it is never swept");
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        assert_ne!(made["oauth2_client_id"], json!(orphan.id));
        let path = format!("{SERVERS}/{}", made["id"].as_str().unwrap());
        come_back(&scene.client, &approve(&begin(&scene.client, &path).await).await).await.expect(200);
        assert_eq!(scene.get(&path).await["auth_status"], "connected");
    }
    assert_eq!((scene.oauth.registrations(), scene.oauth.clients().len()), (3, 3));
    assert!(scene.oauth.saw(&orphan.id).is_empty(), "nobody ever came with the client that was lost");
    assert_eq!(scene.get(SERVERS).await.as_array().unwrap().len(), 2);
    let created = scene.get("/api/v2/audit?action=server.create").await;
    assert_eq!(created.as_array().unwrap().len(), 2, "{created:#}");
}

/// A process on this database, with the keys of the first one.
async fn replica(url: &str, oauth: &FakeOauth, key_of: Option<&Path>) -> (Process, TempDir) {
    let data = TempDir::new();
    if let Some(first) = key_of {
        std::fs::copy(first.join("encryption.key"), data.path().join("encryption.key")).unwrap();
    }
    let allow = oauth.authority();
    let settings = [("PATCHBAY_DATABASE_URL", url), ("PATCHBAY_EGRESS_ALLOW", allow.as_str())];
    (serve(data.path(), &settings).await, data)
}

/// Threat 95: many who read the server at once on three processes of their own: one token request a round, whose token all use, and a
/// provider with reuse detection revokes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_on_three_processes_make_one_token_request_a_round() {
    let db = TestDb::postgres().await;
    let DbConfig::Postgres { url } = db.config().clone() else { panic!("it is PostgreSQL") };
    let oauth = FakeOauth::start(tools()).await;
    let mut processes = vec![replica(&url, &oauth, None).await];
    let first = set_up(&processes[0].0.url()).await;
    for _ in 1..PROCESSES {
        processes.push(replica(&url, &oauth, Some(processes[0].1.path())).await);
    }
    let login = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
    let token = first.post("/api/v2/users/login", &login).await.expect(201).json()["session_token"].clone();
    let proof = Proof::Bearer(token.as_str().unwrap().to_owned());
    let clients: Vec<Client> =
        processes.iter().map(|(process, _)| Client::new(&process.url()).with(proof.clone())).collect();
    let body = json!({"auth_type": "oauth2", "enabled": true});
    let made =
        clients[0].post(SERVERS, &over(server_body("lab", &oauth.url()), body)).await.expect(201).json();
    let path = format!("{SERVERS}/{}", made["id"].as_str().unwrap());
    come_back(&clients[0], &approve(&begin(&clients[0], &path).await).await).await.expect(200);
    oauth.meddle("/token", Meddle::slow(Duration::from_millis(50)));
    for round in 1..=ROUNDS {
        db.raw("UPDATE mcp_user_tokens SET expires_at = 1, refresh_not_before = NULL").await.unwrap();
        let before = oauth.requests().len();
        let readers = clients.iter().flat_map(|client| (0..CALLERS).map(|_| client.clone())).map(|client| {
            let path = path.clone();
            tokio::spawn(async move { client.get(&path).await.expect(200).json()["auth_status"].clone() })
        });
        for seen in join_all(readers.collect::<Vec<_>>()).await {
            // Nobody waits longer than two seconds; on a busy machine that may be over first.
            let seen = seen.unwrap();
            assert!(["connected", "expired_refreshable"].contains(&seen.as_str().unwrap()), "{seen}");
        }
        for client in &clients {
            until("each process knows of it", || async {
                let seen = client.get(&path).await.expect(200).json();
                (seen["auth_status"] == "connected").then_some(())
            })
            .await;
            let checked = client.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
            assert_eq!(checked["outcome"], "connected", "{checked}");
        }
        assert_eq!(oauth.token_requests("refresh_token").len(), round, "one request a round");
        let mut used: Vec<String> = oauth.requests()[before..]
            .iter()
            .filter(|request| request.path() == "/mcp")
            .filter_map(|request| request.header("authorization").map(str::to_owned))
            .collect();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), 1, "all use the same token");
    }
    assert_eq!((oauth.live_families(), oauth.revoked_families()), (1, 0));
    assert_eq!(oauth.families()[0].rotations, ROUNDS + 1);
}
