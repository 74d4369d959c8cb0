//! Grants that end here (behaviour 10, protocol.md 14.13; threat 20): gone at once, then given back at the provider, three times at most.

use super::{
    Scene, connect,
    everywhere::{Other, SHOWS_WITHIN, three_processes},
    is, status, user_of,
};
use crate::bench::service;
use api::{
    chats::{ChatCreate, ChatStatus, InputPart},
    check::ConnectOutcome,
    models::{ModelCreate, ProviderCreate},
    servers::{AuthStatus, ServerWrite},
    tools::ToolTry,
};
use chatd::{ServerSource as _, TurnScope};
use serde_json::json;
use service::{Error, Revocation};
use std::time::{Duration, Instant};
use testkit::{
    both_engines,
    fake_llm::{Call, FakeLlm, Reply},
    fake_oauth::{Canned, Knobs, Meddle},
    wait::until,
};

const WAITING: &str = "SELECT COUNT(*) FROM mcp_revocations";

/// What was to be told becomes due.
async fn due(scene: &Scene) {
    scene.raw("UPDATE mcp_revocations SET next_try_at = 1").await;
    scene.service().connections_look().await.unwrap();
}

fn told(scene: &Scene) -> Vec<String> {
    let hint = |fields: Vec<(String, String)>| {
        fields.into_iter().find(|(name, _)| name == "token_type_hint").map(|(_, hint)| hint)
    };
    scene.peer.requests_at("/revoke").iter().filter_map(|request| hint(request.form())).collect()
}

both_engines! {
    /// Threat 20: the provider takes the refresh token back, with the client's own login; another time there is nothing.
    async fn a_grant_is_given_back(db: TestDb) {
        let scene = Scene::connected(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        assert_eq!(service.server_disconnect(owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!((scene.peer.live_families(), told(&scene)), (0, vec!["refresh_token".to_owned()]));
        assert!(scene.peer.requests_at("/revoke")[0].header("authorization").unwrap().starts_with("Basic "));
        assert_eq!((scene.status().await, scene.tokens().await, scene.count(WAITING).await), (is(AuthStatus::NotConnected), 0, 0));
        for id in [scene.id, api::Uuid::nil()] {
            assert_eq!(service.server_disconnect(owner, id).await.unwrap(), Revocation::None);
        }
        assert!(matches!(service.server_disconnect(&service::OpContext::default(), scene.id).await, Err(Error::Unauthorized)));
        assert_eq!(scene.logged("connection.disconnected ok owner lab").await, 1);
        assert_eq!(scene.logged("connection.revoked ok owner lab").await, 1);
        // Also of a server that is not open to them any more.
        let ada = scene.member("ada").await;
        connect(service, &ada, scene.id).await;
        service.server_update(owner, scene.id, ServerWrite { enabled: Some(false), ..ServerWrite::default() }, None).await.unwrap();
        assert_eq!(service.server_disconnect(&ada, scene.id).await.unwrap(), Revocation::Revoked);
    }

    /// Threat 20: a provider that is down changes nothing here; it is told later, three times in all, by whichever process looks.
    async fn a_provider_that_is_down_is_told_three_times(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::instead(Canned::status(503).body("canary")));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        assert_eq!((scene.tokens().await, scene.count(WAITING).await, told(&scene).len()), (0, 1, 1));
        assert_eq!(scene.logged("connection.revoked failed owner lab").await, 1);
        scene.service().connections_look().await.unwrap();
        assert_eq!(told(&scene).len(), 1, "not at once");
        for tries in [2, 3, 3, 3] {
            due(&scene).await;
            assert_eq!(told(&scene).len(), tries);
        }
        scene.raw("UPDATE mcp_revocations SET created_at = created_at - 3700000000").await;
        scene.service().connections_look().await.unwrap();
        assert_eq!(scene.count(WAITING).await, 0, "and forgotten after an hour");
    }

    /// Threat 20: it is up again before that.
    async fn a_provider_that_comes_back_is_told(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::lose().times(1));
        scene.peer.meddle("/revoke", Meddle::instead(Canned::status(429)).times(1));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        // Who connects again meanwhile has another grant, and keeps it.
        connect(scene.service(), &scene.owner, scene.id).await;
        due(&scene).await;
        due(&scene).await;
        assert_eq!((told(&scene).len(), scene.count(WAITING).await), (3, 0));
        let revoked: Vec<bool> = scene.peer.families().iter().map(|family| family.revoked).collect();
        assert_eq!((revoked, scene.status().await), (vec![true, false], is(AuthStatus::Connected)));
    }

    /// Protocol 14.13: the access token only where there is no refresh token, or where that kind is not taken back.
    async fn the_access_token_is_given_back_where_nothing_else_can_be(db: TestDb) {
        let scene = Scene::connected_with(db, Knobs { refresh_tokens: false, ..Knobs::default() }).await;
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!(told(&scene), ["access_token"]);
        scene.peer.change(|knobs| knobs.refresh_tokens = true);
        connect(scene.service(), &scene.owner, scene.id).await;
        let refusal = Canned::error(400, "unsupported_token_type", "x");
        scene.peer.meddle("/revoke", Meddle::instead(refusal).only_with("token_type_hint=refresh_token"));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Revoked);
        assert_eq!(told(&scene), ["access_token", "refresh_token", "access_token"]);
    }

    /// Behaviour 10: a refusal is final, and where there is no endpoint nobody can be told.
    async fn a_refusal_is_final(db: TestDb) {
        let scene = Scene::connected(db).await;
        scene.peer.meddle("/revoke", Meddle::instead(Canned::error(400, "invalid_request", "canary")));
        assert_eq!(scene.service().server_disconnect(&scene.owner, scene.id).await.unwrap(), Revocation::Failed);
        assert_eq!(scene.count(WAITING).await, 0);
        let patch = serde_json::json!({"revocation_endpoint": null});
        let silent = Scene::connected_with(testkit::TestDb::sqlite().await, Knobs { as_metadata: patch, ..Knobs::default() }).await;
        assert_eq!(silent.service().server_disconnect(&silent.owner, silent.id).await.unwrap(), Revocation::None);
        assert_eq!((silent.tokens().await, silent.count(WAITING).await), (0, 0));
    }

    /// Behaviour 4: an admin ends one connection or all of them, and sees how each stands.
    async fn an_admin_sees_and_ends_connections(db: TestDb) {
        let scene = Scene::connected(db).await;
        let service = scene.service();
        let (ada, bob) = (scene.member("ada").await, scene.member("bob").await);
        connect(service, &ada, scene.id).await;
        connect(service, &bob, scene.id).await;
        scene.peer.revoke_family(1);
        scene.expire().await;
        assert_eq!(status(service, &ada, scene.id).await.1, "refresh_rejected");
        assert_eq!(status(service, &bob, scene.id).await, is(AuthStatus::Connected));
        let listed = service.connection_list(&scene.owner, scene.id, "").await.unwrap();
        let seen: Vec<_> = listed.iter().map(|one| (one.username.as_str(), one.auth_status, one.last_error.is_empty())).collect();
        let expected = [
            ("ada", AuthStatus::NeedsReconnect, false),
            ("bob", AuthStatus::Connected, true),
            ("owner", AuthStatus::ExpiredRefreshable, true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(service.connection_list(&scene.owner, scene.id, "bob").await.unwrap().len(), 1);
        for attempt in [service.connection_remove(&ada, scene.id, user_of(&bob)).await, service.connection_remove_all(&ada, scene.id).await] {
            assert!(matches!(attempt, Err(Error::Forbidden(_))), "{attempt:?}");
        }
        service.connection_remove(&scene.owner, scene.id, user_of(&bob)).await.unwrap();
        until("bob's provider knows", || async { scene.peer.families()[2].revoked.then_some(()) }).await;
        assert_eq!((status(service, &bob, scene.id).await, scene.tokens().await), (is(AuthStatus::NotConnected), 2));
        service.connection_remove_all(&scene.owner, scene.id).await.unwrap();
        until("everybody's does", || async { (scene.peer.live_families() == 0).then_some(()) }).await;
        assert_eq!(scene.tokens().await, 0);
        // Of the one that had failed nothing was left to be told.
        assert_eq!(scene.peer.requests_at("/revoke").len(), 2);
        assert_eq!(scene.logged("connection.removed ok owner lab").await, 2);
    }

    /// Threat 20: a server that is removed gives back its grants first, and then its client, which the grants are given back with.
    async fn a_removed_server_gives_back_grants_and_client(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        scene.peer.meddle("/revoke", Meddle::late(std::time::Duration::from_millis(300)));
        scene.service().server_delete(&scene.owner, scene.id, None).await.unwrap();
        until("the client is gone", || async { scene.peer.clients().is_empty().then_some(()) }).await;
        assert_eq!((scene.peer.live_families(), scene.peer.revoked_families()), (0, 2));
        let register = "SELECT COUNT(*) FROM mcp_oauth_facts";
        assert_eq!((scene.count(WAITING).await, scene.count(register).await, scene.tokens().await), (0, 0, 0));
    }

    /// Behaviour 6: with an account its grants go, at the provider as well.
    async fn a_removed_account_gives_back_its_grants(db: TestDb) {
        let scene = Scene::connected(db).await;
        let ada = scene.member("ada").await;
        connect(scene.service(), &ada, scene.id).await;
        let id = ada.caller.unwrap().user.id.to_string();
        scene.service().user_delete(&scene.owner, &id).await.unwrap();
        until("the provider knows", || async { (scene.peer.revoked_families() == 1).then_some(()) }).await;
        assert_eq!((scene.peer.live_families(), scene.tokens().await), (1, 1), "the owner's stays");
    }
}

/// A model whose every answer is one more call, which it takes a second to write, up to so many.
async fn caller(scene: &Scene, other: &Other, answers: usize) -> FakeLlm {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let llm = FakeLlm::scripted(move |_| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= answers {
            return Reply::text("done");
        }
        let call = Call::new("c", "lab__notes", &json!({"text": "again"}));
        Reply::call(call.in_deltas(10, Duration::from_millis(100)))
    })
    .await;
    let provider = ProviderCreate {
        name: "Scripted".to_owned(),
        provider_type: "openai".to_owned(),
        base_url: llm.base_url(),
        api_key: Some("key".to_owned()),
        enabled: Some(true),
    };
    let provider = other.bench.service.provider_create(&scene.owner, provider).await.unwrap();
    let model = ModelCreate {
        provider_id: Some(provider.id),
        model: "scripted-1".to_owned(),
        display_name: "Scripted".to_owned(),
        enabled: Some(true),
        is_default: Some(true),
        ..ModelCreate::default()
    };
    other.bench.service.model_create(&scene.owner, model).await.unwrap();
    llm
}

/// What was done with the token: every request to the server that carried it, but for the ends of sessions.
fn uses(scene: &Scene, token: &str) -> usize {
    scene.peer.saw(token).iter().filter(|request| request.method != "DELETE").count()
}

/// Threat 20 and protocol 14.13: somebody disconnects on one of three processes while another holds an open connection and one is between
/// two calls of a turn. At most one more use, and none after five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_use_a_connection_lose_it_within_five_seconds() {
    let (scene, [idle, busy], _following) = three_processes().await;
    let owner = &scene.owner;
    let llm = caller(&scene, &busy, 10).await;
    let call = ToolTry {
        arguments: serde_json::Map::from_iter([("text".to_owned(), json!("x"))]),
        definition_hash: None,
    };
    idle.bench.service.tool_call(owner, scene.id, "notes", call).await.unwrap();
    let request = ChatCreate {
        content: vec![InputPart::Text { text: "go".to_owned() }],
        mcp_server_ids: Some(vec![scene.id]),
        ..ChatCreate::default()
    };
    let chat = busy.bench.service.chat_create(owner, request, None).await.unwrap().chat.id;
    until("the first call of the turn is answered and the second is being written", || async {
        (scene.peer.calls().len() == 2 && llm.requests().len() == 2).then_some(())
    })
    .await;
    // Whichever took the turn; rarely it is the one with the open connection.
    let (mut open, mut elsewhere) = (0, None);
    for bench in [&busy.bench, &idle.bench, &scene.bench] {
        let step = bench
            .sources
            .call_server(TurnScope::normal(user_of(owner), &[scene.id]), scene.id)
            .await
            .unwrap()
            .unwrap();
        match bench.mcp.known_catalogue(&step.access.unwrap()) {
            Some(_) => open += 1,
            None => elsewhere = Some(bench),
        }
    }
    let sent = scene.peer.requests_at("/mcp").pop().unwrap();
    let token = sent.header("authorization").unwrap().trim_start_matches("Bearer ").to_owned();
    let (before, sessions) = (uses(&scene, &token), ended(&scene));
    let began = Instant::now();
    let told = elsewhere.unwrap().service.server_disconnect(owner, scene.id).await.unwrap();
    assert!(told == Revocation::Revoked && open > 0 && sessions == 0, "{told:?} {open} {sessions}");
    until("nobody holds a session", || async { (ended(&scene) == open).then_some(()) }).await;
    assert!(began.elapsed() < SHOWS_WITHIN, "{:?}", began.elapsed());
    until("five seconds are over", || async { (began.elapsed() > SHOWS_WITHIN).then_some(()) }).await;
    let (late, seen) = (uses(&scene, &token), scene.peer.saw(&token).len());
    assert!(late <= before + 1, "{} uses after the disconnect", late - before);
    until("the turn is over", || async {
        let status = busy.bench.service.chat_get(owner, chat).await.unwrap().status;
        (status != ChatStatus::Running).then_some(())
    })
    .await;
    assert_eq!(llm.requests().len(), 11, "it went on, and the model asked for the tool each time");
    let report = idle.bench.service.server_check(owner, scene.id).await.unwrap();
    assert_eq!((report.outcome, report.auth_status), (ConnectOutcome::Skipped, AuthStatus::NotConnected));
    assert_eq!(scene.peer.saw(&token).len(), seen, "nothing with the token after five seconds");
}

/// Sessions that were ended in order.
fn ended(scene: &Scene) -> usize {
    scene.peer.requests_at("/mcp").iter().filter(|request| request.method == "DELETE").count()
}
