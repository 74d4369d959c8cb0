//! Words, lightly stemmed, so that "searching the documents" meets `search_document`.

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Byte range in the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Lower case.
    pub(super) text: String,
    pub(super) stem: String,
}

impl Word {
    /// It says nothing about what is wanted.
    pub(super) fn is_filler(&self) -> bool {
        FILLERS.binary_search(&self.text.as_str()).is_ok()
    }
}

/// The words of `text`: runs of letters and digits, `camelCase` taken apart.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let mut lower_before = false;
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric();
        let hump = inside && lower_before && c.is_uppercase();
        if (!inside || hump)
            && let Some(from) = start.take()
        {
            words.push(word(text, from, at));
        }
        if inside && start.is_none() {
            start = Some(at);
        }
        lower_before = c.is_lowercase();
    }
    if let Some(from) = start {
        words.push(word(text, from, text.len()));
    }
    words
}

fn word(text: &str, start: usize, end: usize) -> Word {
    let lower = text[start..end].to_lowercase();
    Word { start, end, stem: stem(&lower), text: lower }
}

/// What is left of an English word without its endings. Not linguistics: both sides only have to lose the same.
pub(super) fn stem(word: &str) -> String {
    if word.len() <= 3 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut stem = word;
    let mut ending = "";
    if let Some(root) = stem.strip_suffix("ies") {
        (stem, ending) = (root, "y");
    } else if ["sses", "shes", "ches", "xes", "zes"].iter().any(|suffix| stem.ends_with(suffix)) {
        stem = &stem[..stem.len() - 2];
    } else if stem.ends_with('s') && !["ss", "us", "is"].iter().any(|suffix| stem.ends_with(suffix)) {
        stem = &stem[..stem.len() - 1];
    }
    if ending.is_empty() {
        for suffix in ["ing", "ed", "ion"] {
            if let Some(root) = stem.strip_suffix(suffix)
                && root.len() >= 3
                && root.contains(['a', 'e', 'i', 'o', 'u', 'y'])
            {
                stem = undoubled(root);
                break;
            }
        }
        if stem.len() > 3 {
            stem = stem.strip_suffix('e').unwrap_or(stem);
        }
    }
    format!("{stem}{ending}")
}

/// "runn" to "run"; "pull", "miss" and "buzz" keep theirs.
fn undoubled(root: &str) -> &str {
    let bytes = root.as_bytes();
    match bytes {
        [.., a, b] if a == b && !matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'l' | b's' | b'z') => {
            &root[..root.len() - 1]
        }
        _ => root,
    }
}

/// One begins with the other, and the shorter one is long enough to mean the same thing.
pub(super) fn akin(a: &str, b: &str) -> bool {
    const SHORTEST: usize = 4;
    a.len().min(b.len()) >= SHORTEST && (a.starts_with(b) || b.starts_with(a))
}

/// Words of every message; sorted.
const FILLERS: &[&str] = &[
    "a",
    "able",
    "about",
    "actually",
    "after",
    "again",
    "all",
    "also",
    "am",
    "an",
    "and",
    "another",
    "any",
    "anything",
    "are",
    "as",
    "ask",
    "at",
    "away",
    "back",
    "be",
    "because",
    "been",
    "before",
    "being",
    "between",
    "both",
    "but",
    "by",
    "bye",
    "can",
    "cannot",
    "could",
    "d",
    "demo",
    "did",
    "do",
    "does",
    "doing",
    "don",
    "done",
    "down",
    "each",
    "else",
    "ever",
    "every",
    "everything",
    "few",
    "first",
    "for",
    "from",
    "function",
    "get",
    "give",
    "gives",
    "go",
    "going",
    "good",
    "got",
    "great",
    "had",
    "has",
    "have",
    "having",
    "he",
    "hello",
    "help",
    "her",
    "here",
    "hey",
    "hi",
    "him",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "know",
    "last",
    "let",
    "lets",
    "like",
    "ll",
    "look",
    "looking",
    "m",
    "make",
    "many",
    "may",
    "maybe",
    "me",
    "might",
    "more",
    "morning",
    "most",
    "much",
    "must",
    "my",
    "need",
    "needs",
    "next",
    "no",
    "not",
    "now",
    "of",
    "off",
    "ok",
    "okay",
    "on",
    "once",
    "one",
    "ones",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "patchbay",
    "please",
    "put",
    "quick",
    "quickly",
    "re",
    "really",
    "run",
    "s",
    "say",
    "says",
    "see",
    "server",
    "shall",
    "she",
    "should",
    "show",
    "since",
    "so",
    "some",
    "something",
    "soon",
    "such",
    "sure",
    "t",
    "take",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "thing",
    "things",
    "think",
    "this",
    "those",
    "through",
    "to",
    "today",
    "too",
    "tool",
    "tools",
    "try",
    "up",
    "us",
    "use",
    "used",
    "uses",
    "using",
    "ve",
    "very",
    "via",
    "want",
    "wants",
    "was",
    "way",
    "we",
    "well",
    "were",
    "what",
    "when",
    "where",
    "whether",
    "which",
    "while",
    "who",
    "why",
    "will",
    "with",
    "within",
    "without",
    "would",
    "yes",
    "yet",
    "you",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_can_be_searched() {
        assert!(FILLERS.is_sorted());
    }

    #[test]
    fn inflections_meet() {
        for family in [
            &["search", "searches", "searched", "searching"][..],
            &["create", "creates", "created", "creating", "creation"],
            &["query", "queries"],
            &["issue", "issues"],
            &["run", "runs", "running"],
            &["ticket", "tickets"],
            &["class", "classes"],
            &["status"],
        ] {
            for word in family {
                assert_eq!(stem(word), stem(family[0]), "{word}");
            }
        }
        assert_ne!(stem("list"), stem("lose"));
    }

    #[test]
    fn identifiers_and_prose_are_taken_apart() {
        let texts = |text| words(text).into_iter().map(|w| w.text).collect::<Vec<_>>();
        assert_eq!(texts("acme__searchDocs-v2"), ["acme", "search", "docs", "v2"]);
        assert_eq!(texts("What's Ölpreis, heute?"), ["what", "s", "ölpreis", "heute"]);
        assert_eq!(texts("HTTPServer"), ["httpserver"]);
        assert_eq!(texts(" … "), Vec::<String>::new());
        let word = &words("a größer b")[1];
        assert_eq!(&"a größer b"[word.start..word.end], "größer");
    }
}
