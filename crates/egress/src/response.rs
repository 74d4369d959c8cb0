//! An answer, read under the caps of its request.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::{HeaderMap, HeaderName, StatusCode, header::CONTENT_ENCODING};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    client::later,
    error::{EgressError, Phase},
    failure,
    limits::Limits,
    target::{Target, origin_text},
};

/// Response headers, and the body still on its way. Dropping it closes the exchange.
pub struct Response {
    /// The status code; every code is an answer, redirects aside.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Where the answer came from: the last hop.
    pub url: Url,
    body: Body,
}

struct Body {
    response: reqwest::Response,
    target: Target,
    limits: Limits,
    deadline: Option<Instant>,
    read: u64,
    encoded: bool,
}

impl Response {
    pub(crate) fn new(
        mut response: reqwest::Response,
        url: Url,
        target: Target,
        limits: Limits,
        deadline: Option<Instant>,
    ) -> Self {
        let headers = std::mem::take(response.headers_mut());
        let encoded = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
        let status = response.status();
        Self { status, headers, url, body: Body { response, target, limits, deadline, read: 0, encoded } }
    }

    /// Who answered, in a form fit for messages.
    pub fn target(&self) -> &Target {
        &self.body.target
    }

    /// Lowers the byte cap, once the status has told what kind of body this is (an error page needs far less).
    #[must_use]
    pub fn with_max_body(mut self, max_body: u64) -> Self {
        self.body.limits.max_body = self.body.limits.max_body.min(max_body);
        self
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// [`EgressError::BodyTooLarge`] beyond the cap, timeouts, [`EgressError::Interrupted`].
    pub async fn bytes(self) -> Result<Bytes, EgressError> {
        let mut body = self.body;
        body.check_announced()?;
        let mut all = BytesMut::new();
        while let Some(chunk) = body.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// Reads at most `max` bytes and drops the rest; tells whether there was more. For error bodies, of which only the
    /// beginning is kept.
    ///
    /// # Errors
    /// Timeouts and [`EgressError::Interrupted`], as [`Self::bytes`].
    pub async fn prefix(self, max: usize) -> Result<(Bytes, bool), EgressError> {
        let mut body = self.body;
        body.limits.max_body = u64::MAX;
        let mut all = BytesMut::new();
        while let Some(chunk) = body.next().await? {
            let room = max - all.len();
            all.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return Ok((all.freeze(), true));
            }
        }
        Ok((all.freeze(), false))
    }

    /// Reads the body piece by piece. Idle and total deadline and the byte cap apply; after an error the stream ends.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, EgressError>> + Send + 'static {
        futures::stream::unfold(Some(self.body), |state| async move {
            let mut body = state?;
            match body.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl Body {
    /// An announced size over the cap is refused before a byte of it is read.
    fn check_announced(&self) -> Result<(), EgressError> {
        match self.response.content_length() {
            Some(length) if length > self.limits.max_body => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        if self.encoded {
            return Err(EgressError::Encoded { target: self.target.clone() });
        }
        loop {
            let idle = later(Instant::now(), self.limits.idle);
            let wait = self.deadline.map_or(idle, |total| total.min(idle));
            let chunk = match timeout_at(wait, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(failure::of_body(error, &self.target)),
                Err(_) => return Err(self.late(idle)),
            };
            if self.deadline.is_some_and(|total| Instant::now() >= total) {
                // A peer that always has one more byte ready would never let the timer fire.
                return Err(self.late(idle));
            }
            // An empty chunk is no progress for the reader, and must not look like the end either.
            if chunk.is_empty() {
                continue;
            }
            self.read = self.read.saturating_add(chunk.len() as u64);
            if self.read > self.limits.max_body {
                return Err(self.too_large());
            }
            return Ok(Some(chunk));
        }
    }

    fn too_large(&self) -> EgressError {
        EgressError::BodyTooLarge { target: self.target.clone(), limit: self.limits.max_body }
    }

    fn late(&self, idle: Instant) -> EgressError {
        let target = self.target.clone();
        match (self.deadline, self.limits.total) {
            (Some(at), Some(after)) if at <= idle => {
                EgressError::Timeout { target, phase: Phase::Total, after }
            }
            _ => EgressError::Timeout { target, phase: Phase::Idle, after: self.limits.idle },
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("origin", &origin_text(&self.url))
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
