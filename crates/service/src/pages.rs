//! What may be asked of a list that comes in pages.

use crate::{Error, Result};
use api::{PageQuery, Validation};
use domain::limits::{PAGE_ROWS, SEARCH_CHARS};

/// A checked page.
pub(crate) struct PageSize {
    /// Rows that are shown.
    pub(crate) rows: usize,
}

impl PageSize {
    /// Rows that are read: one more tells whether there is a next page.
    pub(crate) fn fetched(&self) -> i64 {
        i64::try_from(self.rows).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// Checks a query.
///
/// # Errors
/// [`Error::Invalid`] naming the parameter.
pub(crate) fn page_of(query: &PageQuery) -> Result<PageSize> {
    let mut wrong = Vec::new();
    let rows = match query.limit.map(usize::try_from) {
        None => PAGE_ROWS,
        Some(Ok(rows)) if (1..=PAGE_ROWS).contains(&rows) => rows,
        Some(_) => {
            wrong.push(Validation::new("limit", format!("Use 1 to {PAGE_ROWS}.")));
            PAGE_ROWS
        }
    };
    if query.q.chars().count() > SEARCH_CHARS {
        wrong.push(Validation::new("q", format!("Search for at most {SEARCH_CHARS} characters.")));
    }
    for (field, text) in [("after", &query.after), ("q", &query.q)] {
        // PostgreSQL has no NUL in text.
        if text.contains('\0') {
            wrong.push(Validation::new(field, "Contains a control character. Remove it."));
        }
    }
    if wrong.is_empty() { Ok(PageSize { rows }) } else { Err(Error::invalid(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_one_to_two_hundred_rows_and_searches_an_end() {
        let query = |limit| PageQuery { limit, ..PageQuery::default() };
        for (limit, rows) in [(None, PAGE_ROWS), (Some(1), 1), (Some(200), 200)] {
            assert_eq!(page_of(&query(limit)).ok().map(|page| page.rows), Some(rows));
        }
        for limit in [i64::MIN, -1, 0, 201, i64::MAX] {
            assert!(page_of(&query(Some(limit))).is_err(), "{limit}");
        }
        let long = PageQuery { q: "é".repeat(SEARCH_CHARS + 1), after: "\0".to_owned(), limit: Some(0) };
        let Err(Error::Invalid { validations, .. }) = page_of(&long) else { panic!("it is taken") };
        let fields: Vec<&str> = validations.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["limit", "q", "after"]);
    }
}
