//! Answers: whole, in pieces, cut.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use crate::fake::*;
use api::messages::Usage;
use futures::StreamExt;
use patchbay_llm::{
    FinishReason, Interruption, ModelError, ModelEvent, ModelProvider, Outage, ProtocolFault, ToolSpec,
};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Text, thinking and two parallel calls, as a real server sends them.
fn rich() -> String {
    let call =
        |index: u64, rest: Value| delta(&json!({"tool_calls": [merged(json!({"index": index}), rest)]}));
    let first = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
    let more = |text: &str| json!({"function": {"arguments": text}});
    [
        ": keep-alive\n\n".to_owned(),
        delta(&json!({"role": "assistant", "content": "", "refusal": null})),
        delta(&json!({"reasoning_content": "Hm, größer…"})),
        delta(&json!({"content": "Ich sehe 😀"})),
        call(0, first("call_a", "alpha")),
        call(0, more("{\"q\": \"é")),
        call(1, first("call_b", "beta")),
        call(1, more("{\"n\":")),
        call(0, more("\"}")),
        call(1, more(" 2}")),
        finish("tool_calls"),
        event(&json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}})),
        DONE.to_owned(),
    ]
    .concat()
}

fn merged(mut a: Value, b: Value) -> Value {
    a.as_object_mut().unwrap().extend(b.as_object().unwrap().clone());
    a
}

fn rich_events() -> Vec<ModelEvent> {
    let start = |index, id: &str, name: &str| ModelEvent::ToolCallStart {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
    };
    let more = |index, text: &str| ModelEvent::ToolCallDelta { index, arguments: text.to_owned() };
    vec![
        ModelEvent::Reasoning("Hm, größer…".to_owned()),
        ModelEvent::Text("Ich sehe 😀".to_owned()),
        start(0, "call_a", "alpha"),
        more(0, "{\"q\": \"é"),
        start(1, "call_b", "beta"),
        more(1, "{\"n\":"),
        more(0, "\"}"),
        more(1, " 2}"),
        ModelEvent::ToolCallEnd { index: 0 },
        ModelEvent::ToolCallEnd { index: 1 },
        ModelEvent::Usage(Usage { input_tokens: 11, output_tokens: 5, total_tokens: 16, ..Usage::default() }),
        ModelEvent::End { reason: FinishReason::ToolCalls },
    ]
}

#[tokio::test]
async fn a_whole_answer_and_what_was_asked() {
    let fake = Fake::always(sse(&rich())).await;
    let mut asked = request();
    asked.tools = vec![ToolSpec {
        name: "alpha".to_owned(),
        description: "first".to_owned(),
        parameters: Arc::new(json!({"type": "object", "properties": {"q": {"type": "string"}}})),
    }];
    let stream = fake.provider().generate(asked, CancellationToken::new()).await.unwrap();
    let events: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(events, rich_events());

    let sent = &fake.recorded()[0];
    assert_eq!(sent.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(sent.header("authorization"), Some("Bearer sk-canary-key"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(
        sent.body,
        json!({
            "model": "m-1",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 50,
            "tools": [{"type": "function", "function": {"name": "alpha", "description": "first",
                "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}],
        })
    );
}

#[tokio::test]
async fn deltas_are_handed_on_as_they_come() {
    let go = Arc::new(Notify::new());
    let fake = Fake::always(vec![
        head("text/event-stream"),
        Step::Chunk(delta(&json!({"content": "one"})).into_bytes()),
        Step::Wait(go.clone()),
        Step::Chunk(delta(&json!({"content": "two"})).into_bytes()),
        Step::Wait(go.clone()),
        Step::Chunk((finish("stop") + DONE).into_bytes()),
        Step::End,
    ])
    .await;
    let mut stream = fake.provider().generate(request(), CancellationToken::new()).await.unwrap();
    // The fake sends the second piece only after the first was seen here.
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("one".to_owned()))));
    go.notify_one();
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("two".to_owned()))));
    go.notify_one();
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::End { reason: FinishReason::Stop })));
    assert_eq!(stream.next().await, None);
}

/// The fake cuts or ends the body at the place that the model's name says.
async fn cutting(how: fn(Vec<u8>, Vec<u8>) -> Vec<Step>) -> Fake {
    Fake::start(move |request| {
        let at: usize = request.body["model"].as_str().unwrap().parse().unwrap();
        let body = rich().into_bytes();
        how(body[..at].to_vec(), body[at..].to_vec())
    })
    .await
}

/// The outcome for every byte position of the answer.
async fn at_each_position(fake: &Fake) -> Vec<(usize, Vec<ModelEvent>, Option<ModelError>)> {
    let provider = Arc::new(fake.provider());
    futures::stream::iter(0..=rich().len())
        .map(|at| {
            let provider = provider.clone();
            async move {
                let mut asked = request();
                asked.model = at.to_string();
                let mut stream = provider.generate(asked, CancellationToken::new()).await.unwrap();
                let (mut events, mut error) = (Vec::new(), None);
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(event) => events.push(event),
                        Err(end) => error = Some(end),
                    }
                }
                (at, events, error)
            }
        })
        .buffered(16)
        .collect()
        .await
}

#[tokio::test]
async fn a_split_at_any_byte_changes_nothing() {
    let fake = cutting(|one, two| {
        vec![
            head("text/event-stream"),
            Step::Chunk(one),
            Step::Sleep(std::time::Duration::from_millis(1)),
            Step::Chunk(two),
            Step::End,
        ]
    })
    .await;
    for (at, events, error) in at_each_position(&fake).await {
        assert_eq!((events, error), (rich_events(), None), "split at {at}");
    }
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_never_completes_a_call() {
    let fake = cutting(|one, _| vec![head("text/event-stream"), Step::Chunk(one), Step::Cut]).await;
    let body = rich();
    let done = body.find(DONE).unwrap() + DONE.len();
    let first_event =
        body.find("data:").unwrap() + body[body.find("data:").unwrap()..].find("\n\n").unwrap() + 2;
    for (at, events, error) in at_each_position(&fake).await {
        if at == done {
            assert_eq!((events, error), (rich_events(), None));
            continue;
        }
        let ended = events.iter().any(|e| {
            matches!(e, ModelEvent::ToolCallEnd { .. } | ModelEvent::End { .. } | ModelEvent::Usage(_))
        });
        assert!(!ended, "cut at {at}: {events:?}");
        assert!(rich_events().starts_with(&events), "cut at {at}: {events:?}");
        match error {
            Some(ModelError::Unavailable { outage: Outage::Network { retryable: true, .. }, .. }) => {
                assert!(at < first_event, "cut at {at}");
            }
            Some(ModelError::Interrupted(Interruption::Connection)) => {
                assert!(at >= first_event, "cut at {at}")
            }
            other => panic!("cut at {at}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_in_order_is_complete_only_after_its_finish_reason() {
    let fake = cutting(|one, _| vec![head("text/event-stream"), Step::Chunk(one), Step::End]).await;
    let body = rich();
    let finished = body.find("\"finish_reason\":\"tool_calls\"").unwrap();
    // From the closing brace of that event on.
    let finished = finished + body[finished..].find('\n').unwrap();
    for (at, events, error) in at_each_position(&fake).await {
        let complete = matches!(events.last(), Some(ModelEvent::End { .. }));
        assert_eq!(complete, error.is_none(), "ended at {at}");
        assert!(at >= finished || !complete, "ended at {at}");
        if let Some(error) = error {
            assert!(
                matches!(error, ModelError::Interrupted(_))
                    || error == ModelError::Protocol(ProtocolFault::BadEvent),
                "ended at {at}: {error:?}"
            );
            assert!(
                !events.iter().any(|event| matches!(event, ModelEvent::ToolCallEnd { .. })),
                "ended at {at}"
            );
        }
    }
}

#[tokio::test]
async fn a_hundred_streams_without_end_are_a_hundred_interruptions() {
    let body = delta(&json!({"content": "all said"})) + &delta(&json!({"content": "."}));
    for end in ["", DONE] {
        let fake = Fake::always(sse(&format!("{body}{end}"))).await;
        for _ in 0..50 {
            let (events, error) = run(&fake.provider()).await;
            assert_eq!(events.len(), 2);
            let error = error.unwrap();
            assert_eq!(error, ModelError::Interrupted(Interruption::NoEndMarker));
            assert_eq!(error.code(), "interrupted_stream");
        }
    }
}

#[tokio::test]
async fn fifty_calls_with_one_id_get_fifty_ids_beside_those_of_the_conversation() {
    let calls: String = (0..50)
        .map(|n| delta(&json!({"tool_calls": [{"index": n, "id": "call_1", "function": {"name": "t", "arguments": format!("{{\"n\":{n}}}")}}]})))
        .collect();
    let fake = Fake::always(sse(&(calls + &finish("tool_calls") + DONE))).await;
    let (events, error) = run(&fake.provider()).await;
    assert_eq!(error, None);
    let starts: Vec<(usize, String)> = events
        .iter()
        .filter_map(|event| {
            if let ModelEvent::ToolCallStart { index, id, .. } = event {
                Some((*index, id.clone()))
            } else {
                None
            }
        })
        .collect();
    let ends: Vec<usize> = events
        .iter()
        .filter_map(|event| if let ModelEvent::ToolCallEnd { index } = event { Some(*index) } else { None })
        .collect();
    assert_eq!(starts.iter().map(|start| &start.1).collect::<HashSet<_>>().len(), 50);
    assert!(starts.iter().map(|start| start.0).eq(0..50) && ends.into_iter().eq(0..50));
}

#[tokio::test]
async fn the_connection_is_used_again() {
    let fake = Fake::always(vec![
        head("text/event-stream"),
        Step::Chunk((delta(&json!({"content": "x"})) + &finish("stop") + DONE).into_bytes()),
        // The end of the body comes late, after the end of the answer.
        Step::Sleep(std::time::Duration::from_millis(30)),
        Step::End,
    ])
    .await;
    let provider = fake.provider();
    for _ in 0..4 {
        assert_eq!(run(&provider).await.1, None);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let connections: HashSet<usize> = fake.recorded().iter().map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1);
}

#[tokio::test]
async fn an_unlabelled_stream_and_odd_line_ends_are_read() {
    let body = (delta(&json!({"content": "x"})) + &finish("stop")).replace('\n', "\r\n") + "data: [DONE]";
    let fake =
        Fake::always(vec![head("application/octet-stream"), Step::Chunk(body.into_bytes()), Step::End]).await;
    let (events, error) = run(&fake.provider()).await;
    assert_eq!(error, None);
    assert_eq!(events, [ModelEvent::Text("x".to_owned()), ModelEvent::End { reason: FinishReason::Stop }]);
}
