//! `WWW-Authenticate` (RFC 9110, 11.6.1), read for what a Bearer challenge says (RFC 6750, 3; RFC 9728, 5.1).

#[cfg(test)]
mod tests;

/// Bytes of one field that are read. Egress lets no longer one in.
const FIELD_BYTES: usize = 16 * 1024;
/// Fields that are read.
const FIELDS: usize = 16;
/// Challenges of one field that are read.
const CHALLENGES: usize = 32;
/// Parameters of one challenge; more void it.
const PARAMETERS: usize = 32;

/// What a Bearer challenge says. All of it was written by a server: check before use, neutralise before showing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where the server's metadata is (RFC 9728, 5.1), as it was written.
    pub resource_metadata: Option<String>,
    /// The scopes that the request needs (RFC 6750, 3), as they were written.
    pub scope: Option<String>,
    /// The error code, such as `invalid_token`.
    pub error: Option<String>,
    /// The server's own words about it.
    pub error_description: Option<String>,
}

impl Challenge {
    /// Whether the token is good and grants too little (protocol.md 14.10). Codes are compared as they are (RFC 6750, 3.1).
    pub fn is_insufficient_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}

/// The Bearer challenge in these `WWW-Authenticate` fields: the first that names metadata, else the first.
///
/// Schemes and parameter names are compared without regard to case. A challenge with a parameter twice, or cut off inside a quoted
/// string, is void. Forgiven, because servers do it: no comma between parameters, and an unquoted URL.
pub fn bearer_challenge<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Challenge> {
    let mut first = None;
    for field in fields.into_iter().take(FIELDS) {
        // Half a field could say something else than the whole one.
        if field.len() > FIELD_BYTES {
            continue;
        }
        for challenge in bearers(field) {
            if challenge.resource_metadata.is_some() {
                return Some(challenge);
            }
            first.get_or_insert(challenge);
        }
    }
    first
}

/// The valid Bearer challenges of one field.
fn bearers(field: &[u8]) -> Vec<Challenge> {
    let mut reader = Reader { rest: field };
    let mut found = Vec::new();
    for _ in 0..CHALLENGES {
        reader.skip(is_separator);
        let scheme = reader.take(is_token);
        if scheme.is_empty() {
            // The end, or something that is no challenge: what comes behind it cannot be told apart.
            break;
        }
        let Some(parameters) = reader.parameters() else { break };
        if scheme.eq_ignore_ascii_case(b"Bearer")
            && let Some(challenge) = challenge(parameters)
        {
            found.push(challenge);
        }
    }
    found
}

/// `None` when a name stands twice or there are too many.
fn challenge(parameters: Vec<(String, String)>) -> Option<Challenge> {
    if parameters.len() > PARAMETERS {
        return None;
    }
    let mut challenge = Challenge::default();
    let mut names: Vec<String> = Vec::new();
    for (name, value) in parameters {
        if names.contains(&name) {
            return None;
        }
        match name.as_str() {
            "resource_metadata" => challenge.resource_metadata = Some(value),
            "scope" => challenge.scope = Some(value),
            "error" => challenge.error = Some(value),
            "error_description" => challenge.error_description = Some(value),
            _ => {}
        }
        names.push(name);
    }
    Some(challenge)
}

/// A place in a field.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, of: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !of(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, of: impl Fn(u8) -> bool) {
        self.take(of);
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// What follows a scheme: nothing, a `token68`, or parameters with their names in lower case. `None` when it breaks off.
    fn parameters(&mut self) -> Option<Vec<(String, String)>> {
        let mut parameters = Vec::new();
        self.skip(is_blank);
        if self.skip_token68() {
            return Some(parameters);
        }
        loop {
            self.skip(is_separator);
            let before = self.rest;
            let name = self.take(is_token);
            self.skip(is_blank);
            if name.is_empty() || !self.eat(b'=') {
                // The next scheme, or the end.
                self.rest = before;
                return Some(parameters);
            }
            self.skip(is_blank);
            let value = if self.eat(b'"') { self.quoted()? } else { self.take(is_unquoted).to_vec() };
            if parameters.len() <= PARAMETERS {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                parameters.push((name, String::from_utf8_lossy(&value).into_owned()));
            }
        }
    }

    /// Steps over a `token68` such as Negotiate sends, if one stands here alone.
    fn skip_token68(&mut self) -> bool {
        let mut ahead = Reader { rest: self.rest };
        let text = ahead.take(is_token68);
        ahead.skip(|byte| byte == b'=');
        ahead.skip(is_blank);
        let alone = !text.is_empty() && matches!(ahead.rest.first(), None | Some(b','));
        if alone {
            self.rest = ahead.rest;
        }
        alone
    }

    /// The rest of a quoted string; `None` when its end is missing.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(value),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    value.push(*escaped);
                }
                byte => value.push(*byte),
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_separator(byte: u8) -> bool {
    is_blank(byte) || byte == b','
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `token68` of RFC 9110, 11.2, without the padding.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}

/// A value without quotes, a token or a URL.
fn is_unquoted(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b'"')
}
