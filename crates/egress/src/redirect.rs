//! Whether a redirect is followed, and with what (behaviour 11).

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{ACCEPT, ACCEPT_LANGUAGE, LOCATION, USER_AGENT},
};
use url::Url;

use crate::{
    error::EgressError,
    limits::{CHECKED_HOPS, SAME_ORIGIN_HOPS},
    request::Redirects,
    target::{Target, origin_text, same_origin},
};

/// A hop that may be taken, once its URL has passed the same checks as the first one.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) url: Url,
    /// The origin changes: only headers that carry no credential may go along.
    pub(crate) foreign: bool,
}

/// `Ok(None)`: the response is the answer.
pub(crate) fn next_hop(
    mode: Redirects,
    method: &Method,
    from: &Url,
    hops_taken: u8,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Hop>, EgressError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let target =
        Target::of(from).ok_or(EgressError::InvalidUrl("it has no host, or is neither http nor https"))?;
    let to = location.to_str().ok().and_then(|text| from.join(text).ok());
    let refuse = |reason| EgressError::Redirect {
        target: target.clone(),
        status: status.as_u16(),
        location: to.as_ref().map_or_else(|| "an unreadable address".to_owned(), origin_text),
        reason,
    };
    let Some(mut url) = to.clone() else { return Err(refuse("the address is unreadable")) };
    // A fragment is legal in Location and never sent.
    url.set_fragment(None);
    let same = same_origin(from, &url);
    match mode {
        Redirects::None => Err(refuse("this request follows no redirect")),
        Redirects::SameOrigin => {
            if !matches!(status.as_u16(), 307 | 308) {
                Err(refuse("only 307 and 308 are followed"))
            } else if !same {
                Err(refuse("it leads to another origin"))
            } else if hops_taken >= SAME_ORIGIN_HOPS {
                Err(refuse("there were too many redirects"))
            } else {
                Ok(Some(Hop { url, foreign: false }))
            }
        }
        Redirects::Checked(hops) => {
            if method != Method::GET {
                Err(refuse("only GET requests follow it"))
            } else if hops_taken >= hops.min(CHECKED_HOPS) {
                Err(refuse("there were too many redirects"))
            } else if from.scheme() == "https" && url.scheme() != "https" {
                Err(refuse("it leaves https"))
            } else {
                Ok(Some(Hop { url, foreign: !same }))
            }
        }
    }
}

/// The headers that may cross to another origin. A list of what is harmless: any header may carry a key (custom
/// headers, API keys, identity headers), so a list of secret ones would always miss some.
pub(crate) fn harmless_headers(headers: &HeaderMap) -> HeaderMap {
    const HARMLESS: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT];
    let mut kept = HeaderMap::new();
    for name in HARMLESS {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hop(
        mode: Redirects,
        method: Method,
        status: u16,
        taken: u8,
        location: &str,
    ) -> Result<String, String> {
        let from = Url::parse("https://a.example/mcp?secret=1").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        match next_hop(mode, &method, &from, taken, StatusCode::from_u16(status).unwrap(), &headers) {
            Ok(Some(hop)) => Ok(format!("{}{}", hop.url, if hop.foreign { " foreign" } else { "" })),
            Ok(None) => Ok("answer".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn same_origin_follows_307_and_308_at_home_only() {
        for status in [301, 302, 303, 307, 308] {
            for (location, home) in [
                ("/mcp/", true),
                ("https://a.example:443/x", true),
                ("https://A.EXAMPLE/x", true),
                ("//a.example/x#part", true),
                ("http://a.example/x", false),
                ("https://a.example:8443/x", false),
                ("https://b.example/x", false),
                ("https://a.example.evil.example/x", false),
                ("//b.example/x", false),
                ("\\\\b.example/x", false),
                ("https:b.example", true),
            ] {
                let outcome = hop(Redirects::SameOrigin, Method::POST, status, 0, location);
                let expected = home && status >= 307;
                assert_eq!(outcome.is_ok(), expected, "{status} {location}: {outcome:?}");
                assert!(hop(Redirects::None, Method::GET, status, 0, location).is_err());
            }
        }
        assert!(hop(Redirects::SameOrigin, Method::POST, 307, SAME_ORIGIN_HOPS, "/x").is_err());
        assert_eq!(hop(Redirects::SameOrigin, Method::POST, 304, 0, "/x").unwrap(), "answer");
    }

    #[test]
    fn checked_follows_get_three_times_and_never_leaves_https() {
        let checked = Redirects::Checked(200);
        assert_eq!(hop(checked, Method::GET, 302, 0, "/x#y").unwrap(), "https://a.example/x");
        assert_eq!(
            hop(checked, Method::GET, 301, 2, "//b.example/x").unwrap(),
            "https://b.example/x foreign"
        );
        assert!(hop(checked, Method::GET, 301, 3, "/x").is_err());
        assert!(hop(Redirects::Checked(0), Method::GET, 301, 0, "/x").is_err());
        assert!(hop(checked, Method::POST, 307, 0, "/x").is_err());
        assert!(hop(checked, Method::GET, 302, 0, "http://a.example/x").is_err());
        assert!(hop(checked, Method::GET, 302, 0, "file:///etc/passwd").is_err());
    }

    #[test]
    fn the_text_shows_the_target_without_its_secrets() {
        let text =
            hop(Redirects::None, Method::POST, 307, 0, "https://u:p@b.example:8443/p?code=1#f").unwrap_err();
        assert_eq!(
            text,
            "a.example answered with a redirect (307) to https://b.example:8443, which is not followed here: this \
             request follows no redirect"
        );
    }

    #[test]
    fn only_harmless_headers_cross() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "x-api-key", "x-coder-owner-id", "mcp-session-id", "accept"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let kept = harmless_headers(&headers);
        assert_eq!(kept.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
