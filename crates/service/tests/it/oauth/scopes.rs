//! What a person is asked to grant, and what is taken for granted (protocol.md 14.7; behaviour 8 and 10): in the address that Connect leads
//! to, and in what the provider answers or leaves out.

use super::{Scene, connect, is, server, status, text, tools};
use crate::bench::{Bench, service};
use api::{
    oauth::OAuthClientFacts,
    servers::{AuthStatus, ServerWrite},
    users::Role,
};
use serde_json::json;
use service::OpContext;
use testkit::{
    both_engines,
    fake_oauth::{FakeOauth, Knobs, browser::parameters},
};

/// Adds a server whose admin gives these scopes; what an admin sees of them, and `scope` and `prompt` of the way to the provider.
async fn asked(
    bench: &Bench,
    owner: &OpContext,
    knobs: Knobs,
    given: Option<&str>,
) -> (OAuthClientFacts, Option<String>, Option<String>) {
    let peer = FakeOauth::start_with(tools(), knobs).await;
    let slug = format!("lab{}", peer.origin().rsplit(':').next().unwrap());
    let write = ServerWrite { oauth2_scopes: given.map(str::to_owned), ..server(&slug, &peer.url()) };
    let (made, _) = bench.service.server_create(owner, write).await.unwrap();
    assert_eq!(made.oauth2_scopes.as_deref(), given);
    let url = bench.service.oauth_connect(owner, made.id, None).await.unwrap();
    let mut sent = parameters(&url);
    // And it is what the person grants.
    connect(&bench.service, owner, made.id).await;
    (made.oauth2_client.unwrap(), sent.remove("scope"), sent.remove("prompt"))
}

/// A provider that knows no `offline_access`.
fn without_offline_access() -> Knobs {
    Knobs { as_metadata: json!({"scopes_supported": ["mcp:tools", "admin:all"]}), ..Knobs::default() }
}

/// A resource that asks for nothing in its challenge.
fn unasked(published: serde_json::Value) -> Knobs {
    Knobs {
        challenge_scope: None,
        resource_metadata: json!({"scopes_supported": published}),
        ..Knobs::default()
    }
}

both_engines! {
    /// Protocol 14.7: the admin's scopes, else those of the challenge, else all that the resource publishes, else none; never what the
    /// authorization server offers. `offline_access` goes along where it is listed and something is asked for, with its question.
    async fn what_is_asked_for_has_its_order(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let cases = [
            ("by an admin", Knobs::default(), Some("notes:read notes:write"), "challenge", Some("notes:read notes:write offline_access"), true),
            ("by an admin who thought of it", Knobs::default(), Some("offline_access notes:read"), "challenge", Some("offline_access notes:read"), true),
            ("by an admin, not listed", without_offline_access(), Some("notes:read"), "challenge", Some("notes:read"), false),
            ("by an admin alone, not listed", without_offline_access(), Some("offline_access"), "challenge", Some("offline_access"), false),
            ("in the challenge, not listed", without_offline_access(), None, "challenge", Some("mcp:tools"), false),
            ("published", unasked(json!(["files:read", "files:write"])), None, "published", Some("files:read files:write offline_access"), true),
            ("published, and given", unasked(json!(["files:read"])), Some("notes:read"), "published", Some("notes:read offline_access"), true),
            ("nowhere", unasked(json!(null)), None, "", None, false),
            ("nowhere, as an empty list", unasked(json!([])), None, "", None, false),
        ];
        for (what, knobs, given, source, scope, consent) in cases {
            let (facts, sent, prompt) = asked(&bench, &owner, knobs, given).await;
            assert_eq!((facts.scopes_source.as_str(), sent.as_deref()), (source, scope), "{what}");
            assert_eq!(prompt.as_deref(), consent.then_some("consent"), "{what}");
        }
    }

    /// Protocol 14.7: scopes that an admin gives later are asked for from the next sign-in on; taken back, the server's own are again.
    async fn scopes_that_are_given_later_count_from_then_on(db: TestDb) {
        let scene = Scene::connected(db).await;
        for (given, expected) in [("notes:read", "notes:read offline_access"), ("", "mcp:tools offline_access")] {
            let change = ServerWrite { oauth2_scopes: text(given), ..ServerWrite::default() };
            scene.service().server_update(&scene.owner, scene.id, change, None).await.unwrap();
            let url = scene.service().oauth_connect(&scene.owner, scene.id, None).await.unwrap();
            assert_eq!(parameters(&url)["scope"], expected);
        }
    }

    /// Protocol 14.8: an answer without `scope` grants what was asked for; with one it is what it says.
    async fn an_answer_without_scope_means_as_requested(db: TestDb) {
        let scene = Scene::new(db).await;
        let stored = "SELECT scopes FROM mcp_user_tokens";
        for (answer, granted) in [
            (json!({"scope": null}), "mcp:tools offline_access"),
            (json!({"scope": "mcp:tools"}), "mcp:tools"),
            (json!({"scope": ""}), "mcp:tools offline_access"),
        ] {
            scene.peer.change(|knobs| knobs.token_answer = answer.clone());
            connect(scene.service(), &scene.owner, scene.id).await;
            assert_eq!(scene.bench.db.texts(stored).await, [granted], "{answer}");
            // A renewal that says nothing changes nothing.
            scene.peer.change(|knobs| knobs.token_answer = json!({"scope": null}));
            scene.expire().await;
            assert_eq!(scene.status().await, is(AuthStatus::Connected));
            assert_eq!(scene.bench.db.texts(stored).await, [granted], "renewed after {answer}");
        }
        assert_eq!(scene.logged("connection.connected ok owner lab").await, 3);
    }

    /// Behaviour 10: a token that says nothing of its end is valid until somebody refuses it, and nobody renews it before.
    async fn a_token_without_an_end_is_never_renewed(db: TestDb) {
        let patch = json!({"expires_in": null});
        let scene = Scene::connected_with(db, Knobs { token_answer: patch, ..Knobs::default() }).await;
        assert_eq!(scene.count("SELECT COUNT(*) FROM mcp_user_tokens WHERE expires_at IS NULL").await, 1);
        scene.bench.pass(10 * 365 * 24 * 3600);
        scene.service().connections_look().await.unwrap();
        let (owner, _) = scene.bench.login("owner@example.org").await;
        assert_eq!(status(scene.service(), &owner, scene.id).await, is(AuthStatus::Connected));
        assert!(scene.service().server_check(&owner, scene.id).await.unwrap().tools.len() == 1);
        assert_eq!(scene.refreshes(), 0);
        // Refused, it is renewed as any other.
        scene.peer.expire_access_tokens();
        scene.service().server_check(&owner, scene.id).await.unwrap();
        assert_eq!((scene.refreshes(), status(scene.service(), &owner, scene.id).await), (1, is(AuthStatus::Connected)));
    }
}
