//! Hostile bodies to every server function: public endpoints like those of REST, and no description speaks for them. Never 5xx, and
//! an error always says something to the person at the page.

use super::{
    Fuzz, callers,
    hostile::{self, Bodies},
    ids,
};
use crate::{description::answer_to, matrix::function_bodies, support::TestServer};
use http::Method;
use leptos::server_fn::axum::server_fn_paths;
use proptest::test_runner::TestRunner;
use serde_json::Value;

/// Requests per function and caller: most are a body of the access matrix with one part of it replaced.
const REQUESTS: usize = 24;

/// The addresses of every member of every object and list in `value`.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        let at = format!("{at}/{name}");
        places(value, &at, found);
        found.push(at);
    }
}

/// A good body with one part of it replaced by a text that may be no JSON at all.
fn spoilt(fuzz: &mut Fuzz, body: &Value) -> Vec<u8> {
    const MARK: &str = "the place of harm";
    let mut spoilt = body.clone();
    let mut found = Vec::new();
    places(body, "", &mut found);
    if found.is_empty() {
        return Bodies::with(vec!["id".to_owned()]).next(&mut fuzz.runner, &fuzz.ids.living);
    }
    let place = &found[fuzz.pick(found.len())];
    *spoilt.pointer_mut(place).unwrap() = MARK.into();
    let value = hostile::value(&mut fuzz.runner, &fuzz.ids.living);
    spoilt.to_string().replacen(&format!("\"{MARK}\""), &value, 1).into_bytes()
}

/// `<open>` in a body of the matrix becomes some id.
fn filled(fuzz: &mut Fuzz, body: &str) -> Value {
    let mut parts = body.split('<');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, after) = part.split_once('>').unwrap();
        let at = fuzz.pick(fuzz.ids.living.len());
        // Messages have numbers.
        filled += if filled.ends_with('"') { &fuzz.ids.living[at] } else { "1" };
        filled += after;
    }
    serde_json::from_str(&filled).unwrap_or_else(|error| panic!("{filled}: {error}"))
}

async fn nothing_hostile_breaks_a_function(server: TestServer) {
    let callers = callers(&server).await;
    let (owner, member) = (callers.first().unwrap(), callers.last().unwrap());
    let mut fuzz =
        Fuzz { runner: TestRunner::new_with_rng(super::config(), super::rng()), ids: ids(&server).await };
    let known = function_bodies();
    let paths: Vec<&str> = server_fn_paths().map(|(path, _)| path).collect();
    assert!(paths.len() >= 25, "the functions are not registered: {paths:?}");
    let mut findings = Vec::new();
    let (mut refused, mut reached) = (0, 0);
    for path in paths {
        let bodies: Vec<&str> = known.iter().filter(|(of, _)| *of == path).map(|(_, body)| *body).collect();
        assert!(!bodies.is_empty(), "{path} has no row in the access matrix");
        for at in 0..REQUESTS {
            let body = bodies[fuzz.pick(bodies.len())];
            let body = filled(&mut fuzz, body);
            let body = if at % 4 == 0 {
                let members = body.as_object().unwrap().keys().cloned().chain(["id".to_owned()]);
                Bodies::with(members.collect()).next(&mut fuzz.runner, &fuzz.ids.living)
            } else {
                spoilt(&mut fuzz, &body)
            };
            for client in [owner, member] {
                let ask = client.request(Method::POST, path).header("origin", &server.origin);
                let answer = answer_to(ask.body("application/json", body.clone())).await;
                let said = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
                let sentence = said["body"]["message"].as_str().unwrap_or_default();
                let wrong = answer.status >= 500
                    || (answer.status >= 400 && (sentence.is_empty() || !said["kind"].is_string()))
                    || (300..400).contains(&answer.status);
                reached += usize::from(answer.status < 300);
                refused += usize::from(answer.status >= 400);
                if wrong {
                    let body = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
                    findings.push(format!("{path} {body:?}\n    {}: {}", answer.status, answer.body));
                }
            }
        }
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert!(reached > 50 && refused > 500, "{reached} got through, {refused} were refused");
    server.anonymous().get("/readyz").await.expect(200);
    server.owner().get("/api/v2/users/me").await.expect(200);
}

#[tokio::test]
async fn hostile_bodies_break_no_server_function_on_sqlite() {
    nothing_hostile_breaks_a_function(TestServer::start().await).await;
}

#[tokio::test]
async fn hostile_bodies_break_no_server_function_on_postgres() {
    nothing_hostile_breaks_a_function(TestServer::on_postgres().await).await;
}

/// What is no function, no JSON or too much is told so in the words of the page.
#[tokio::test]
async fn what_cannot_be_read_is_the_fault_of_the_request() {
    let server = TestServer::start().await;
    let huge = format!("{{\"id\": \"{}\"}}", "x".repeat(1024 * 1024));
    for (path, kind, body, status) in [
        ("/ui/fn/nothing_of_ours", "application/json", "{}", 404),
        ("/ui/fn/server_get", "application/json", "", 400),
        ("/ui/fn/server_get", "application/json", "{\"id\": 7}", 400),
        ("/ui/fn/server_get", "text/plain", "hello", 400),
        ("/ui/fn/server_get", "application/json", huge.as_str(), 413),
    ] {
        let ask = server.owner().request(Method::POST, path).header("origin", &server.origin);
        let answer = ask.body(kind, body.to_owned()).send().await.expect(status);
        let said = answer.json();
        assert!(said["body"]["message"].as_str().is_some_and(|text| text.len() > 20), "{}", answer.body);
        assert!(said["kind"].is_string() && !answer.body.contains("server function"), "{}", answer.body);
    }
}
