//! Answers: whole, in pieces, cut.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use super::*;
use crate::fake::{Fake, Step, ask, head, request, run, sse};
use api::messages::Usage;
use futures::StreamExt;
use patchbay_llm::{
    FinishReason, GenerationRequest, Interruption, ModelError, ModelEvent, ModelProvider, Outage,
    PromptMessage, PromptToolCall, ProtocolFault, ToolSpec,
};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Thinking, text and two parallel calls, as the API sends them.
fn rich() -> String {
    [
        begin(),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        event("ping", &json!({})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "Hm, größer…"})),
        delta(0, &json!({"type": "signature_delta", "signature": "EqQBCg=="})),
        stop(0),
        block(1, &json!({"type": "text", "text": ""})),
        delta(1, &json!({"type": "text_delta", "text": "Ich sehe 😀"})),
        stop(1),
        tool(2, "toolu_a", "alpha"),
        arguments(2, ""),
        arguments(2, "{\"q\": \"é"),
        arguments(2, "\"}"),
        stop(2),
        tool(3, "toolu_b", "beta"),
        arguments(3, "{\"n\":"),
        arguments(3, " 2}"),
        stop(3),
        reason("tool_use"),
        end(),
    ]
    .concat()
}

fn rich_events() -> Vec<ModelEvent> {
    let start = |index, id: &str, name: &str| ModelEvent::ToolCallStart {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let more = |index, text: &str| ModelEvent::ToolCallDelta { index, arguments: text.to_owned() };
    let usage = Usage {
        input_tokens: 11,
        output_tokens: 9,
        total_tokens: 20,
        cache_creation_tokens: 2,
        cache_read_tokens: 4,
        ..Usage::default()
    };
    vec![
        ModelEvent::Reasoning("Hm, größer…".to_owned()),
        ModelEvent::Text("Ich sehe 😀".to_owned()),
        start(0, "toolu_a", "alpha"),
        more(0, "{\"q\": \"é"),
        more(0, "\"}"),
        start(1, "toolu_b", "beta"),
        more(1, "{\"n\":"),
        more(1, " 2}"),
        ModelEvent::ToolCallEnd { index: 0 },
        ModelEvent::ToolCallEnd { index: 1 },
        ModelEvent::Usage(usage),
        ModelEvent::End { reason: FinishReason::ToolCalls },
    ]
}

#[tokio::test]
async fn a_whole_answer_and_what_was_asked() {
    let fake = Fake::always(sse(&rich())).await;
    let call = |id: &str| PromptToolCall {
        id: id.to_owned(),
        name: "alpha".to_owned(),
        arguments: "{\"q\":1}".to_owned(),
    };
    let result = |id: &str, text: &str, is_error| PromptMessage::Tool {
        tool_call_id: id.to_owned(),
        name: "alpha".to_owned(),
        text: text.to_owned(),
        is_error,
    };
    let spec = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: "what it does".to_owned(),
        parameters: Arc::new(json!({"type": "object", "properties": {"q": {"type": "string"}}})),
    };
    let asked = GenerationRequest {
        messages: vec![
            PromptMessage::User { text: "hi".to_owned() },
            PromptMessage::Assistant {
                text: String::new(),
                tool_calls: vec![call("toolu_1"), call("toolu_2")],
            },
            result("toolu_1", "one", false),
            result("toolu_2", "two", true),
        ],
        tools: vec![spec("alpha"), spec("beta")],
        ..request()
    };
    assert_eq!(ask(&fake.anthropic(), asked).await, (rich_events(), None));

    let sent = &fake.recorded()[0];
    assert_eq!(sent.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(sent.header("x-api-key"), Some("sk-canary-key"));
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    let mark = json!({"type": "ephemeral"});
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}});
    assert_eq!(
        sent.body,
        json!({
            "model": "m-1",
            "max_tokens": 50,
            "stream": true,
            "system": [{"type": "text", "text": "be brief", "cache_control": mark}],
            "tools": [
                {"name": "alpha", "description": "what it does", "input_schema": schema},
                {"name": "beta", "description": "what it does", "input_schema": schema, "cache_control": mark},
            ],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "toolu_1", "name": "alpha", "input": {"q": 1}},
                    {"type": "tool_use", "id": "toolu_2", "name": "alpha", "input": {"q": 1}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "two", "is_error": true, "cache_control": mark},
                ]},
            ],
        })
    );
}

#[tokio::test]
async fn deltas_are_handed_on_as_they_come() {
    let go = Arc::new(Notify::new());
    let piece = |text: String| Step::Chunk(text.into_bytes());
    let fake = Fake::always(vec![
        head("text/event-stream; charset=utf-8"),
        piece(begin() + &tool(0, "toolu_a", "alpha") + &arguments(0, "{\"q\":")),
        Step::Wait(go.clone()),
        piece(arguments(0, "1}")),
        Step::Wait(go.clone()),
        piece(stop(0) + &reason("tool_use")),
        Step::Wait(go.clone()),
        piece(end()),
        Step::End,
    ])
    .await;
    let mut stream = fake.anthropic().generate(request(), CancellationToken::new()).await.unwrap();
    let more = |text: &str| Some(Ok(ModelEvent::ToolCallDelta { index: 0, arguments: text.to_owned() }));
    // The fake sends each piece only after the one before was seen here.
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::ToolCallStart { .. }))));
    assert_eq!(stream.next().await, more("{\"q\":"));
    go.notify_one();
    assert_eq!(stream.next().await, more("1}"));
    go.notify_one();
    // The block is closed and the reason is known: the call still waits for the end of the message.
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), stream.next()).await;
    assert!(early.is_err(), "{early:?}");
    go.notify_one();
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::ToolCallEnd { index: 0 })));
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Usage(_)))));
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::End { reason: FinishReason::ToolCalls })));
    assert_eq!(stream.next().await, None);
}

/// The outcome for every byte position of the answer, where the fake does `how` with what is before and behind it.
async fn at_each_position(
    how: fn(Vec<u8>, Vec<u8>) -> Vec<Step>,
) -> Vec<(usize, Vec<ModelEvent>, Option<ModelError>)> {
    let fake = Fake::start(move |request| {
        let at: usize = request.body["model"].as_str().unwrap().parse().unwrap();
        let body = rich().into_bytes();
        how(body[..at].to_vec(), body[at..].to_vec())
    })
    .await;
    let provider = Arc::new(fake.anthropic());
    futures::stream::iter(0..=rich().len())
        .map(|at| {
            let provider = provider.clone();
            async move {
                let (events, error) =
                    ask(&*provider, GenerationRequest { model: at.to_string(), ..request() }).await;
                (at, events, error)
            }
        })
        .buffered(16)
        .collect()
        .await
}

#[tokio::test]
async fn a_split_at_any_byte_changes_nothing() {
    let split = |one, two| {
        let pause = Step::Sleep(std::time::Duration::from_millis(1));
        vec![head("text/event-stream"), Step::Chunk(one), pause, Step::Chunk(two), Step::End]
    };
    for (at, events, error) in at_each_position(split).await {
        assert_eq!((events, error), (rich_events(), None), "split at {at}");
    }
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_never_completes_a_call() {
    let whole = rich().len();
    let first_event = begin().len();
    for (at, events, error) in
        at_each_position(|one, _| vec![head("text/event-stream"), Step::Chunk(one), Step::Cut]).await
    {
        if at == whole {
            assert_eq!((events, error), (rich_events(), None));
            continue;
        }
        assert!(!ends(&events), "cut at {at}: {events:?}");
        assert!(rich_events().starts_with(&events), "cut at {at}: {events:?}");
        match error {
            Some(ModelError::Unavailable { outage: Outage::Network { retryable: true, .. }, .. }) => {
                assert!(at < first_event, "cut at {at}");
            }
            Some(ModelError::Interrupted(Interruption::Connection)) => {
                assert!(at >= first_event, "cut at {at}");
            }
            other => panic!("cut at {at}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_in_order_is_complete_only_with_message_stop() {
    let body = rich();
    // From the closing brace of that event on; its blank line may be missing at the end of a body.
    let complete_from = body.trim_end().len();
    for (at, events, error) in
        at_each_position(|one, _| vec![head("text/event-stream"), Step::Chunk(one), Step::End]).await
    {
        if at >= complete_from {
            assert_eq!((events, error), (rich_events(), None), "ended at {at}");
            continue;
        }
        assert!(!ends(&events), "ended at {at}: {events:?}");
        let error = error.unwrap_or_else(|| panic!("ended at {at}: complete"));
        assert!(
            error == ModelError::Interrupted(Interruption::NoEndMarker)
                || (at < begin().len() && error == ModelError::Protocol(ProtocolFault::BadEvent)),
            "ended at {at}: {error:?}"
        );
    }
}

fn ends(events: &[ModelEvent]) -> bool {
    events.iter().any(|event| {
        matches!(event, ModelEvent::ToolCallEnd { .. } | ModelEvent::Usage(_) | ModelEvent::End { .. })
    })
}

#[tokio::test]
async fn a_hundred_streams_without_message_stop_are_a_hundred_interruptions() {
    let answered = begin() + &said("all said") + &stop(0);
    for last in [String::new(), reason("end_turn"), "data: [DONE]\n\n".to_owned(), end()] {
        let fake = Fake::always(sse(&format!("{answered}{last}"))).await;
        for _ in 0..25 {
            let (events, error) = run(&fake.anthropic()).await;
            assert_eq!(events, [ModelEvent::Text("all said".to_owned())]);
            assert_eq!(error, Some(ModelError::Interrupted(Interruption::NoEndMarker)), "{last}");
        }
    }
}

#[tokio::test]
async fn a_refused_answer_runs_no_call() {
    let body =
        begin() + &tool(0, "toolu_a", "alpha") + &arguments(0, "{}") + &stop(0) + &reason("refusal") + &end();
    let (events, error) = run(&Fake::always(sse(&body)).await.anthropic()).await;
    assert_eq!(error, None);
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCallEnd { .. })), "{events:?}");
    assert_eq!(events.last(), Some(&ModelEvent::End { reason: FinishReason::ContentFilter }));
}
