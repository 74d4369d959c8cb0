//! An incremental parser of `text/event-stream`, own because a provider may cut its bytes anywhere and send without end.
//!
//! Follows the WHATWG rules for lines (CR, LF, CRLF), comments, `data` and `event`; `id` and `retry` mean nothing here,
//! since a generation cannot be resumed.

use crate::limits::{SSE_EVENT, SSE_LINE};
use std::collections::VecDeque;

/// One event with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The `event` field; empty when there was none.
    pub(crate) name: String,
    /// The `data` lines, joined by LF.
    pub(crate) data: String,
}

/// A line or an event over its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SseTooLarge;

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    /// The first line has been seen, so that a byte order mark is no longer one.
    begun: bool,
    name: String,
    data: Option<String>,
    ready: VecDeque<SseEvent>,
}

impl SseParser {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), SseTooLarge> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + piece.len() > SSE_LINE {
                return Err(SseTooLarge);
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_of_line()?;
        }
        Ok(())
    }

    /// The next complete event.
    pub(crate) fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// The body ended in order: what stands in the buffers counts as an event even without its blank line. Many servers
    /// forget it after their last event; a cut one shows itself by being no JSON.
    pub(crate) fn finish(&mut self) -> Result<(), SseTooLarge> {
        if !self.line.is_empty() {
            self.end_of_line()?;
        }
        self.dispatch();
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), SseTooLarge> {
        let raw = std::mem::take(&mut self.line);
        let mut line: &[u8] = &raw;
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch();
        } else {
            let (field, value) = match line.iter().position(|b| *b == b':') {
                Some(colon) => {
                    let value = &line[colon + 1..];
                    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
                }
                None => (line, &b""[..]),
            };
            match field {
                b"data" => self.add_data(value)?,
                b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
                _ => {}
            }
        }
        // Keeps the allocation for the next line.
        self.line = raw;
        self.line.clear();
        Ok(())
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), SseTooLarge> {
        let text = String::from_utf8_lossy(value);
        let data = match &mut self.data {
            Some(data) => {
                data.push('\n');
                data
            }
            None => self.data.insert(String::new()),
        };
        if data.len() + text.len() > SSE_EVENT {
            return Err(SseTooLarge);
        }
        data.push_str(&text);
        Ok(())
    }

    fn dispatch(&mut self) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            self.ready.push_back(SseEvent { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::default();
        for piece in pieces {
            parser.feed(piece).unwrap();
        }
        parser.finish().unwrap();
        std::iter::from_fn(|| parser.next_event()).collect()
    }

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn reads_every_kind_of_line() {
        let text = "\u{feff}: hello\r\nevent: error\rdata: {\"a\":1}\n\ndata:x\ndata\ndata:  y\n\nid: 7\nretry: 1\nevent: lost\n\ndata: [DONE]";
        assert_eq!(
            parse(&[text.as_bytes()]),
            [event("error", "{\"a\":1}"), event("", "x\n\n y"), event("", "[DONE]")]
        );
    }

    #[test]
    fn an_event_ends_only_at_its_blank_line() {
        let mut parser = SseParser::default();
        parser.feed(b"data: one\n").unwrap();
        assert_eq!(parser.next_event(), None);
        parser.feed(b"\r").unwrap();
        assert_eq!(parser.next_event(), Some(event("", "one")));
        // The LF of the CRLF is no second blank line, and no line of its own.
        parser.feed(b"\ndata: two\r\n\r\n").unwrap();
        assert_eq!(parser.next_event(), Some(event("", "two")));
        assert_eq!(parser.next_event(), None);
    }

    #[test]
    fn a_line_over_the_cap_is_an_error_before_it_is_kept() {
        let mut parser = SseParser::default();
        let piece = vec![b'x'; 64 * 1024];
        let fed = (0..17).map(|_| parser.feed(&piece)).collect::<Result<Vec<_>, _>>();
        assert_eq!(fed, Err(SseTooLarge));
        assert!(parser.line.capacity() <= 2 * SSE_LINE);
    }

    #[test]
    fn an_event_of_many_lines_over_the_cap_is_an_error() {
        let mut parser = SseParser::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; 64 * 1024], b"\n"].concat();
        let fed = (0..17).map(|_| parser.feed(&line)).collect::<Result<Vec<_>, _>>();
        assert_eq!(fed, Err(SseTooLarge));
    }

    fn line_end() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("\n"), Just("\r"), Just("\r\n")]
    }

    proptest! {
        #[test]
        fn no_cut_changes_the_events(
            lines in prop::collection::vec(("(data|event|id|: c)", "[: a-zäß😀{}\"]{0,12}", line_end(), prop::bool::ANY), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut text = String::new();
            for (field, value, end, blank) in lines {
                text.push_str(&format!("{field}:{value}{end}"));
                if blank { text.push_str(end); }
            }
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = parse(&[bytes]);
            prop_assert_eq!(&parse(&pieces), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&parse(&single), &whole);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let mut parser = SseParser::default();
            parser.feed(&bytes).unwrap();
            parser.finish().unwrap();
            while parser.next_event().is_some() {}
        }
    }
}
