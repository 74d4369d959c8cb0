//! The text of HTTP/1.1 (RFC 9112), without sockets.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

use super::Request;

/// How the end of a body is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// Everything before the body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
}

/// Request line, headers and body in one piece, so that they leave in one packet.
pub(super) fn encode(address: SocketAddr, request: &Request<'_>) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", request.method, request.path);
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(request.body);
    bytes
}

/// Status and headers. A body whose end is the end of the connection is refused: our server never sends one, and a
/// benchmark that waits for it would measure the wait.
///
/// # Errors
/// When this is no HTTP/1.1.
pub(super) fn parse_head(text: &str) -> Result<Head> {
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status: u16 = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .with_context(|| format!("no HTTP/1.1: {first:?}"))?;
    let mut headers = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let framing = if matches!(status, 204 | 304) {
        Framing::Length(0)
    } else if let Some(coding) = header(&headers, "transfer-encoding") {
        if !coding.eq_ignore_ascii_case("chunked") {
            bail!("the transfer coding {coding} is not known here");
        }
        Framing::Chunked
    } else {
        let length = header(&headers, "content-length").context("the answer does not say how long it is")?;
        Framing::Length(length.parse().with_context(|| format!("no length: {length:?}"))?)
    };
    Ok(Head { status, headers, framing })
}

/// First header of that name, any case.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The hexadecimal number a chunk begins with.
///
/// # Errors
/// When there is none.
pub(super) fn parse_chunk_size(line: &[u8]) -> Result<usize> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    usize::from_str_radix(digits, 16).with_context(|| format!("no size of a chunk: {digits:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_follows_the_head() {
        let framing = |text: &str| parse_head(text).map(|head| head.framing);
        assert_eq!(framing("HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\n\r\n").unwrap(), Framing::Length(12));
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n").unwrap(),
            Framing::Chunked
        );
        assert_eq!(
            framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n").unwrap(),
            Framing::Length(0)
        );
        for broken in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 2",
        ] {
            assert!(framing(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_and_may_carry_extensions() {
        assert_eq!(parse_chunk_size(b"1f\r\n").unwrap(), 31);
        assert_eq!(parse_chunk_size(b"A;name=value\r\n").unwrap(), 10);
        assert!(parse_chunk_size(b"\r\n").is_err());
        assert!(parse_chunk_size(b"xyz\r\n").is_err());
    }
}
