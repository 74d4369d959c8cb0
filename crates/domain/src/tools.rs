//! Tool names as the model sees them, and the admin's patterns of tools (behaviour 14 and 15).

use crate::{
    limits::{EXPOSED_NAME_CHARS, NAME_HASH_CHARS},
    mcp_server::ServerRecord,
    text::quote,
};
use sha2::{Digest, Sha256};

/// Names of Patchbay's own tools (behaviour 21). No server's tool can get one of them.
pub const BUILT_IN_NAMES: [&str; 10] = [
    "ask_user_question",
    "describe_tools",
    "list_agents",
    "message_agent",
    "propose_plan",
    "read_plan",
    "search_tools",
    "spawn_agent",
    "wait_agent",
    "write_plan",
];

/// The name under which the model sees a tool: `slug__tool`, characters outside `[a-zA-Z0-9_-]` as `_`, at most 64.
///
/// A pure function of slug and original name, so a new server never renames another's tools. When sanitising changed the
/// name or it had to be cut, it ends in `_` and 8 characters of a hash over both. A name that merely looks as if it ended so gets the
/// hash as well, so that nobody can register a tool under the exposed name of another.
pub fn exposed_name(slug: &str, original: &str) -> String {
    let plain = format!("{slug}__{original}");
    let mut clean: String = plain.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect();
    if clean == plain && clean.len() <= EXPOSED_NAME_CHARS && !looks_hashed(&clean) {
        return clean;
    }
    // ASCII from here on, so bytes are characters.
    clean.truncate(EXPOSED_NAME_CHARS - NAME_HASH_CHARS - 1);
    format!("{clean}_{}", name_hash(slug, original))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// RFC 4648 base32 in lower case: every character is allowed in names, and 0/O, 1/l cannot be confused.
const HASH_ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The first character of a hash. Digits only, because then `list_projects` does not look hashed.
const HASH_FIRST: &[u8; 6] = b"234567";

fn name_hash(slug: &str, original: &str) -> String {
    let mut hasher = Sha256::new();
    // A slug holds no NUL, so the border between the two parts is unambiguous.
    hasher.update(slug.as_bytes());
    hasher.update([0]);
    hasher.update(original.as_bytes());
    let digest = hasher.finalize();
    let pick = |at: usize, alphabet: &[u8]| char::from(alphabet[usize::from(digest[at]) % alphabet.len()]);
    (0..NAME_HASH_CHARS)
        .map(|at| if at == 0 { pick(at, HASH_FIRST) } else { pick(at, HASH_ALPHABET) })
        .collect()
}

fn looks_hashed(name: &str) -> bool {
    let Some((_, tail)) = name.rsplit_once('_') else { return false };
    tail.len() == NAME_HASH_CHARS
        && tail.bytes().enumerate().all(|(at, byte)| {
            if at == 0 { HASH_FIRST.contains(&byte) } else { HASH_ALPHABET.contains(&byte) }
        })
}

/// A compiled pattern: `*` any run, `?` one character, everything else itself; case-sensitive, the whole name.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    /// What stands between the stars; `None` is `?`.
    pieces: Vec<Vec<Option<char>>>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let piece = |part: &str| part.chars().map(|c| if c == '?' { None } else { Some(c) }).collect();
        Self { text: text.to_owned(), pieces: text.split('*').map(piece).collect() }
    }

    /// Every piece is searched once, leftmost first, and never tried again: no pattern makes this explode.
    fn matches(&self, name: &[char]) -> bool {
        let (first, rest) = match self.pieces.split_first() {
            Some(parts) => parts,
            None => return name.is_empty(),
        };
        let Some((last, middle)) = rest.split_last() else {
            return name.len() == first.len() && fits(first, name);
        };
        if name.len() < first.len() + last.len()
            || !fits(first, name)
            || !fits(last, &name[name.len() - last.len()..])
        {
            return false;
        }
        let mut open = &name[first.len()..name.len() - last.len()];
        for piece in middle {
            let Some(at) =
                (0..(open.len() + 1).saturating_sub(piece.len())).find(|&at| fits(piece, &open[at..]))
            else {
                return false;
            };
            open = &open[at + piece.len()..];
        }
        true
    }
}

/// Whether `name` begins with the piece.
fn fits(piece: &[Option<char>], name: &[char]) -> bool {
    name.len() >= piece.len() && piece.iter().zip(name).all(|(want, is)| want.is_none_or(|want| want == *is))
}

/// Whether one pattern matches the whole name. For the form, which shows what a pattern would match.
pub fn pattern_matches(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern).matches(&name.chars().collect::<Vec<_>>())
}

/// What the lists say of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// The allow list is not empty and nothing on it matches.
    NotOnAllowList,
    Denied {
        /// The first deny pattern that matches.
        pattern: String,
    },
}

impl Verdict {
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }

    /// Why the tool is not offered; empty when it is.
    pub fn reason(&self) -> String {
        match self {
            Self::Allowed => String::new(),
            Self::NotOnAllowList => "Not on the allow list.".to_owned(),
            Self::Denied { pattern } => format!("Denied by the pattern `{}`.", quote(pattern, 80)),
        }
    }
}

/// A server's allow and deny list. Deny always wins (behaviour 1); an empty allow list allows everything.
#[derive(Debug, Clone, Default)]
pub struct ToolFilter {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    approval: Vec<Pattern>,
}

impl ToolFilter {
    pub fn new(allow: &[String], deny: &[String]) -> Self {
        let compile = |list: &[String]| list.iter().map(|text| Pattern::new(text)).collect();
        Self { allow: compile(allow), deny: compile(deny), approval: Vec::new() }
    }

    pub fn of(server: &ServerRecord) -> Self {
        let approval = server.tool_approval_list.iter().map(|text| Pattern::new(text)).collect();
        Self { approval, ..Self::new(&server.tool_allow_list, &server.tool_deny_list) }
    }

    /// The first pattern of the approval list that matches, or that none does; `None` without such a list.
    pub fn approving(&self, name: &str) -> Option<Option<&str>> {
        first_match(&self.approval, name)
    }

    /// The first allow pattern that matches, or that none does; `None` without an allow list. `name` is the original name of the tool,
    /// exactly as the server gives it.
    pub fn allowing(&self, name: &str) -> Option<Option<&str>> {
        first_match(&self.allow, name)
    }

    /// The first deny pattern that matches, or that none does; `None` without a deny list.
    pub fn denying(&self, name: &str) -> Option<Option<&str>> {
        first_match(&self.deny, name)
    }

    /// Both lists together, for the form and `check`. Turns ask [`crate::gates::decide`], which asks the same two lists.
    pub fn verdict(&self, name: &str) -> Verdict {
        if let Some(Some(pattern)) = self.denying(name) {
            return Verdict::Denied { pattern: pattern.to_owned() };
        }
        match self.allowing(name) {
            Some(None) => Verdict::NotOnAllowList,
            None | Some(Some(_)) => Verdict::Allowed,
        }
    }
}

/// Whether the admin says that this tool is safe to run twice (behaviour 15). What the server itself says of it, `idempotentHint`, is
/// no word of the admin's and decides nothing.
///
/// Never true of a tool that needs an approval: an approval is for one sending.
pub fn safe_to_repeat(server: &ServerRecord, name: &str) -> bool {
    server.tool_idempotent_list.iter().any(|pattern| pattern_matches(pattern, name))
        && !needs_approval(server, name)
}

/// Whether the admin wants the owner of a chat to approve each call of this tool (behaviour 15). What the server itself says of it,
/// such as `readOnlyHint`, decides nothing.
pub fn needs_approval(server: &ServerRecord, name: &str) -> bool {
    server.tool_approval_list.iter().any(|pattern| pattern_matches(pattern, name))
}

fn first_match<'a>(list: &'a [Pattern], name: &str) -> Option<Option<&'a str>> {
    if list.is_empty() {
        return None;
    }
    let name: Vec<char> = name.chars().collect();
    Some(list.iter().find(|pattern| pattern.matches(&name)).map(|pattern| pattern.text.as_str()))
}

#[cfg(test)]
mod tests;
