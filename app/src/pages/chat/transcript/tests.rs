//! The transcript fed by hand, as the stream would.

mod asks;

use super::{
    Transcript,
    blocks::{Block, Frame, Text},
    call::{CallState, CallView, bytes_text, duration_text},
};
use api::{
    Timestamp, Uuid,
    chats::{Chat, ChatStatus},
    messages::{ChatMessage, MessageRole, Part},
    stream::{LivePart, StreamEvent, StreamPayload},
};
use serde_json::{Value, json};

const CHAT: Uuid = Uuid::from_u128(7);

fn chat(status: &str) -> Chat {
    serde_json::from_value(json!({
        "id": CHAT, "organization_id": Uuid::nil(), "owner_id": Uuid::nil(), "workspace_id": null, "parent_chat_id": null,
        "root_chat_id": null, "last_model_config_id": null, "title": "T", "status": status, "last_error": null,
        "archived": false, "mcp_server_ids": [], "labels": {}, "created_at": at(0), "updated_at": at(0),
    }))
    .unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp(1_700_000_000_000_000 + ms * 1000)
}

fn message(id: i64, role: &str, content: Value) -> ChatMessage {
    serde_json::from_value(json!({
        "id": id, "chat_id": CHAT, "role": role, "content": content, "created_at": at(id), "revision": 1,
    }))
    .unwrap()
}

fn user(id: i64) -> ChatMessage {
    message(id, "user", json!([{"type": "text", "text": format!("question {id}")}]))
}

fn call_part(id: &str, intent: &str, created_ms: i64) -> Value {
    json!({
        "type": "tool-call", "tool_call_id": id, "tool_name": "linear__list", "original_name": "list",
        "server": {"slug": "linear", "display_name": "Linear"}, "model_intent": true,
        "args": {"model_intent": intent, "properties": {}}, "created_at": at(created_ms),
    })
}

fn result_part(id: &str, outcome: &str, is_error: bool, text: &str, created_ms: i64) -> Value {
    json!({
        "type": "tool-result", "tool_call_id": id, "tool_name": "linear__list", "result": [{"type": "text", "text": text}],
        "is_error": is_error, "outcome": outcome, "created_at": at(created_ms),
    })
}

fn event(payload: StreamPayload) -> StreamEvent {
    StreamEvent { chat_id: CHAT, payload }
}

fn committed(message: ChatMessage) -> StreamEvent {
    event(StreamPayload::Message { message })
}

fn live(history_version: i64, attempt: i64, sequence: i64, part: Value) -> StreamEvent {
    let part: Part = serde_json::from_value(part).unwrap();
    event(StreamPayload::MessagePart {
        message_part: LivePart { role: MessageRole::Assistant, part, attempt, sequence, history_version },
    })
}

fn live_text(history_version: i64, attempt: i64, sequence: i64, text: &str) -> StreamEvent {
    live(history_version, attempt, sequence, json!({"type": "text", "text": text}))
}

fn live_call(sequence: i64, id: &str, delta: &str) -> StreamEvent {
    let part = json!({
        "type": "tool-call", "tool_call_id": id, "tool_name": "linear__list", "original_name": "list",
        "tool_title": "List issues", "model_intent": true, "args_delta": delta,
    });
    live(1, 1, sequence, part)
}

fn other(kind: &str, member: Value) -> StreamEvent {
    serde_json::from_value(json!({"chat_id": CHAT, "type": kind, kind: member})).unwrap()
}

fn status(status: &str) -> StreamEvent {
    other("status", json!({"status": status, "last_error": null, "title": "T"}))
}

fn running(messages: Vec<ChatMessage>) -> Transcript {
    Transcript::new(&chat("running"), messages, false)
}

/// What stands on the page, in short.
fn shape(transcript: &Transcript) -> Vec<String> {
    let short = |block: Block| match block {
        Block::User { text, .. } => format!("user {}", text.text),
        Block::Text(Text::Committed(text)) => format!("text {}", text.text),
        Block::Text(Text::Live(text)) => format!("live {text}"),
        Block::Reasoning(Text::Committed(text)) => format!("thought {}", text.text),
        Block::Reasoning(Text::Live(text)) => format!("thinking {text}"),
        Block::Calls(frame) => {
            let calls: Vec<String> =
                frame.calls.iter().map(|call| format!("{} {}", call.state.as_str(), call.label)).collect();
            format!("calls [{}]", calls.join(", "))
        }
        Block::Plan(call) => format!("plan {}", call.state.as_str()),
        Block::Questions(call) => format!("questions {}", call.state.as_str()),
        Block::Trouble(servers) => format!("trouble {}", servers.len()),
        Block::Other(kind) => format!("other {kind}"),
        Block::Interrupted => "interrupted".to_owned(),
    };
    transcript.blocks().into_iter().map(|(_, block)| short(block)).collect()
}

fn frame(transcript: &Transcript) -> Frame {
    let frames = transcript.blocks().into_iter().filter_map(|(_, block)| match block {
        Block::Calls(frame) => Some(frame),
        _ => None,
    });
    frames.last().expect("a frame of calls")
}

fn only_call(transcript: &Transcript) -> CallView {
    let frame = frame(transcript);
    assert_eq!(frame.calls.len(), 1);
    frame.calls[0].clone()
}

#[test]
fn streamed_text_grows_and_gives_way_to_the_message() {
    let mut transcript = running(vec![user(1)]);
    assert!(transcript.apply(live_text(1, 1, 0, "Hel")));
    assert!(transcript.apply(live_text(1, 1, 1, "lo")));
    assert_eq!(shape(&transcript), ["user question 1", "live Hello"]);
    let place = transcript.blocks()[1].0;
    assert!(transcript.apply(committed(message(
        2,
        "assistant",
        json!([{"type": "text", "text": "Hello", "html": "<p>Hello</p>"}])
    ))));
    assert_eq!(shape(&transcript), ["user question 1", "text Hello"]);
    assert_eq!(transcript.blocks()[1].0, place, "the element stays where it is");
}

#[test]
fn doubled_and_stale_pieces_are_dropped() {
    let mut transcript = running(vec![user(1)]);
    transcript.apply(live_text(1, 1, 0, "a"));
    transcript.apply(live_text(1, 1, 1, "b"));
    assert!(!transcript.apply(live_text(1, 1, 0, "a")), "doubled");
    assert!(!transcript.apply(live_text(1, 1, 1, "b")), "doubled");
    assert_eq!(shape(&transcript)[1], "live ab");
    let answer = message(2, "assistant", json!([{"type": "text", "text": "ab"}]));
    assert!(transcript.apply(committed(answer.clone())));
    assert!(!transcript.apply(committed(answer)), "doubled message");
    assert!(!transcript.apply(live_text(1, 1, 2, "late")), "already part of the message");
    assert_eq!(shape(&transcript), ["user question 1", "text ab"]);
    assert!(transcript.apply(live_text(2, 1, 0, "next step")), "the next step may speak");
    let foreign = StreamEvent { chat_id: Uuid::from_u128(8), ..live_text(2, 1, 1, "x") };
    assert!(!transcript.apply(foreign), "another chat's event");
    assert_eq!(shape(&transcript)[2], "live next step");
}

#[test]
fn a_higher_attempt_replaces_all_pieces_of_the_lower() {
    let mut transcript = running(vec![user(1)]);
    transcript.apply(live_text(1, 1, 0, "first try"));
    transcript.apply(other("retry", json!({"attempt": 2, "delay_ms": 3500, "cause": "The model is busy"})));
    assert_eq!(transcript.retry().unwrap().delay_ms, 3500);
    transcript.apply(live_text(1, 2, 0, "second try"));
    assert_eq!(shape(&transcript)[1], "live second try");
    assert!(transcript.retry().is_none(), "it speaks again");
    assert!(!transcript.apply(live_text(1, 1, 1, " goes on")), "the lower attempt is over");
    assert_eq!(shape(&transcript)[1], "live second try");
}

#[test]
fn a_preview_reset_drops_the_attempt_and_lets_it_be_sent_again() {
    let mut transcript = running(vec![user(1)]);
    transcript.apply(live_text(1, 2, 5, "partial"));
    assert!(!transcript.apply(other("preview_reset", json!({"attempt": 1}))), "an older attempt's");
    assert!(transcript.apply(other("preview_reset", json!({"attempt": 2}))));
    assert_eq!(shape(&transcript), ["user question 1"]);
    assert!(transcript.apply(live_text(1, 2, 0, "partial again")));
    assert_eq!(shape(&transcript)[1], "live partial again");
}

#[test]
fn a_stream_opened_anew_replaces_at_the_first_piece() {
    let mut transcript = running(vec![user(1)]);
    transcript.apply(live_text(1, 1, 0, "ab"));
    transcript.expect_snapshot();
    assert_eq!(shape(&transcript)[1], "live ab", "nothing blinks");
    assert!(transcript.apply(live_text(1, 1, 0, "abc")));
    assert_eq!(shape(&transcript)[1], "live abc");
}

#[test]
fn a_history_reset_drops_everything_and_notices_missing_pages() {
    let mut transcript =
        running(vec![user(1), message(2, "assistant", json!([{"type": "text", "text": "old"}])), user(3)]);
    transcript.apply(live_text(3, 1, 0, "x"));
    assert!(transcript.apply(other("history_reset", json!({}))));
    assert!(shape(&transcript).is_empty());
    assert!(!transcript.has_more());
    transcript.apply(committed(user(3)));
    transcript.apply(live_text(1, 1, 0, "any version may follow"));
    assert_eq!(shape(&transcript), ["user question 3", "live any version may follow"]);
    assert!(transcript.has_more(), "1 and 2 were not in the snapshot");
}

#[test]
fn the_label_grows_while_arguments_stream_and_stays_as_the_model_wrote_it() {
    let mut transcript = running(vec![user(1)]);
    transcript.apply(live_call(0, "c", ""));
    assert_eq!(shape(&transcript)[1], "calls [streaming List issues]", "the title until there is an intent");
    let mut labels = Vec::new();
    for (sequence, delta) in
        ["{\"model_", "intent\":\"listing ", "open issues", "\",\"properties\":{}", "}"].iter().enumerate()
    {
        transcript.apply(live_call(i64::try_from(sequence).unwrap() + 1, "c", delta));
        labels.push(only_call(&transcript).label.trim().to_owned());
    }
    assert_eq!(labels.last().unwrap(), "Listing open issues");
    assert!(labels.iter().any(|label| label == "Listing"), "{labels:?}");
    transcript.apply(committed(message(2, "assistant", json!([call_part("c", "listing open issues", 10)]))));
    assert_eq!(shape(&transcript)[1], "calls [running Listing open issues]");
    let place = transcript.blocks()[1].0;
    transcript.apply(committed(message(3, "tool", json!([result_part("c", "ok", false, "3 issues", 4110)]))));
    transcript.apply(status("waiting"));
    assert_eq!(shape(&transcript)[1], "calls [done Listing open issues]");
    assert_eq!(transcript.blocks()[1].0, place);
    assert_eq!(only_call(&transcript).duration_ms(), Some(4100));
}

#[test]
fn without_an_intent_the_title_else_the_tools_own_name_is_the_label() {
    let call = |members: Value| {
        let mut part = call_part("c", "", 0);
        part.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let transcript = running(vec![user(1), message(2, "assistant", json!([part]))]);
        only_call(&transcript).label.to_string()
    };
    assert_eq!(call(json!({"tool_title": "List issues"})), "List issues");
    assert_eq!(call(json!({"tool_title": " "})), "list");
    assert_eq!(call(json!({"original_name": null})), "linear__list");
    assert_eq!(
        call(json!({"model_intent": false, "tool_title": "T", "args": {"model_intent": "own argument"}})),
        "T"
    );
}

#[test]
fn every_outcome_has_its_state() {
    for (outcome, is_error, state, remark) in [
        ("ok", false, CallState::Done, ""),
        ("ok", true, CallState::ToolError, "No such team"),
        ("error", true, CallState::Failed, "No such team"),
        ("denied", true, CallState::Denied, "This call was denied."),
        ("cancelled", true, CallState::Cancelled, "Stopped"),
        ("unknown", true, CallState::Unknown, "No such team. It may or may not have happened."),
    ] {
        let transcript = Transcript::new(
            &chat("waiting"),
            vec![
                user(1),
                message(2, "assistant", json!([call_part("c", "looking", 0)])),
                message(
                    3,
                    "tool",
                    json!([result_part("c", outcome, is_error, "No such team\nsecond line", 1)]),
                ),
            ],
            false,
        );
        let call = only_call(&transcript);
        assert_eq!((call.state, call.remark().as_str()), (state, remark), "{outcome}");
        assert_eq!(call.advice().is_some(), state == CallState::Unknown);
    }
}

#[test]
fn an_unknown_outcome_says_it_once_and_names_the_server() {
    let maybe = "It may or may not have happened.";
    for (recorded, remark) in [
        (
            "The line was lost. It may or may not have happened; verify.",
            format!("The line was lost. {maybe}"),
        ),
        (
            "The turn was stopped: it may or may not have happened. Verify.",
            format!("The turn was stopped. {maybe}"),
        ),
        (
            "The tool may or may not have run: check before you call it again.",
            format!("No answer came back. {maybe}"),
        ),
        ("", format!("No answer came back. {maybe}")),
    ] {
        let messages = vec![
            user(1),
            message(2, "assistant", json!([call_part("c", "x", 0)])),
            message(3, "tool", json!([result_part("c", "unknown", true, recorded, 1)])),
        ];
        let call = only_call(&Transcript::new(&chat("waiting"), messages, false));
        assert_eq!(call.remark(), remark);
        assert_eq!(call.advice().unwrap(), "Check in Linear before trying again.");
    }
}

#[test]
fn a_call_without_result_runs_only_while_its_turn_does() {
    let messages = vec![user(1), message(2, "assistant", json!([call_part("c", "x", 0)]))];
    let mut transcript = running(messages);
    assert_eq!(only_call(&transcript).state, CallState::Running);
    transcript.apply(other(
        "tool_progress",
        json!({"tool_call_id": "c", "fraction": 0.4, "progress": 2.0, "message": "2 of 5"}),
    ));
    let call = only_call(&transcript);
    assert_eq!((call.progress.as_ref().unwrap().fraction, call.remark().as_str()), (Some(0.4), "2 of 5"));
    transcript.apply(status("waiting"));
    let call = only_call(&transcript);
    assert_eq!((call.state, call.progress.is_none()), (CallState::Unknown, true));
}

#[test]
fn parallel_calls_finish_one_by_one_and_ids_may_repeat_in_the_next_step() {
    let mut transcript = running(vec![
        user(1),
        message(2, "assistant", json!([call_part("call_1", "a", 0), call_part("call_2", "b", 0)])),
    ]);
    let first: Value = result_part("call_2", "ok", false, "done", 900);
    assert!(transcript.apply(live(2, 1, 0, first.clone())));
    assert!(!transcript.apply(live(2, 1, 0, first)), "doubled");
    assert_eq!(shape(&transcript)[1], "calls [running A, done B]");
    transcript.apply(committed(message(
        3,
        "tool",
        json!([result_part("call_1", "ok", false, "1", 1000), result_part("call_2", "ok", false, "2", 900)]),
    )));
    assert_eq!(shape(&transcript)[1], "calls [done A, done B]");
    // This model counts from call_1 again.
    transcript.apply(committed(message(4, "assistant", json!([call_part("call_1", "c", 1100)]))));
    assert_eq!(shape(&transcript)[1], "calls [done A, done B, running C]");
    transcript.apply(committed(message(
        5,
        "tool",
        json!([result_part("call_1", "error", true, "no", 4200)]),
    )));
    transcript.apply(committed(message(6, "assistant", json!([{"type": "text", "text": "That is it."}]))));
    assert!(!frame(&transcript).folds(), "the turn still runs");
    transcript.apply(status("waiting"));
    let frame = frame(&transcript);
    assert!(frame.folds());
    assert_eq!(frame.summary(), "Used 3 tools in 4.2 s, 1 failed");
    assert_eq!(frame.servers(), "Linear");
}

#[test]
fn an_unknown_call_is_never_folded_away_and_a_single_call_keeps_its_line() {
    let transcript = |outcome: &str, parts: Vec<Value>| {
        let results: Vec<Value> = parts
            .iter()
            .map(|part| result_part(part["tool_call_id"].as_str().unwrap(), outcome, false, "", 1))
            .collect();
        Transcript::new(
            &chat("waiting"),
            vec![
                user(1),
                message(2, "assistant", Value::from(parts)),
                message(3, "tool", Value::from(results)),
            ],
            false,
        )
    };
    let two = || vec![call_part("a", "a", 0), call_part("b", "b", 0)];
    assert!(frame(&transcript("ok", two())).folds());
    assert!(!frame(&transcript("unknown", two())).folds());
    assert!(!frame(&transcript("ok", vec![call_part("a", "a", 0)])).folds());
}

#[test]
fn trouble_stays_with_its_turn_and_a_failure_with_the_last() {
    let mut transcript = running(vec![user(1)]);
    assert!(transcript.apply(other("mcp_status", outcomes("refused"))));
    assert!(!transcript.apply(other("mcp_status", outcomes("refused"))), "doubled");
    transcript.apply(live_text(1, 1, 0, "half"));
    assert_eq!(shape(&transcript), ["user question 1", "trouble 2", "live half"]);
    transcript.apply(other(
        "error",
        json!({"code": "model_auth", "message": "The provider refused the key.", "retryable": false}),
    ));
    assert_eq!(transcript.turn_error().unwrap().code, "model_auth");
    assert_eq!(shape(&transcript), ["user question 1", "trouble 2"], "what was streamed is not kept");
    transcript.apply(committed(user(2)));
    transcript.apply(status("running"));
    assert!(transcript.turn_error().is_none());
    assert_eq!(shape(&transcript), ["user question 1", "trouble 2", "user question 2"]);
}

fn outcomes(error: &str) -> Value {
    json!([
        {"server_id": Uuid::nil(), "slug": "a", "display_name": "A", "outcome": "connected", "error": "", "tool_count": 3},
        {"server_id": Uuid::nil(), "slug": "s", "display_name": "Sentry", "outcome": "error", "error": error, "tool_count": 0},
    ])
}

fn with_outcomes(message: ChatMessage, error: &str) -> ChatMessage {
    ChatMessage { mcp_status: Some(serde_json::from_value(outcomes(error)).unwrap()), ..message }
}

/// The same page, read after the turn or followed while it ran: the line above the answer is in both.
#[test]
fn a_reloaded_transcript_equals_the_live_one_with_its_line_of_trouble() {
    let answer = || message(2, "assistant", json!([{"type": "text", "text": "done"}]));
    let mut live = running(vec![user(1)]);
    live.apply(other("mcp_status", outcomes("refused")));
    live.apply(live_text(1, 1, 0, "done"));
    live.apply(committed(answer()));
    live.apply(status("waiting"));
    let reloaded =
        Transcript::new(&chat("waiting"), vec![with_outcomes(user(1), "refused"), answer()], false);
    assert_eq!(shape(&reloaded), ["user question 1", "trouble 2", "text done"]);
    assert_eq!(shape(&live), shape(&reloaded));
    let keys =
        |transcript: &Transcript| transcript.blocks().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(&live), keys(&reloaded));
    // A page that heard nothing while it was hidden takes the line in from what it reads then.
    let mut hidden = running(vec![user(1)]);
    let page = api::chats::MessagePage {
        messages: vec![with_outcomes(user(1), "refused"), answer()],
        queued_messages: vec![],
        has_more: false,
    };
    hidden.reload(&chat("waiting"), page);
    assert_eq!(shape(&hidden), shape(&reloaded));
    // An edit begins another turn: its outcomes are yet to come.
    hidden.rerun(1, ChatMessage { revision: 2, ..user(1) }, ChatStatus::Running);
    assert_eq!(shape(&hidden), ["user question 1"]);
}

#[test]
fn an_answer_to_a_send_does_not_wake_a_turn_the_stream_has_ended() {
    let mut transcript = Transcript::new(&chat("waiting"), vec![], false);
    for event in [
        committed(user(1)),
        status("running"),
        committed(message(2, "assistant", json!([{"type": "text", "text": "quick"}]))),
        status("waiting"),
    ] {
        transcript.apply(event);
    }
    transcript.sent(user(1), ChatStatus::Running);
    assert_eq!(transcript.status(), ChatStatus::Waiting);
    transcript.sent(user(3), ChatStatus::Running);
    assert_eq!(transcript.status(), ChatStatus::Running);
    assert_eq!(transcript.last_user_message_id(), Some(3));
}

#[test]
fn running_again_takes_the_later_messages_away_once() {
    let old = || vec![user(1), message(2, "assistant", json!([{"type": "text", "text": "bad"}]))];
    let mut transcript = Transcript::new(&chat("error"), old(), false);
    let again = ChatMessage { revision: 2, ..user(1) };
    transcript.rerun(1, again.clone(), ChatStatus::Running);
    assert_eq!(shape(&transcript), ["user question 1"]);
    assert_eq!(transcript.status(), ChatStatus::Running);
    // The stream was quicker than the answer: reset, snapshot with a new id, and already the next message.
    let mut transcript = Transcript::new(&chat("error"), old(), false);
    transcript.apply(other("history_reset", json!({})));
    transcript.apply(committed(user(5)));
    transcript.apply(committed(message(6, "assistant", json!([{"type": "text", "text": "good"}]))));
    transcript.rerun(1, user(5), ChatStatus::Running);
    assert_eq!(shape(&transcript), ["user question 5", "text good"]);
}

#[test]
fn a_reload_drops_what_is_gone_and_keeps_what_is_the_same() {
    let answer = |id, text: &str| message(id, "assistant", json!([{"type": "text", "text": text}]));
    let mut transcript = running(vec![user(1), answer(2, "one"), user(3), answer(4, "gone")]);
    let before = transcript.blocks();
    let page = api::chats::MessagePage {
        messages: vec![user(3), answer(5, "new")],
        queued_messages: vec![],
        has_more: true,
    };
    transcript.reload(&chat("waiting"), page);
    assert_eq!(shape(&transcript), ["user question 1", "text one", "user question 3", "text new"]);
    assert_eq!(transcript.blocks()[..3], before[..3], "the very same parts");
    assert!(!transcript.has_more(), "the older pages are held");
    assert_eq!(transcript.status(), ChatStatus::Waiting);
}

#[test]
fn unknown_parts_and_stopped_answers_are_shown_as_such() {
    let mut stopped = message(
        2,
        "assistant",
        json!([{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "half"}, {"type": "hologram"}]),
    );
    stopped.interrupted = true;
    let transcript = Transcript::new(&chat("waiting"), vec![user(1), stopped], false);
    assert!(transcript.ends_stopped());
    assert_eq!(
        shape(&transcript),
        ["user question 1", "thought hm", "text half", "other hologram", "interrupted"]
    );
}

#[test]
fn a_turn_ends_stopped_when_its_last_call_was() {
    let ends = |outcome: &str| {
        let messages = vec![
            user(1),
            message(2, "assistant", json!([call_part("c", "x", 0)])),
            message(3, "tool", json!([result_part("c", outcome, true, "", 1)])),
        ];
        Transcript::new(&chat("waiting"), messages, false).ends_stopped()
    };
    assert!(ends("cancelled"));
    assert!(!ends("error") && !ends("unknown"));
    assert!(!Transcript::new(&chat("waiting"), vec![], false).ends_stopped());
}

#[test]
fn keys_ascend() {
    let transcript = running(vec![
        user(1),
        message(
            2,
            "assistant",
            json!([{"type": "text", "text": "a"}, call_part("c", "x", 0), {"type": "text", "text": " "}, call_part("d", "y", 0)]),
        ),
        message(3, "tool", json!([result_part("c", "ok", false, "", 1)])),
        user(4),
        message(5, "assistant", json!([{"type": "text", "text": "b"}])),
    ]);
    let keys: Vec<_> = transcript.blocks().into_iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    assert_eq!(shape(&transcript)[2], "calls [done X, unknown Y]", "white space does not part a frame");
}

#[test]
fn numbers_carry_units() {
    for (bytes, text) in
        [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (262_144, "256 KiB"), (3_250_586, "3.1 MiB")]
    {
        assert_eq!(bytes_text(bytes), text);
    }
    for (ms, text) in [(0, "0.0 s"), (4_149, "4.1 s"), (59_999, "59.9 s"), (64_000, "1 min 4 s")] {
        assert_eq!(duration_text(ms), text);
    }
}

#[test]
fn a_plan_and_questions_are_cards_once_they_are_put_before_the_person() {
    let own = |name: &str| json!({"type": "tool-call", "tool_call_id": name, "tool_name": name, "args": {}, "created_at": at(0)});
    let result = |name: &str, outcome: &str| {
        json!({
            "type": "tool-result", "tool_call_id": name, "tool_name": name, "result": [{"type": "text", "text": "x"}],
            "is_error": outcome != "ok", "outcome": outcome, "created_at": at(1),
        })
    };
    let names = ["write_plan", "propose_plan", "ask_user_question"];
    let calls = message(2, "assistant", Value::Array(names.map(own).to_vec()));
    let mut transcript = running(vec![user(1), calls.clone()]);
    assert_eq!(shape(&transcript).len(), 2, "calls like others while they run: {:?}", shape(&transcript));
    let results =
        |outcome: &str| message(3, "tool", Value::Array(names.map(|name| result(name, outcome)).to_vec()));
    transcript.apply(committed(results("ok")));
    assert_eq!(shape(&transcript)[1..], ["calls [done write_plan]", "plan done", "questions done"]);
    // What failed is a call as any other.
    let failed = running(vec![user(1), calls, results("error")]);
    assert_eq!(shape(&failed).len(), 2, "{:?}", shape(&failed));
}

#[test]
fn plan_mode_follows_the_chat() {
    let mut transcript = running(vec![user(1)]);
    assert!(!transcript.plan_mode().is_plan());
    let on = json!({"status": "running", "last_error": null, "title": "T", "plan_mode": "plan"});
    assert!(transcript.apply(other("status", on.clone())));
    assert!(transcript.plan_mode().is_plan());
    assert!(!transcript.apply(other("status", on)), "nothing new");
}
