//! Two users of one server: 37, 38, 50.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;
use patchbay_mcpclient::{Target, Timeouts};
use serde_json::json;
use uuid::Uuid;

use super::{
    lab::{Dice, ERAS, Era, Lab, of_user, short, target},
    old_peer::{OldPeer, Told},
};
use crate::fake::{self, Fake, Seen, text_of};

/// Calls of both users on streamable HTTP, in both eras together: two fifths of the figure, which takes half a minute
/// unoptimised.
const CALLS: usize = 4000;
/// The same on one standing stream for each user.
const CALLS_ON_STREAMS: usize = 640;

fn nonce_of(seen: &Seen) -> &str {
    seen.body["params"]["arguments"]["text"].as_str().unwrap_or_default()
}

fn text(seen: &Seen, text: &str) -> serde_json::Value {
    seen.message(json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}))
}

/// What came back for each call of two users, eight at a time each; the nonces name the users.
async fn foreign_nonces(lab: &Lab, target: &Target, calls: usize) -> usize {
    let users = [of_user(target, 71, "key-of-anna-71"), of_user(target, 72, "key-of-bert-72")];
    let lanes = users.iter().enumerate().flat_map(|(user, target)| {
        (0..8).map(move |lane| async move {
            let mut foreign = 0;
            for number in 0..calls / 16 {
                let nonce = format!("user {user} lane {lane} call {number}");
                let outcome = lab.call(target, fake::echo(&nonce)).await;
                foreign += usize::from(text_of(&outcome) != nonce);
            }
            foreign
        })
    });
    lab.beside(join_all(lanes)).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn two_users_with_colliding_ids() {
    let lab = Lab::start().await;
    for era in ERAS {
        // Ids count from zero in each connection, so they collide all the time. Answers to the ids around come first, and
        // answers overtake each other.
        let fake = era
            .start(|seen: Seen| async move {
                if seen.method() != "tools/call" {
                    return None;
                }
                let id = seen.body["id"].as_i64().unwrap();
                let mut dice = Dice::new(u64::try_from(id).unwrap() + 1);
                if dice.roll(8) == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                if dice.roll(4) > 0 {
                    return Some(testkit::axum::response::IntoResponse::into_response(testkit::axum::Json(
                        text(&seen, nonce_of(&seen)),
                    )));
                }
                let mut foreign = text(&seen, "foreign");
                foreign["id"] = json!(id + 1);
                let before = fake::event(&foreign);
                let own = fake::event(&text(&seen, nonce_of(&seen)));
                Some(fake::events(vec![(0, format!("{before}{own}{before}"))]))
            })
            .await;
        assert_eq!(foreign_nonces(&lab, &era.target(&fake), CALLS / 2).await, 0, "{era:?}");
        assert!(fake.count("tools/call") >= CALLS / 2 - 16);
    }
    // On the old transport all answers of a user come on one stream, here together with those to ids of the other user.
    let old = OldPeer::start(|seen| {
        let mut foreign = text(seen, "foreign");
        foreign["id"] = json!(seen.body["id"].as_i64().unwrap() + 1_000_000);
        Told::Events(format!("{}{}", fake::event(&foreign), fake::event(&text(seen, nonce_of(seen)))))
    })
    .await;
    assert_eq!(foreign_nonces(&lab, &old.target(), CALLS_ON_STREAMS).await, 0);
}

/// Sessions by the user who used them.
fn sessions(fake: &Fake) -> BTreeMap<String, BTreeSet<String>> {
    let mut sessions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seen in fake.seen() {
        if let (Some(session), "tools/call") = (seen.header("mcp-session-id"), seen.method()) {
            sessions.entry(nonce_of(&seen).to_owned()).or_default().insert(session.to_owned());
        }
    }
    sessions
}

#[tokio::test]
pub(super) async fn shared_keys_share_no_session() {
    let lab = Lab::start().await;
    for shared_key in [true, false] {
        let fake = fake::honest().await;
        let base = target(&format!("http://{}/mcp", fake.addr), None);
        let users: Vec<Target> = (0..10u128)
            .map(|user| {
                let mut target = of_user(&base, 80 + user, "the-key-of-all");
                if !shared_key {
                    target.headers.clear();
                }
                target
            })
            .collect();
        lab.beside(join_all(users.iter().enumerate().flat_map(|(user, target)| {
            let lab = &lab;
            (0..5).map(move |_| async move {
                let user = format!("user {user}");
                assert_eq!(text_of(&lab.call(target, fake::echo(&user)).await), user);
                lab.list(target).await.unwrap();
            })
        })))
        .await;
        let sessions = sessions(&fake);
        assert_eq!(sessions.len(), 10);
        assert!(sessions.values().all(|own| own.len() == 1), "{sessions:?}");
        let different: BTreeSet<_> = sessions.values().flatten().collect();
        assert_eq!(different.len(), 10, "two users share a session: {sessions:?}");
        assert_eq!(
            (fake.count("initialize"), fake.count("tools/list")),
            (10, 10),
            "nothing is listed for another"
        );
    }
}

#[tokio::test]
pub(super) async fn lists_of_two_users() {
    // Lists are made anew now and then, and served from memory in between.
    let timeouts = Timeouts { catalogue_fresh: Duration::from_millis(20), ..short() };
    let lab = Lab::with(timeouts).await;
    for (era, scope) in
        [(Era::Stateless, "private"), (Era::Stateless, "public"), (Era::Initialized, "private")]
    {
        let fake = era
            .start(move |seen: Seen| {
                let answer = (seen.method() == "tools/list").then(|| {
                    let name = seen.header("authorization").unwrap().replace("Bearer ", "tool-of-").replace("secret-", "");
                    seen.result(json!({"resultType": "complete", "tools": [fake::tool(&name)], "ttlMs": 3_600_000, "cacheScope": scope}))
                });
                async move { answer }
            })
            .await;
        let base = era.target(&fake);
        let mut foreign = 0;
        lab.beside(async {
            for number in 0..1000u32 {
                let user = u128::from(number % 2);
                // The credential changes now and then, and with it whose list it is.
                let version = i64::from(number / 100);
                let target = Target {
                    credential_version: version,
                    user_id: Uuid::from_u128(90 + user),
                    headers: vec![(
                        "authorization".parse().unwrap(),
                        format!("Bearer secret-{user}-{version}").into(),
                    )],
                    ..base.clone()
                };
                let catalogue = lab.list(&target).await.unwrap();
                let own = format!("tool-of-{user}-{version}");
                foreign += usize::from(catalogue.tools.len() != 1 || catalogue.tools[0].name != own);
                let known = lab.clients.known_catalogue(&target).unwrap();
                foreign += usize::from(known.tools[0].name != own);
            }
        })
        .await;
        assert_eq!(foreign, 0, "{era:?}, {scope}");
        let lists = fake.count("tools/list");
        assert!(era == Era::Initialized || lists == 20, "one list for each user and credential: {lists}");
    }
}
