//! Lists in pages: the rows as a plain array, the next page in a `Link` header (behaviour 4).

use api::PageQuery;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header::LINK};
use serde::Serialize;
use url::form_urlencoded::Serializer;

/// The value of `Link` for the page after `query`; `None` on the last one.
pub(crate) fn next_link(path: &str, query: &PageQuery, next: Option<&str>) -> Option<HeaderValue> {
    let next = next?;
    let mut parameters = Serializer::new(String::new());
    if let Some(limit) = query.limit {
        parameters.append_pair("limit", &limit.to_string());
    }
    if !query.q.is_empty() {
        parameters.append_pair("q", &query.q);
    }
    parameters.append_pair("after", next);
    HeaderValue::from_str(&format!("<{path}?{}>; rel=\"next\"", parameters.finish())).ok()
}

/// The rows, and where the next ones are.
pub(crate) fn answer<T: Serialize>(rows: Vec<T>, next: Option<HeaderValue>) -> Response {
    let mut response = axum::Json(rows).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_repeats_the_question_and_names_where_to_go_on() {
        let query = PageQuery { q: "a&b>".to_owned(), after: "x".to_owned(), limit: Some(2) };
        let link = next_link("/api/v2/users", &query, Some("ada l")).unwrap();
        assert_eq!(link, "</api/v2/users?limit=2&q=a%26b%3E&after=ada+l>; rel=\"next\"");
        assert_eq!(next_link("/x", &PageQuery::default(), None), None);
        assert_eq!(next_link("/x", &PageQuery::default(), Some("b")).unwrap(), "</x?after=b>; rel=\"next\"");
    }
}
