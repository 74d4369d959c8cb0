//! `/api/experimental/chats/{id}/tool-results/{tool_call_id}`: a whole result as a file (behaviour 15).

use super::{
    auth::SignedIn,
    error::ApiResult,
    router::{AppState, parse_id},
};
use api::messages::ResultContent;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};

/// What a tool answered, whole: text as text, one picture, sound or file as it is, anything else as JSON.
#[utoipa::path(
    get, path = "/api/experimental/chats/{id}/tool-results/{tool_call_id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("tool_call_id" = String, Path, description = "The call")),
    responses(
        (status = 200, description = "As a download", content((Vec<ResultContent> = "application/json"), (String = "text/plain"), (Vec<u8> = "application/octet-stream"))),
        (status = 404),
    ),
)]
pub(crate) async fn tool_result(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path((id, tool_call_id)): Path<(String, String)>,
) -> ApiResult<Response> {
    let found = state.service.tool_result(&ctx, parse_id("id", &id)?, &tool_call_id).await?;
    let (kind, name, bytes) = file_of(&found.result);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, bytes).into_response())
}

/// Content type, disposition and bytes. The type a server claims for its bytes is not repeated: nothing here is to be shown by a browser.
fn file_of(parts: &[ResultContent]) -> (&'static str, &'static str, Vec<u8>) {
    if let [ResultContent::Text { text }] = parts {
        return (
            "text/plain; charset=utf-8",
            "attachment; filename=\"tool-result.txt\"",
            text.clone().into_bytes(),
        );
    }
    let single = match parts {
        [ResultContent::Image { data, .. } | ResultContent::Audio { data, .. }] => Some(data),
        [ResultContent::Resource { blob: Some(blob), text: None, .. }] => Some(blob),
        _ => None,
    };
    match single.and_then(|data| STANDARD.decode(data).ok()) {
        Some(bytes) => ("application/octet-stream", "attachment; filename=\"tool-result.bin\"", bytes),
        None => {
            let json = serde_json::to_vec_pretty(parts).unwrap_or_default();
            ("application/json", "attachment; filename=\"tool-result.json\"", json)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_result_is_a_file() {
        let text = || ResultContent::Text { text: "é <b>".into() };
        let image = |data: &str| ResultContent::Image { mime_type: "text/html".into(), data: data.into() };
        let (kind, _, bytes) = file_of(&[text()]);
        assert_eq!((kind, bytes.as_slice()), ("text/plain; charset=utf-8", "é <b>".as_bytes()));
        let (kind, _, bytes) = file_of(&[image("AAEC")]);
        assert_eq!((kind, bytes), ("application/octet-stream", vec![0, 1, 2]));
        for parts in [
            vec![image("no base64!")],
            vec![text(), ResultContent::Structured { value: json!({"a": 1}) }],
            vec![],
        ] {
            let (kind, _, bytes) = file_of(&parts);
            assert_eq!(kind, "application/json");
            assert_eq!(serde_json::from_slice::<Vec<ResultContent>>(&bytes).unwrap(), parts);
        }
    }
}
