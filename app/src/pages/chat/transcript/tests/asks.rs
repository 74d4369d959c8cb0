//! Calls that could not do their work for want of the person's account or permission.

use super::{super::blocks::asking, *};

#[test]
fn a_call_that_needs_the_person_says_so_and_stays_open() {
    let needing = |needs: &str, text: &str| {
        let mut result = result_part("c", "error", true, text, 1);
        result["needs"] = json!(needs);
        let calls = json!([call_part("c", "x", 0), call_part("d", "y", 0)]);
        let answers = json!([result, result_part("d", "ok", false, "", 1)]);
        frame(&Transcript::new(
            &chat("waiting"),
            vec![user(1), message(2, "assistant", calls), message(3, "tool", answers)],
            false,
        ))
    };
    let found = needing("connection", "told to the model");
    assert_eq!(found.calls[0].state, CallState::NeedsConnection);
    assert_eq!(found.calls[0].remark(), "Linear needs your account");
    assert!(!found.folds() && found.failed() == 1, "its button must not be hidden");
    let told = "The call did not happen: Linear needs more permission (scopes issues:write); the person has been asked. Do not repeat";
    let found = needing("permission", told);
    assert_eq!(found.calls[0].state, CallState::NeedsPermission);
    assert_eq!(found.calls[0].remark(), "Linear needs more permission: issues:write");
    assert_eq!(needing("permission", "").calls[0].remark(), "Linear needs more permission for this");
}

#[test]
fn of_the_newest_turn_the_newest_call_of_each_server_asks() {
    let of = |server: u128, id: &str| {
        let mut part = call_part(id, "x", 0);
        part["mcp_server_config_id"] = json!(Uuid::from_u128(server));
        part
    };
    let needing = |id: &str| {
        let mut result = result_part(id, "error", true, "", 1);
        result["needs"] = json!("permission");
        result
    };
    let asked = |messages: Vec<ChatMessage>| -> Vec<(u128, String)> {
        let blocks = Transcript::new(&chat("waiting"), messages, false).blocks();
        let asking = asking(&blocks).into_iter();
        asking.map(|(server, call)| (server.as_u128(), call.tool_call_id.clone())).collect()
    };
    let turn = || {
        vec![
            user(1),
            message(2, "assistant", json!([of(7, "a"), of(7, "b"), of(8, "c"), of(9, "d")])),
            message(
                3,
                "tool",
                json!([needing("a"), needing("b"), needing("c"), result_part("d", "ok", false, "", 1)]),
            ),
            message(4, "assistant", json!([{"type": "text", "text": "Sorry."}])),
        ]
    };
    assert_eq!(asked(turn()), [(8, "c".to_owned()), (7, "b".to_owned())]);
    let mut later = turn();
    later.push(user(5));
    assert_eq!(asked(later), [], "what an older turn lacked is asked for at the composer");
    assert_eq!(asked(Vec::new()), []);
}

#[test]
fn only_the_call_that_is_asked_about_waits_for_the_person() {
    let states = |state: &str| {
        let action: api::actions::ChatAction = serde_json::from_value(json!({
            "id": Uuid::from_u128(1), "kind": "elicitation", "state": state, "message_id": 2, "tool_call_id": "a",
            "tool_name": "linear__list", "arguments": {}, "asked_at": at(0), "expires_at": at(300_000),
        }))
        .unwrap();
        let calls = json!([call_part("a", "x", 0), call_part("b", "y", 0)]);
        let messages = vec![user(1), message(2, "assistant", calls)];
        let transcript =
            Transcript::new(&chat("requires_action"), messages, false).with_actions(vec![action]);
        frame(&transcript).calls.into_iter().map(|call| call.state).collect::<Vec<_>>()
    };
    assert_eq!(states("open"), [CallState::Waiting, CallState::Running], "the other one is out already");
    assert_eq!(states("answered"), [CallState::Running, CallState::Running]);
}

#[test]
fn a_message_of_files_only_has_a_head() {
    let file = |name: &str| {
        let kind = "text/plain";
        json!({"type": "file", "file_id": Uuid::nil(), "name": name, "media_type": kind, "size": 1})
    };
    let messages = vec![message(1, "user", json!([file("a.txt"), file("b.txt")]))];
    let transcript = Transcript::new(&chat("waiting"), messages, false);
    assert_eq!(shape(&transcript), ["user ", "file a.txt", "file b.txt"]);
}
