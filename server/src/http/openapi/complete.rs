//! What is the same for every operation is said here once: the name, the envelope of errors, and the answers that layers and
//! extractors give before a handler runs.

use utoipa::openapi::{
    Content, HeaderBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    path::{Operation, PathItem},
    schema::{ObjectBuilder, Type},
};

/// Fills in every operation of `api`.
pub(crate) fn complete(mut api: OpenApi) -> OpenApi {
    for item in api.paths.paths.values_mut() {
        for (changes, operation) in operations(item) {
            name(operation);
            shared_answers(operation, changes);
            for (status, answer) in &mut operation.responses.responses {
                if let RefOr::T(answer) = answer {
                    describe(status, answer);
                }
            }
        }
    }
    api
}

/// The operations of an address, each with whether its method changes something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    [
        (false, &mut item.get),
        (true, &mut item.post),
        (true, &mut item.put),
        (true, &mut item.patch),
        (true, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(changes, operation)| Some((changes, operation.as_mut()?)))
}

/// `server_list` alone would be taken twice: the tag goes in front.
fn name(operation: &mut Operation) {
    if let (Some(tag), Some(function)) =
        (operation.tags.as_ref().and_then(|tags| tags.first()), &operation.operation_id)
    {
        operation.operation_id = Some(format!("{tag}_{function}"));
    }
}

fn shared_answers(operation: &mut Operation, changes: bool) {
    let anonymous = operation.security.is_some();
    let has_body = operation.request_body.is_some();
    let has_input = has_body || operation.parameters.as_ref().is_some_and(|list| !list.is_empty());
    let shared = [
        ("400", has_input),
        ("401", !anonymous),
        // A cookie from a foreign page (behaviour 2).
        ("403", changes),
        ("408", has_body),
        ("413", has_body),
        // The caller is looked up before anything else; a database that is away is never "anonymous".
        ("503", true),
    ];
    for (status, _) in shared.iter().filter(|(_, answers)| *answers) {
        operation
            .responses
            .responses
            .entry((*status).to_owned())
            .or_insert_with(|| RefOr::T(Response::new("")));
    }
}

/// The sentence of the code, the envelope of an error, and the headers that come with it.
fn describe(status: &str, answer: &mut Response) {
    if answer.description.is_empty() {
        answer.description = sentence(status).to_owned();
    }
    if !status.starts_with(['4', '5']) {
        return;
    }
    if answer.content.is_empty() {
        let envelope = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let described = ResponseBuilder::from(std::mem::replace(answer, Response::new("")));
        *answer = described.content("application/json", envelope).build();
    }
    let header = match status {
        "401" => Some(("WWW-Authenticate", Type::String, "`Bearer`")),
        "429" | "503" => Some(("Retry-After", Type::Integer, "Seconds to wait")),
        _ => None,
    };
    if let Some((name, kind, description)) = header {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind)))
            .description(Some(description))
            .build();
        answer.headers.insert(name.to_owned(), RefOr::T(header));
    }
}

fn sentence(status: &str) -> &'static str {
    match status {
        "200" => "Done.",
        "201" => "Made.",
        "204" => "Done; nothing to return.",
        "304" => "Not changed since the `ETag` that was sent.",
        "400" => "Malformed, or a field is refused: `validations` names each.",
        "401" => "No credential, or a dead one.",
        "403" => "The caller's role does not allow this, or a cookie came from a foreign page.",
        "404" => "Unknown, or concealed from the caller: the same answer for both.",
        "408" => "The body did not arrive in time.",
        "409" => "Taken already, or the state does not allow it now.",
        "412" => "Somebody else changed it since the version in `If-Match`.",
        "413" => "The body is too large.",
        "429" => "Too many requests: wait as `Retry-After` says.",
        "502" => "The other side failed.",
        "503" => "The database or the key ring is unavailable.",
        _ => "",
    }
}
