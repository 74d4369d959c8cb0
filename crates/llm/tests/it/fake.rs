//! A fake model server that sends exactly the bytes it is told to, on plain TCP.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use egress::{Egress, EgressConfig};
use futures::StreamExt;
use llm::{
    Deadlines, GenerationRequest, ModelError, ModelEvent, ModelProvider, PromptMessage, anthropic::Anthropic,
    openai::OpenAi,
};
use patchbay_llm as llm;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// What the fake does after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Raw bytes: status line, headers, body.
    Raw(Vec<u8>),
    /// One chunk of a chunked body.
    Chunk(Vec<u8>),
    /// The last chunk: the body has ended in order, the connection stays.
    End,
    Sleep(Duration),
    /// Goes on when the test says so.
    Wait(Arc<Notify>),
    /// Drops the connection.
    Cut,
    /// Waits for the client to go away, and tells.
    Gone(mpsc::UnboundedSender<()>),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) line: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Recorded>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Answers every request with what `script` makes of it.
    pub(crate) async fn start(script: impl Fn(&Recorded) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, record) = (Arc::new(script), requests.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                connections.spawn(serve(socket, connection, script.clone(), record.clone()));
            }
        });
        Self { addr, requests, task }
    }

    pub(crate) async fn always(steps: Vec<Step>) -> Self {
        Self::start(move |_| steps.clone()).await
    }

    pub(crate) fn base_url(&self) -> Url {
        format!("http://{}/v1", self.addr).parse().unwrap()
    }

    pub(crate) fn provider(&self) -> OpenAi {
        OpenAi::new(self.base_url(), Some("sk-canary-key".to_owned().into()), egress(&self.addr.to_string()))
    }

    pub(crate) fn anthropic(&self) -> Anthropic {
        let key = Some("sk-canary-key".to_owned().into());
        Anthropic::new(self.base_url(), key, egress(&self.addr.to_string()))
    }

    pub(crate) fn with_deadlines(&self, change: impl Fn(&mut Deadlines)) -> OpenAi {
        let mut deadlines = Deadlines::default();
        change(&mut deadlines);
        self.provider().with_deadlines(deadlines)
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }
}

pub(crate) fn egress(allow: &str) -> Egress {
    Egress::new(EgressConfig {
        allow: allow.parse().unwrap(),
        own_listeners: vec![],
        access_url: None,
        user_agent: "patchbay-test".to_owned(),
    })
    .unwrap()
}

async fn serve(
    mut socket: TcpStream,
    connection: usize,
    script: Arc<impl Fn(&Recorded) -> Vec<Step>>,
    record: Arc<Mutex<Vec<Recorded>>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer, connection).await {
        let steps = script(&request);
        record.lock().unwrap().push(request);
        for step in steps {
            let sent = match step {
                Step::Raw(bytes) => socket.write_all(&bytes).await,
                Step::Chunk(bytes) if bytes.is_empty() => Ok(()),
                Step::Chunk(bytes) => {
                    let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
                    socket.write_all(&framed).await
                }
                Step::End => socket.write_all(b"0\r\n\r\n").await,
                Step::Sleep(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Step::Wait(go) => {
                    go.notified().await;
                    Ok(())
                }
                Step::Cut => return,
                Step::Gone(tell) => {
                    while socket.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
                    tell.send(()).ok();
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Recorded> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next()?.to_owned();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
            if buffer.len() >= end + 4 + length {
                let body = serde_json::from_slice(&buffer[end + 4..end + 4 + length]).unwrap();
                buffer.drain(..end + 4 + length);
                return Some(Recorded { line, headers, body, connection });
            }
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The head of an answer whose body comes in chunks.
pub(crate) fn head(content_type: &str) -> Step {
    Step::Raw(
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n")
            .into_bytes(),
    )
}

/// A whole stream in one chunk.
pub(crate) fn sse(body: &str) -> Vec<Step> {
    vec![head("text/event-stream; charset=utf-8"), Step::Chunk(body.as_bytes().to_vec()), Step::End]
}

/// A whole answer that is no stream.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<Step> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    vec![Step::Raw(text.into_bytes())]
}

/// One event with a delta.
pub(crate) fn delta(delta: &Value) -> String {
    event(&json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
}

pub(crate) fn finish(reason: &str) -> String {
    event(&json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

pub(crate) fn request() -> GenerationRequest {
    GenerationRequest {
        model: "m-1".to_owned(),
        system: Some("be brief".to_owned()),
        messages: vec![PromptMessage::User { text: "hi".to_owned() }],
        tools: vec![],
        max_output_tokens: 50,
    }
}

/// All events of one generation, and the error that ended it.
pub(crate) async fn run(provider: &impl ModelProvider) -> (Vec<ModelEvent>, Option<ModelError>) {
    ask(provider, request()).await
}

/// The same for any request.
pub(crate) async fn ask(
    provider: &impl ModelProvider,
    request: GenerationRequest,
) -> (Vec<ModelEvent>, Option<ModelError>) {
    let mut stream = match provider.generate(request, CancellationToken::new()).await {
        Ok(stream) => stream,
        Err(error) => return (vec![], Some(error)),
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "an error is the last item");
                return (events, Some(error));
            }
        }
    }
    (events, None)
}

/// The error of one generation that must fail.
pub(crate) async fn fails(provider: &impl ModelProvider) -> ModelError {
    let (events, error) = run(provider).await;
    error.unwrap_or_else(|| panic!("no error after {events:?}"))
}
