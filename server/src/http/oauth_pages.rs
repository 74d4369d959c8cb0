//! The pages at the end of a sign-in: for people, without the app, and working without scripts (behaviour 9).

use super::router::AppState;
use api::Uuid;
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
};
use service::{CallbackRefused, Connected};

/// Tells whoever waits: the window that opened this one, at exactly our own origin, and every tab of ours.
const SCRIPT: &str = r#"(() => {
  const { server, origin } = document.body.dataset;
  const message = { type: "mcp-oauth2-complete", serverID: server };
  try { const channel = new BroadcastChannel("patchbay-connect"); channel.postMessage(message); channel.close(); } catch {}
  if (window.opener) { try { window.opener.postMessage(message, origin); } catch {} window.close(); }
})();"#;

/// The colours of `style/tokens.css`: these pages do without the app's files.
const STYLE: &str = "\
:root{color-scheme:light dark;--bg:light-dark(#f3f6f7,#12171b);--card:light-dark(#fcfdfd,#171d22);--fg:light-dark(#182027,#e7ecef);\
--soft:light-dark(#4d5b66,#aab6bf);--line:light-dark(#e1e6ea,#2a343c);--accent:light-dark(#0b6b80,#58c5da);--on:light-dark(#ffffff,#06232a)}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--fg);\
font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif;padding:1rem}\
main{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem;max-width:28rem;width:100%}\
h1{font-size:1.25rem;margin:0 0 .75rem;overflow-wrap:anywhere}p{margin:0 0 1rem;color:var(--soft);overflow-wrap:anywhere}\
nav{display:flex;gap:1rem;align-items:center;flex-wrap:wrap;margin-top:1.5rem}a{color:var(--accent)}\
a.button{background:var(--accent);color:var(--on);text-decoration:none;padding:.5rem 1rem;border-radius:8px}\
a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}";

/// "Connected."
pub(super) fn connected_page(state: &AppState, connected: &Connected) -> Response {
    let name = escape(&connected.display_name);
    let back = if connected.return_to.is_empty() { "/" } else { &connected.return_to };
    let back = escape(back);
    let refresh = if connected.return_to.is_empty() {
        String::new()
    } else {
        format!("<meta http-equiv=\"refresh\" content=\"2;url={back}\">")
    };
    let body = format!(
        "<h1><bdi>{name}</bdi> is connected</h1>\
         <p>You can close this window. Chats use this server for you from now on.</p>\
         <nav><a class=\"button\" href=\"{back}\">Back to Patchbay</a></nav>"
    );
    page(state, StatusCode::OK, "Connected", &refresh, &body, Some(connected.server_id))
}

/// What happened, and the way to start again.
pub(super) fn refused_page(state: &AppState, id: Uuid, refused: &CallbackRefused) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let back = if refused.return_to.is_empty() { "/" } else { &refused.return_to };
    let of = if refused.display_name.is_empty() {
        String::new()
    } else {
        format!("<p>Server: <bdi>{}</bdi></p>", escape(&refused.display_name))
    };
    let connect = format!("/api/experimental/mcp/servers/{id}/oauth2/connect");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("return_to", back);
    let again = match (refused.status, refused.may_retry) {
        (401, _) => "<a class=\"button\" href=\"/login\">Sign in</a>".to_owned(),
        (_, true) => format!(
            "<a class=\"button\" href=\"{}\">Start again</a>",
            escape(&format!("{connect}?{}", query.finish()))
        ),
        (_, false) => String::new(),
    };
    let body = format!(
        "<h1>{}</h1><p>{}</p>{of}<nav>{again}<a href=\"{}\">Back to Patchbay</a></nav>",
        escape(refused.title),
        escape(&refused.text),
        escape(back)
    );
    page(state, status, refused.title, "", &body, None)
}

/// Goes on by itself to a path of ours.
pub(super) fn onward_page(state: &AppState, to: &str) -> Response {
    let to = escape(to);
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"0;url={to}\">");
    let body = format!(
        "<h1>You are signed in</h1><p>This page goes on by itself.</p><nav><a class=\"button\" href=\"{to}\">Go on</a></nav>"
    );
    page(state, StatusCode::OK, "Signed in", &refresh, &body, None)
}

fn page(
    state: &AppState,
    status: StatusCode,
    title: &str,
    head: &str,
    body: &str,
    connected: Option<Uuid>,
) -> Response {
    let mut bytes = [0; 18];
    state.entropy.fill(&mut bytes);
    let nonce = URL_SAFE_NO_PAD.encode(bytes);
    let script = match connected {
        Some(_) => format!("<script nonce=\"{nonce}\">{SCRIPT}</script>"),
        None => String::new(),
    };
    let data = connected.map_or_else(String::new, |id| {
        format!(" data-server=\"{id}\" data-origin=\"{}\"", escape(&state.origin))
    });
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{} · Patchbay</title>{head}<style nonce=\"{nonce}\">{STYLE}</style></head>\
         <body{data}><main>{body}</main>{script}</body></html>",
        escape(title)
    );
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'"
    );
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The address of this page has the code in it.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // The window that opened this one is found again; what is told goes to our own origin alone.
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("unsafe-none")),
    ];
    (status, headers, html).into_response()
}

/// Text into HTML, in an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escape("<b a='x' c=\"y\">&"), "&lt;b a=&#39;x&#39; c=&quot;y&quot;&gt;&amp;");
    }
}
