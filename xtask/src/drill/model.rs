//! A model provider in the OpenAI dialect that asks for tickets: what it is asked, and by which replica, is the drill's view of a turn.
//!
//! Written on sockets: xtask has no runtime, and a thread per connection of three replicas is cheap.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Longest body of a request, bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;
/// A connection that is silent for longer is dropped.
const IDLE: Duration = Duration::from_secs(120);

/// What the model says, piece by piece.
pub(crate) struct Script {
    pub(crate) texts: Vec<String>,
    pub(crate) calls: Vec<Call>,
    /// Before each piece.
    pub(crate) pause: Duration,
    /// Each text says of which answer it is and when it was sent, in microseconds since then.
    pub(crate) stamp: Option<Instant>,
}

/// A tool call that the model asks for.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Who plays the model.
pub(crate) trait Part: Send + Sync + 'static {
    /// The answer to a request that came from `port`, and a word by which [`Part::said`] knows it.
    fn answer(&self, port: u16, request: &Value) -> (Script, u64);
    /// That answer was sent to its end.
    fn said(&self, number: u64);
}

/// A running provider; it lives as long as this process.
pub(crate) struct Model {
    address: SocketAddr,
}

impl Model {
    /// # Errors
    /// When no port can be had.
    pub(crate) fn start(part: Arc<dyn Part>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the model")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let part = Arc::clone(&part);
                // A replica that dies in the middle is what the drill is about.
                thread::spawn(move || drop(serve(stream, &*part)));
            }
        });
        Ok(Self { address })
    }

    /// What to put into a provider's `base_url`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

fn serve(stream: TcpStream, part: &dyn Part) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    let port = stream.peer_addr()?.port();
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0_u64;
        let mut first = true;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() && !first {
                break;
            }
            first = false;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        if length > MAX_BODY {
            bail!("a request of {length} bytes");
        }
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        let request: Value = serde_json::from_slice(&body)?;
        let (script, number) = part.answer(port, &request);
        speak(&mut writer, &script, number)?;
        part.said(number);
    }
}

fn speak(writer: &mut TcpStream, script: &Script, number: u64) -> Result<()> {
    writer.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    let rest = || {
        if !script.pause.is_zero() {
            thread::sleep(script.pause);
        }
    };
    let mut send = |text: &str| -> Result<()> {
        writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
        Ok(())
    };
    for text in &script.texts {
        rest();
        let text = match script.stamp {
            Some(since) => format!("{text}{} ", stamp(number, since.elapsed())),
            None => text.clone(),
        };
        send(&delta(&json!({ "role": "assistant", "content": text }), None))?;
    }
    for (index, call) in script.calls.iter().enumerate() {
        let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
        let call = json!({ "index": index, "id": call.id, "type": "function", "function": function });
        rest();
        send(&delta(&json!({ "role": "assistant", "tool_calls": [call] }), None))?;
    }
    rest();
    let reason = if script.calls.is_empty() { "stop" } else { "tool_calls" };
    send(&format!("{}data: [DONE]\n\n", delta(&json!({}), Some(reason))))?;
    writer.write_all(b"0\r\n\r\n")?;
    Ok(())
}

fn delta(delta: &Value, reason: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-drill", "object": "chat.completion.chunk",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
    });
    format!("data: {chunk}\n\n")
}

fn stamp(answer: u64, at: Duration) -> String {
    format!("@{answer}:{}@", at.as_micros())
}

/// Of which answer a stamped text is, and when it was sent.
pub(crate) fn stamp_in(text: &str) -> Option<(u64, Duration)> {
    let (answer, micros) = text.split('@').nth(1)?.split_once(':')?;
    Some((answer.parse().ok()?, Duration::from_micros(micros.parse().ok()?)))
}

/// The text of a message, whichever way its content is written.
pub(crate) fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The name under which a request offers the tool that ends with `name`.
pub(crate) fn offered(request: &Value, name: &str) -> Option<String> {
    let tools = request["tools"].as_array()?;
    let names = tools.iter().filter_map(|tool| tool["function"]["name"].as_str());
    names.into_iter().find(|offered| offered.ends_with(name)).map(str::to_owned)
}
