//! The event-stream format (WHATWG HTML, 9.2), with a cap on every buffer.

use std::collections::VecDeque;

use crate::limits::{EVENT_ID, SSE_EVENT};

/// One event that carries data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` unless named otherwise.
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
}

/// An event over the cap. The stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventTooLarge;

/// Cuts bytes into events.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Bytes of one event.
    max: usize,
    started: bool,
    after_cr: bool,
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    id: Option<Vec<u8>>,
    events: VecDeque<Event>,
    last_id: Option<String>,
    retry: Option<u64>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(SSE_EVENT)
    }
}

impl Decoder {
    /// Takes events of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            started: false,
            after_cr: false,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            id: None,
            events: VecDeque::new(),
            last_id: None,
            retry: None,
        }
    }

    /// Takes in bytes; complete events come out of [`Self::next`].
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), EventTooLarge> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (line, rest) =
                end.map_or((bytes, &bytes[bytes.len()..]), |end| (&bytes[..end], &bytes[end + 1..]));
            if self.line.len() + self.data.len() + line.len() > self.max {
                return Err(EventTooLarge);
            }
            // A comment is never kept, so that an endless one costs nothing.
            if self.line.first() != Some(&b':') {
                self.line.extend_from_slice(line);
            }
            if let Some(end) = end {
                self.after_cr = bytes[end] == b'\r';
                self.finish_line();
            }
            bytes = rest;
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The id after which a broken stream goes on.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Milliseconds the server wants us to wait before that.
    pub(crate) fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Forgets half an event: a new connection starts at an event's beginning.
    pub(crate) fn restart(&mut self) {
        *self = Self { last_id: self.last_id.take(), retry: self.retry, ..Self::new(self.max) };
    }

    fn finish_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.started, true) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.finish_event();
        }
        if line[0] == b':' {
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((&line[..], &[][..]), |colon| (&line[..colon], &line[colon + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = value.to_vec(),
            b"id" if !value.contains(&0) && value.len() <= EVENT_ID => self.id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = std::str::from_utf8(value).ok().map(|digits| digits.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }

    fn finish_event(&mut self) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if let Some(id) = self.id.take() {
            // An id that no header can carry cannot be resumed after; an empty one means "none".
            let id = String::from_utf8(id).ok().filter(|id| http::HeaderValue::from_str(id).is_ok());
            self.last_id = id.filter(|id| !id.is_empty());
        }
        // Priming events carry an id and empty data (protocol.md L7).
        if std::mem::take(&mut self.has_data) && !data.is_empty() {
            let name = if name.is_empty() {
                "message".to_owned()
            } else {
                String::from_utf8_lossy(&name).into_owned()
            };
            self.events.push_back(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> (Vec<(String, String)>, Decoder) {
        let mut decoder = Decoder::default();
        for chunk in chunks {
            decoder.push(chunk).unwrap();
        }
        let mut events = Vec::new();
        while let Some(event) = decoder.next() {
            events.push((event.name, String::from_utf8(event.data).unwrap()));
        }
        (events, decoder)
    }

    fn message(data: &str) -> (String, String) {
        ("message".into(), data.into())
    }

    #[test]
    fn lines_end_in_three_ways_and_cut_anywhere() {
        let text =
            "\u{feff}: hello\r\ndata: a\r\ndata:b\r\n\r\nevent: ping\rdata: c\r\rdata: d\n\ndata: half"
                .as_bytes();
        let expected = vec![message("a\nb"), ("ping".into(), "c".into()), message("d")];
        assert_eq!(decode(&[text]).0, expected);
        for cut in 0..text.len() {
            assert_eq!(decode(&[&text[..cut], &text[cut..]]).0, expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(decode(&bytes).0, expected);
    }

    #[test]
    fn ids_and_retry() {
        let (events, decoder) =
            decode(&[b"id: 1\nretry: 50\ndata:\n\nid: 2\ndata: x\n\nid: 3\ndata: not yet"]);
        assert_eq!(events, [message("x")]);
        assert_eq!(decoder.last_id(), Some("2"), "an id counts once its event is complete");
        assert_eq!(decoder.retry(), Some(50));
        let (_, decoder) = decode(&[b"id: a\0b\nretry: 1x\ndata: y\n\n"]);
        assert_eq!((decoder.last_id(), decoder.retry()), (None, None));
        let (_, decoder) = decode(&[b"retry: 99999999999999999999999\n\n"]);
        assert_eq!(decoder.retry(), Some(u64::MAX));
    }

    #[test]
    fn a_restart_forgets_half_an_event_and_keeps_the_id() {
        let (_, mut decoder) = decode(&[b"id: 1\ndata: x\n\ndata: half"]);
        decoder.restart();
        decoder.push(b"data: whole\n\n").unwrap();
        assert_eq!(decoder.next().unwrap().data, b"whole");
        assert_eq!(decoder.last_id(), Some("1"));
    }

    #[test]
    fn too_much_without_an_end_is_refused_and_comments_are_not_kept() {
        let mut decoder = Decoder::default();
        let megabyte = vec![b'x'; 1024 * 1024];
        decoder.push(b": ").unwrap();
        for _ in 0..40 {
            decoder.push(&megabyte).unwrap();
        }
        assert!(decoder.line.len() < 2 * 1024 * 1024);
        decoder.push(b"\ndata: ").unwrap();
        let refused = (0..13).any(|_| decoder.push(&megabyte).is_err());
        assert!(refused);
    }
}
