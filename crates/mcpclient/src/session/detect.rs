//! Which era a server is of, found by asking it (protocol.md 2). Only an answer counts: a slow server is of no era.

use crate::{
    error::{McpError, McpErrorKind},
    session::{
        Session,
        initialize::{self, Refusal},
        is_wrong_kind, legacy_sse,
        stateless::{self, Found, era_changed},
    },
    target::{Target, Transport},
    wire::{Channel, Told},
};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Every request for itself, 2026-07-28 and later.
    Stateless,
    /// `initialize` and, as a rule, a session, over streamable HTTP.
    Streamable,
    /// Two endpoints, of 2024-11-05.
    Sse,
}

impl Wire {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::Streamable => "streamable",
            Self::Sse => "sse",
        }
    }

    /// What [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stateless, Self::Streamable, Self::Sse].into_iter().find(|wire| wire.as_str() == text)
    }
}

/// What was asked and what came back, for an admin to read (protocol.md E1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail(pub Vec<String>);

impl Trail {
    pub(super) fn note(&mut self, asked: &str, told: &Told) {
        let outcome = match &told.answer {
            Ok(Ok(_)) => "a result".to_owned(),
            Ok(Err(error)) => format!("error {}", error.code),
            Err(failure) => words_of(failure.error.kind()).to_owned(),
        };
        self.add(format!("POST {asked}: HTTP {}, {outcome}", told.status.as_u16()));
    }

    fn add(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }
}

fn words_of(kind: McpErrorKind) -> &'static str {
    match kind {
        McpErrorKind::Html => "a web page",
        McpErrorKind::Unauthorized => "the credentials are not accepted",
        McpErrorKind::InsufficientScope => "more permission is asked for",
        McpErrorKind::Unreachable => "ended before it was complete",
        McpErrorKind::TooLarge => "too large",
        _ => "no MCP",
    }
}

/// Opens a connection: by what was remembered of the server, or by asking.
///
/// # Errors
/// Whatever keeps it from being used. [`McpErrorKind::EraChanged`] only when `remembered` turned out to be wrong.
pub(crate) async fn open(
    channel: &Channel,
    target: &Target,
    client_version: &str,
    remembered: Option<Wire>,
    trail: &mut Trail,
) -> Result<Session, McpError> {
    if target.transport == Transport::Sse {
        trail.add("the transport of this server is set to sse");
        return legacy_sse::open(channel, client_version).await;
    }
    let changed = || era_changed(channel.host());
    match remembered {
        None => ask(channel, client_version, trail).await,
        Some(Wire::Stateless) => match stateless::open(channel, client_version, trail).await? {
            Found::Stateless(session) => Ok(session),
            Found::NotStateless => Err(changed()),
        },
        Some(Wire::Streamable) => match initialize::open(channel, client_version).await {
            Ok(session) => Ok(session),
            Err(Refusal::Stateless(_) | Refusal::NotHere(_)) => Err(changed()),
            Err(Refusal::Failed(error)) => Err(error),
        },
        Some(Wire::Sse) => legacy_sse::open(channel, client_version).await.map_err(|error| {
            let none_there = matches!(error.kind(), McpErrorKind::Html | McpErrorKind::NotMcp);
            if none_there || error.status().is_some_and(is_wrong_kind) { changed() } else { error }
        }),
    }
}

/// Steps 1 to 8.
async fn ask(channel: &Channel, client_version: &str, trail: &mut Trail) -> Result<Session, McpError> {
    if let Found::Stateless(session) = stateless::open(channel, client_version, trail).await? {
        return Ok(session);
    }
    let refused = match initialize::open(channel, client_version).await {
        Ok(session) => {
            trail.add(format!("POST initialize: a result, revision {}", session.identity.revision));
            return Ok(session);
        }
        Err(Refusal::Failed(error) | Refusal::Stateless(error)) => {
            trail.add("POST initialize: no result");
            return Err(error);
        }
        Err(Refusal::NotHere(error)) => error,
    };
    trail.add(match refused.status() {
        Some(status) => format!("POST initialize: HTTP {}", status.as_u16()),
        None => "POST initialize: refused".to_owned(),
    });
    match legacy_sse::open(channel, client_version).await {
        Ok(session) => {
            trail.add(format!("GET: events of the old transport, revision {}", session.identity.revision));
            Ok(session)
        }
        Err(error) => {
            trail.add("GET: no events of the old transport");
            // What the second question brings up is worth more where it is about MCP or about the credentials.
            let telling = matches!(
                error.kind(),
                McpErrorKind::Protocol | McpErrorKind::Unauthorized | McpErrorKind::InsufficientScope
            );
            Err(if telling { error } else { refused })
        }
    }
}
