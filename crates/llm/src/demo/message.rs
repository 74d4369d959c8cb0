//! What a message offers as values: quoted text, numbers, `name: value` pairs, and its subject.

use super::{
    numbers::{Number, numbers},
    words::{Word, akin, words},
};
use std::{collections::BTreeSet, ops::Range};

/// The user's message, taken apart.
pub(super) struct Message<'a> {
    pub(super) text: &'a str,
    pub(super) words: Vec<Word>,
    pub(super) quoted: Vec<Quoted<'a>>,
    pub(super) numbers: Vec<Number>,
}

/// A quoted text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    /// Byte offset of the opening mark.
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl<'a> Message<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let words = words(text);
        Self { text, quoted: quoted(text), numbers: numbers(text, &words), words }
    }

    /// `name` stands in the message as it is.
    pub(super) fn writes_out(&self, name: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        !name.is_empty()
            && self.text.split(|c: char| !part(c)).any(|run| run.trim_matches('-').eq_ignore_ascii_case(name))
            // A plain word that happens to be a name is weighed like any other word.
            && (name.contains(['_', '-']) || name.bytes().any(|b| b.is_ascii_digit()))
    }

    /// `text`'s words stand in the message side by side.
    pub(super) fn mentions(&self, text: &str) -> Option<usize> {
        let wanted = words(text);
        if wanted.is_empty() {
            return None;
        }
        self.words
            .windows(wanted.len())
            .position(|run| run.iter().zip(&wanted).all(|(a, b)| a.stem == b.stem))
    }

    /// The message without the words that only say which tool is meant: "Search the docs for lease epochs" is about
    /// "lease epochs". `None` where nothing would be left.
    pub(super) fn subject(&self, tool_words: &BTreeSet<String>) -> Option<&'a str> {
        let of_tool = |word: &&Word| {
            word.is_filler()
                || tool_words.contains(&word.stem)
                || tool_words.iter().any(|own| akin(own, &word.stem))
        };
        let first = self.words.iter().position(|word| !of_tool(&word))?;
        let last = self.words.iter().rposition(|word| !of_tool(&word))?;
        // Up to the next space, so that "/etc/hosts" and "#12" stay whole.
        let head = &self.text[..self.words[first].start];
        let start = head
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8));
        let tail = &self.text[self.words[last].end..];
        let end = self.words[last].end + tail.find(char::is_whitespace).unwrap_or(tail.len());
        Some(trim_marks(&self.text[start..end])).filter(|subject| !subject.is_empty())
    }

    /// The value of `name: value` or `name=value`. `others` are the names that may follow: a value ends where the next
    /// pair begins.
    pub(super) fn pair(&self, name: &str, others: &[&str]) -> Option<&'a str> {
        let (_, value) = self.pair_at(name)?;
        let rest = &self.text[value..];
        if let Some(quoted) = self.quoted.iter().find(|quoted| quoted.start == value) {
            return Some(quoted.text);
        }
        let next = others
            .iter()
            .filter_map(|other| self.pair_at(other))
            .map(|(start, _)| start)
            .filter(|at| *at > value);
        let end = next.min().map_or(rest.len(), |at| at - value);
        let end = rest[..end].find(['\n', ';']).unwrap_or(end);
        let mut value = rest[..end].trim().trim_end_matches(',');
        if end < rest.len() {
            value = value.strip_suffix(" and").unwrap_or(value);
        }
        let value = value.trim().trim_end_matches(',').trim();
        (!value.is_empty()).then_some(value)
    }

    /// Start of the pair, start of its value.
    fn pair_at(&self, name: &str) -> Option<(usize, usize)> {
        let wanted = words(name);
        if wanted.is_empty() {
            return None;
        }
        self.words.windows(wanted.len()).find_map(|run| {
            let same = run.iter().zip(&wanted).all(|(a, b)| a.text == b.text)
                && run.windows(2).all(|two| {
                    self.text[two[0].end..two[1].start].chars().all(|c| matches!(c, ' ' | '_' | '-'))
                });
            let end = run.last()?.end;
            let rest = self.text[end..].trim_start_matches(['"', '\'', '`']).trim_start_matches(' ');
            let value = rest.strip_prefix([':', '='])?.trim_start_matches(' ');
            // "https://…" is no pair.
            (same && !value.starts_with("//")).then(|| (run[0].start, self.text.len() - value.len()))
        })
    }

    /// A word of `name` stands right before or behind the place `range`, fillers aside: "limit of 5", "5 seconds".
    pub(super) fn beside(&self, name: &str, range: &Range<usize>) -> bool {
        const REACH: usize = 2;
        let wanted = words(name);
        let named = |word: &Word| wanted.iter().any(|own| own.stem == word.stem);
        let before = self.words.iter().rev().filter(|word| word.end <= range.start).take(REACH + 1);
        let mut fillers_only = true;
        for word in before {
            if fillers_only && named(word) {
                return true;
            }
            fillers_only &= word.is_filler();
        }
        self.words.iter().find(|word| word.start >= range.end).is_some_and(named)
    }

    /// The first run between spaces that `fits`.
    pub(super) fn token(&self, fits: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.text.split_whitespace().map(trim_marks).find(|token| fits(token))
    }
}

/// Without the punctuation around it.
fn trim_marks(text: &str) -> &str {
    text.trim()
        .trim_end_matches(['.', ',', ';', ':', '!', '?'])
        .trim_matches(['"', '\u{201c}', '\u{201d}', '`'])
        .trim()
}

fn quoted(text: &str) -> Vec<Quoted<'_>> {
    const MARKS: [(char, &[char]); 7] = [
        ('"', &['"']),
        ('\u{201c}', &['\u{201d}', '\u{201c}']),
        ('\u{201e}', &['\u{201c}', '\u{201d}']),
        ('\u{ab}', &['\u{bb}']),
        ('\u{2018}', &['\u{2019}']),
        ('`', &['`']),
        ('\'', &['\'']),
    ];
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((at, open)) =
        text[from..].char_indices().find(|(_, c)| MARKS.iter().any(|(open, _)| open == c))
    {
        let at = from + at;
        let inner = at + open.len_utf8();
        from = inner;
        // An apostrophe opens nothing inside a word, and closes nothing inside one.
        let in_word = |before: Option<char>| before.is_some_and(char::is_alphanumeric);
        if matches!(open, '\'' | '\u{2018}') && in_word(text[..at].chars().next_back()) {
            continue;
        }
        let Some((_, closing)) = MARKS.iter().find(|(mark, _)| *mark == open) else { continue };
        let close = text[inner..].char_indices().find(|(offset, c)| {
            let after = text[inner + offset + c.len_utf8()..].chars().next();
            closing.contains(c) && !(matches!(c, '\'' | '\u{2019}') && in_word(after))
        });
        if let Some((length, mark)) = close {
            let content = text[inner..inner + length].trim();
            if !content.is_empty() {
                found.push(Quoted { start: at, text: content });
            }
            from = inner + length + mark.len_utf8();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(text: &str) -> Vec<&str> {
        quoted(text).into_iter().map(|quoted| quoted.text).collect()
    }

    #[test]
    fn quotes_of_every_kind_and_apostrophes() {
        assert_eq!(
            quotes("a \"b c\" „d“ “e” «f» `g` 'h i' don't won't \"open"),
            ["b c", "d", "e", "f", "g", "h i"]
        );
        assert_eq!(quotes("'it's fine'"), ["it's fine"]);
        assert_eq!(quotes("\"\" \" \""), Vec::<&str>::new());
    }

    #[test]
    fn pairs_end_where_the_next_begins() {
        let message = Message::read(
            "make one, title: Broken login, body = it says: no\nand more; due date: \"next week\" x",
        );
        let names = ["title", "body", "due_date"];
        assert_eq!(message.pair("title", &names), Some("Broken login"));
        assert_eq!(message.pair("body", &names), Some("it says: no"));
        assert_eq!(message.pair("due_date", &names), Some("next week"));
        assert_eq!(message.pair("nothing", &names), None);
        assert_eq!(Message::read("see https://x.example/y").pair("https", &[]), None);
        assert_eq!(Message::read("title:").pair("title", &[]), None);
        assert_eq!(Message::read("a: 1 and b: 2").pair("a", &["a", "b"]), Some("1"));
    }

    #[test]
    fn the_subject_is_what_the_tool_does_not_say() {
        let tool: BTreeSet<String> =
            words("search_docs Searches the sample documents").into_iter().map(|w| w.stem).collect();
        for (text, subject) in [
            ("Search the docs for lease epochs, please.", Some("lease epochs")),
            ("Can you search the documentation for /etc/hosts?", Some("/etc/hosts")),
            ("search docs", None),
            ("what do the docs say about “encryption at rest”?", Some("encryption at rest")),
            ("", None),
        ] {
            assert_eq!(Message::read(text).subject(&tool), subject, "{text}");
        }
    }
}
