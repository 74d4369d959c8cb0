//! The one function that turns a use case's error into the wire envelope (behaviour 2).

use api::{ErrorBody, Validation, oauth::DiscoveryCandidate};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use service::Error;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Boxed: errors are rare, and every handler's result would grow by it.
    pub(crate) body: Box<ErrorBody>,
    retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(ErrorBody::message(message)), retry_after: None }
    }

    /// 429 with `Retry-After`, seconds.
    pub(crate) fn too_many(message: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Error::invalid_field(field, detail).into()
    }

    fn with(status: StatusCode, message: String, validations: Vec<Validation>) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody { message, validations, ..ErrorBody::default() }),
            retry_after: None,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthorized => {
                Self::new(StatusCode::UNAUTHORIZED, "Sign in first: send a session or API token.")
            }
            Error::BadCredentials => Self::new(StatusCode::UNAUTHORIZED, "Email or password is wrong."),
            Error::Forbidden(message) => Self::new(StatusCode::FORBIDDEN, message),
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, "Not found."),
            Error::Invalid { message, validations } => {
                Self::with(StatusCode::BAD_REQUEST, message, validations)
            }
            Error::Discovery { message, candidates, manual } => Self {
                status: StatusCode::BAD_REQUEST,
                body: Box::new(ErrorBody {
                    message,
                    detail: Some(listed(&candidates)).filter(|text| !text.is_empty()),
                    candidates,
                    manual_setup: manual,
                    ..ErrorBody::default()
                }),
                retry_after: None,
            },
            Error::Conflict { message, validations } => {
                Self::with(StatusCode::CONFLICT, message, validations)
            }
            Error::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "Somebody else changed this meanwhile. Load it again and repeat your change.",
            ),
            Error::RateLimited { message, retry_after } => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                body: Box::new(ErrorBody::message(message)),
                retry_after: Some(retry_after.as_secs().max(1)),
            },
            Error::Unavailable(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "database unavailable");
                Self {
                    retry_after: Some(2),
                    ..Self::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "The database is unavailable. Try again in a moment.",
                    )
                }
            }
            Error::Internal { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "internal error");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong on the server. Try again; if it stays, ask your administrator to read the log.",
                )
            }
        }
    }
}

/// One line for each address that was asked.
fn listed(candidates: &[DiscoveryCandidate]) -> String {
    let line = |asked: &DiscoveryCandidate| match asked.status {
        Some(status) => format!("{}: HTTP {status}, {}", asked.url, asked.cause),
        None => format!("{}: {}", asked.url, asked.cause),
    };
    candidates.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;
