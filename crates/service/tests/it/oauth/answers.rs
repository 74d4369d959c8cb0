//! What a provider answers to an authorization (behaviour 9, steps 5 to 8; RFC 9207).

use super::{Scene, connect, consent, is, query_of, refused, server, tools};
use crate::bench::service;
use api::servers::AuthStatus;
use service::CallbackQuery;
use testkit::{
    both_engines,
    fake_oauth::{Canned, Iss, Knobs, Meddle, approve},
};

/// Names that are nearly the issuer.
fn near_misses(scene: &Scene) -> Vec<String> {
    let issuer = scene.peer.issuer();
    let port = issuer.rsplit(':').next().unwrap().to_owned();
    vec![
        String::new(),
        format!("{issuer}/"),
        issuer.to_uppercase(),
        format!("{issuer}."),
        format!("{issuer}%2f"),
        format!(" {issuer}"),
        format!("{issuer}#"),
        issuer.replace("127.0.0.1", "localhost"),
        issuer.replace("http:", "https:"),
        issuer.replace(&port, &format!("0{port}")),
        format!("{issuer}/."),
        format!("{issuer}?"),
        format!("{issuer}\0"),
        format!("{issuer}\t"),
        format!("{issuer}/.."),
        format!("{issuer}//"),
        issuer.replace("127.0.0.1", "127.0.0.1.evil.example"),
        issuer.replace("127.0.0.1", "127.1"),
        issuer.replace("127.0.0.1", "user@127.0.0.1"),
        "https://evil.example".to_owned(),
    ]
}

both_engines! {
    /// Threat 4: `iss` is compared byte for byte, on errors too; until then nothing of the answer is shown or acted on.
    async fn an_answer_of_nearly_the_issuer_is_refused(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let member = scene.member("ada").await;
        let misses = near_misses(&scene);
        assert!(misses.len() >= 20);
        for (number, near) in misses.iter().enumerate() {
            let ctx = if number % 2 == 0 { owner } else { &member };
            let honest = consent(service, ctx, scene.id).await;
            let mut wrong = CallbackQuery { iss: Some(near.clone()), ..honest };
            if number % 3 == 0 {
                wrong = CallbackQuery { code: String::new(), error: "access_denied".to_owned(), error_description: "canary of theirs".to_owned(), ..wrong };
            }
            let page = refused(service, ctx, scene.id, wrong.clone()).await;
            assert_eq!(page.status, 400, "{near}");
            assert!(!page.text.contains("canary") && !page.text.contains("declined"), "{near}: {page:?}");
            let names = page.text.contains("127.0.0.1") || (!near.trim().is_empty() && page.text.contains(near));
            assert!(!names, "neither is shown, not to admins either: {page:?}");
            // It is used up, whatever comes after.
            let right = CallbackQuery { iss: Some(scene.peer.issuer()), ..wrong };
            assert_eq!(refused(service, ctx, scene.id, right).await.status, 400, "{near}");
        }
        assert_eq!((scene.token_requests(), scene.tokens().await), (0, 0));
        assert_eq!(scene.logged("connection.issuer_refused denied").await, misses.len());
        let log = scene.log().await.concat();
        assert!(log.contains("evil.example") && !log.contains("canary"), "both strings, and nothing else: {log}");
    }

    /// Threat 4: a provider that says that it always names itself is not believed when it does not.
    async fn an_answer_without_issuer_counts_only_where_none_was_announced(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        scene.peer.change(|knobs| knobs.iss = Iss::Absent);
        for error in ["", "access_denied"] {
            let query = consent(service, owner, scene.id).await;
            let query = CallbackQuery { error: error.to_owned(), ..query };
            assert_eq!(refused(service, owner, scene.id, query).await.status, 400);
        }
        assert_eq!(scene.token_requests(), 0);
        let silent = Knobs { advertise_iss: false, iss: Iss::Absent, ..Knobs::default() };
        let quiet = testkit::fake_oauth::FakeOauth::start_with(tools(), silent).await;
        let id = service.server_create(owner, server("quiet", &quiet.url())).await.unwrap().0.id;
        connect(service, owner, id).await;
        // One that is there is compared all the same.
        quiet.change(|knobs| knobs.iss = Iss::Other("https://evil.example".to_owned()));
        let query = consent(service, owner, id).await;
        assert_eq!(refused(service, owner, id, query).await.status, 400);
        quiet.change(|knobs| knobs.iss = Iss::Published);
        connect(service, owner, id).await;
        assert_eq!(quiet.requests_at("/token").len(), 2);
    }

    /// Behaviour 9: what the provider says is shown as its words, short and without what deceives the eye; an answer with neither code nor
    /// error is none.
    async fn a_no_of_the_provider_is_told_as_its_words(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let long = format!("<b>not you</b>\u{202e}\u{7}{}", "x".repeat(500));
        scene.peer.change(|knobs| knobs.deny = Some(("access_denied".to_owned(), long)));
        let query = consent(service, owner, scene.id).await;
        let page = refused(service, owner, scene.id, query).await;
        assert_eq!((page.status, page.may_retry), (400, true));
        assert!(page.text.contains("declined") && page.text.contains("<b>not you</b>"), "{page:?}");
        assert!(!page.text.contains('\u{202e}') && !page.text.contains('\u{7}') && page.text.len() < 500, "{page:?}");
        scene.peer.change(|knobs| knobs.deny = None);
        let query = CallbackQuery { code: String::new(), ..consent(service, owner, scene.id).await };
        assert_eq!(refused(service, owner, scene.id, query).await.status, 400);
        assert_eq!((scene.token_requests(), scene.status().await), (0, is(AuthStatus::NotConnected)));
    }

    /// Behaviour 9, step 8: whatever the token endpoint answers, the person reads a fixed text, and the log a cause of ours.
    async fn an_exchange_that_fails_shows_nothing_of_the_provider(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let token = |more: &str| format!("{{\"access_token\":\"canary\",\"token_type\":\"Bearer\"{more}}}");
        let answers = [
            Canned::error(400, "invalid_grant", "canary"),
            Canned::error(200, "invalid_grant", "canary"),
            Canned::status(500).body("canary"),
            Canned::status(200).body("canary"),
            Canned::json(200, &serde_json::json!({"access_token": "canary", "token_type": "DPoP"})),
            Canned::json(200, &serde_json::json!({"token_type": "Bearer", "refresh_token": "canary"})),
            Canned::status(200).body(token(&format!(",\"x\":\"{}\"", "y".repeat(300 * 1024)))),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            scene.peer.meddle("/token", Meddle::instead(answer.clone()));
            let query = consent(service, owner, scene.id).await;
            let page = refused(service, owner, scene.id, query).await;
            assert_eq!(page.status, 502, "{number}: {page:?}");
            assert!(!format!("{page:?}").contains("canary"), "{page:?}");
            scene.peer.honest("/token");
        }
        assert_eq!((scene.tokens().await, scene.token_requests()), (0, 7), "an exchange is never repeated");
        assert_eq!(scene.logged("connection.exchange_failed denied owner lab").await, 7);
        assert!(!scene.log().await.concat().contains("canary"));
    }

    /// Threat 15: no redirect of a token endpoint is followed; what would have gone along stays here.
    async fn redirects_of_the_token_endpoint_are_not_followed(db: TestDb) {
        let scene = Scene::new(db).await;
        let (service, owner) = (scene.service(), &scene.owner);
        let evil = testkit::fake_oauth::FakeOauth::start(tools()).await;
        for status in [301, 302, 303, 307, 308] {
            scene.peer.meddle("/token", Meddle::redirect(status, &evil.at("/token")));
            let url = service.oauth_connect(owner, scene.id, None).await.unwrap();
            let query = query_of(&approve(&url).await);
            assert_eq!(refused(service, owner, scene.id, query).await.status, 502, "{status}");
            scene.peer.honest("/token");
        }
        assert!(evil.requests().is_empty());
        connect(service, owner, scene.id).await;
        for status in [301, 302, 303, 307, 308] {
            scene.peer.meddle("/token", Meddle::redirect(status, &evil.at("/token")));
            scene.expire().await;
            assert_eq!(scene.status().await, is(AuthStatus::ExpiredRefreshable), "{status}");
            scene.peer.honest("/token");
        }
        assert!(evil.requests().is_empty());
    }
}
