//! Messages that are none: 36.

use std::sync::Arc;

use futures::{StreamExt as _, future::join_all, stream};
use patchbay_mcpclient::{CallOutcome, Target};
use serde_json::json;
use testkit::axum::response::IntoResponse;

use super::lab::{Dice, ERAS, Era, Lab};
use crate::fake::{self, Fake, Seen};

/// In every answer that belongs to nobody.
const POISON: &str = "poison";

/// What may come of a body that is sent alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The answer, written in a way that servers are known for.
    Taken,
    /// An error, and never what is in it.
    Refused,
}

use Fate::{Refused, Taken};

/// `ID` becomes the id of the request, `OK` a result that is the request's own, `BAD` one that is nobody's.
const BODIES: &[(Fate, &str)] = &[
    (Taken, r#"{"jsonrpc":"2.0","id":ID,"result":OK}"#),
    (Taken, r#"{"jsonrpc":"2.0","id":"ID","result":OK}"#),
    (Taken, r#"{"jsonrpc":"2.0","result":OK}"#),
    (Taken, r#"{"jsonrpc":"2.0","id":null,"result":OK}"#),
    (Taken, r#"{"result":OK,"id":ID,"jsonrpc":"2.0","more":[1,{}]}"#),
    (Taken, "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":OK}"),
    (Taken, r#"{"jsonrpc":"1.0","jsonrpc":"2.0","id":ID,"result":OK}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID.0,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID5,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":-ID9,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":"ID ","result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":"0xID","result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":"","result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":[ID],"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":{"id":ID},"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":true,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":1e999,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":18446744073709551615,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":BAD,"error":{"code":1,"message":"x"}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":BAD,"error":null}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":"poison"}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":{}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":{"code":"-32601","message":"poison"}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":{"code":1.5,"message":"poison"}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":["poison"]}}"#),
    (
        Refused,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"poison","data":{"a":"poison"}}}"#,
    ),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"error":[]}"#),
    (Refused, r#"{"jsonrpc":"1.0","id":ID,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":2.0,"id":ID,"result":BAD}"#),
    (Refused, r#"{"id":ID,"result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"method":"ping","result":BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"method":7}"#),
    (Refused, r#"{"jsonrpc":"2.0","method":"notifications/progress","params":[]}"#),
    (Refused, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":ID}}"#),
    (Refused, r#"[{"jsonrpc":"2.0","id":ID,"result":BAD}]"#),
    (Refused, r#"[{"jsonrpc":"2.0","id":ID,"result":BAD},{"jsonrpc":"2.0","id":ID,"result":BAD}]"#),
    (Refused, "[]"),
    (Refused, "[[]]"),
    (Refused, "{}"),
    (Refused, "null"),
    (Refused, "7"),
    (Refused, "\"poison\""),
    (Refused, ""),
    (Refused, " \r\n "),
    (Refused, "<!doctype html><title>poison</title>"),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":BAD"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":BAD}}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":BAD}{"jsonrpc":"2.0","id":ID,"result":BAD}"#),
    (Refused, r#"{'jsonrpc':'2.0','id':ID,'result':BAD}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":NaN}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":"poison"}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":["poison"]}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":null}"#),
    (Refused, r#"{"jsonrpc":"2.0","id":ID,"result":DEEP}"#),
    (Refused, "DEEP"),
    (Refused, "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"content\":\"po\0ison\"}"),
];

fn written(body: &str, seen: &Seen) -> String {
    let result = |text: &str| {
        json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}).to_string()
    };
    let own = seen.body["params"]["arguments"]["text"].as_str().unwrap_or_default();
    body.replace("DEEP", &format!("{}{}", "[".repeat(5000), "]".repeat(5000)))
        .replace("ID", &seen.body["id"].to_string())
        .replace("OK", &result(own))
        .replace("BAD", &result(POISON))
}

/// Answers `n BODY` with body number n alone, `n EVENT` with it as an event before the right one, everything else rightly.
async fn peer(era: Era, bodies: Arc<[String]>) -> Fake {
    era.start(move |seen: Seen| {
        let text = seen.body["params"]["arguments"]["text"].as_str().unwrap_or_default().to_owned();
        let answer = (|| {
            let (number, form) = text.split_once(' ')?;
            let body = written(&bodies[number.parse::<usize>().ok()?], &seen);
            if form == "BODY" {
                return Some(([("content-type", "application/json")], body).into_response());
            }
            let lines: String = body.split(['\n', '\r']).map(|line| format!("data: {line}\n")).collect();
            let right = written(BODIES[0].1, &seen);
            Some(fake::events(vec![
                (0, format!("{lines}\n")),
                (0, fake::event(&serde_json::from_str(&right).unwrap())),
            ]))
        })();
        async move { answer }
    })
    .await
}

/// Calls with every body, each among honest calls on the same connection.
async fn run(lab: &Lab, target: &Target, number: usize, form: &str) -> CallOutcome {
    let text = format!("{number} {form}");
    let honest = |text: String| async move {
        let outcome = lab.call(target, fake::echo(&text)).await;
        assert_eq!(fake::text_of(&outcome), text, "a call beside is affected: {outcome:?}");
    };
    let (outcome, (), ()) = tokio::join!(
        lab.call(target, fake::echo(&text)),
        honest(format!("before-{number}")),
        honest(format!("after-{number}")),
    );
    if let CallOutcome::Done { is_error: false, .. } = &outcome {
        let (own, said) = (text.as_str(), format!("{outcome:?}"));
        assert!(said.contains(own) && !said.contains(POISON), "misrouted: {said}");
    }
    outcome
}

#[tokio::test]
pub(super) async fn malformed_json_rpc() {
    let lab = Lab::start().await;
    let bodies: Arc<[String]> = BODIES.iter().map(|(_, body)| (*body).to_owned()).collect();
    let mut cases = 0;
    for era in ERAS {
        let fake = peer(era, Arc::clone(&bodies)).await;
        let target = era.target(&fake);
        let runs = BODIES.iter().enumerate().map(|(number, (fate, body))| {
            let (lab, target) = (&lab, &target);
            async move {
                let case = format!("{era:?}: {body}");
                let alone = run(lab, target, number, "BODY").await;
                let taken = matches!(alone, CallOutcome::Done { is_error: false, .. });
                assert_eq!(taken, *fate == Taken, "{case}: {alone:?}");
                // In a stream it is passed over, or ends the call.
                let event = run(lab, target, number, "EVENT").await;
                assert!(!matches!(event, CallOutcome::Cancelled { .. }), "{case}: {event:?}");
            }
        });
        // Each run has three calls under way at a time, and a user has eight.
        lab.beside(stream::iter(runs).buffer_unordered(2).for_each(|()| async {})).await;
        cases += 2 * BODIES.len();
        duplicates(&lab, era).await;
    }
    assert!(cases >= 200, "{cases}");
    batches(&lab).await;
    for era in ERAS {
        mutants(&lab, era).await;
    }
}

/// The first answer counts; the second belongs to nobody.
async fn duplicates(lab: &Lab, era: Era) {
    let fake = era
        .start(|seen: Seen| async move {
            (seen.method() == "tools/call").then(|| {
                let right = fake::event(&serde_json::from_str(&written(BODIES[0].1, &seen)).unwrap());
                let text = r#"{"jsonrpc":"2.0","id":ID,"result":BAD}"#;
                let wrong = fake::event(&serde_json::from_str(&written(text, &seen)).unwrap());
                fake::events(vec![(0, right), (0, wrong.repeat(3))])
            })
        })
        .await;
    let target = era.target(&fake);
    let calls = join_all((0..20).map(|number| {
        let target = &target;
        async move {
            let text = format!("own {number}");
            assert_eq!(fake::text_of(&lab.call(target, fake::echo(&text)).await), text);
        }
    }));
    lab.beside(calls).await;
}

/// They exist in one revision only, and there an answer in one is an answer.
async fn batches(lab: &Lab) {
    for (revision, taken) in [("2025-03-26", true), ("2025-06-18", false), ("2025-11-25", false)] {
        let fake = fake::start(move |seen: Seen| {
            let answer = match seen.method() {
                "initialize" => Some(seen.result(fake::hello(revision))),
                "tools/call" => {
                    let text =
                        r#"[{"jsonrpc":"2.0","id":777,"result":BAD},{"jsonrpc":"2.0","id":ID,"result":OK}]"#;
                    Some(([("content-type", "application/json")], written(text, &seen)).into_response())
                }
                _ => None,
            };
            async move { answer }
        })
        .await;
        let outcome = lab.beside(lab.call(&Era::Initialized.target(&fake), fake::echo("own"))).await;
        assert_eq!(
            matches!(outcome, CallOutcome::Done { is_error: false, .. }),
            taken,
            "{revision}: {outcome:?}"
        );
        assert!(!format!("{outcome:?}").contains(POISON));
    }
}

/// The right answer with a few bytes changed, removed, doubled or put in.
async fn mutants(lab: &Lab, era: Era) {
    const RUNS: usize = 150;
    let mut dice = Dice::new(36);
    let right = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","content":[{"type":"text","text":"fine"}]}}"#;
    let bodies: Arc<[String]> = (0..RUNS)
        .map(|_| {
            let mut bytes = right.as_bytes().to_vec();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len());
                match dice.roll(4) {
                    0 => bytes[at] = u8::try_from(dice.roll(128)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"{}[]\",:\\0\x00"[dice.roll(10)]),
                    _ => bytes.extend_from_within(at..),
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
        .collect();
    let fake = peer(era, bodies).await;
    let target = era.target(&fake);
    let runs = (0..2 * RUNS).map(|run| {
        let target = &target;
        async move {
            let form = if run % 2 == 0 { "BODY" } else { "EVENT" };
            let outcome = lab.call(target, fake::echo(&format!("{} {form}", run / 2))).await;
            assert!(!matches!(outcome, CallOutcome::Cancelled { .. }), "{run}: {outcome:?}");
        }
    });
    lab.beside(stream::iter(runs).buffer_unordered(8).for_each(|()| async {})).await;
    assert!(fake.count("tools/call") >= 2 * RUNS);
}
