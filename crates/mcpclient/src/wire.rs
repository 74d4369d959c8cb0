//! MCP over HTTP: one request at a time through `egress`, and what comes back for it.

mod channel;
mod flood;
mod message;
mod refusal;
mod sse;
mod stream;

pub(crate) use channel::{Answer, Ask, Channel, Post, Told, refused, session_ended, unsure};
pub(crate) use message::{Message, MessageError, parse, progress_for, same_id};
pub(crate) use refusal::{Form, of_form};
pub(crate) use sse::{Decoder, Event};
