//! Credentials that end while they are in use: 41.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use patchbay_mcpclient::{CallOutcome, RefusedKind, Target, Timeouts, ToolCall};
use serde_json::json;
use testkit::{
    axum::{http::StatusCode, response::IntoResponse},
    effects::{EffectLedger, repeated},
    temp::TempDir,
};

use super::lab::{ERAS, Era, Lab, of_user, short};
use crate::fake::{self, Seen, text_of};

const USERS: u128 = 40;

/// The pool sends a refused call once and says that it was surely not executed and what was refused. Whoever has another credential sends
/// it once more, on a connection of its own; one that is refused as well is not sent again, and nobody else notices. Who renews, and that
/// it is tried once, is shown over the whole server (`service::refused`, `chatd::refusals`).
#[tokio::test]
pub(super) async fn refused_in_mid_turn() {
    let lab = Lab::with(Timeouts { connect: Duration::from_secs(10), ..short() }).await;
    for era in ERAS {
        lab.beside(of_era(&lab, era)).await;
    }
}

/// A key of one user and how often it was renewed.
fn key(user: u128, renewals: u32) -> String {
    format!("key-{user}-{renewals}-of-one-user")
}

/// The user with the key of so many renewals.
fn with_key(base: &Target, user: u128, renewals: u32) -> Target {
    Target { credential_version: 1 + i64::from(renewals), ..of_user(base, user, &key(user, renewals)) }
}

async fn of_era(lab: &Lab, era: Era) {
    let folder = TempDir::new();
    let ledger = Arc::new(EffectLedger::open(&folder.path().join("effects.jsonl")));
    // Keys that have ended.
    let ended: Arc<Mutex<HashSet<String>>> = Arc::default();
    let fake = era
        .start({
            let (ledger, ended) = (Arc::clone(&ledger), Arc::clone(&ended));
            move |seen: Seen| {
                let key =
                    seen.header("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned();
                let refused = seen.http != "DELETE" && ended.lock().unwrap().contains(&key);
                if !refused && seen.method() == "tools/call" {
                    ledger.append(&json!({"id": seen.body["params"]["_meta"]["com.coder/tool_call_id"]}));
                }
                async move {
                    let challenge = [("www-authenticate", "Bearer error=\"invalid_token\", scope=\"notes\"")];
                    refused.then(|| (StatusCode::UNAUTHORIZED, challenge).into_response())
                }
            }
        })
        .await;
    let base = era.target(&fake);
    let runs = (0..USERS).map(|number| {
        let (base, ended) = (&base, &ended);
        let user = 5000 + number;
        let named =
            move |text: &str| ToolCall { tool_call_id: format!("{text}-{number}"), ..fake::echo(text) };
        async move {
            let first = with_key(base, user, 0);
            assert_eq!(text_of(&lab.call(&first, named("before")).await), "before");
            ended.lock().unwrap().insert(key(user, 0));
            refused(&lab.call(&first, named("again")).await);
            let second = with_key(base, user, 1);
            assert_eq!(text_of(&lab.call(&second, named("again")).await), "again");
            // Every other user's new key ends as well.
            if number % 2 == 0 {
                ended.lock().unwrap().insert(key(user, 1));
                refused(&lab.call(&second, named("never")).await);
            } else {
                assert_eq!(text_of(&lab.call(&second, named("after")).await), "after");
            }
        }
    });
    stream::iter(runs).buffer_unordered(10).for_each(|()| async {}).await;
    let effects = ledger.effects();
    assert!(repeated(&effects, "id").is_empty(), "{:?}", repeated(&effects, "id"));
    let users = usize::try_from(USERS).unwrap();
    assert_eq!(effects.len(), 2 * users + users / 2, "{era:?}");
    assert_eq!(fake.count("tools/call"), 4 * users, "{era:?}: nothing went out by itself once more");
    // A key is good for its own user's calls, and a refused one is used no more, but to end its session.
    let seen = fake.seen();
    for user in (0..USERS).map(|number| 5000 + number) {
        let carried = |renewals| {
            let header = format!("Bearer {}", key(user, renewals));
            seen.iter()
                .filter(move |seen| {
                    seen.method() == "tools/call" && seen.header("authorization") == Some(&header)
                })
                .count()
        };
        assert_eq!((carried(0), carried(1)), (2, 2), "{era:?}");
    }
}

fn refused(outcome: &CallOutcome) {
    let CallOutcome::NotExecuted { refused: Some(refused), .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused.kind, RefusedKind::Credential);
    let challenge = refused.challenge.as_ref().unwrap();
    assert_eq!(
        (challenge.error.as_deref(), challenge.scope.as_deref()),
        (Some("invalid_token"), Some("notes"))
    );
}
