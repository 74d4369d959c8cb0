//! The table of the server functions: each is a public endpoint like any other, and answers as its REST twin does.

use super::{
    asking::{Cells, Function},
    rest::{admins, admins_to_use, everybody, inside, inside_to_use, owners, readers, signed_in, unredacted},
};

fn row(path: &'static str, body: &'static str, cells: Cells) -> Function {
    Function { path, body, cells, once: false }
}

fn once(path: &'static str, body: &'static str, cells: Cells) -> Function {
    Function { path, body, cells, once: true }
}

pub(super) fn rows() -> Vec<Function> {
    [servers(), chats(), workspaces(), accounts(), models()].into_iter().flatten().collect()
}

fn servers() -> Vec<Function> {
    const NEW: &str = r#"{"write": {"display_name": "New", "slug": "<unique>", "transport": "streamable_http",
        "url": "https://mcp.example.com/mcp", "auth_type": "none", "availability": "default_off"}}"#;
    vec![
        row("/ui/fn/server_list_personal", "{}", signed_in(200)),
        row("/ui/fn/server_get", r#"{"id": "<open>"}"#, signed_in(200)),
        row("/ui/fn/server_get", r#"{"id": "<grouped>"}"#, inside(200)),
        row("/ui/fn/server_get", r#"{"id": "<disabled>"}"#, unredacted(200)),
        row("/ui/fn/server_get", r#"{"id": "<unknown>"}"#, signed_in(404)),
        row("/ui/fn/server_now", r#"{"id": "<open>"}"#, signed_in(200)),
        row("/ui/fn/server_now", r#"{"id": "<grouped>"}"#, inside(200)),
        row("/ui/fn/server_now", r#"{"id": "<disabled>"}"#, unredacted(200)),
        row("/ui/fn/server_now", r#"{"id": "<unknown>"}"#, signed_in(404)),
        row("/ui/fn/server_create", r#"{"write": {}}"#, admins(400)),
        row("/ui/fn/server_create", NEW, admins(200)),
        row("/ui/fn/server_update", r#"{"id": "<open>", "write": {}, "if_match": null}"#, admins(200)),
        row("/ui/fn/server_update", r#"{"id": "<unknown>", "write": {}, "if_match": null}"#, admins(404)),
        row("/ui/fn/server_delete", r#"{"id": "<fresh_server>", "if_match": null}"#, admins(200)),
        row("/ui/fn/server_delete", r#"{"id": "<unknown>", "if_match": null}"#, admins(404)),
        row(
            "/ui/fn/user_headers_set",
            r#"{"id": "<personal>", "values": {"values": {"X-Token": "x"}}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/user_headers_set",
            r#"{"id": "<unknown>", "values": {"values": {"X-Token": "x"}}}"#,
            signed_in(404),
        ),
        row("/ui/fn/user_headers_remove", r#"{"id": "<personal>"}"#, signed_in(200)),
        row("/ui/fn/user_headers_remove", r#"{"id": "<unknown>"}"#, signed_in(200)),
        row("/ui/fn/connection_list", r#"{"id": "<personal>"}"#, readers(200)),
        row("/ui/fn/connection_list", r#"{"id": "<unknown>"}"#, readers(404)),
        row("/ui/fn/connection_remove", r#"{"id": "<personal>", "user": "<connected>"}"#, admins(200)),
        row("/ui/fn/connection_remove", r#"{"id": "<personal>", "user": null}"#, admins(200)),
        row("/ui/fn/connection_remove", r#"{"id": "<unknown>", "user": null}"#, admins(404)),
        once("/ui/fn/server_discover", r#"{"id": "<oauth>", "request": {"apply": false}}"#, admins(200)),
        row("/ui/fn/server_discover", r#"{"id": "<open>", "request": {}}"#, admins(400)),
        row("/ui/fn/server_discover", r#"{"id": "<unknown>", "request": {}}"#, admins(404)),
        row("/ui/fn/server_disconnect", r#"{"id": "<oauth>"}"#, signed_in(200)),
        row("/ui/fn/server_disconnect", r#"{"id": "<unknown>"}"#, signed_in(200)),
        row("/ui/fn/permission_decline", r#"{"id": "<oauth>"}"#, signed_in(404)),
        row("/ui/fn/server_states", r#"{"ids": ["<open>", "<unknown>", "<disabled>"]}"#, signed_in(200)),
        row("/ui/fn/tool_list", r#"{"id": "<open>"}"#, readers(200)),
        row("/ui/fn/tool_list", r#"{"id": "<unknown>"}"#, readers(404)),
        row("/ui/fn/tool_accept", r#"{"id": "<open>", "tool": "nothing", "accept": {}}"#, admins(404)),
        row("/ui/fn/tool_accept", r#"{"id": "<unknown>", "tool": "nothing", "accept": {}}"#, admins(404)),
        row(
            "/ui/fn/tools_accept",
            r#"{"id": "<open>", "tools": [{"name": "nothing", "definition_hash": "00"}]}"#,
            admins(200),
        ),
        row("/ui/fn/tools_accept", r#"{"id": "<unknown>", "tools": []}"#, readers(404)),
        row(
            "/ui/fn/tool_call",
            r#"{"id": "<unknown>", "tool": "nothing", "call": {"arguments": {}}}"#,
            admins(404),
        ),
        row("/ui/fn/fleet", r#"{"query": {}}"#, readers(200)),
        row(
            "/ui/fn/fleet",
            r#"{"query": {"state": "failing", "search": "x", "ids": ["<open>"]}}"#,
            readers(200),
        ),
        once("/ui/fn/server_check", r#"{"id": "<grouped>"}"#, inside_to_use(200)),
        once("/ui/fn/server_check", r#"{"id": "<disabled>"}"#, admins_to_use(200)),
        row("/ui/fn/server_check", r#"{"id": "<unknown>"}"#, signed_in(404)),
        row("/ui/fn/server_import", r#"{"request": {"document": ""}}"#, admins(400)),
        row("/ui/fn/server_import", r#"{"request": {"document": "{\"mcpServers\": {}}"}}"#, admins(200)),
        row("/ui/fn/server_explain", r#"{"id": "<open>", "user_id": null, "chat_id": null}"#, signed_in(200)),
        row("/ui/fn/server_explain", r#"{"id": "<grouped>", "user_id": null, "chat_id": null}"#, inside(200)),
        row(
            "/ui/fn/server_explain",
            r#"{"id": "<disabled>", "user_id": null, "chat_id": null}"#,
            unredacted(200),
        ),
        row(
            "/ui/fn/server_explain",
            r#"{"id": "<open>", "user_id": "<stranger>", "chat_id": null}"#,
            unredacted(200),
        ),
        row(
            "/ui/fn/server_explain",
            r#"{"id": "<open>", "user_id": null, "chat_id": "<foreign_chat>"}"#,
            signed_in(404),
        ),
        row(
            "/ui/fn/server_explain",
            r#"{"id": "<unknown>", "user_id": null, "chat_id": null}"#,
            signed_in(404),
        ),
        row("/ui/fn/server_page", r#"{"query": {}, "enabled": null}"#, signed_in(200)),
        row(
            "/ui/fn/user_headers_set",
            r#"{"id": "<personal>", "values": {"values": {"X-Token": "mine"}}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/user_headers_set",
            r#"{"id": "<grouped>", "values": {"values": {"X-Token": "mine"}}}"#,
            inside_to_use(400),
        ),
        row(
            "/ui/fn/user_headers_set",
            r#"{"id": "<unknown>", "values": {"values": {"X-Token": "mine"}}}"#,
            signed_in(404),
        ),
        row("/ui/fn/user_headers_remove", r#"{"id": "<grouped>"}"#, signed_in(200)),
        row("/ui/fn/egress_allow", "{}", readers(200)),
        row("/ui/fn/egress_allow_get", "{}", readers(200)),
        row("/ui/fn/egress_allow_put", r#"{"write": {"entries": ["x"]}}"#, owners(400)),
        row("/ui/fn/egress_allow_put", r#"{"write": {"entries": []}}"#, owners(200)),
    ]
}

fn chats() -> Vec<Function> {
    const SAY: &str = r#"{"create": {"content": [{"type": "text", "text": "hello"}]}}"#;
    const SAY_TO_GROUPED: &str =
        r#"{"create": {"content": [{"type": "text", "text": "hello"}], "mcp_server_ids": ["<grouped>"]}}"#;
    const SEND: &str =
        r#"{"id": "<fresh_chat>", "create": {"content": [{"type": "text", "text": "hello"}]}}"#;
    const SEND_TO_FOREIGN: &str =
        r#"{"id": "<foreign_chat>", "create": {"content": [{"type": "text", "text": "hello"}]}}"#;
    vec![
        row("/ui/fn/chat_options", "{}", signed_in(200)),
        row("/ui/fn/chat_list", r#"{"archived": false}"#, signed_in(200)),
        row("/ui/fn/chats_search", r#"{"text": "hello"}"#, signed_in(200)),
        row("/ui/fn/chats_search", r#"{"text": "*"}"#, signed_in(400)),
        row("/ui/fn/chat_open", r#"{"id": "<own_chat>"}"#, signed_in(200)),
        row("/ui/fn/chat_open", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        row("/ui/fn/chat_create", r#"{"create": {}}"#, signed_in(400)),
        once("/ui/fn/chat_create", SAY, signed_in(200)),
        once("/ui/fn/chat_create", SAY_TO_GROUPED, [401, 401, 400, 200, 400, 200, 200]),
        row("/ui/fn/chat_update", r#"{"id": "<own_chat>", "update": {"title": "New"}}"#, signed_in(200)),
        row("/ui/fn/chat_update", r#"{"id": "<foreign_chat>", "update": {"title": "New"}}"#, signed_in(404)),
        once("/ui/fn/chat_delete", r#"{"id": "<fresh_chat>"}"#, signed_in(200)),
        row("/ui/fn/chat_delete", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        row("/ui/fn/message_page", r#"{"id": "<own_chat>", "before_id": 1}"#, signed_in(200)),
        row("/ui/fn/message_page", r#"{"id": "<foreign_chat>", "before_id": 1}"#, signed_in(404)),
        once("/ui/fn/message_send", SEND, signed_in(200)),
        row("/ui/fn/message_send", SEND_TO_FOREIGN, signed_in(404)),
        once(
            "/ui/fn/message_edit",
            r#"{"id": "<fresh_chat>", "message_id": <message>, "edit": {}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/message_edit",
            r#"{"id": "<foreign_chat>", "message_id": 1, "edit": {}}"#,
            signed_in(404),
        ),
        row("/ui/fn/chat_interrupt", r#"{"id": "<own_chat>"}"#, signed_in(200)),
        row("/ui/fn/chat_interrupt", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        once(
            "/ui/fn/approval_decide",
            r#"{"id": "<parked_chat>", "approval": "<action>", "decision": "deny"}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/approval_decide",
            r#"{"id": "<foreign_chat>", "approval": "<unknown>", "decision": "deny"}"#,
            signed_in(404),
        ),
        once(
            "/ui/fn/elicitation_answer",
            r#"{"id": "<asked_chat>", "elicitation": "<action>", "reply": {"action": "decline"}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/elicitation_answer",
            r#"{"id": "<foreign_chat>", "elicitation": "<unknown>", "reply": {"action": "decline"}}"#,
            signed_in(404),
        ),
        once(
            "/ui/fn/tool_results_submit",
            r#"{"id": "<client_chat>", "results": {"results": [{"tool_call_id": "<call>", "output": "done"}]}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/tool_results_submit",
            r#"{"id": "<foreign_chat>", "results": {"results": [{"tool_call_id": "c", "output": "done"}]}}"#,
            signed_in(404),
        ),
        once("/ui/fn/chat_compact", r#"{"id": "<fresh_chat>"}"#, signed_in(200)),
        row("/ui/fn/chat_compact", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        once("/ui/fn/chat_clear", r#"{"id": "<fresh_chat>"}"#, signed_in(200)),
        row("/ui/fn/chat_clear", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        row("/ui/fn/title_regenerate", r#"{"id": "<own_chat>"}"#, signed_in(200)),
        row("/ui/fn/title_regenerate", r#"{"id": "<foreign_chat>"}"#, signed_in(404)),
        row("/ui/fn/chat_settings_get", "{}", readers(200)),
        row("/ui/fn/chat_settings_put", r#"{"write": {"auto_archive_days": -1}}"#, admins(400)),
        row("/ui/fn/chat_settings_put", r#"{"write": {"auto_archive_days": 0}}"#, admins(200)),
        row("/ui/fn/own_chat_settings_get", "{}", signed_in(200)),
        row("/ui/fn/own_chat_settings_put", r#"{"own": {"compaction_threshold": 101}}"#, signed_in(400)),
        row("/ui/fn/own_chat_settings_put", r#"{"own": {"compaction_threshold": 0}}"#, signed_in(200)),
        row("/ui/fn/queue_remove", r#"{"id": "<own_chat>", "queued": 1}"#, signed_in(404)),
        row("/ui/fn/queue_remove", r#"{"id": "<foreign_chat>", "queued": 1}"#, signed_in(404)),
        row("/ui/fn/queue_promote", r#"{"id": "<own_chat>", "queued": 1}"#, signed_in(404)),
        row("/ui/fn/queue_promote", r#"{"id": "<foreign_chat>", "queued": 1}"#, signed_in(404)),
    ]
}

fn workspaces() -> Vec<Function> {
    vec![
        row("/ui/fn/workspace_list", "{}", signed_in(200)),
        row("/ui/fn/workspace_create", r#"{"create": {}}"#, signed_in(400)),
        row("/ui/fn/workspace_create", r#"{"create": {"name": "New"}}"#, signed_in(200)),
        row("/ui/fn/workspace_get", r#"{"id": "<fresh_workspace>"}"#, signed_in(200)),
        row("/ui/fn/workspace_get", r#"{"id": "<foreign_workspace>"}"#, signed_in(404)),
        row(
            "/ui/fn/workspace_update",
            r#"{"id": "<fresh_workspace>", "update": {"name": "N"}}"#,
            signed_in(200),
        ),
        row(
            "/ui/fn/workspace_update",
            r#"{"id": "<foreign_workspace>", "update": {"name": "N"}}"#,
            signed_in(404),
        ),
        row("/ui/fn/workspace_delete", r#"{"id": "<fresh_workspace>"}"#, signed_in(200)),
        row("/ui/fn/workspace_delete", r#"{"id": "<foreign_workspace>"}"#, signed_in(404)),
        row("/ui/fn/workspace_servers_get", "{}", signed_in(200)),
        row("/ui/fn/workspace_servers_put", r#"{"write": {"enabled": true}}"#, admins(200)),
    ]
}

fn accounts() -> Vec<Function> {
    const NEW: &str = r#"{"create": {"email": "<unique>@example.org", "username": "<unique>",
        "password": "a long enough password"}}"#;
    const NEW_OWNER: &str = r#"{"create": {"email": "<unique>@example.org", "username": "<unique>",
        "password": "a long enough password", "roles": ["owner"]}}"#;
    vec![
        row("/ui/fn/build_info", "{}", everybody(200)),
        row("/ui/fn/audit_list", r#"{"query": {}}"#, readers(200)),
        row("/ui/fn/key_list", "{}", readers(200)),
        row("/ui/fn/group_list", r#"{"query": {}}"#, readers(200)),
        row("/ui/fn/group_choices", "{}", readers(200)),
        row("/ui/fn/group_get", r#"{"id": "<group>"}"#, readers(200)),
        row("/ui/fn/group_get", r#"{"id": "<unknown>"}"#, readers(404)),
        row("/ui/fn/group_create", r#"{"create": {}}"#, admins(400)),
        row("/ui/fn/group_create", r#"{"create": {"name": "<unique>"}}"#, admins(200)),
        row("/ui/fn/group_update", r#"{"id": "<group>", "update": {}}"#, admins(200)),
        row("/ui/fn/group_update", r#"{"id": "<unknown>", "update": {}}"#, admins(404)),
        row("/ui/fn/group_delete", r#"{"id": "<fresh_group>"}"#, admins(200)),
        row("/ui/fn/group_delete", r#"{"id": "<unknown>"}"#, admins(404)),
        row("/ui/fn/user_token_list", r#"{"user": "<stranger>"}"#, admins(200)),
        row("/ui/fn/user_token_delete", r#"{"user": "<stranger>", "id": "<unknown>"}"#, admins(404)),
        row("/ui/fn/user_list", r#"{"query": {}}"#, admins(200)),
        row("/ui/fn/user_create", r#"{"create": {}}"#, admins(400)),
        once("/ui/fn/user_create", NEW, admins(200)),
        once("/ui/fn/user_create", NEW_OWNER, owners(200)),
        row("/ui/fn/user_update", r#"{"id": "<stranger>", "update": {"name": "New"}}"#, admins(200)),
        row("/ui/fn/user_update", r#"{"id": "<first_owner>", "update": {"name": "New"}}"#, owners(200)),
        row("/ui/fn/user_update", r#"{"id": "<unknown>", "update": {}}"#, admins(404)),
        once("/ui/fn/user_delete", r#"{"id": "<fresh_user>"}"#, admins(200)),
        row("/ui/fn/user_delete", r#"{"id": "<unknown>"}"#, admins(404)),
        once("/ui/fn/password_change", r#"{"change": {}}"#, signed_in(400)),
        row("/ui/fn/session_list", "{}", signed_in(200)),
        row("/ui/fn/session_delete", r#"{"id": "<foreign_session>"}"#, signed_in(404)),
        row("/ui/fn/token_list", "{}", signed_in(200)),
        row("/ui/fn/token_create", r#"{"create": {}}"#, signed_in(400)),
        row("/ui/fn/token_create", r#"{"create": {"token_name": "<unique>"}}"#, signed_in(200)),
        row("/ui/fn/token_delete", r#"{"id": "<fresh_token>"}"#, signed_in(200)),
        row("/ui/fn/token_delete", r#"{"id": "<foreign_token>"}"#, signed_in(404)),
    ]
}

fn models() -> Vec<Function> {
    const MODEL: &str =
        r#"{"create": {"provider_id": "<provider>", "model": "<unique>", "display_name": "New"}}"#;
    vec![
        row("/ui/fn/provider_list", "{}", readers(200)),
        row("/ui/fn/provider_create", r#"{"create": {}}"#, admins(400)),
        row("/ui/fn/provider_create", r#"{"create": {"name": "<unique>", "type": "demo"}}"#, admins(200)),
        row("/ui/fn/provider_update", r#"{"id": "<provider>", "update": {}}"#, admins(200)),
        row("/ui/fn/provider_update", r#"{"id": "<unknown>", "update": {}}"#, admins(404)),
        row("/ui/fn/provider_delete", r#"{"id": "<fresh_provider>"}"#, admins(200)),
        row("/ui/fn/provider_delete", r#"{"id": "<unknown>"}"#, admins(404)),
        row("/ui/fn/model_list", "{}", signed_in(200)),
        row("/ui/fn/model_create", r#"{"create": {}}"#, admins(400)),
        row("/ui/fn/model_create", MODEL, admins(200)),
        row("/ui/fn/model_update", r#"{"id": "<model>", "update": {}}"#, admins(200)),
        row("/ui/fn/model_update", r#"{"id": "<unknown>", "update": {}}"#, admins(404)),
        row("/ui/fn/model_delete", r#"{"id": "<fresh_model>"}"#, admins(200)),
        row("/ui/fn/model_delete", r#"{"id": "<unknown>"}"#, admins(404)),
    ]
}
