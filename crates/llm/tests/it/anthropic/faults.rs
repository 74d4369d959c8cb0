//! Refusals, outages, deadlines and garbage.

use super::*;
use crate::fake::{Fake, Step, answer, egress, fails, head, run, sse};
use patchbay_llm::{
    Deadlines, Interruption, ModelError, ModelEvent, Outage, ProtocolFault, anthropic::Anthropic, retry,
};
use std::time::Duration;

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn refused(status: u16, headers: &[(&str, &str)], kind: &str, message: &str) -> ModelError {
    let body =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_canary"});
    let headers = [&[JSON], headers].concat();
    let fake = Fake::always(answer(status, &headers, &body.to_string())).await;
    let error = fails(&fake.anthropic()).await;
    assert_eq!(fake.recorded().len(), 1, "asked once");
    let texts = format!("{error} {error:?} {}", error.public_message());
    assert!(!texts.contains("canary"), "{texts}");
    error
}

#[tokio::test]
async fn each_status_says_what_to_do() {
    for (status, kind, message, code, retryable) in [
        (401, "authentication_error", "invalid x-api-key canary", "model_auth", false),
        (403, "permission_error", "canary", "model_auth", false),
        (404, "not_found_error", "model: canary", "model_missing", false),
        (402, "billing_error", "canary", "model_refused", false),
        (400, "invalid_request_error", "canary", "model_refused", false),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum canary",
            "context_overflow",
            false,
        ),
        (413, "request_too_large", "canary", "context_overflow", false),
        (429, "rate_limit_error", "canary", "model_unavailable", true),
        (500, "api_error", "canary", "model_unavailable", true),
        (504, "timeout_error", "canary", "model_unavailable", true),
        (529, "overloaded_error", "canary", "model_unavailable", true),
    ] {
        let error = refused(status, &[], kind, message).await;
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{status} {kind}: {error:?}");
    }
    let error = refused(404, &[], "not_found_error", "model: canary").await;
    assert!(error.public_message().contains("“m-1”"), "{}", error.public_message());
}

#[tokio::test]
async fn rate_limits_and_overload_carry_their_wait() {
    let error = refused(429, &[("Retry-After", "7")], "rate_limit_error", "").await;
    assert_eq!(error, ModelError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(retry::delay(1, error.retry_after(), 0.0), Some(Duration::from_secs(7)));
    let error = refused(529, &[("Retry-After", "3")], "overloaded_error", "Overloaded").await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn an_error_inside_http_200_is_an_error() {
    let text = || begin() + &said("half");
    let down = |status| ModelError::Unavailable { outage: Outage::Status { status }, retry_after: None };
    let broken = ModelError::Interrupted(Interruption::ErrorEvent);
    let call = begin() + &tool(0, "toolu_a", "alpha") + &arguments(0, "{}") + &stop(0);
    for (body, shown, expected) in [
        (error("overloaded_error"), 0, down(529)),
        (begin() + &error("overloaded_error"), 0, down(529)),
        (begin() + &error("api_error"), 0, down(500)),
        (begin() + &error("rate_limit_error"), 0, ModelError::RateLimited { retry_after: None }),
        (begin() + &error("authentication_error"), 0, ModelError::Auth { status: 401 }),
        (
            begin() + &error("invalid_request_error"),
            0,
            ModelError::Rejected { status: 400, code: Some("invalid_request_error".to_owned()) },
        ),
        (
            "event: error\ndata: canary\n\n".to_owned(),
            0,
            ModelError::Unavailable { outage: Outage::Announced, retry_after: None },
        ),
        (
            "data: {\"type\":\"error\"}\n\n".to_owned(),
            0,
            ModelError::Unavailable { outage: Outage::Announced, retry_after: None },
        ),
        // Somebody has seen a part: that part is all there is.
        (text() + &error("overloaded_error") + &reason("end_turn") + &end(), 1, broken.clone()),
        (text() + &error("something_new"), 1, broken.clone()),
        (call + &error("overloaded_error") + &reason("tool_use") + &end(), 2, broken),
    ] {
        let fake = Fake::always(sse(&body)).await;
        let (events, got) = run(&fake.anthropic()).await;
        assert_eq!((events.len(), got), (shown, Some(expected)), "{body}");
        assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCallEnd { .. })));
    }
    // The same without a stream.
    let error = refused(200, &[], "overloaded_error", "canary").await;
    assert_eq!(error, down(529));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn what_is_no_messages_api_is_told_apart() {
    for (kind, body, fault) in [
        ("text/html", "<html>canary</html>", ProtocolFault::WebPage),
        (
            "application/json",
            "{\"content\":[{\"type\":\"text\",\"text\":\"canary\"}]}",
            ProtocolFault::NoStream,
        ),
        ("text/plain", "canary, just text", ProtocolFault::NoStream),
        ("text/event-stream", "data: canary\n\n", ProtocolFault::BadEvent),
        ("text/event-stream", "data: 7\n\n", ProtocolFault::BadEvent),
        // The other dialect.
        (
            "text/event-stream",
            "data: {\"choices\":[{\"delta\":{\"content\":\"canary\"}}]}\n\n",
            ProtocolFault::BadEvent,
        ),
    ] {
        let fake = Fake::always(answer(200, &[("Content-Type", kind)], body)).await;
        let error = fails(&fake.anthropic()).await;
        assert_eq!(error, ModelError::Protocol(fault), "{body}");
        assert!(error.public_message().contains("type"), "{}", error.public_message());
        assert!(!error.public_message().contains("canary"));
    }
    let broken = begin() + &said("half") + "data: {\"type\": canary\n\n";
    let (events, error) = run(&Fake::always(sse(&broken)).await.anthropic()).await;
    assert_eq!((events.len(), error), (1, Some(ModelError::Protocol(ProtocolFault::BadEvent))));
}

#[tokio::test]
async fn each_phase_has_its_own_deadline() {
    let short = Duration::from_millis(150);
    let with = |fake: &Fake, change: fn(&mut Deadlines, Duration)| {
        let mut deadlines = Deadlines::default();
        change(&mut deadlines, short);
        fake.anthropic().with_deadlines(deadlines)
    };
    let stall = || Step::Sleep(Duration::from_secs(20));
    let pings = |times: usize| {
        let ping = Step::Chunk(event("ping", &json!({})).into_bytes());
        [ping, Step::Sleep(Duration::from_millis(40))].into_iter().cycle().take(2 * times).collect::<Vec<_>>()
    };
    // Silence and pings are no beginning.
    for after in [vec![stall()], pings(100)] {
        let fake = Fake::always([vec![head("text/event-stream")], after].concat()).await;
        let error = fails(&with(&fake, |deadlines, short| deadlines.first_event = short)).await;
        let late = ModelError::Unavailable { outage: Outage::FirstEvent { after: short }, retry_after: None };
        assert_eq!(error, late);
        assert!(error.is_retryable());
    }
    // Silence in the middle; a long thought with pings is none.
    let begun = || vec![head("text/event-stream"), Step::Chunk((begin() + &said("x")).into_bytes())];
    let fake = Fake::always([begun(), vec![stall()]].concat()).await;
    let error = fails(&with(&fake, |deadlines, short| deadlines.idle = short)).await;
    assert_eq!(error, ModelError::Interrupted(Interruption::Idle { after: short }));
    let last = Step::Chunk((stop(0) + &reason("end_turn") + &end()).into_bytes());
    let fake = Fake::always([begun(), pings(8), vec![last, Step::End]].concat()).await;
    assert_eq!(run(&with(&fake, |deadlines, short| deadlines.idle = short)).await.1, None);
}

#[tokio::test]
async fn a_model_with_a_smaller_output_limit_is_learned_once() {
    let fake = Fake::start(|request| {
        if request.body["max_tokens"].as_i64().unwrap() <= 8 {
            return sse(&(begin() + &said("x") + &stop(0) + &reason("end_turn") + &end()));
        }
        let message = "max_tokens: 50 > 8, which is the maximum allowed number of output tokens for m-1";
        let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
        answer(400, &[JSON], &body.to_string())
    })
    .await;
    let provider = fake.anthropic();
    for asked in [2, 3] {
        assert_eq!(run(&provider).await.1, None);
        assert_eq!(fake.recorded().len(), asked);
    }
    // One that only says no is asked twice and no more.
    let message = "max_tokens: 50 > 8, which is the maximum allowed number of output tokens for m-1";
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
    let fake = Fake::always(answer(400, &[JSON], &body.to_string())).await;
    let provider = fake.anthropic();
    assert_eq!(fails(&provider).await.code(), "model_refused");
    assert_eq!(fake.recorded().len(), 2);
    assert_eq!(fails(&provider).await.code(), "model_refused");
    assert_eq!(fake.recorded().len(), 3);
}

#[tokio::test]
async fn a_key_goes_nowhere_but_into_its_header() {
    let fake = Fake::always(sse(&(begin() + &reason("end_turn") + &end()))).await;
    let base = || format!("{}?k=sk-canary", fake.base_url()).parse().unwrap();
    let provider = |key: Option<&str>| {
        let key = key.map(|key| key.to_owned().into());
        Anthropic::new(base(), key, egress(&fake.addr.to_string()))
    };
    assert_eq!(fails(&provider(Some("sk-canary\r\nX-Evil: 1"))).await.code(), "model_auth");
    assert!(fake.recorded().is_empty(), "a key that fits no header never leaves");
    assert!(!format!("{:?}", provider(Some("sk-canary"))).contains("canary"));
    // Servers without keys.
    assert_eq!(run(&provider(None)).await.1, None);
    assert_eq!(fake.recorded()[0].header("x-api-key"), None);
}
