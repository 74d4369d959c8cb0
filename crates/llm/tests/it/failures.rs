//! Refusals, outages, deadlines, caps and the stop.

use crate::fake::*;
use futures::StreamExt;
use patchbay_llm::{
    Interruption, ModelError, ModelEvent, ModelProvider, Outage, ProtocolFault, limits, openai::OpenAi, retry,
};
use serde_json::json;
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

async fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> ModelError {
    let fake = Fake::always(answer(status, headers, body)).await;
    let error = fails(&fake.provider()).await;
    let texts = format!("{error} {error:?} {}", error.public_message());
    assert!(!texts.contains("canary"), "{texts}");
    error
}

#[tokio::test]
async fn a_wrong_key_says_what_to_do() {
    let error =
        refused(401, &[JSON], r#"{"error":{"message":"Incorrect API key provided: sk-canary-key"}}"#).await;
    assert_eq!(error.public_message(), "The provider refused the key. An admin can replace it under Models.");
    assert_eq!((error.code(), error.is_retryable()), ("model_auth", false));
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let error = refused(
        404,
        &[JSON],
        r#"{"error":{"message":"The model `canary` does not exist","code":"model_not_found"}}"#,
    )
    .await;
    assert_eq!(error, ModelError::ModelUnknown { model: "m-1".to_owned() });
    assert!(error.public_message().contains("“m-1”"));
    assert_eq!(error.code(), "model_missing");
}

#[tokio::test]
async fn rate_limits_carry_their_wait() {
    let error = refused(429, &[JSON, ("Retry-After", "7")], "{}").await;
    assert_eq!(error, ModelError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(retry::delay(1, error.retry_after(), 0.0), Some(Duration::from_secs(7)));
    let error = refused(429, &[], "slow down, canary").await;
    assert_eq!(error, ModelError::RateLimited { retry_after: None });
    assert!(error.is_retryable());
    let error = refused(503, &[("Retry-After", "2")], "").await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn overload_is_retryable_in_every_dress() {
    for status in [408, 500, 502, 503, 504, 529] {
        for headers in [&[JSON][..], &[HTML], &[]] {
            let error = refused(status, headers, "<html>canary</html>").await;
            assert_eq!(
                error,
                ModelError::Unavailable { outage: Outage::Status { status }, retry_after: None }
            );
            assert!(error.is_retryable());
        }
    }
}

#[tokio::test]
async fn what_is_no_model_server_is_told_apart() {
    for (status, headers, body, fault) in [
        (200, HTML, "<html>canary</html>", ProtocolFault::WebPage),
        (403, HTML, "<html>canary</html>", ProtocolFault::WebPage),
        (404, HTML, "<html>canary</html>", ProtocolFault::NotFound { status: 404 }),
        (200, JSON, r#"{"choices":[{"message":{"content":"canary"}}]}"#, ProtocolFault::NoStream),
        (200, ("X-Nothing", "1"), "canary, just text", ProtocolFault::NoStream),
        (200, ("Content-Type", "text/plain"), "data: canary\n\n", ProtocolFault::NoStream),
        (200, ("Content-Type", "text/event-stream"), "data: canary\n\n", ProtocolFault::BadEvent),
        (302, ("Location", "http://127.0.0.1:1/canary"), "", ProtocolFault::Redirect),
    ] {
        let error = refused(status, &[headers], body).await;
        assert_eq!(error, ModelError::Protocol(fault), "{status} {body}");
        assert!(!error.is_retryable() && error.public_message().contains("/v1"));
    }
}

#[tokio::test]
async fn an_error_inside_http_200_is_an_error() {
    let said = delta(&json!({"content": "half"}));
    let wrong = |code: &str| event(&json!({"error": {"message": "canary", "code": code}}));
    let rate = ModelError::RateLimited { retry_after: None };
    let broken = ModelError::Interrupted(Interruption::ErrorEvent);
    for (body, shown, error) in [
        (wrong("rate_limit_exceeded"), 0, rate.clone()),
        (wrong("429"), 0, rate),
        (wrong("odd"), 0, ModelError::Unavailable { outage: Outage::Announced, retry_after: None }),
        (wrong("context_length_exceeded"), 0, ModelError::ContextOverflow),
        (format!("{said}{}", wrong("rate_limit_exceeded")), 1, broken.clone()),
        (format!("{said}{}{}{DONE}", wrong("server_error"), finish("stop")), 1, broken.clone()),
        (format!("{said}event: error\ndata: canary\n\n"), 1, broken.clone()),
        (format!("{said}{}", wrong("content_filter")), 1, ModelError::ContentFilter),
        (format!("{said}{}{DONE}", finish("error")), 1, broken),
    ] {
        let fake = Fake::always(sse(&body)).await;
        let (events, got) = run(&fake.provider()).await;
        assert_eq!((events.len(), got), (shown, Some(error)), "{body}");
    }
    // The same without a stream.
    let error = refused(200, &[JSON], r#"{"error":{"message":"canary","code":"invalid_api_key"}}"#).await;
    assert_eq!(error.code(), "model_auth");
}

#[tokio::test]
async fn an_error_in_a_stream_ends_it_before_a_call_ends() {
    let call = delta(
        &json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "t", "arguments": "{}"}}]}),
    );
    let fake =
        Fake::always(sse(&(call + &event(&json!({"error": {"code": 500}})) + &finish("tool_calls") + DONE)))
            .await;
    let (events, error) = run(&fake.provider()).await;
    assert_eq!(error, Some(ModelError::Interrupted(Interruption::ErrorEvent)));
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCallEnd { .. })), "{events:?}");
}

#[tokio::test]
async fn each_phase_has_its_own_deadline() {
    let short = Duration::from_millis(150);
    let stall = || Step::Sleep(Duration::from_secs(20));
    let said = || Step::Chunk(delta(&json!({"content": "x"})).into_bytes());
    let comments = |times: usize| {
        let one = [Step::Chunk(b": wait\n\n".to_vec()), Step::Sleep(Duration::from_millis(40))];
        one.iter().cloned().cycle().take(2 * times).collect::<Vec<_>>()
    };
    let begun = Instant::now();

    // No headers at all, headers and silence, headers and comments.
    let no_headers = Fake::always(vec![stall()]).await;
    let error = fails(&no_headers.with_deadlines(|d| d.first_event = short)).await;
    assert!(
        matches!(error, ModelError::Unavailable { outage: Outage::Network { retryable: true, .. }, .. }),
        "{error:?}"
    );
    for after in [vec![stall()], comments(100)] {
        let fake = Fake::always([vec![head("text/event-stream")], after].concat()).await;
        let error = fails(&fake.with_deadlines(|d| d.first_event = short)).await;
        assert_eq!(
            error,
            ModelError::Unavailable { outage: Outage::FirstEvent { after: short }, retry_after: None }
        );
        assert!(error.is_retryable());
    }

    // Silence in the middle; a long thought with signs of life is none.
    let fake = Fake::always(vec![head("text/event-stream"), said(), stall()]).await;
    let error = fails(&fake.with_deadlines(|d| d.idle = short)).await;
    assert_eq!(error, ModelError::Interrupted(Interruption::Idle { after: short }));
    let end = Step::Chunk((finish("stop") + DONE).into_bytes());
    let fake =
        Fake::always([vec![head("text/event-stream"), said()], comments(8), vec![end, Step::End]].concat())
            .await;
    assert_eq!(run(&fake.with_deadlines(|d| d.idle = short)).await.1, None);

    // A stream that never ends.
    let mut endless = vec![head("text/event-stream")];
    endless.extend((0..500).flat_map(|_| [said(), Step::Sleep(Duration::from_millis(20))]));
    let fake = Fake::always(endless).await;
    let total = Duration::from_millis(400);
    let error = fails(&fake.with_deadlines(|d| d.total = total)).await;
    assert_eq!(error, ModelError::Interrupted(Interruption::TooLong { after: total }));
    assert!(!error.is_retryable());
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn stop_reaches_the_provider_in_every_phase() {
    for (steps, shown) in [
        (vec![], 0),
        (vec![head("text/event-stream")], 0),
        (vec![head("text/event-stream"), Step::Chunk(delta(&json!({"content": "x"})).into_bytes())], 1),
    ] {
        let (tell, mut gone) = mpsc::unbounded_channel();
        let fake = Fake::always([steps, vec![Step::Gone(tell)]].concat()).await;
        let (provider, cancel) = (fake.provider(), CancellationToken::new());
        let stop = cancel.clone();
        let running = tokio::spawn(async move {
            let mut stream = match provider.generate(request(), cancel).await {
                Ok(stream) => stream,
                Err(error) => return (0, error),
            };
            for seen in 0.. {
                if let Err(error) = stream.next().await.expect("no end before the stop") {
                    return (seen, error);
                }
            }
            unreachable!()
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let stopped = Instant::now();
        stop.cancel();
        assert_eq!(running.await.unwrap(), (shown, ModelError::Cancelled));
        tokio::time::timeout(Duration::from_millis(500), gone.recv())
            .await
            .expect("the connection was closed");
        assert!(stopped.elapsed() < Duration::from_millis(500));
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (tell, mut gone) = mpsc::unbounded_channel();
    let said = Step::Chunk(delta(&json!({"content": "x"})).into_bytes());
    let fake = Fake::always(vec![head("text/event-stream"), said, Step::Gone(tell)]).await;
    let mut stream = fake.provider().generate(request(), CancellationToken::new()).await.unwrap();
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("x".to_owned()))));
    drop(stream);
    tokio::time::timeout(Duration::from_secs(2), gone.recv()).await.expect("the connection was closed");
}

#[tokio::test]
async fn a_refusal_by_policy_names_the_setting() {
    let fake = Fake::always(sse(DONE)).await;
    let provider = OpenAi::new(fake.base_url(), None, egress(""));
    let error = fails(&provider).await;
    let message = error.public_message();
    assert!(message.contains(&format!("PATCHBAY_EGRESS_ALLOW={}", fake.addr)), "{message}");
    assert_eq!((error.is_retryable(), error.code()), (false, "model_unavailable"));
    assert!(fake.recorded().is_empty());
}

#[tokio::test]
async fn a_closed_port_is_an_outage() {
    let addr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let base = format!("http://{addr}/v1").parse().unwrap();
    let error = fails(&OpenAi::new(base, None, egress(&addr.to_string()))).await;
    assert!(error.is_retryable(), "{error:?}");
    assert!(error.public_message().contains("connection refused"), "{}", error.public_message());
}

#[tokio::test]
async fn a_key_that_fits_no_header_never_leaves() {
    let fake = Fake::always(sse(DONE)).await;
    let provider = OpenAi::new(
        fake.base_url(),
        Some("sk\r\nX-Evil: 1".to_owned().into()),
        egress(&fake.addr.to_string()),
    );
    assert_eq!(fails(&provider).await.code(), "model_auth");
    assert!(fake.recorded().is_empty());
    assert!(!format!("{provider:?}").contains("sk"));
}

#[tokio::test]
async fn caps_end_an_answer_without_end() {
    let piece = Step::Chunk(vec![b'x'; 256 * 1024]);
    let line = [vec![head("text/event-stream")], vec![piece; 8]].concat();
    let error = fails(&Fake::always(line).await.provider()).await;
    assert!(matches!(error, ModelError::Protocol(ProtocolFault::TooLarge { .. })), "{error:?}");

    let said = delta(&json!({"content": "x".repeat(200 * 1024)}));
    let many = usize::try_from(limits::ANSWER).unwrap() / said.len() + 2;
    let endless = [vec![head("text/event-stream")], vec![Step::Chunk(said.into_bytes()); many]].concat();
    let error = fails(&Fake::always(endless).await.provider()).await;
    assert!(matches!(error, ModelError::Protocol(ProtocolFault::TooLarge { .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_knows_less_is_learned_once() {
    let fake = Fake::start(|request| {
        let refusal = |param: &str, message: &str| {
            answer(400, &[JSON], &json!({"error": {"message": message, "param": param}}).to_string())
        };
        if request.body.get("stream_options").is_some() {
            refusal("stream_options", "unknown field")
        } else if request.body.get("max_tokens").is_some() {
            refusal("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        } else {
            sse(&(finish("stop") + DONE))
        }
    })
    .await;
    let provider = fake.provider();
    assert_eq!(run(&provider).await.1, None);
    assert_eq!(fake.recorded().len(), 3);
    assert_eq!(run(&provider).await.1, None);
    let last = &fake.recorded()[3];
    assert_eq!((fake.recorded().len(), &last.body["max_completion_tokens"]), (4, &json!(50)));

    // One that only says no is asked once.
    let fake = Fake::always(answer(400, &[JSON], r#"{"error":{"message":"bad stream_options"}}"#)).await;
    assert_eq!(fails(&fake.provider()).await, ModelError::Rejected { status: 400, code: None });
    assert_eq!(fake.recorded().len(), 2);
}
