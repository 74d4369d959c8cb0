//! A small HTTP/1.1 client: one kept-alive connection, one request at a time, a deadline for each.
//!
//! Written here because the benchmark must cost as little as possible itself (no runtime, no pool, no threads), and
//! because xtask should build in seconds.

mod wire;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use wire::{Framing, Head};

/// For the connection itself; the server is on the same machine.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest head of an answer, bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest body, bytes: the debug build's wasm, compressed, is the largest thing asked for.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// Beside `Host` and `Content-Length`.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
    /// From the first byte sent to the last byte received.
    pub(crate) deadline: Duration,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// First header of that name, any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        wire::header(&self.headers, name)
    }

    /// The body as JSON, if the status is the expected one.
    ///
    /// # Errors
    /// Otherwise, with the beginning of the body.
    pub(crate) fn json(&self, expected: u16) -> Result<Value> {
        self.expect(expected)?;
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.beginning()))
    }

    /// # Errors
    /// When the status is another one, with the beginning of the body.
    pub(crate) fn expect(&self, status: u16) -> Result<()> {
        if self.status != status {
            bail!("status {} instead of {status}: {}", self.status, self.beginning());
        }
        Ok(())
    }

    fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(500)]).into_owned()
    }
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// Received and not yet consumed.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)
            .with_context(|| format!("cannot connect to {address}"))?;
        // Without it a small request could wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, buffer: Vec::new() })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// After the deadline, when the connection breaks, or when the answer is no HTTP. The connection is useless then.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<Answer> {
        let until = Instant::now() + request.deadline;
        self.exchange(request, until).with_context(|| format!("{} {}", request.method, request.path))
    }

    fn exchange(&mut self, request: &Request<'_>, until: Instant) -> Result<Answer> {
        let bytes = wire::encode(self.address, request);
        self.stream.set_write_timeout(Some(left(until)?))?;
        self.stream.write_all(&bytes).context("the request could not be sent")?;
        let Head { status, headers, framing } = self.head(until)?;
        let body = match framing {
            Framing::Length(length) => self.take(length, MAX_BODY, until)?,
            Framing::Chunked => self.chunks(until)?,
        };
        Ok(Answer { status, headers, body })
    }

    fn head(&mut self, until: Instant) -> Result<Head> {
        let end = self.find(b"\r\n\r\n", until)?;
        let text =
            String::from_utf8(self.take(end, MAX_HEAD, until)?).context("the answer's head is no text")?;
        wire::parse_head(&text)
    }

    /// RFC 9112 section 7.1. Extensions and trailers are read over.
    fn chunks(&mut self, until: Instant) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = self.find(b"\r\n", until)?;
            let size = wire::parse_chunk_size(&self.take(end, MAX_HEAD, until)?)?;
            if size == 0 {
                break;
            }
            body.extend(self.take(size, MAX_BODY - body.len(), until)?);
            if self.take(2, 2, until)? != b"\r\n" {
                bail!("a chunk is longer than it says");
            }
        }
        loop {
            let end = self.find(b"\r\n", until)?;
            if self.take(end, MAX_HEAD, until)? == b"\r\n" {
                return Ok(body);
            }
        }
    }

    /// Reads until `mark` is in the buffer; the length up to and with it.
    fn find(&mut self, mark: &[u8], until: Instant) -> Result<usize> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].windows(mark.len()).position(|window| window == mark) {
                return Ok(searched + at + mark.len());
            }
            if self.buffer.len() > MAX_HEAD {
                bail!("a head or a chunk's first line is longer than {MAX_HEAD} bytes");
            }
            searched = self.buffer.len().saturating_sub(mark.len() - 1);
            self.receive(until)?;
        }
    }

    /// Exactly `length` bytes.
    fn take(&mut self, length: usize, at_most: usize, until: Instant) -> Result<Vec<u8>> {
        if length > at_most {
            bail!("the answer is longer than the benchmark reads ({length} bytes)");
        }
        while self.buffer.len() < length {
            self.receive(until)?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn receive(&mut self, until: Instant) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        self.stream.set_read_timeout(Some(left(until)?))?;
        let count = self.stream.read(&mut chunk).context("no answer in time")?;
        if count == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

/// Time until the deadline; an error once it is over, because a socket takes no timeout of zero.
fn left(until: Instant) -> Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        bail!("no answer in time");
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A peer that answers each request on one connection with the next of `answers`, and returns what it was sent.
    fn peer(answers: &'static [&'static [u8]]) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut seen = String::new();
            for answer in answers {
                let mut chunk = [0; 4096];
                let count = stream.read(&mut chunk).unwrap();
                seen.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
                // In two pieces, so that the client has to put them together.
                let (first, second) = answer.split_at(answer.len() / 2);
                stream.write_all(first).unwrap();
                thread::sleep(Duration::from_millis(5));
                stream.write_all(second).unwrap();
            }
            seen
        });
        (address, serving)
    }

    fn get(deadline: Duration) -> Request<'static> {
        Request { method: "GET", path: "/x", headers: &[("Accept", "text/plain")], body: b"", deadline }
    }

    #[test]
    fn one_connection_serves_several_requests() {
        let (address, serving) = peer(&[
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: a\r\n\r\nhello",
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ]);
        let mut connection = Connection::open(address).unwrap();
        let second = Duration::from_secs(5);
        let answer = connection.send(&get(second)).unwrap();
        assert_eq!(
            (answer.status, answer.header("x-ONE"), &answer.body[..]),
            (200, Some("a"), &b"hello"[..])
        );
        let post = Request { method: "POST", path: "/y", headers: &[], body: b"{\"a\":1}", deadline: second };
        let answer = connection.send(&post).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (201, &b"abc0123456789"[..]));
        assert_eq!(connection.send(&get(second)).unwrap().status, 204);
        let seen = serving.join().unwrap();
        assert!(
            seen.starts_with(&format!("GET /x HTTP/1.1\r\nHost: {address}\r\nAccept: text/plain\r\n\r\n")),
            "{seen}"
        );
        assert!(
            seen.contains("POST /y HTTP/1.1\r\n") && seen.contains("Content-Length: 7\r\n\r\n{\"a\":1}"),
            "{seen}"
        );
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let start = Instant::now();
        let error = connection.send(&get(Duration::from_millis(80))).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("no answer in time"), "{error:#}");
        assert!((80..5000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }

    #[test]
    fn broken_answers_are_errors() {
        const CASES: [(&[&[u8]], &str); 4] = [
            (&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"], "closed"),
            (
                &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"],
                "longer than it says",
            ),
            (&[b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"], "longer than the benchmark reads"),
            (&[b"SSH-2.0-x\r\n\r\n"], "no HTTP"),
        ];
        for (answer, names) in CASES {
            let (address, serving) = peer(answer);
            let mut connection = Connection::open(address).unwrap();
            let error = connection.send(&get(Duration::from_secs(5))).map(|_| ()).unwrap_err();
            assert!(format!("{error:#}").contains(names), "{names}: {error:#}");
            drop(connection);
            serving.join().unwrap();
        }
    }

    #[test]
    fn json_needs_the_expected_status() {
        let answer = Answer { status: 400, headers: Vec::new(), body: b"{\"message\":\"no\"}".to_vec() };
        assert_eq!(answer.json(400).unwrap()["message"], "no");
        let error = answer.json(201).unwrap_err().to_string();
        assert!(error.contains("400") && error.contains("no"), "{error}");
    }
}
