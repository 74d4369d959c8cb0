//! The protected resource: an honest MCP server behind a check of the bearer token.

use super::{documents, meddle::Canned, shared::Shared, token::covers};
use crate::{fake_mcp::rpc, record::Recorded};
use axum::response::Response;

pub(super) async fn answer(shared: &Shared, recorded: Recorded) -> Response {
    if let Some(refused) = refusal(shared, &recorded) {
        return refused;
    }
    rpc::respond(&shared.mcp, recorded).await
}

fn refusal(shared: &Shared, request: &Recorded) -> Option<Response> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let knobs = shared.knobs().clone();
    let resource = shared.resource();
    let live = token.and_then(|token| shared.books().live(token));
    // A token that was issued for nothing in particular is taken only where the server asks for no audience.
    let fits = |aud: Option<&String>| aud.map_or(!knobs.demand_resource, |aud| *aud == resource);
    let live = live.filter(|live| fits(live.family.resource.as_ref()) && !knobs.reject_tokens);
    let Some(live) = live else { return Some(unauthorized(shared, token.is_some())) };
    let message = request.json();
    let tool =
        (message["method"] == "tools/call").then(|| message["params"]["name"].as_str().unwrap_or_default());
    let needed =
        tool.and_then(|tool| knobs.tool_scopes.get(tool)).filter(|scope| !covers(&live.scope, scope));
    let missing = knobs.insufficient_scope.as_ref().or(needed)?;
    let metadata = documents::resource_metadata_url(shared);
    let challenge =
        format!("Bearer error=\"insufficient_scope\", scope=\"{missing}\", resource_metadata=\"{metadata}\"");
    Some(Canned::status(403).header("www-authenticate", &challenge).into_response())
}

fn unauthorized(shared: &Shared, had_token: bool) -> Response {
    let knobs = shared.knobs().clone();
    let fields = knobs.challenge.unwrap_or_else(|| {
        let metadata = knobs.challenge_metadata.unwrap_or_else(|| documents::resource_metadata_url(shared));
        let mut field = format!("Bearer resource_metadata=\"{metadata}\"");
        if let Some(scope) = knobs.challenge_scope {
            field.push_str(&format!(", scope=\"{scope}\""));
        }
        if had_token {
            field.push_str(", error=\"invalid_token\"");
        }
        vec![field]
    });
    let answer = Canned::status(401);
    fields.iter().fold(answer, |answer, field| answer.header("www-authenticate", field)).into_response()
}
