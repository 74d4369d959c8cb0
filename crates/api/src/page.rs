//! Pages of long lists (`limit`, `after`, `q`).

use serde::{Deserialize, Serialize};

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default)]
pub struct PageQuery {
    /// Only rows whose text contains this, whatever its case; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// Where the page before ended, from [`Page::next`]; empty: the first page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// Rows of a page; absent: what the list usually gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// One page. REST answers the rows alone and names the next page in a `Link` header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// The `after` of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` out of rows of which one more was asked for than is shown: so the last page is known as such.
    pub fn cut(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_named_only_when_there_is_one() {
        let cursor = |n: &i32| n.to_string();
        assert_eq!(Page::cut(vec![1, 2, 3], 2, cursor), Page { rows: vec![1, 2], next: Some("2".into()) });
        assert_eq!(Page::cut(vec![1, 2], 2, cursor), Page { rows: vec![1, 2], next: None });
        assert_eq!(Page::cut(vec![], 2, cursor), Page { rows: vec![], next: None });
    }
}
