//! Text that is searched for.

/// The pattern of `lower(column) LIKE … ESCAPE '!'` that finds `text` anywhere, its own wildcards taken as they are written.
pub(crate) fn contains_pattern(text: &str) -> String {
    contains_exactly(&text.to_lowercase())
}

/// The same for `column LIKE … ESCAPE '!'`, letters as they are written.
pub(crate) fn contains_exactly(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::contains_pattern;

    #[test]
    fn wildcards_are_letters_like_any_other() {
        assert_eq!(contains_pattern(""), "%%");
        assert_eq!(contains_pattern("Ada"), "%ada%");
        assert_eq!(contains_pattern("50%_of!"), "%50!%!_of!!%");
    }
}
