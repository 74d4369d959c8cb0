//! The part of Markdown that models write most, cut from text that may end anywhere. What is not known stays as written.

/// Longer text is left as it is: it is cut anew at every piece that arrives.
const MAX_BYTES: usize = 64 * 1024;
/// Addresses of links end within so many bytes.
const MAX_ADDRESS: usize = 2048;
/// Emphasis within emphasis, to this depth.
const MAX_DEPTH: u8 = 4;

/// What stands below one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Paragraph(Vec<Span>),
    Heading(Vec<Span>),
    Quote(Vec<Span>),
    /// `first` is the number of an ordered list.
    List {
        first: Option<u32>,
        items: Vec<Vec<Span>>,
    },
    Code(String),
    /// As written, such as the rows of a table.
    Plain(String),
}

/// What stands in a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Span {
    Text(String),
    Strong(Vec<Span>),
    Emphasis(Vec<Span>),
    Code(String),
    Break,
}

/// A piece whose words are not cut yet.
enum Rough {
    Paragraph(String),
    Heading(String),
    Quote(String),
    List { first: Option<u32>, items: Vec<String> },
    Code(String),
    Plain(String),
}

/// Cuts `text`, whose last piece may still grow.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    if text.len() > MAX_BYTES {
        return vec![Piece::Plain(text.to_owned())];
    }
    let rough = rough(text);
    let last = rough.len().saturating_sub(1);
    let finish = |(place, piece): (usize, Rough)| {
        let words = |text: &str| spans(text.trim_end(), place == last, 0);
        match piece {
            Rough::Paragraph(text) => Piece::Paragraph(words(&text)),
            Rough::Heading(text) => Piece::Heading(words(&text)),
            Rough::Quote(text) => Piece::Quote(words(&text)),
            Rough::List { first, items } => {
                let end = items.len().saturating_sub(1);
                let cut = |(at, item): (usize, String)| spans(item.trim_end(), place == last && at == end, 0);
                Piece::List { first, items: items.into_iter().enumerate().map(cut).collect() }
            }
            Rough::Code(text) => Piece::Code(text),
            Rough::Plain(text) => Piece::Plain(text),
        }
    };
    rough.into_iter().enumerate().map(finish).collect()
}

fn rough(text: &str) -> Vec<Rough> {
    let mut found: Vec<Rough> = Vec::new();
    // The fence of code that is open, and whether what comes next begins something new.
    let mut fence: Option<&str> = None;
    let mut apart = true;
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r')).peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if let Some(open) = fence {
            if bare.trim_end().len() >= open.len() && bare.starts_with(open) && marks_only(bare.trim_end()) {
                fence = None;
            } else if let Some(Rough::Code(code)) = found.last_mut() {
                // A fence that is just being closed is not shown for the moment that it takes.
                let closing = lines.peek().is_none() && !bare.is_empty() && open.starts_with(bare);
                if !closing {
                    // `apart` is true before the first line of the code.
                    if !apart {
                        code.push('\n');
                    }
                    code.push_str(line);
                }
            }
            apart = false;
            continue;
        }
        if bare.is_empty() || (lines.peek().is_none() && is_marker(bare)) {
            apart = true;
            continue;
        }
        let fresh = std::mem::take(&mut apart);
        if let Some(open) = fence_of(bare) {
            fence = Some(open);
            apart = true;
            found.push(Rough::Code(String::new()));
        } else if let Some(words) = heading(bare) {
            found.push(Rough::Heading(words.to_owned()));
            apart = true;
        } else if let Some((first, words)) = item(bare) {
            let deeper = line.len() - bare.len() >= 2;
            match found.last_mut() {
                Some(Rough::List { items, .. }) if deeper => {
                    if let Some(item) = items.last_mut() {
                        item.push_str("  \n• ");
                        item.push_str(words);
                    }
                }
                Some(Rough::List { first: kind, items }) if kind.is_some() == first.is_some() => {
                    items.push(words.to_owned());
                }
                _ => found.push(Rough::List { first, items: vec![words.to_owned()] }),
            }
        } else if let Some(words) = bare.strip_prefix('>') {
            join(&mut found, fresh, words.trim_start(), Rough::Quote);
        } else if bare.starts_with('|') {
            join(&mut found, fresh, bare, Rough::Plain);
        } else {
            join(&mut found, fresh, bare, Rough::Paragraph);
        }
    }
    found
}

/// Goes on with the last piece, or begins another.
fn join(found: &mut Vec<Rough>, fresh: bool, line: &str, make: fn(String) -> Rough) {
    let new = make(line.to_owned());
    let open = match (found.last_mut(), &new) {
        (Some(Rough::Paragraph(text)), Rough::Paragraph(_))
        | (Some(Rough::Quote(text)), Rough::Quote(_) | Rough::Paragraph(_))
        | (Some(Rough::Plain(text)), Rough::Plain(_)) => Some(text),
        (Some(Rough::List { items, .. }), Rough::Paragraph(_)) => items.last_mut(),
        _ => None,
    };
    match open.filter(|_| !fresh) {
        Some(text) => {
            text.push('\n');
            text.push_str(line);
        }
        None => found.push(new),
    }
}

/// A line that may become a marker of a block once more of it is there.
fn is_marker(line: &str) -> bool {
    let number = line.strip_suffix(['.', ')']).is_some_and(|digits| {
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let title = line.len() <= 6 && line.bytes().all(|byte| byte == b'#');
    number || title || matches!(line, "-" | "*" | "+" | ">" | "`" | "``" | "~" | "~~")
}

fn marks_only(line: &str) -> bool {
    line.bytes().all(|byte| byte == b'`') || line.bytes().all(|byte| byte == b'~')
}

/// The fence that opens code.
fn fence_of(line: &str) -> Option<&str> {
    let mark = line.bytes().next().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let length = line.bytes().take_while(|byte| *byte == mark).count();
    // Backticks later in the line make it a span of code.
    (length >= 3 && (mark == b'~' || !line[length..].contains('`'))).then(|| &line[..length])
}

fn heading(line: &str) -> Option<&str> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = line.get(level..)?;
    ((1..=6).contains(&level) && rest.starts_with(' ')).then(|| rest.trim().trim_end_matches('#').trim_end())
}

/// An entry of a list: its number, if it has one, and its words.
fn item(line: &str) -> Option<(Option<u32>, &str)> {
    if let Some(words) = ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some((None, words.trim_start()));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let words = line[digits..].strip_prefix(". ").or_else(|| line[digits..].strip_prefix(") "))?;
    let number = line[..digits].parse().ok().filter(|_| digits <= 9)?;
    Some((Some(number), words.trim_start()))
}

/// Cuts the words of one piece. `grows`: what is opened and not closed may be closed later, so it counts as open to the end.
fn spans(text: &str, grows: bool, depth: u8) -> Vec<Span> {
    let mut cut = Cut { found: Vec::new(), plain: String::new() };
    // Where no marker of a kind can be closed any more.
    let mut unclosed: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let before = text[..text.len() - rest.len()].chars().next_back();
        let after = &rest[next.len_utf8()..];
        match next {
            '\\' if after.starts_with(|c: char| c.is_ascii_punctuation()) => {
                cut.plain.push_str(&after[..1]);
                rest = &after[1..];
            }
            '`' => rest = cut.code(rest, grows),
            '*' | '_' if depth < MAX_DEPTH => {
                let length = if after.starts_with(next) { 2 } else { 1 };
                let (mark, inside) = rest.split_at(length);
                let opens = !inside.starts_with(char::is_whitespace)
                    && (next == '*' || !before.is_some_and(char::is_alphanumeric));
                let end = (opens && !unclosed.contains(&mark)).then(|| closing(inside, mark)).flatten();
                let (words, left) = match end {
                    Some(end) => (spans(&inside[..end], false, depth + 1), &inside[end + length..]),
                    None if opens && grows && !unclosed.contains(&mark) => {
                        (spans(inside, true, depth + 1), "")
                    }
                    None => {
                        if opens {
                            unclosed.push(mark);
                        }
                        // Nothing follows yet: it may become a marker, and shows for no moment as one.
                        if !(grows && inside.is_empty()) {
                            cut.plain.push_str(mark);
                        }
                        rest = inside;
                        continue;
                    }
                };
                if !words.is_empty() {
                    cut.push(if length == 2 { Span::Strong(words) } else { Span::Emphasis(words) });
                }
                rest = left;
            }
            // A picture is a link with its description.
            '!' if after.strip_prefix('[').is_some_and(|words| link(words, grows).is_some()) => rest = after,
            '[' => match link(after, grows) {
                Some((words, left)) if depth < MAX_DEPTH => {
                    for span in spans(words, false, depth + 1) {
                        cut.push(span);
                    }
                    rest = left;
                }
                _ => {
                    cut.plain.push('[');
                    rest = after;
                }
            },
            '\n' => {
                let hard = cut.plain.ends_with("  ");
                let length = cut.plain.trim_end().len();
                cut.plain.truncate(length);
                if hard {
                    cut.push(Span::Break);
                } else {
                    cut.plain.push(' ');
                }
                rest = after;
            }
            other => {
                cut.plain.push(other);
                rest = after;
            }
        }
    }
    cut.finish()
}

/// Where the marker is closed: not right behind a blank, and not as a part of a longer one.
fn closing(text: &str, mark: &str) -> Option<usize> {
    let sign = mark.chars().next()?;
    let mut from = 0;
    while let Some(found) = text[from..].find(sign) {
        let at = from + found;
        let length = text[at..].chars().take_while(|c| *c == sign).count();
        let before = text[..at].chars().next_back();
        let after = text[at + length..].chars().next();
        let fits = before.is_some_and(|c| !c.is_whitespace())
            && (sign == '*' || !after.is_some_and(char::is_alphanumeric));
        // Three close both; the longer one is taken first, so the shorter one ends behind it.
        if fits && (length == mark.len() || length > 2) {
            return Some(at + length.saturating_sub(mark.len()).min(2));
        }
        from = at + length;
    }
    None
}

/// The words of a link and what comes behind it. While it is being written its address is not shown.
fn link(text: &str, grows: bool) -> Option<(&str, &str)> {
    let end = text.find([']', '['])?;
    let (words, behind) = text.split_at(end);
    let address = behind.strip_prefix("](")?;
    match address.bytes().take(MAX_ADDRESS).position(|byte| matches!(byte, b')' | b'\n')) {
        Some(end) if address[end..].starts_with(')') => Some((words, &address[end + 1..])),
        None if grows && address.len() < MAX_ADDRESS => Some((words, "")),
        _ => None,
    }
}

struct Cut {
    found: Vec<Span>,
    plain: String,
}

impl Cut {
    fn push(&mut self, span: Span) {
        if let Span::Text(text) = span {
            self.plain.push_str(&text);
            return;
        }
        if !self.plain.is_empty() {
            self.found.push(Span::Text(std::mem::take(&mut self.plain)));
        }
        self.found.push(span);
    }

    /// A span of code, closed by as many backticks as opened it.
    fn code<'a>(&mut self, text: &'a str, grows: bool) -> &'a str {
        let length = text.bytes().take_while(|byte| *byte == b'`').count();
        let (mark, inside) = text.split_at(length);
        let mut from = 0;
        while let Some(found) = inside[from..].find('`') {
            let at = from + found;
            let run = inside[at..].bytes().take_while(|byte| *byte == b'`').count();
            if run == length {
                self.push(Span::Code(inside[..at].trim().replace('\n', " ")));
                return &inside[at + run..];
            }
            from = at + run;
        }
        if !grows {
            self.plain.push_str(mark);
            return inside;
        }
        if !inside.trim().is_empty() {
            self.push(Span::Code(inside.trim().replace('\n', " ")));
        }
        ""
    }

    fn finish(mut self) -> Vec<Span> {
        if !self.plain.is_empty() {
            self.found.push(Span::Text(self.plain));
        }
        self.found
    }
}

#[cfg(test)]
mod tests;
