//! The label while the arguments still stream in.

use super::{INTENT_KEY, label::LabelBuilder};

/// Finds `model_intent` in a JSON text that arrives in pieces. Each character is looked at once, and no more of the text
/// is kept than the label, so a delta costs what it is long.
///
/// Only a string directly under the top-level object counts. On text that turns out to be no JSON it keeps what it
/// had; the label of the stored call is then the fallback.
#[derive(Debug, Clone)]
pub struct StreamingLabel {
    place: Place,
    string: StringDecoder,
    key: KeyMatch,
    label: LabelBuilder,
}

/// Where in the text the next character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the top-level `{`.
    Start,
    /// Before a key, or the end of the object.
    BeforeKey,
    Key,
    Colon,
    BeforeValue,
    /// In the string that is the intent.
    Intent,
    /// In another string directly under the top-level object.
    Text,
    /// In a number, `true`, `false` or `null`.
    Scalar,
    AfterValue,
    /// In a nested object or array, this many levels down; strings in it are told apart because they may hold brackets.
    Nested {
        depth: u32,
        in_text: bool,
    },
    /// After the object, or in what is no object at all.
    Done,
}

impl Default for StreamingLabel {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamingLabel {
    pub fn new() -> Self {
        Self {
            place: Place::Start,
            string: StringDecoder::default(),
            key: KeyMatch::default(),
            label: LabelBuilder::new(true),
        }
    }

    /// Takes the next piece of the argument text, of any length.
    pub fn push(&mut self, delta: &str) {
        for c in delta.chars() {
            if self.place == Place::Done {
                return;
            }
            self.step(c);
        }
    }

    /// The label so far; `None` while there is nothing to show. With one `model_intent` in the text, each answer begins with
    /// the one before.
    pub fn current(&self) -> Option<String> {
        self.as_str().map(str::to_owned)
    }

    /// [`StreamingLabel::current`] without a copy.
    pub fn as_str(&self) -> Option<&str> {
        self.label.current()
    }

    fn step(&mut self, c: char) {
        self.place = match self.place {
            Place::Done => Place::Done,
            Place::Start => match c {
                '{' => Place::BeforeKey,
                c if is_blank(c) => Place::Start,
                _ => Place::Done,
            },
            Place::BeforeKey => match c {
                '"' => {
                    self.string = StringDecoder::default();
                    self.key = KeyMatch::default();
                    Place::Key
                }
                '}' => Place::Done,
                c if is_blank(c) => Place::BeforeKey,
                _ => Place::Done,
            },
            Place::Key => match self.string.step(c) {
                Piece::End => Place::Colon,
                Piece::Chars(chars) => {
                    chars.into_iter().flatten().for_each(|c| self.key.push(c));
                    Place::Key
                }
            },
            Place::Colon => match c {
                ':' => {
                    // Of two intents the later one counts, as for every JSON parser that keeps the last.
                    if self.key.is_intent() {
                        self.label = LabelBuilder::new(true);
                    }
                    Place::BeforeValue
                }
                c if is_blank(c) => Place::Colon,
                _ => Place::Done,
            },
            Place::BeforeValue => match c {
                '"' => {
                    self.string = StringDecoder::default();
                    if self.key.is_intent() { Place::Intent } else { Place::Text }
                }
                '{' | '[' => Place::Nested { depth: 1, in_text: false },
                c if is_blank(c) => Place::BeforeValue,
                _ => Place::Scalar,
            },
            Place::Intent => match self.string.step(c) {
                Piece::End => Place::AfterValue,
                Piece::Chars(chars) => {
                    chars.into_iter().flatten().for_each(|c| self.label.push(c));
                    Place::Intent
                }
            },
            Place::Text => match self.string.skip(c) {
                true => Place::AfterValue,
                false => Place::Text,
            },
            Place::Scalar | Place::AfterValue => match c {
                ',' => Place::BeforeKey,
                '}' => Place::Done,
                _ => self.place,
            },
            Place::Nested { depth, in_text: true } => Place::Nested { depth, in_text: !self.string.skip(c) },
            Place::Nested { depth, in_text: false } => match c {
                '"' => {
                    self.string = StringDecoder::default();
                    Place::Nested { depth, in_text: true }
                }
                '{' | '[' => Place::Nested { depth: depth.saturating_add(1), in_text: false },
                '}' | ']' if depth == 1 => Place::AfterValue,
                '}' | ']' => Place::Nested { depth: depth - 1, in_text: false },
                _ => self.place,
            },
        };
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Compares a key with `model_intent` without keeping it: keys may be long.
#[derive(Debug, Clone, Default)]
struct KeyMatch {
    matched: usize,
    differs: bool,
}

impl KeyMatch {
    fn push(&mut self, c: char) {
        // The name is ASCII, so bytes are characters.
        let wanted = INTENT_KEY.as_bytes().get(self.matched).copied().map(char::from);
        if wanted == Some(c) { self.matched += 1 } else { self.differs = true }
    }

    fn is_intent(&self) -> bool {
        !self.differs && self.matched == INTENT_KEY.len()
    }
}

/// Decodes the inside of a JSON string (RFC 8259, 7), one character at a time.
#[derive(Debug, Clone, Default)]
struct StringDecoder {
    escape: Escape,
    /// The first half of a surrogate pair, waiting for the second.
    high: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After the backslash.
    Begun,
    /// In `\uXXXX`: the value and the number of digits so far.
    Unicode { value: u16, digits: u8 },
}

enum Piece {
    /// The closing quote.
    End,
    /// What the character completed: at most a lone surrogate's replacement and one character.
    Chars([Option<char>; 2]),
}

/// Stands for half a surrogate pair.
const REPLACEMENT: char = '\u{fffd}';

impl StringDecoder {
    /// Only looks for the end. True on the closing quote.
    fn skip(&mut self, c: char) -> bool {
        match (self.escape, c) {
            (Escape::None, '"') => return true,
            (Escape::None, '\\') => self.escape = Escape::Begun,
            // The digits after `\u` are no quotes and no backslashes, so they need no counting.
            _ => self.escape = Escape::None,
        }
        false
    }

    fn step(&mut self, c: char) -> Piece {
        match self.escape {
            Escape::None => match c {
                '"' => Piece::End,
                '\\' => {
                    self.escape = Escape::Begun;
                    Piece::Chars([None, None])
                }
                c => self.emit(c),
            },
            Escape::Begun => {
                self.escape = Escape::None;
                match c {
                    'u' => {
                        self.escape = Escape::Unicode { value: 0, digits: 0 };
                        Piece::Chars([None, None])
                    }
                    'n' => self.emit('\n'),
                    'r' => self.emit('\r'),
                    't' => self.emit('\t'),
                    'b' => self.emit('\u{8}'),
                    'f' => self.emit('\u{c}'),
                    // `"`, `\` and `/` stand for themselves; anything else is no JSON.
                    c => self.emit(c),
                }
            }
            Escape::Unicode { value, digits } => {
                let digit = c.to_digit(16).and_then(|digit| u16::try_from(digit).ok()).unwrap_or(0);
                let value = (value << 4) | digit;
                if digits < 3 {
                    self.escape = Escape::Unicode { value, digits: digits + 1 };
                    return Piece::Chars([None, None]);
                }
                self.escape = Escape::None;
                self.unit(value)
            }
        }
    }

    /// A UTF-16 unit from `\uXXXX`.
    fn unit(&mut self, unit: u16) -> Piece {
        match (unit, self.high) {
            (0xd800..=0xdbff, pending) => {
                self.high = Some(unit);
                Piece::Chars([pending.map(|_| REPLACEMENT), None])
            }
            (0xdc00..=0xdfff, Some(high)) => {
                self.high = None;
                let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                Piece::Chars([char::from_u32(code), None])
            }
            (0xdc00..=0xdfff, None) => Piece::Chars([Some(REPLACEMENT), None]),
            _ => self.emit(char::from_u32(unit.into()).unwrap_or(REPLACEMENT)),
        }
    }

    fn emit(&mut self, c: char) -> Piece {
        Piece::Chars([self.high.take().map(|_| REPLACEMENT), Some(c)])
    }
}

#[cfg(test)]
mod tests;
