//! The address of a page that a person is asked to visit (I6, I7).

use super::{Refusal, scripts::mixes_scripts};
use crate::{limits::URL_BYTES, text::is_invisible};
use url::{Host, Url, quirks::domain_to_unicode};

/// An address that may be shown with a button. It is shown whole and opened exactly as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The normalised address, ASCII only: what the browser would open.
    pub href: String,
    /// The host in it, ASCII only; `xn--` labels for foreign letters.
    pub host: String,
    /// The host as it reads in its own letters, if that differs. Shown beside the other, never instead of it.
    pub unicode_host: Option<String>,
    pub warnings: Vec<LinkWarning>,
}

/// What a person should look at before following the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkWarning {
    /// The host has letters beyond ASCII, which can look like others.
    Punycode,
    /// One part of the host mixes alphabets, as imitations of known names do.
    MixedScripts,
    /// The host is a number, not a name.
    IpAddress,
    /// The page is on the reader's own machine.
    Loopback,
}

impl LinkWarning {
    pub fn text(self) -> &'static str {
        match self {
            Self::Punycode => {
                "The name of this site has letters beyond a–z. Such letters can look like others: read both spellings."
            }
            Self::MixedScripts => {
                "The name of this site mixes letters of several alphabets, as imitations of known names do."
            }
            Self::IpAddress => "This site has no name, only a number.",
            Self::Loopback => "This page is on your own computer.",
        }
    }
}

impl Link {
    pub(super) fn parse(text: &str, http_on_loopback: bool) -> Result<Self, Refusal> {
        if text.len() > URL_BYTES {
            return Err(Refusal::UrlTooLong { bytes: text.len() });
        }
        // The parser drops tabs and line breaks and turns `\` into `/`: another page would open than the one shown.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) || text.contains('\\')
        {
            return Err(Refusal::UrlHidden);
        }
        let url = Url::parse(text).map_err(|_| Refusal::UrlUnreadable)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Refusal::UrlNotHttps);
        }
        // An empty `user:` part parses to nothing, so look at the text as well. `https:host` has no `//` and is repaired by the parser.
        let Some((_, rest)) = text.split_once("://") else { return Err(Refusal::UrlUnreadable) };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(Refusal::UrlUserInfo);
        }
        let (host, is_ip, is_loopback) = match url.host().ok_or(Refusal::UrlUnreadable)? {
            Host::Domain(name) => {
                let bare = name.trim_end_matches('.');
                (name.to_owned(), false, bare == "localhost" || bare.ends_with(".localhost"))
            }
            Host::Ipv4(ip) => (ip.to_string(), true, ip.is_loopback()),
            Host::Ipv6(ip) => (format!("[{ip}]"), true, ip.is_loopback()),
        };
        if url.scheme() == "http" && !(is_loopback && http_on_loopback) {
            return Err(Refusal::UrlNotHttps);
        }
        let unicode = domain_to_unicode(&host);
        let unicode_host = (!is_ip && !unicode.is_empty() && unicode != host).then_some(unicode);
        let mut warnings = Vec::new();
        // An `xn--` label that decodes to nothing is shown as it is, and warned about all the same.
        if !is_ip && host.split('.').any(|label| label.starts_with("xn--")) {
            warnings.push(LinkWarning::Punycode);
        }
        if unicode_host.as_deref().is_some_and(|host| host.split('.').any(mixes_scripts)) {
            warnings.push(LinkWarning::MixedScripts);
        }
        if is_loopback {
            warnings.push(LinkWarning::Loopback);
        } else if is_ip {
            warnings.push(LinkWarning::IpAddress);
        }
        // The parser may write more bytes than it read: percent-encoding, punycode.
        let href = String::from(url);
        if href.len() > URL_BYTES {
            return Err(Refusal::UrlTooLong { bytes: href.len() });
        }
        Ok(Self { href, host, unicode_host, warnings })
    }

    /// The address in three pieces with the host in the middle, which the card shows in bold (I6).
    pub fn parts(&self) -> (&str, &str, &str) {
        let start = self.href.find("://").map_or(0, |at| at + 3);
        match self.href.get(start..).and_then(|rest| rest.strip_prefix(self.host.as_str())) {
            Some(after) => (&self.href[..start], &self.host, after),
            None => ("", &self.href, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LinkWarning::{IpAddress, Loopback, MixedScripts, Punycode};

    #[test]
    fn links_that_may_be_shown() {
        for (text, href, unicode, warnings) in [
            ("https://example.com", "https://example.com/", None, &[][..]),
            (
                "HTTPS://Example.com:8443/a b".replace(' ', "%20").as_str(),
                "https://example.com:8443/a%20b",
                None,
                &[],
            ),
            (
                "https://example.com/login?next=https://a@b#top",
                "https://example.com/login?next=https://a@b#top",
                None,
                &[],
            ),
            (
                "https://bücher.example/",
                "https://xn--bcher-kva.example/",
                Some("bücher.example"),
                &[Punycode],
            ),
            (
                "https://xn--bcher-kva.example/",
                "https://xn--bcher-kva.example/",
                Some("bücher.example"),
                &[Punycode],
            ),
            // all Cyrillic, reads like apple
            ("https://аррӏе.com/", "https://xn--80ak6aa92e.com/", Some("аррӏе.com"), &[Punycode]),
            // one Cyrillic а among Latin letters
            (
                "https://pаypal.com/",
                "https://xn--pypal-4ve.com/",
                Some("pаypal.com"),
                &[Punycode, MixedScripts],
            ),
            ("https://日本語テスト.jp/", "https://xn--zckzah3342aorjlih.jp/", None, &[Punycode]),
            ("https://example.com/größe", "https://example.com/gr%C3%B6%C3%9Fe", None, &[]),
            ("https://203.0.113.7/", "https://203.0.113.7/", None, &[IpAddress]),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x", None, &[IpAddress]),
            ("http://localhost:3000/x", "http://localhost:3000/x", None, &[Loopback]),
            ("http://127.1/", "http://127.0.0.1/", None, &[Loopback]),
            ("http://[::1]:80/", "http://[::1]/", None, &[Loopback]),
        ] {
            let link = Link::parse(text, true).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
            if unicode.is_some() || warnings.is_empty() {
                assert_eq!((link.href.as_str(), link.unicode_host.as_deref()), (href, unicode), "{text}");
            }
            assert_eq!(link.warnings, warnings, "{text}");
            assert!(link.href.is_ascii());
            let (before, host, after) = link.parts();
            assert_eq!((format!("{before}{host}{after}"), host), (link.href.clone(), link.host.as_str()));
        }
    }

    #[test]
    fn links_that_may_not() {
        for (text, refusal) in [
            ("", Refusal::UrlUnreadable),
            ("example.com", Refusal::UrlUnreadable),
            ("https:example.com", Refusal::UrlUnreadable),
            ("https://", Refusal::UrlUnreadable),
            ("http://example.com/", Refusal::UrlNotHttps),
            ("http://localhost.example.com/", Refusal::UrlNotHttps),
            ("javascript:alert(1)", Refusal::UrlNotHttps),
            ("data:text/html,x", Refusal::UrlNotHttps),
            ("file:///etc/passwd", Refusal::UrlNotHttps),
            ("https://bank.example@evil.example/", Refusal::UrlUserInfo),
            ("https://@evil.example/", Refusal::UrlUserInfo),
            ("https://a:b@evil.example/", Refusal::UrlUserInfo),
            ("https://example.com\\@evil.example/", Refusal::UrlHidden),
            ("https://exa\tmple.com/", Refusal::UrlHidden),
            ("https://example.com/\u{202e}gpj.exe", Refusal::UrlHidden),
            ("https://exam\u{200b}ple.com/", Refusal::UrlHidden),
            (" https://example.com/", Refusal::UrlHidden),
        ] {
            assert_eq!(Link::parse(text, true), Err(refusal), "{text:?}");
        }
        assert_eq!(Link::parse("http://localhost/", false), Err(Refusal::UrlNotHttps));
        let long = format!("https://example.com/{}", "a".repeat(2048));
        assert_eq!(Link::parse(&long, true), Err(Refusal::UrlTooLong { bytes: 2068 }));
        let grows = format!("https://example.com/{}", "ä".repeat(900));
        assert!(matches!(Link::parse(&grows, true), Err(Refusal::UrlTooLong { .. })));
    }
}
