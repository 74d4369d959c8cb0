//! From an HTTP response to the answer of a request: a JSON body, or events with whatever comes before the answer.

use bytes::Bytes;
use egress::{EgressError, Response};
use futures::{Stream, StreamExt, stream::BoxStream};
use http::StatusCode;
use serde_json::Value;
use tokio::time::{Duration, sleep, timeout};

use crate::{
    elicit,
    error::{McpError, McpErrorKind},
    exchange::Failure,
    limits::{ERROR_BODY, RESUMES, RETRY_DEFAULT, RETRY_FLOOR, SSE_EVENTS},
    protocol::method,
    wire::{
        channel::{Answer, Ask, Channel, refused, session_ended, unsure},
        message::{self, Message, MessageError},
        refusal::{self, Form},
        sse::Decoder,
    },
};

/// After its answer a stream gets this long to end by itself, so that its connection can be used again.
const TAIL: Duration = Duration::from_millis(100);

/// Reads until the answer to `ask` is there.
pub(super) async fn read(channel: &Channel, response: Response, ask: &Ask) -> Result<Answer, Failure> {
    let form = Form::of(&response.headers);
    if !response.status.is_success() {
        return read_refusal(channel, response, ask).await;
    }
    if response.status == StatusCode::ACCEPTED {
        // The answer would come on a standing stream; no revision we speak allows that for a request.
        return Err(unsure(McpError::protocol(format!(
            "{} accepted the request but sent no answer",
            channel.host()
        ))));
    }
    match form {
        Form::Json => {
            let body = response
                .with_max_body(channel.bounds().body)
                .bytes()
                .await
                .map_err(|error| unsure(channel.of_egress(&error).error))?;
            read_json(channel, &body, ask).await
        }
        Form::EventStream => read_events(channel, response, ask).await,
        Form::Html | Form::Other => Err(unsure(refusal::of_form(channel.host(), form))),
    }
}

async fn read_json(channel: &Channel, body: &Bytes, ask: &Ask) -> Result<Answer, Failure> {
    let messages = message::parse(body.to_vec(), channel.accepts_batches(), channel.secrets())
        .await
        .map_err(|error| {
            if body.trim_ascii_start().starts_with(b"<") {
                return unsure(refusal::of_form(channel.host(), Form::Html));
            }
            match error {
                MessageError::TooDeep | MessageError::TooMany => unsure(broken(channel, error)),
                MessageError::NotJson | MessageError::NotJsonRpc => {
                    unsure(refusal::of_form(channel.host(), Form::Json))
                }
            }
        })?;
    // A whole body without an id can only mean this request.
    for message in messages {
        match take(channel, message, ask, true) {
            Taken::Answer(answer) => return Ok(answer),
            Taken::Broken => return Err(unsure(asks(channel))),
            Taken::Nothing => {}
        }
    }
    Err(unsure(McpError::protocol(format!(
        "{} answered with something else than the answer",
        channel.host()
    ))))
}

async fn read_refusal(channel: &Channel, response: Response, ask: &Ask) -> Result<Answer, Failure> {
    let status = response.status;
    let error = channel.refusal(status, &response.headers);
    let session = channel.has_session();
    if status == StatusCode::NOT_FOUND && session {
        return Err(refused(session_ended(channel.host())));
    }
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && let Ok((body, _)) = response.prefix(ERROR_BODY).await
        && let Ok(messages) = message::parse(body.to_vec(), false, channel.secrets()).await
        && let Some(Message::Answer { id, answer: Err(mut error) }) = messages.into_iter().next()
        && id.as_ref().is_none_or(|id| message::same_id(&ask.id, id))
    {
        // Servers of the reference SDK answer 400 with a code of their own range where the standard wants 404. Tools use
        // that range too, so a listing is done again on a new session and a call is not (protocol.md L5 has 404 only).
        if status == StatusCode::BAD_REQUEST && session && (-32099..=-32000).contains(&error.code) {
            return Err(unsure(session_ended(channel.host())));
        }
        error.status = Some(status);
        return Ok(Err(error));
    }
    // 408 and 5xx often come from something in between that had already passed the request on.
    let at_the_door = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
    Err(if at_the_door { refused(error) } else { unsure(error) })
}

async fn read_events(channel: &Channel, response: Response, ask: &Ask) -> Result<Answer, Failure> {
    let mut decoder = Decoder::new(channel.bounds().event);
    let mut body: BoxStream<'static, Result<Bytes, EgressError>> = response.into_stream().boxed();
    let (mut events, mut resumes) = (0usize, 0usize);
    loop {
        let broken_by = match body.next().await {
            Some(Ok(chunk)) => {
                decoder.push(&chunk).map_err(|_| unsure(too_large(channel)))?;
                while let Some(event) = decoder.next() {
                    events += 1;
                    resumes = 0;
                    if events > SSE_EVENTS {
                        return Err(unsure(noisy(channel)));
                    }
                    if event.name != "message" {
                        continue;
                    }
                    let messages = message::parse(event.data, channel.accepts_batches(), channel.secrets())
                        .await
                        .map_err(|error| unsure(broken(channel, error)))?;
                    for message in messages {
                        match take(channel, message, ask, false) {
                            Taken::Answer(answer) => {
                                tokio::spawn(timeout(TAIL, drain(body)));
                                return Ok(answer);
                            }
                            Taken::Broken => return Err(unsure(asks(channel))),
                            Taken::Nothing => {}
                        }
                    }
                }
                continue;
            }
            Some(Err(error @ EgressError::Interrupted { .. })) => channel.of_egress(&error).error,
            // Many events, not one large result: nothing says that the tool ran.
            Some(Err(EgressError::BodyTooLarge { .. })) => return Err(unsure(noisy(channel))),
            Some(Err(error)) => return Err(unsure(channel.of_egress(&error).error)),
            None => McpError::new(
                McpErrorKind::Unreachable,
                format!("{} ended its answer before it was complete", channel.host()),
            ),
        };
        body = resume(channel, &mut decoder, ask, &mut resumes, broken_by).await?;
    }
}

/// Continues a broken stream where the server has given event ids (protocol.md L8); else the request is lost (L9).
async fn resume(
    channel: &Channel,
    decoder: &mut Decoder,
    ask: &Ask,
    resumes: &mut usize,
    broken_by: McpError,
) -> Result<BoxStream<'static, Result<Bytes, EgressError>>, Failure> {
    let Some(last_id) = decoder.last_id().map(str::to_owned) else { return Err(unsure(broken_by)) };
    if channel.is_stateless() {
        // Nothing is resumed there: a broken stream has lost its request (protocol.md H11).
        return Err(unsure(broken_by));
    }
    let exchange = &ask.exchange;
    while *resumes < RESUMES && exchange.is_open() {
        *resumes += 1;
        let wait = decoder.retry().map_or(RETRY_DEFAULT, Duration::from_millis).max(RETRY_FLOOR);
        if wait >= exchange.remaining() {
            break;
        }
        sleep(wait).await;
        match channel.get_events(Some(&last_id), channel.limits_of(exchange), ask.stamp.clone()).await {
            Ok(response)
                if response.status.is_success() && Form::of(&response.headers) == Form::EventStream =>
            {
                decoder.restart();
                return Ok(response.into_stream().boxed());
            }
            // The server keeps no events, or has forgotten the session: asking again changes nothing.
            Ok(_) => break,
            Err(failure) => {
                tracing::debug!(host = channel.host(), error = %failure.error, "stream not resumed yet");
            }
        }
    }
    Err(unsure(broken_by))
}

/// What one message means for a request.
enum Taken {
    Nothing,
    Answer(Answer),
    /// The server does what its revision forbids.
    Broken,
}

/// Deals with one message.
fn take(channel: &Channel, message: Message, ask: &Ask, alone: bool) -> Taken {
    match message {
        Message::Answer { id, answer } => {
            if id.as_ref().map_or(alone, |id| message::same_id(&ask.id, id)) {
                return Taken::Answer(answer);
            }
            tracing::debug!(host = channel.host(), "dropped an answer to no request of this stream");
        }
        // Nobody could answer a stateless server, so it must not ask (protocol.md H10).
        Message::Request { .. } if channel.is_stateless() => return Taken::Broken,
        _ if !channel.admits_message() => {}
        Message::Request { id, method, params } if method == method::ELICIT => {
            elicit::answer(channel, id, params, Some(ask));
        }
        Message::Request { id, method, .. } => channel.reply(&id, &method, ask.stamp.clone()),
        Message::Notification { method, params } => match method.as_str() {
            "notifications/progress" => note_progress(channel, ask, &params),
            "notifications/tools/list_changed" => channel.note_tools_changed(),
            // Logging and the rest were never asked for (protocol.md H16).
            _ => {}
        },
    }
    Taken::Nothing
}

fn note_progress(channel: &Channel, ask: &Ask, params: &serde_json::Map<String, Value>) {
    if let Some(token) = &ask.progress_token
        && let Some(report) = message::progress_for(token, params, channel.secrets())
    {
        ask.exchange.progress(report);
    }
}

async fn drain(mut body: impl Stream<Item = Result<Bytes, EgressError>> + Unpin) {
    while let Some(Ok(_)) = body.next().await {}
}

fn broken(channel: &Channel, error: MessageError) -> McpError {
    McpError::protocol(format!("{} sent a message that cannot be read: {error}", channel.host()))
}

/// One message over the cap; where it is the answer to a call, the tool has run.
fn too_large(channel: &Channel) -> McpError {
    McpError::new(
        McpErrorKind::TooLarge,
        format!("{} sent a message larger than is accepted", channel.host()),
    )
}

fn asks(channel: &Channel) -> McpError {
    McpError::protocol(format!(
        "{} broke the protocol: it sent a request where only answers may come",
        channel.host()
    ))
}

fn noisy(channel: &Channel) -> McpError {
    McpError::protocol(format!("{} sent more messages than are accepted and no answer", channel.host()))
}
