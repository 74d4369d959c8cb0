//! What an endpoint does to an answer, or instead of one. The same few faults for every endpoint, chosen by path.

use crate::record::Recorded;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// An answer written by the test.
#[derive(Debug, Clone)]
pub struct Canned {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Canned {
    /// This status without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// A JSON document.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { body: body.to_string(), ..Self::status(status).header("content-type", "application/json") }
    }

    /// An error in the words of OAuth.
    pub fn error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &json!({"error": error, "error_description": description}))
    }

    /// A redirect: 301, 302, 303, 307 or 308.
    pub fn redirect(status: u16, target: &str) -> Self {
        Self::status(status).header("location", target)
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

impl Canned {
    pub(super) fn into_response(self) -> Response {
        let mut response = Body::from(self.body).into_response();
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a real status");
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).expect("a header name");
            response.headers_mut().append(name, HeaderValue::try_from(value).expect("a header value"));
        }
        response
    }
}

/// How an endpoint answers.
#[derive(Debug, Clone, Default)]
pub(super) enum Way {
    /// As its protocol wants it.
    #[default]
    Honest,
    /// Like this; nothing is done.
    Instead(Canned),
    /// Never; nothing is done.
    Hang,
    /// It does what it was asked, and the connection is cut where the answer should have been.
    Lose,
}

/// One fault of one endpoint. Build it from the functions below.
#[derive(Debug, Clone, Default)]
pub struct Meddle {
    pub(super) way: Way,
    pub(super) before: Duration,
    pub(super) after: Duration,
    only_with: Option<String>,
    times: Option<u32>,
}

impl Meddle {
    /// Waits before it does anything.
    pub fn slow(delay: Duration) -> Self {
        Self { before: delay, ..Self::default() }
    }

    /// Does what it was asked, then waits before it answers.
    pub fn late(delay: Duration) -> Self {
        Self { after: delay, ..Self::default() }
    }

    /// Answers this and does nothing.
    pub fn instead(answer: Canned) -> Self {
        Self { way: Way::Instead(answer), ..Self::default() }
    }

    /// Sends the client elsewhere (301, 302, 303, 307 or 308) and does nothing.
    pub fn redirect(status: u16, target: &str) -> Self {
        Self::instead(Canned::redirect(status, target))
    }

    /// Takes the request, does nothing and never answers.
    pub fn hang() -> Self {
        Self { way: Way::Hang, ..Self::default() }
    }

    /// Does what it was asked, then cuts the connection: the answer is lost.
    pub fn lose() -> Self {
        Self { way: Way::Lose, ..Self::default() }
    }

    /// The same, after this wait.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.before = delay;
        self
    }

    /// Only for requests that have this in their target or body, such as `grant_type=refresh_token`.
    #[must_use]
    pub fn only_with(mut self, text: &str) -> Self {
        self.only_with = Some(text.to_owned());
        self
    }

    /// Only for the next so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Whether it is for this request; counts it if so.
    fn takes(&mut self, request: &Recorded) -> bool {
        let meant = self
            .only_with
            .as_ref()
            .is_none_or(|text| request.body.contains(text) || request.target.contains(text));
        match &mut self.times {
            _ if !meant => false,
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// The faults of all endpoints.
#[derive(Debug, Clone, Default)]
pub(super) struct Meddling(Vec<(String, Meddle)>);

impl Meddling {
    pub(super) fn add(&mut self, path: &str, meddle: Meddle) {
        self.0.push((path.to_owned(), meddle));
    }

    pub(super) fn clear(&mut self, path: &str) {
        self.0.retain(|(at, _)| at != path);
    }

    /// What is done to this request: the first fault of its path that takes it.
    pub(super) fn of(&mut self, request: &Recorded) -> Meddle {
        let path = request.path();
        let mut here = self.0.iter_mut().filter(|(at, _)| at == path).map(|(_, meddle)| meddle);
        here.find_map(|meddle| meddle.takes(request).then(|| meddle.clone())).unwrap_or_default()
    }
}
