//! One connection to a live stream, read event by event and cut at will.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// One line or one chunk is shorter.
const MAX: usize = 32 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);

/// An event as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// An open stream; dropping it cuts it.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    /// Received and not yet an event.
    text: Vec<u8>,
}

impl Events {
    /// Opens the stream of a chat. `silence`: how long an event is waited for.
    ///
    /// # Errors
    /// When the replica does not answer with a stream.
    pub(crate) fn open(
        address: SocketAddr,
        authorization: &str,
        chat: &str,
        last: Option<&str>,
        silence: Duration,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CONNECT))?;
        let mut head = format!(
            "GET /api/experimental/chats/{chat}/stream HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n"
        );
        if let Some(last) = last {
            head.push_str(&format!("Last-Event-ID: {last}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            ensure!(reader.read_line(&mut line)? > 0, "no head");
            if line.trim_end().is_empty() {
                break;
            }
        }
        ensure!(first.contains(" 200 "), "the stream of {chat} answers {}", first.trim_end());
        reader.get_ref().set_read_timeout(Some(silence))?;
        Ok(Self { reader, text: Vec::new() })
    }

    /// The next event; `None` when the stream is over or silent.
    ///
    /// # Errors
    /// When this is no stream of events.
    pub(crate) fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = std::str::from_utf8(&block).context("an event is no text")?;
                match parse(block) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            if !self.chunk()? {
                return Ok(None);
            }
        }
    }

    /// False at the end, or when nothing came in time.
    fn chunk(&mut self) -> Result<bool> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) | Err(_) => return Ok(false),
            Ok(_) => {}
        }
        let size =
            usize::from_str_radix(line.trim_end(), 16).with_context(|| format!("no chunk: {line:?}"))?;
        if size > MAX {
            bail!("a chunk of {size} bytes");
        }
        let mut chunk = vec![0; size + 2];
        if size == 0 || self.reader.read_exact(&mut chunk).is_err() {
            return Ok(false);
        }
        self.text.extend_from_slice(&chunk[..size]);
        Ok(true)
    }
}

/// `None` for what is no event: comments and hints.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
    };
    let event = Event { id: field("id"), kind: field("event"), data: field("data") };
    (!event.data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_comments_are_not() {
        let event = parse("id: 7\nevent: status\ndata: {\"a\":1}\n\n").unwrap();
        assert_eq!(
            (event.id.as_str(), event.kind.as_str(), event.data.as_str()),
            ("7", "status", "{\"a\":1}")
        );
        assert_eq!(parse(": open\nretry: 2000\n\n"), None);
    }
}
