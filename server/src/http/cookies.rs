//! The session cookie: name and flags follow the scheme of the access URL (behaviour 2), never the request.

use axum_extra::extract::cookie::{Cookie, SameSite};
use http::HeaderMap;
use service::SESSION_ABSOLUTE_SECONDS;
use url::Url;

/// Name and flags of the session cookie in this deployment.
#[derive(Debug, Clone)]
pub(crate) struct SessionCookie {
    secure: bool,
}

impl SessionCookie {
    pub(crate) fn for_access_url(url: &Url) -> Self {
        Self { secure: url.scheme() == "https" }
    }

    /// `__Host-` needs Secure; plain http on loopback drops both.
    pub(crate) fn name(&self) -> &'static str {
        if self.secure { "__Host-patchbay_session" } else { "patchbay_session" }
    }

    fn cookie(&self, value: String, max_age_seconds: i64) -> String {
        // Lax, not Strict: a Strict cookie is missing when a provider sends the browser back (threats 3.1).
        let mut cookie = Cookie::new(self.name(), value);
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_path("/");
        cookie.set_secure(self.secure);
        let mut text = cookie.to_string();
        text.push_str(&format!("; Max-Age={max_age_seconds}"));
        text
    }

    /// `Set-Cookie` for a new session.
    pub(crate) fn set(&self, token: &str) -> String {
        self.cookie(token.to_owned(), SESSION_ABSOLUTE_SECONDS)
    }

    /// `Set-Cookie` that removes it.
    pub(crate) fn clear(&self) -> String {
        self.cookie(String::new(), 0)
    }

    /// The session token a request carries in its cookie. Two cookies of the name (a sibling host may toss one in) count as none.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<String> {
        let mut found = headers
            .get_all(http::header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name())
            .map(|(_, value)| value.to_owned());
        let first = found.next()?;
        found.next().is_none().then_some(first).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_access_url() {
        let https = SessionCookie::for_access_url(&"https://p.example".parse().unwrap());
        assert_eq!(
            https.set("t"),
            "__Host-patchbay_session=t; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800"
        );
        let http = SessionCookie::for_access_url(&"http://127.0.0.1:3000".parse().unwrap());
        assert!(!http.set("t").contains("Secure") && http.set("t").starts_with("patchbay_session=t"));
        assert!(http.clear().ends_with("Max-Age=0"));
    }

    #[test]
    fn a_tossed_second_cookie_signs_out() {
        let cookie = SessionCookie::for_access_url(&"http://127.0.0.1:3000".parse().unwrap());
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::COOKIE, http::HeaderValue::from_static(text));
            cookie.read(&headers)
        };
        assert_eq!(read("a=b; patchbay_session=x").as_deref(), Some("x"));
        assert_eq!(read("patchbay_session=x; patchbay_session=y"), None);
        assert_eq!(read("patchbay_session="), None);
    }
}
