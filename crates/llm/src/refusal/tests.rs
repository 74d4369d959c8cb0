use super::*;
use serde_json::json;

fn error(status: u16, body: &Value) -> ModelError {
    let status = StatusCode::from_u16(status).unwrap();
    Refusal::of_response(status, &HeaderMap::new(), body.to_string().as_bytes(), false).into_error("m-1")
}

#[test]
fn every_dialect_of_no_finds_its_kind() {
    let unknown = || ModelError::ModelUnknown { model: "m-1".to_owned() };
    for (status, body, kind) in [
        (
            401,
            json!({"error": {"message": "Incorrect API key provided: sk-abc"}}),
            ModelError::Auth { status: 401 },
        ),
        (403, json!({"detail": "forbidden"}), ModelError::Auth { status: 403 }),
        (
            400,
            json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]),
            ModelError::Auth { status: 400 },
        ),
        (
            404,
            json!({"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}),
            unknown(),
        ),
        (404, json!({"error": {"message": "model 'x' not found, try pulling it first"}}), unknown()),
        (404, json!({"error": "model 'x' not found"}), unknown()),
        (400, json!({"error": {"message": "x is not a valid model ID", "code": 400}}), unknown()),
        (404, json!({"detail": "Not Found"}), ModelError::Protocol(ProtocolFault::NotFound { status: 404 })),
        (429, json!({"error": {"message": "slow down", "type": "insufficient_quota"}}), ModelError::Quota),
        (402, json!({"error": {"message": "Insufficient credits", "code": 402}}), ModelError::Quota),
        (
            429,
            json!({"error": {"message": "maximum context tokens per minute", "code": "rate_limit_exceeded"}}),
            ModelError::RateLimited { retry_after: None },
        ),
        (
            413,
            json!({"error": {"code": "rate_limit_exceeded"}}),
            ModelError::RateLimited { retry_after: None },
        ),
        (400, json!({"error": {"code": "context_length_exceeded"}}), ModelError::ContextOverflow),
        (
            400,
            json!({"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
            ModelError::ContextOverflow,
        ),
        (400, json!({"error": {"type": "exceed_context_size_error"}}), ModelError::ContextOverflow),
        (400, json!({"error": {"code": "content_filter"}}), ModelError::ContentFilter),
        (
            500,
            json!(null),
            ModelError::Unavailable { outage: Outage::Status { status: 500 }, retry_after: None },
        ),
        (
            529,
            json!({"error": {"type": "overloaded_error"}}),
            ModelError::Unavailable { outage: Outage::Status { status: 529 }, retry_after: None },
        ),
        (
            400,
            json!({"error": {"code": "invalid_function_parameters", "message": "secret"}}),
            ModelError::Rejected { status: 400, code: Some("invalid_function_parameters".to_owned()) },
        ),
        (
            400,
            json!({"error": {"code": "sk-live-123", "message": "secret"}}),
            ModelError::Rejected { status: 400, code: None },
        ),
        (418, json!("tea"), ModelError::Rejected { status: 418, code: None }),
    ] {
        assert_eq!(error(status, &body), kind, "{status} {body}");
    }
}

#[test]
fn nothing_that_was_written_by_the_provider_is_passed_on() {
    for status in (400..=451).chain(500..=529) {
        let body =
            json!({"error": {"message": "canary-9f3 sk-abc", "code": "canary-9f3", "type": "Canary-9F3"}});
        let error = error(status, &body);
        let texts = format!("{error} {error:?} {}", error.public_message()).to_lowercase();
        assert!(!texts.contains("canary") && !texts.contains("sk-abc"), "{texts}");
    }
}

#[test]
fn retryable_are_exactly_the_statuses_of_the_contract() {
    for status in 400..=599 {
        let retryable = error(status, &json!({})).is_retryable();
        assert_eq!(retryable, crate::retry::STATUSES.contains(&status), "{status}");
    }
}

#[test]
fn the_wait_is_read_in_every_form() {
    let wait = |pairs: &[(&'static str, &str)]| {
        let headers =
            pairs.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap())).collect();
        retry_after(&headers)
    };
    assert_eq!(wait(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
    assert_eq!(wait(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
    assert_eq!(wait(&[("retry-after", "9"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(
        wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date]),
        Some(Duration::from_secs(30))
    );
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), date]), Some(Duration::ZERO));
    for bad in ["soon", "-1", "NaN", "inf", "1e400", ""] {
        assert_eq!(wait(&[("retry-after", bad)]), None, "{bad}");
    }
}

#[test]
fn a_parameter_is_found_by_name_or_in_the_prose() {
    let about = |body: Value| {
        Refusal::of_response(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.to_string().as_bytes(), false)
    };
    assert!(about(json!({"error": {"param": "stream_options"}})).is_about("stream_options"));
    let message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    assert!(
        about(json!({"error": {"message": message, "param": "max_tokens"}}))
            .is_about("max_completion_tokens")
    );
    assert!(!about(json!({"error": {"message": "no"}})).is_about("stream_options"));
}

/// Error types and sentences of <https://docs.claude.com/en/api/errors>, and some that only its answers tell.
#[test]
fn what_anthropic_says_finds_its_kind() {
    let rejected = |status| ModelError::Rejected { status, code: Some("invalid_request_error".to_owned()) };
    let down = |status| ModelError::Unavailable { outage: Outage::Status { status }, retry_after: None };
    for (status, kind, message, expected) in [
        (401, "authentication_error", "invalid x-api-key", ModelError::Auth { status: 401 }),
        (403, "permission_error", "Your API key does not have permission", ModelError::Auth { status: 403 }),
        (402, "billing_error", "Billing error", ModelError::Quota),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
            ModelError::Quota,
        ),
        (404, "not_found_error", "model: claude-x", ModelError::ModelUnknown { model: "m-1".to_owned() }),
        (404, "not_found_error", "Not Found", ModelError::Protocol(ProtocolFault::NotFound { status: 404 })),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 208310 tokens > 200000 maximum",
            ModelError::ContextOverflow,
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 197626 + 21333 > 200000, decrease input length",
            ModelError::ContextOverflow,
        ),
        (413, "request_too_large", "Request exceeds the maximum size", ModelError::ContextOverflow),
        (
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            ModelError::ContentFilter,
        ),
        (
            400,
            "invalid_request_error",
            "tools.0.custom.input_schema: Input should be an object",
            rejected(400),
        ),
        (
            429,
            "rate_limit_error",
            "This request would exceed your rate limit of 40,000 input tokens",
            ModelError::RateLimited { retry_after: None },
        ),
        (500, "api_error", "Internal server error", down(500)),
        (504, "timeout_error", "Request timed out", down(504)),
        (529, "overloaded_error", "Overloaded", down(529)),
    ] {
        let object = json!({"type": kind, "message": message});
        let body = json!({"type": "error", "error": object, "request_id": "req_1"});
        assert_eq!(error(status, &body), expected, "{body}");
        // The same inside an answer that had begun with 200, and as the whole of one.
        assert_eq!(Refusal::of_error(&object).into_error("m-1"), expected, "{body}");
        assert_eq!(error(200, &body), expected, "{body}");
    }
}

#[test]
fn a_models_own_output_limit_is_read() {
    let limit = |message: &str| {
        let body = json!({"error": {"type": "invalid_request_error", "message": message}}).to_string();
        Refusal::of_response(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes(), false)
            .output_limit()
    };
    let says = "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-x";
    assert_eq!(limit(says), Some(8192));
    for other in [
        "max_tokens: 1 > no, which is the maximum allowed number of output tokens",
        "max_tokens: 32000 > 8192",
    ] {
        assert_eq!(limit(other), None, "{other}");
    }
}
