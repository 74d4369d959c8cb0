//! The table of the REST API, written by hand from sections 2, 4, 17 and 30 of the contract. Columns: anonymous, suspended, member
//! outside the group, member inside it, auditor, admin, owner.

use super::asking::{Cells, Row, row};
use http::Method;

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// For everybody, anonymous and suspended callers too.
pub(super) const fn everybody(status: u16) -> Cells {
    [status; 7]
}

/// For whoever has an account.
pub(super) const fn signed_in(status: u16) -> Cells {
    [401, 401, status, status, status, status, status]
}

/// "403 known caller without the role", whatever the id is.
pub(super) const fn admins(status: u16) -> Cells {
    [401, 401, 403, 403, 403, status, status]
}

/// Auditors read what admins read.
pub(super) const fn readers(status: u16) -> Cells {
    [401, 401, 403, 403, status, status, status]
}

/// A server limited to a group: outside it is 404.
pub(super) const fn inside(status: u16) -> Cells {
    [401, 401, 404, status, status, status, status]
}

/// Use of a server limited to a group: an auditor reads every server, and uses servers "as a member".
pub(super) const fn inside_to_use(status: u16) -> Cells {
    [401, 401, 404, status, 404, status, status]
}

/// A disabled server: 404 for members.
pub(super) const fn unredacted(status: u16) -> Cells {
    [401, 401, 404, 404, status, status, status]
}

/// Use of a disabled server: for those who set servers up.
pub(super) const fn admins_to_use(status: u16) -> Cells {
    [401, 401, 404, 404, 404, status, status]
}

/// "Only an owner changes owners."
pub(super) const fn owners(status: u16) -> Cells {
    [401, 401, 403, 403, 403, 403, status]
}

/// The one good answer of the first would make the first owner: `the_first_owner_is_made_as_described`. The other two come at the end of a
/// sign-in, and where providers take our document: `oauth::a_person_connects_over_http`, `oauth::the_client_document_is_for_everybody`.
pub(super) const NEVER_SUCCEED_HERE: [&str; 3] = [
    "POST /api/v2/users/first",
    "GET /api/experimental/mcp/servers/{id}/oauth2/callback",
    "GET /api/experimental/mcp/servers/{id}/oauth2/client-metadata.json",
];

pub(super) fn rows() -> Vec<Row> {
    [
        servers(),
        connections(),
        chats(),
        chat_settings(),
        accounts(),
        credentials(),
        groups(),
        models(),
        workspaces(),
        operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn servers() -> Vec<Row> {
    const ALL: &str = "/api/experimental/mcp/servers";
    const NEW: &str = r#"{"display_name": "New", "slug": "<unique>", "transport": "streamable_http",
        "url": "https://mcp.example.com/mcp", "auth_type": "none", "availability": "default_off"}"#;
    const TAKEN: &str = r#"{"display_name": "New", "slug": "OPEN", "transport": "streamable_http",
        "url": "https://mcp.example.com/mcp", "auth_type": "none", "availability": "default_off"}"#;
    vec![
        row(GET, ALL, "", signed_in(200)),
        row(GET, "/api/experimental/mcp/servers?limit=2", "", signed_in(200)),
        row(GET, "/api/experimental/mcp/export", "", readers(200)),
        row(GET, "/api/experimental/mcp/export?format=json", "", readers(200)),
        row(GET, "/api/experimental/mcp/export?format=xml", "", readers(400)),
        row(POST, "/api/experimental/mcp/import", "{}", admins(400)),
        row(POST, "/api/experimental/mcp/import", r#"{"document": "{\"mcpServers\": {}}"}"#, admins(200)),
        row(
            POST,
            "/api/experimental/mcp/import",
            r#"{"document": "{\"mcpServers\": {}}", "apply": true}"#,
            admins(400),
        ),
        row(
            POST,
            "/api/experimental/mcp/import",
            r#"{"document": "{\"mcpServers\": {}}", "apply": true, "plan_hash": "stale"}"#,
            admins(412),
        ),
        row(GET, "/api/experimental/mcp/servers?limit=0", "", signed_in(400)),
        row(GET, "/api/experimental/mcp/servers?after=x", "", signed_in(400)),
        row(POST, ALL, "{}", admins(400)),
        row(POST, ALL, NEW, admins(201)),
        row(POST, ALL, TAKEN, admins(409)),
        row(GET, "/api/experimental/mcp/servers/{id=open}", "", signed_in(200)),
        row(GET, "/api/experimental/mcp/servers/{id=grouped}", "", inside(200)),
        row(GET, "/api/experimental/mcp/servers/{id=disabled}", "", unredacted(200)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}", "", signed_in(404)),
        row(GET, "/api/experimental/mcp/servers/{id=malformed}", "", signed_in(400)),
        row(PATCH, "/api/experimental/mcp/servers/{id=open}", "{}", admins(200)),
        row(PATCH, "/api/experimental/mcp/servers/{id=open}", r#"{"slug": "disabled"}"#, admins(409)),
        row(PATCH, "/api/experimental/mcp/servers/{id=open}", r#"{"colour": "red"}"#, admins(400)),
        row(PATCH, "/api/experimental/mcp/servers/{id=grouped}", "{}", admins(200)),
        row(PATCH, "/api/experimental/mcp/servers/{id=disabled}", "{}", admins(200)),
        row(PATCH, "/api/experimental/mcp/servers/{id=unknown}", "{}", admins(404)),
        row(PATCH, "/api/experimental/mcp/servers/{id=malformed}", "{}", admins(400)),
        row(DELETE, "/api/experimental/mcp/servers/{id=fresh_server}", "", admins(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=unknown}", "", admins(404)),
        row(DELETE, "/api/experimental/mcp/servers/{id=malformed}", "", admins(400)),
        // Ten checks a minute and user; what is not seen costs none.
        row(POST, "/api/experimental/mcp/servers/{id=open}/check", "", signed_in(200)),
        row(POST, "/api/experimental/mcp/servers/{id=grouped}/check", "", inside_to_use(200)),
        row(POST, "/api/experimental/mcp/servers/{id=disabled}/check", "", admins_to_use(200)).once(),
        row(POST, "/api/experimental/mcp/servers/{id=unknown}/check", "", signed_in(404)),
        row(POST, "/api/experimental/mcp/servers/{id=malformed}/check", "", signed_in(400)),
        row(GET, "/api/experimental/mcp/servers/{id=open}/tools", "", readers(200)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}/tools", "", readers(404)),
        row(POST, "/api/experimental/mcp/servers/{id=open}/tools/{tool=tool}/accept", "", admins(204)),
        row(
            POST,
            "/api/experimental/mcp/servers/{id=open}/tools/{tool=tool}/call",
            r#"{"arguments": {"text": "x"}}"#,
            admins(200),
        )
        .once(),
        // A tool by the name of `me`, which no server has.
        row(POST, "/api/experimental/mcp/servers/{id=open}/tools/{tool=me}/accept", "{}", admins(404)),
        row(POST, "/api/experimental/mcp/servers/{id=unknown}/tools/{tool=me}/accept", "", admins(404)),
        row(
            POST,
            "/api/experimental/mcp/servers/{id=unknown}/tools/{tool=me}/call",
            r#"{"arguments": {}}"#,
            admins(404),
        ),
        row(
            POST,
            "/api/experimental/mcp/servers/{id=open}/tools/{tool=me}/call",
            r#"{"arguments": []}"#,
            admins(400),
        ),
        row(GET, "/api/experimental/mcp/fleet", "", readers(200)),
        row(GET, "/api/experimental/mcp/fleet?state=failing&search=x&ids={id=open}", "", readers(200)),
        row(GET, "/api/experimental/mcp/fleet?state=ill", "", readers(400)),
        row(GET, "/api/experimental/mcp/servers/{id=open}/explain", "", signed_in(200)),
        row(GET, "/api/experimental/mcp/servers/{id=grouped}/explain", "", inside(200)),
        row(GET, "/api/experimental/mcp/servers/{id=disabled}/explain", "", unredacted(200)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}/explain", "", signed_in(404)),
        row(GET, "/api/experimental/mcp/servers/{id=malformed}/explain", "", signed_in(400)),
        // "owner, admin, auditor with `user_id`": for members another user is unknown.
        row(
            GET,
            "/api/experimental/mcp/servers/{id=open}/explain?user_id={user=stranger}",
            "",
            unredacted(200),
        ),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=open}/explain?user_id={user=unknown}",
            "",
            signed_in(404),
        ),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=open}/explain?chat_id={chat=own_chat}",
            "",
            signed_in(200),
        ),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=open}/explain?chat_id={chat=foreign_chat}",
            "",
            signed_in(404),
        ),
        row(GET, "/api/experimental/mcp/servers/{id=open}/explain?plan_mode=true", "", signed_in(200)),
        row(GET, "/api/experimental/mcp/servers/{id=open}/explain?plan_mode=maybe", "", signed_in(400)),
    ]
}

/// "Users can always remove their own credentials, and existence is not revealed": 204 for any well-formed id.
fn connections() -> Vec<Row> {
    const VALUES: &str = r#"{"values": {"X-Token": "mine"}}"#;
    vec![
        row(PUT, "/api/experimental/mcp/servers/{id=personal}/user_headers", VALUES, signed_in(204)),
        row(PUT, "/api/experimental/mcp/servers/{id=personal}/user_headers", "{}", signed_in(400)),
        row(PUT, "/api/experimental/mcp/servers/{id=grouped}/user_headers", VALUES, inside_to_use(400)),
        row(PUT, "/api/experimental/mcp/servers/{id=unknown}/user_headers", VALUES, signed_in(404)),
        row(DELETE, "/api/experimental/mcp/servers/{id=personal}/user_headers", "", signed_in(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=grouped}/user_headers", "", signed_in(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=unknown}/user_headers", "", signed_in(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=malformed}/user_headers", "", signed_in(400)),
        row(DELETE, "/api/experimental/mcp/servers/{id=personal}/oauth2/disconnect", "", signed_in(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=disabled}/oauth2/disconnect", "", signed_in(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=unknown}/oauth2/disconnect", "", signed_in(204)),
        row(GET, "/api/experimental/mcp/servers/{id=oauth}/oauth2/connect", "", signed_in(307)),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=oauth}/oauth2/callback?state=x&code=y",
            "",
            signed_in(400),
        ),
        row(POST, "/api/experimental/mcp/servers/{id=oauth}/discover", r#"{"apply": false}"#, admins(200))
            .once(),
        // None of these is `oauth2`: who may know the server is told so.
        row(GET, "/api/experimental/mcp/servers/{id=open}/oauth2/connect", "", signed_in(400)),
        row(GET, "/api/experimental/mcp/servers/{id=grouped}/oauth2/connect", "", inside_to_use(400)),
        row(GET, "/api/experimental/mcp/servers/{id=disabled}/oauth2/connect", "", admins_to_use(400)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}/oauth2/connect", "", signed_in(404)),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=open}/oauth2/callback?state=x&code=y",
            "",
            signed_in(400),
        ),
        row(GET, "/api/experimental/mcp/servers/{id=grouped}/oauth2/callback", "", inside_to_use(400)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}/oauth2/callback", "", signed_in(404)),
        row(GET, "/api/experimental/mcp/servers/{id=open}/oauth2/client-metadata.json", "", everybody(404)),
        row(
            GET,
            "/api/experimental/mcp/servers/{id=unknown}/oauth2/client-metadata.json",
            "",
            everybody(404),
        ),
        row(POST, "/api/experimental/mcp/servers/{id=open}/discover", "", admins(400)),
        row(POST, "/api/experimental/mcp/servers/{id=unknown}/discover", "{}", admins(404)),
        row(GET, "/api/experimental/mcp/servers/{id=personal}/connections", "", readers(200)),
        row(GET, "/api/experimental/mcp/servers/{id=unknown}/connections", "", readers(404)),
        row(
            DELETE,
            "/api/experimental/mcp/servers/{id=personal}/connections/{user=connected}",
            "",
            admins(204),
        ),
        row(DELETE, "/api/experimental/mcp/servers/{id=unknown}/connections/{user=unknown}", "", admins(404)),
        row(DELETE, "/api/experimental/mcp/servers/{id=personal}/connections", "", admins(204)),
        row(DELETE, "/api/experimental/mcp/servers/{id=unknown}/connections", "", admins(404)),
    ]
}

/// A chat is its owner's alone, whatever the role of the others: `foreign_chat` is 404 for admins too.
fn chats() -> Vec<Row> {
    const DECLINE: &str = r#"{"action": "decline"}"#;
    const DENY: &str = r#"{"decision": "deny"}"#;
    const RESULT: &str = r#"{"results": [{"tool_call_id": "<call>", "output": "done"}]}"#;
    const ANY_RESULT: &str = r#"{"results": [{"tool_call_id": "c", "output": "done"}]}"#;
    const ALL: &str = "/api/experimental/chats";
    const SAY: &str = r#"{"content": [{"type": "text", "text": "hello"}]}"#;
    const SAY_TO_GROUPED: &str =
        r#"{"content": [{"type": "text", "text": "hello"}], "mcp_server_ids": ["<grouped>"]}"#;
    vec![
        row(GET, ALL, "", signed_in(200)),
        row(POST, ALL, "{}", signed_in(400)),
        row(POST, ALL, SAY, signed_in(201)).once(),
        // Outside the groups the server is "refused in `mcp_server_ids`".
        row(POST, ALL, SAY_TO_GROUPED, [401, 401, 400, 201, 400, 201, 201]).once(),
        row(GET, "/api/experimental/chats/search?q=hello", "", signed_in(200)),
        row(GET, "/api/experimental/chats/search?q=*", "", signed_in(400)),
        row(GET, "/api/experimental/chats/search?q=hello&limit=51", "", signed_in(400)),
        row(POST, "/api/experimental/chats/files?name=a.txt", "{}", signed_in(201)),
        row(POST, "/api/experimental/chats/files?name=", "{}", signed_in(400)),
        row(GET, "/api/experimental/chats/files/{file=fresh_file}", "", signed_in(200)),
        row(GET, "/api/experimental/chats/files/{file=foreign_file}", "", signed_in(404)),
        row(GET, "/api/experimental/chats/files/{file=malformed}", "", signed_in(400)),
        row(GET, "/api/experimental/chats/{id=own_chat}", "", signed_in(200)),
        row(GET, "/api/experimental/chats/{id=foreign_chat}", "", signed_in(404)),
        row(GET, "/api/experimental/chats/{id=unknown}", "", signed_in(404)),
        row(GET, "/api/experimental/chats/{id=malformed}", "", signed_in(400)),
        row(PATCH, "/api/experimental/chats/{id=own_chat}", r#"{"title": "New"}"#, signed_in(200)),
        row(PATCH, "/api/experimental/chats/{id=foreign_chat}", r#"{"title": "New"}"#, signed_in(404)),
        row(PATCH, "/api/experimental/chats/{id=unknown}", "{}", signed_in(404)),
        row(DELETE, "/api/experimental/chats/{id=fresh_chat}", "", signed_in(204)).once(),
        row(DELETE, "/api/experimental/chats/{id=foreign_chat}", "", signed_in(404)),
        row(DELETE, "/api/experimental/chats/{id=unknown}", "", signed_in(404)),
        row(GET, "/api/experimental/chats/{id=own_chat}/messages", "", signed_in(200)),
        row(GET, "/api/experimental/chats/{id=foreign_chat}/messages", "", signed_in(404)),
        row(GET, "/api/experimental/chats/{id=unknown}/messages", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=fresh_chat}/messages", SAY, signed_in(201)).once(),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/messages", SAY, signed_in(404)),
        row(POST, "/api/experimental/chats/{id=unknown}/messages", SAY, signed_in(404)),
        row(PATCH, "/api/experimental/chats/{id=fresh_chat}/messages/{message=message}", SAY, signed_in(200))
            .once(),
        row(
            PATCH,
            "/api/experimental/chats/{id=foreign_chat}/messages/{message=foreign_message}",
            SAY,
            signed_in(404),
        ),
        row(
            PATCH,
            "/api/experimental/chats/{id=unknown}/messages/{message=foreign_message}",
            SAY,
            signed_in(404),
        ),
        row(
            GET,
            "/api/experimental/chats/{id=called_chat}/tool-results/{tool_call_id=call}",
            "",
            signed_in(200),
        ),
        row(
            GET,
            "/api/experimental/chats/{id=foreign_chat}/tool-results/{tool_call_id=call}",
            "",
            signed_in(404),
        ),
        row(
            POST,
            "/api/experimental/chats/{id=parked_chat}/approvals/{approval=action}",
            DENY,
            signed_in(200),
        )
        .once(),
        row(POST, "/api/experimental/chats/{id=own_chat}/approvals/{approval=unknown}", DENY, signed_in(404)),
        row(
            POST,
            "/api/experimental/chats/{id=foreign_chat}/approvals/{approval=unknown}",
            DENY,
            signed_in(404),
        ),
        row(
            POST,
            "/api/experimental/chats/{id=asked_chat}/elicitations/{elicitation=action}",
            DECLINE,
            signed_in(200),
        )
        .once(),
        row(
            POST,
            "/api/experimental/chats/{id=own_chat}/elicitations/{elicitation=unknown}",
            DECLINE,
            signed_in(404),
        ),
        row(
            POST,
            "/api/experimental/chats/{id=foreign_chat}/elicitations/{elicitation=unknown}",
            DECLINE,
            signed_in(404),
        ),
        row(POST, "/api/experimental/chats/{id=client_chat}/tool-results", RESULT, signed_in(200)).once(),
        row(POST, "/api/experimental/chats/{id=own_chat}/tool-results", ANY_RESULT, signed_in(409)),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/tool-results", ANY_RESULT, signed_in(404)),
        row(POST, "/api/experimental/chats/{id=own_chat}/interrupt", "", signed_in(200)),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/interrupt", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=unknown}/interrupt", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=fresh_chat}/compact", "", signed_in(200)).once(),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/compact", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=unknown}/compact", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=fresh_chat}/clear", "", signed_in(200)).once(),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/clear", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=unknown}/clear", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=own_chat}/title/regenerate", "", signed_in(200)),
        row(POST, "/api/experimental/chats/{id=foreign_chat}/title/regenerate", "", signed_in(404)),
        row(POST, "/api/experimental/chats/{id=unknown}/title/regenerate", "", signed_in(404)),
        row(DELETE, "/api/experimental/chats/{id=queued_chat}/queue/{queued=queued}", "", signed_in(204))
            .once(),
        row(DELETE, "/api/experimental/chats/{id=own_chat}/queue/{queued=queued}", "", signed_in(404)),
        row(DELETE, "/api/experimental/chats/{id=foreign_chat}/queue/{queued=queued}", "", signed_in(404)),
        row(
            POST,
            "/api/experimental/chats/{id=queued_chat}/queue/{queued=queued}/promote",
            "",
            signed_in(200),
        )
        .once(),
        row(POST, "/api/experimental/chats/{id=own_chat}/queue/{queued=queued}/promote", "", signed_in(404)),
        row(
            POST,
            "/api/experimental/chats/{id=foreign_chat}/queue/{queued=queued}/promote",
            "",
            signed_in(404),
        ),
        row(GET, "/api/experimental/chats/watch", "", signed_in(200)),
        row(GET, "/api/experimental/chats/{id=own_chat}/stream", "", signed_in(200)),
        row(GET, "/api/experimental/chats/{id=foreign_chat}/stream", "", signed_in(404)),
        row(GET, "/api/experimental/chats/{id=unknown}/stream", "", signed_in(404)),
    ]
}

fn accounts() -> Vec<Row> {
    const ALL: &str = "/api/v2/users";
    const NEW: &str =
        r#"{"email": "<unique>@example.org", "username": "<unique>", "password": "a long enough password"}"#;
    const NEW_OWNER: &str = r#"{"email": "<unique>@example.org", "username": "<unique>",
        "password": "a long enough password", "roles": ["owner"]}"#;
    const PASSWORD: &str = r#"{"password": "another long password"}"#;
    vec![
        row(GET, "/api/v2/users/first", "", everybody(200)),
        row(POST, "/api/v2/users/first", "{}", everybody(409)),
        row(GET, ALL, "", admins(200)),
        row(POST, ALL, "{}", admins(400)),
        row(POST, ALL, NEW, admins(201)).once(),
        row(POST, ALL, NEW_OWNER, owners(201)).once(),
        row(GET, "/api/v2/users/{user=me}", "", signed_in(200)),
        row(GET, "/api/v2/users/{user=stranger}", "", admins(200)),
        row(GET, "/api/v2/users/{user=unknown}", "", admins(404)),
        row(PATCH, "/api/v2/users/{user=me}", r#"{"name": "New"}"#, signed_in(200)),
        // Nobody raises themselves.
        row(PATCH, "/api/v2/users/{user=me}", r#"{"roles": ["owner"]}"#, owners(200)),
        row(PATCH, "/api/v2/users/{user=stranger}", r#"{"name": "New"}"#, admins(200)),
        row(PATCH, "/api/v2/users/{user=stranger}", r#"{"roles": ["owner", "x"]}"#, admins(400)),
        row(PATCH, "/api/v2/users/{user=first_owner}", r#"{"name": "New"}"#, owners(200)),
        row(PATCH, "/api/v2/users/{user=unknown}", "{}", admins(404)),
        row(DELETE, "/api/v2/users/{user=fresh_user}", "", admins(204)).once(),
        row(DELETE, "/api/v2/users/{user=unknown}", "", admins(404)),
        // Not oneself.
        row(DELETE, "/api/v2/users/{user=me}", "", admins(409)),
        row(PUT, "/api/v2/users/{user=me}/password", "{}", signed_in(400)).once(),
        row(PUT, "/api/v2/users/{user=fresh_user}/password", PASSWORD, admins(204)).once(),
        row(PUT, "/api/v2/users/{user=unknown}/password", PASSWORD, admins(404)),
        row(PUT, "/api/v2/users/{user=first_owner}/password", "{}", owners(400)),
    ]
}

fn credentials() -> Vec<Row> {
    const LOGIN: &str = r#"{"email": "<owner_email>", "password": "<owner_password>"}"#;
    const TOKEN: &str = r#"{"token_name": "<unique>"}"#;
    vec![
        row(POST, "/api/v2/users/login", LOGIN, everybody(201)).once(),
        row(POST, "/api/v2/users/logout", "", signed_in(200)).own_session(),
        row(GET, "/api/v2/users/me/sessions", "", signed_in(200)),
        row(DELETE, "/api/v2/users/me/sessions/{id=spare_session}", "", signed_in(204)).once(),
        row(DELETE, "/api/v2/users/me/sessions/{id=foreign_session}", "", signed_in(404)),
        row(DELETE, "/api/v2/users/me/sessions/{id=unknown}", "", signed_in(404)),
        row(GET, "/api/v2/users/{user=me}/keys/tokens", "", signed_in(200)),
        row(GET, "/api/v2/users/{user=stranger}/keys/tokens", "", admins(200)),
        row(GET, "/api/v2/users/{user=unknown}/keys/tokens", "", admins(404)),
        row(POST, "/api/v2/users/{user=me}/keys/tokens", "{}", signed_in(400)),
        row(POST, "/api/v2/users/{user=me}/keys/tokens", TOKEN, signed_in(201)),
        // A token acts as its user: nobody else makes one, an owner neither.
        row(POST, "/api/v2/users/{user=stranger}/keys/tokens", TOKEN, signed_in(403)),
        row(DELETE, "/api/v2/users/{user=me}/keys/{id=fresh_token}", "", signed_in(204)),
        row(DELETE, "/api/v2/users/{user=me}/keys/{id=foreign_token}", "", signed_in(404)),
        row(DELETE, "/api/v2/users/{user=me}/keys/{id=unknown}", "", signed_in(404)),
        row(DELETE, "/api/v2/users/{user=stranger}/keys/{id=unknown}", "", admins(404)),
    ]
}

/// "Groups are made by an admin"; who is grouped with whom is for those who read the whole configuration.
fn groups() -> Vec<Row> {
    const NEW: &str = r#"{"name": "<unique>"}"#;
    vec![
        row(GET, "/api/v2/groups", "", readers(200)),
        row(GET, "/api/v2/groups?limit=0", "", readers(400)),
        row(POST, "/api/v2/groups", "{}", admins(400)),
        row(POST, "/api/v2/groups", NEW, admins(201)),
        row(POST, "/api/v2/groups", r#"{"name": "Insiders"}"#, admins(409)),
        row(GET, "/api/v2/groups/{id=group}", "", readers(200)),
        row(GET, "/api/v2/groups/{id=unknown}", "", readers(404)),
        row(PATCH, "/api/v2/groups/{id=group}", "{}", admins(200)),
        row(PATCH, "/api/v2/groups/{id=unknown}", "{}", admins(404)),
        row(DELETE, "/api/v2/groups/{id=fresh_group}", "", admins(204)),
        // It limits a server, which would be open to everybody without it.
        row(DELETE, "/api/v2/groups/{id=group}", "", admins(409)),
        row(DELETE, "/api/v2/groups/{id=unknown}", "", admins(404)),
    ]
}

fn chat_settings() -> Vec<Row> {
    const CONFIG: &str = "/api/experimental/chats/config/own";
    vec![
        row(GET, "/api/experimental/chats/config/{setting=system-prompt}", "", readers(200)),
        row(GET, "/api/experimental/chats/config/{setting=plan-mode-instructions}", "", readers(200)),
        row(GET, "/api/experimental/chats/config/{setting=auto-archive-days}", "", signed_in(200)),
        row(GET, "/api/experimental/chats/config/{setting=unknown}", "", signed_in(400)),
        row(
            PUT,
            "/api/experimental/chats/config/{setting=auto-archive-days}",
            r#"{"auto_archive_days": 0}"#,
            admins(200),
        ),
        row(
            PUT,
            "/api/experimental/chats/config/{setting=auto-archive-days}",
            r#"{"auto_archive_days": 3651}"#,
            admins(400),
        ),
        row(PUT, "/api/experimental/chats/config/{setting=unknown}", "{}", admins(400)),
        row(GET, CONFIG, "", signed_in(200)),
        row(PUT, CONFIG, r#"{"compaction_threshold": 101}"#, signed_in(400)),
        row(PUT, CONFIG, r#"{"compaction_threshold": 0}"#, signed_in(200)),
    ]
}

fn models() -> Vec<Row> {
    const PROVIDER: &str = r#"{"name": "<unique>", "type": "demo"}"#;
    const MODEL: &str = r#"{"provider_id": "<provider>", "model": "<unique>", "display_name": "New"}"#;
    vec![
        row(GET, "/api/v2/providers", "", readers(200)),
        row(POST, "/api/v2/providers", "{}", admins(400)),
        row(POST, "/api/v2/providers", PROVIDER, admins(201)),
        row(PATCH, "/api/v2/providers/{id=provider}", "{}", admins(200)),
        row(PATCH, "/api/v2/providers/{id=unknown}", "{}", admins(404)),
        row(DELETE, "/api/v2/providers/{id=fresh_provider}", "", admins(204)),
        row(DELETE, "/api/v2/providers/{id=unknown}", "", admins(404)),
        row(GET, "/api/v2/models", "", signed_in(200)),
        row(POST, "/api/v2/models", "{}", admins(400)),
        row(POST, "/api/v2/models", MODEL, admins(201)),
        row(PATCH, "/api/v2/models/{id=model}", "{}", admins(200)),
        row(PATCH, "/api/v2/models/{id=unknown}", "{}", admins(404)),
        row(DELETE, "/api/v2/models/{id=fresh_model}", "", admins(204)),
        row(DELETE, "/api/v2/models/{id=unknown}", "", admins(404)),
    ]
}

/// "Foreign ones 404", for admins too.
fn workspaces() -> Vec<Row> {
    const ALL: &str = "/api/v2/workspaces";
    vec![
        row(GET, ALL, "", signed_in(200)),
        row(POST, ALL, "{}", signed_in(400)),
        row(POST, ALL, r#"{"name": "New"}"#, signed_in(201)),
        row(GET, "/api/v2/workspaces/{id=fresh_workspace}", "", signed_in(200)),
        row(GET, "/api/v2/workspaces/{id=foreign_workspace}", "", signed_in(404)),
        row(GET, "/api/v2/workspaces/{id=malformed}", "", signed_in(400)),
        row(PATCH, "/api/v2/workspaces/{id=fresh_workspace}", r#"{"name": "Other"}"#, signed_in(200)),
        row(PATCH, "/api/v2/workspaces/{id=foreign_workspace}", r#"{"name": "Other"}"#, signed_in(404)),
        row(DELETE, "/api/v2/workspaces/{id=fresh_workspace}", "", signed_in(204)),
        row(DELETE, "/api/v2/workspaces/{id=foreign_workspace}", "", signed_in(404)),
    ]
}

fn operations() -> Vec<Row> {
    vec![
        row(GET, "/api/v2/buildinfo", "", everybody(200)),
        row(GET, "/api/v2/audit?limit=5", "", readers(200)),
        row(GET, "/api/v2/audit?format=ndjson", "", readers(200)).once(),
        row(GET, "/api/v2/audit?limit=0", "", readers(400)),
        row(GET, "/api/v2/keys", "", readers(200)),
        row(GET, "/api/v2/settings/egress-allow", "", readers(200)),
        row(PUT, "/api/v2/settings/egress-allow", r#"{"entries": ["x"]}"#, owners(400)),
        row(PUT, "/api/v2/settings/egress-allow", r#"{"entries": []}"#, owners(200)),
        row(GET, "/api/v2/settings/workspace-servers", "", signed_in(200)),
        row(PUT, "/api/v2/settings/workspace-servers", "{}", admins(400)),
        row(PUT, "/api/v2/settings/workspace-servers", r#"{"enabled": true}"#, admins(200)),
        row(GET, "/api/v2/openapi.json", "", everybody(200)),
        row(GET, "/api/docs", "", everybody(200)),
        row(GET, "/healthz", "", everybody(200)),
        row(GET, "/readyz", "", everybody(200)),
    ]
}

/// Addresses that are served and are no operation of their own.
pub(super) fn beside() -> Vec<Row> {
    vec![
        row(GET, "/api/experimental/mcp/servers/", "", signed_in(200)),
        row(POST, "/api/experimental/mcp/servers/", "{}", admins(400)),
        row(GET, "/api/experimental/chats/", "", signed_in(200)),
        row(POST, "/api/experimental/chats/", "{}", signed_in(400)),
        row(GET, "/api/docs/start.js", "", everybody(200)),
        row(GET, "/api/docs/no-such-file", "", everybody(404)),
        row(GET, "/api/v2/no-such-thing", "", everybody(404)),
        row(POST, "/api/v2/no-such-thing", "{}", everybody(404)),
        row(GET, "/ui/fn/server_list", "", everybody(403)),
    ]
}
