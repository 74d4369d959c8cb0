//! What a person's browser does at the authorization server, without a browser.

use crate::http::{Answer, Client};
use std::collections::BTreeMap;

/// Opens an authorization URL, signs in where a page asks for it, and returns where the browser is sent: the callback with its
/// parameters, which is not opened.
///
/// # Panics
/// When the server sends the browser nowhere.
pub async fn approve(authorize_url: &str) -> String {
    let shown = open(authorize_url).await;
    if (300..400).contains(&shown.status) {
        return location(&shown);
    }
    location(&submit(authorize_url, "login=ann").await)
}

/// The same, but the person says no on the login page.
///
/// # Panics
/// When the server sends the browser nowhere.
pub async fn refuse(authorize_url: &str) -> String {
    location(&submit(authorize_url, "deny=1").await)
}

/// Opens a URL and returns what is shown, redirects included.
///
/// # Panics
/// When nobody answers.
pub async fn open(url: &str) -> Answer {
    let (origin, path) = split(url);
    Client::new(origin).get(path).await
}

async fn submit(url: &str, form: &str) -> Answer {
    let (origin, path) = split(url);
    let request = Client::new(origin).request(http::Method::POST, path);
    request.body("application/x-www-form-urlencoded", form).send().await
}

fn location(answer: &Answer) -> String {
    let target = answer.header("location").map(str::to_owned);
    target.unwrap_or_else(|| panic!("no redirect, but {}: {}", answer.status, answer.body))
}

/// Origin and the rest (path and query) of a URL.
///
/// # Panics
/// When it is none.
pub fn split(url: &str) -> (&str, &str) {
    let scheme = url.find("://").unwrap_or_else(|| panic!("{url} is no URL")) + 3;
    let end = url[scheme..].find(['/', '?']).map_or(url.len(), |at| scheme + at);
    let rest = if end == url.len() { "/" } else { &url[end..] };
    (&url[..end], rest)
}

/// The decoded parameters of a URL's query.
pub fn parameters(url: &str) -> BTreeMap<String, String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
