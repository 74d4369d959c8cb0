//! The browser half inside the binary: scripts, wasm, style sheet, icons.
//!
//! Files with their content's hash in the address are cached for ever; the rest is revalidated by `ETag`. Compressed
//! copies are made at build time, so serving costs a lookup and no CPU.

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};

/// A year, the longest that browsers honour.
const CACHE_FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept, but asked about each time: the address does not change with the content.
const CACHE_REVALIDATE: &str = "public, no-cache";

/// One embedded file.
#[derive(Debug)]
pub struct Asset {
    /// The name pages use: `patchbay.js`, `patchbay.wasm`, `patchbay.css`, `favicon.svg`.
    pub logical: &'static str,
    /// The path it is served at, with the content's hash for what is built.
    pub route: &'static str,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Whether the route carries the content's hash.
    pub immutable: bool,
    /// SHA-256 of `body` in hex.
    pub sha256: &'static str,
    /// The file as it is.
    pub body: &'static [u8],
    /// Compressed with brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
    /// Compressed with gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
}

/// Written by `build.rs`; empty when the browser half was not built.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets_table.rs"));

/// All embedded files; empty in a binary built without `cargo xtask build`.
#[must_use]
pub fn all() -> &'static [Asset] {
    ASSETS
}

/// The file served at a path such as `/pkg/patchbay.0123456789abcdef.js`.
#[must_use]
pub fn lookup(path: &str) -> Option<&'static Asset> {
    find(ASSETS, path)
}

/// The path of a file by its logical name; pages put it into their markup. None when the browser half was not built.
#[must_use]
pub fn url(logical: &str) -> Option<String> {
    ASSETS.iter().find(|asset| asset.logical == logical).map(|asset| asset.route.to_owned())
}

/// Routes of all embedded files. Unknown names below `/pkg/` are 404 and never reach the pages.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new().route("/pkg/{*file}", get(serve)).route("/favicon.svg", get(serve));
    for asset in
        ASSETS.iter().filter(|asset| !asset.route.starts_with("/pkg/") && asset.route != "/favicon.svg")
    {
        router = router.route(asset.route, get(serve));
    }
    router
}

async fn serve(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    match lookup(uri.path()) {
        Some(asset) => respond(asset, &headers),
        None => {
            let headers = [
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (CONTENT_TYPE, "text/plain"),
            ];
            (StatusCode::NOT_FOUND, headers, "not found").into_response()
        }
    }
}

fn find(assets: &'static [Asset], path: &str) -> Option<&'static Asset> {
    assets.iter().find(|asset| asset.route == path)
}

/// A form in which a file can travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

fn respond(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let (coding, body) = choose(asset, headers);
    // A strong validator names one representation, so each coding has its own (RFC 9110, 8.8.3).
    let etag = format!("\"{}-{}\"", &asset.sha256[..asset.sha256.len().min(32)], coding.name());
    let mut response = if matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(body));
        set(&mut response, CONTENT_TYPE, asset.content_type);
        if coding != Coding::Identity {
            set(&mut response, CONTENT_ENCODING, coding.name());
        }
        response
    };
    set(&mut response, CACHE_CONTROL, if asset.immutable { CACHE_FOR_EVER } else { CACHE_REVALIDATE });
    set(&mut response, VARY, "accept-encoding");
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// The smallest form the client accepts: brotli, then gzip, then the file as it is.
fn choose(asset: &'static Asset, headers: &HeaderMap) -> (Coding, &'static [u8]) {
    let packed = [(Coding::Brotli, asset.brotli), (Coding::Gzip, asset.gzip)];
    packed
        .into_iter()
        .find_map(|(coding, body)| {
            body.filter(|_| accepts(headers, coding.name())).map(|body| (coding, body))
        })
        .unwrap_or((Coding::Identity, asset.body))
}

/// Whether `Accept-Encoding` names a coding with a weight above zero. `*` does not count: no browser sends it alone,
/// and tools that do cannot always decode.
pub(crate) fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let refused = parts
                .filter_map(|part| part.strip_prefix("q="))
                .any(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0));
            named && !refused
        })
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|candidate| {
            let candidate = candidate.trim();
            candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCRIPT: Asset = Asset {
        logical: "patchbay.js",
        route: "/pkg/patchbay.0123456789abcdef.js",
        content_type: "text/javascript; charset=utf-8",
        immutable: true,
        sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        body: b"plain",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };
    static ICON: Asset = Asset {
        logical: "favicon.svg",
        route: "/favicon.svg",
        content_type: "image/svg+xml",
        immutable: false,
        sha256: "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        body: b"<svg/>",
        brotli: None,
        gzip: None,
    };

    fn request(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn coding(accept: &str) -> Coding {
        choose(&SCRIPT, &request(ACCEPT_ENCODING, accept)).0
    }

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn smallest_accepted_coding_is_chosen() {
        assert_eq!(coding("gzip, deflate, br, zstd"), Coding::Brotli);
        assert_eq!(coding("gzip;q=1.0, br;q=0"), Coding::Gzip);
        assert_eq!(coding("GZIP"), Coding::Gzip);
        assert_eq!(coding("br;q=0.000, gzip; q=0"), Coding::Identity);
        assert_eq!(coding("brotli, *"), Coding::Identity);
        assert_eq!(choose(&SCRIPT, &HeaderMap::new()).0, Coding::Identity);
        assert_eq!(choose(&ICON, &request(ACCEPT_ENCODING, "br")).0, Coding::Identity);
    }

    #[test]
    fn answers_carry_type_caching_and_coding() {
        let response = respond(&SCRIPT, &request(ACCEPT_ENCODING, "br"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(header(&response, CONTENT_ENCODING), "br");
        assert_eq!(header(&response, CACHE_CONTROL), CACHE_FOR_EVER);
        assert_eq!(header(&response, VARY), "accept-encoding");
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
        let icon = respond(&ICON, &HeaderMap::new());
        assert_eq!(header(&icon, CACHE_CONTROL), CACHE_REVALIDATE);
        assert_eq!(header(&icon, CONTENT_ENCODING), "");
    }

    #[test]
    fn validator_belongs_to_one_coding() {
        let etag = header(&respond(&SCRIPT, &request(ACCEPT_ENCODING, "br")), ETAG).to_owned();
        let mut again = request(IF_NONE_MATCH, &format!("\"other\", W/{etag}"));
        again.insert(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let response = respond(&SCRIPT, &again);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(header(&response, ETAG), etag);
        assert_eq!(header(&response, CONTENT_ENCODING), "");
        // The same validator with another coding is another representation.
        assert_eq!(respond(&SCRIPT, &request(IF_NONE_MATCH, &etag)).status(), StatusCode::OK);
    }

    #[test]
    fn only_whole_routes_are_found() {
        static TWO: [Asset; 1] = [Asset { body: b"", brotli: None, gzip: None, ..SCRIPT_COPY }];
        const SCRIPT_COPY: Asset = Asset {
            logical: "patchbay.js",
            route: "/pkg/patchbay.0123456789abcdef.js",
            content_type: "text/javascript",
            immutable: true,
            sha256: "00",
            body: b"",
            brotli: None,
            gzip: None,
        };
        assert!(find(&TWO, "/pkg/patchbay.0123456789abcdef.js").is_some());
        assert!(find(&TWO, "/pkg/patchbay.js").is_none());
        assert!(find(&TWO, "/pkg/../pkg/patchbay.0123456789abcdef.js").is_none());
    }

    #[test]
    fn embedded_table_is_whole() {
        for asset in all() {
            assert!(lookup(asset.route).is_some_and(|found| std::ptr::eq(found, asset)));
            assert_eq!(url(asset.logical).as_deref(), Some(asset.route));
            assert_eq!(asset.immutable, asset.route.contains(&asset.sha256[..16]), "{}", asset.route);
        }
        if !all().is_empty() {
            for needed in ["patchbay.js", "patchbay.wasm", "patchbay.css", "favicon.svg"] {
                assert!(url(needed).is_some(), "{needed} is not embedded");
            }
        }
    }

    #[tokio::test]
    async fn router_serves_the_table_and_refuses_the_rest() {
        use tower::ServiceExt as _;
        let status = |path: &str| {
            let request = http::Request::builder().uri(path).body(Body::empty()).unwrap();
            async move { router::<()>().oneshot(request).await.unwrap().status() }
        };
        assert_eq!(status("/pkg/none.js").await, StatusCode::NOT_FOUND);
        assert_eq!(status("/pkg/../Cargo.toml").await, StatusCode::NOT_FOUND);
        for asset in all() {
            assert_eq!(status(asset.route).await, StatusCode::OK, "{}", asset.route);
        }
    }
}
