//! Numbers that nobody should believe: 42. `expires_in` comes with OAuth (4/9).

use std::time::Duration;

use patchbay_mcpclient::{CallOutcome, McpErrorKind, Timeouts};
use serde_json::{Value, json};
use testkit::{
    axum::{http::StatusCode, response::IntoResponse},
    raw_peer::{Act, RawPeer},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    lab::{ERAS, Era, Lab, in_time, short, target},
    slow::honest,
};
use crate::fake::{self, Seen};

#[tokio::test]
pub(super) async fn hostile_numbers() {
    let lab = Lab::start().await;
    lab.beside(lifetimes(&lab)).await;
    for era in ERAS {
        lab.beside(figures_in_calls(&lab, era)).await;
        lab.beside(figures_of_http(&lab, era)).await;
    }
    let patient = Lab::with(Timeouts {
        call_idle: Duration::from_secs(5),
        call_total: Duration::from_secs(5),
        ..short()
    })
    .await;
    patient.beside(waits(&patient)).await;
}

async fn lifetimes(lab: &Lab) {
    let huge: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    for (ttl, private, public) in [
        (Some(json!(0)), 5, 5),
        (Some(json!(-1)), 5, 5),
        (Some(json!(1)), 5, 5),
        (Some(json!(0.5)), 5, 5),
        (Some(json!(-1e308)), 5, 5),
        (Some(json!(60_000)), 60, 60),
        (Some(json!(1e308)), 3600, 24 * 3600),
        (Some(json!(i64::MAX)), 3600, 24 * 3600),
        (Some(json!(u64::MAX)), 3600, 24 * 3600),
        (Some(huge), 3600, 24 * 3600),
        (Some(json!("60000")), 5, 5),
        (Some(json!([])), 5, 5),
        (Some(json!(null)), 5, 5),
        (None, 5, 5),
    ] {
        for (scope, expected) in [(json!("private"), private), (json!("public"), public), (json!(7), private)]
        {
            for era in ERAS {
                let (answered, given) = (ttl.clone(), scope.clone());
                let fake = era
                    .start(move |seen: Seen| {
                        let mut result = json!({"resultType": "complete", "tools": [fake::tool("echo")], "cacheScope": given});
                        if let Some(ttl) = &answered {
                            result["ttlMs"] = ttl.clone();
                        }
                        let answer = (seen.method() == "tools/list").then(|| seen.result(result));
                        async move { answer }
                    })
                    .await;
                let target = era.target(&fake);
                let catalogue = lab.list(&target).await.unwrap();
                let expected = (era == Era::Stateless).then(|| Duration::from_secs(expected));
                assert_eq!(catalogue.fresh_for, expected, "{era:?}, {ttl:?}, {scope}");
                lab.list(&target).await.unwrap();
                assert_eq!(fake.count("tools/list"), 1, "{era:?}, {ttl:?}: not one list per turn");
            }
        }
    }
}

async fn figures_in_calls(lab: &Lab, era: Era) {
    let figures =
        ["0", "-1", "1e308", "-1e308", "1e-308", "18446744073709551615", "\"7\"", "null", "[]", "1e99999"];
    for figure in figures {
        let fake = era
            .start(move |seen: Seen| {
                let answer = (seen.method() == "tools/call").then(|| {
                    let token = &seen.body["params"]["_meta"]["progressToken"];
                    let report = format!(
                        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\
                         \"progress\":{figure},\"total\":{figure}}}}}\n\n"
                    );
                    let done = fake::event(&seen.message(json!({"resultType": "complete", "content": [
                        {"type": "text", "text": "done", "annotations": {"priority": 1e308}}]})));
                    fake::events(vec![(0, report), (0, done)])
                });
                async move { answer }
            })
            .await;
        let (tell, mut told) = mpsc::channel(8);
        let mut call = fake::echo("x");
        call.progress = Some(tell);
        let outcome = lab.call(&era.target(&fake), call).await;
        // What is no JSON number at all makes the message unreadable.
        let readable = figure != "1e99999";
        assert_eq!(matches!(outcome, CallOutcome::Done { .. }), readable, "{era:?}, {figure}: {outcome:?}");
        while let Some(report) = told.recv().await {
            assert!(report.progress.is_finite() && report.total.is_none_or(f64::is_finite), "{report:?}");
        }
    }
    for code in
        ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e308", "0", "-0", "1.5"]
    {
        let fake = era
            .start(move |seen: Seen| {
                let id = &seen.body["id"];
                let body =
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"x"}}}}"#);
                let answer = (seen.method() == "tools/call")
                    .then(|| ([("content-type", "application/json")], body).into_response());
                async move { answer }
            })
            .await;
        let outcome = lab.call(&era.target(&fake), fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{era:?}, {code}: {outcome:?}");
    }
}

async fn figures_of_http(lab: &Lab, era: Era) {
    for head in [
        "200 OK\r\ncontent-type: application/json\r\ncontent-length: 18446744073709551615\r\n\r\n{}",
        "200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
        "200 OK\r\ncontent-type: application/json\r\ncontent-length: -1\r\n\r\n{}",
        "200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}",
        "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "999 Odd\r\ncontent-length: 0\r\n\r\n",
        "0 Odd\r\ncontent-length: 0\r\n\r\n",
        "99999 Odd\r\ncontent-length: 0\r\n\r\n",
        "429 Slow down\r\nretry-after: 1000000000\r\ncontent-length: 0\r\n\r\n",
        "503 Busy\r\nretry-after: -1\r\ncontent-length: 0\r\n\r\n",
        "503 Busy\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n",
    ] {
        let peer = RawPeer::start(move |request| {
            let body = request.json();
            let method = &body["method"];
            if method == "tools/list" || method == "tools/call" {
                vec![Act::Send(format!("HTTP/1.1 {head}").into()), Act::Close]
            } else {
                honest(request)
            }
        })
        .await;
        let of_list = target(&peer.url("/mcp"), Some(era.wire()));
        // Nothing waits because a server says so.
        let error = in_time(Duration::from_secs(1), lab.list_fails(&of_list)).await;
        let limited = head.starts_with("429");
        let refused = limited || head.starts_with("999 ");
        assert_eq!(error.kind() == McpErrorKind::Refused, refused, "{head}: {error}");
        if era == Era::Initialized {
            let of_call = target(&peer.url("/mcp"), Some(era.wire()));
            let outcome = in_time(Duration::from_secs(1), lab.call(&of_call, fake::echo("x"))).await;
            assert_eq!(matches!(outcome, CallOutcome::NotExecuted { .. }), limited, "{head}: {outcome:?}");
        }
    }
}

/// The `retry` of a stream that breaks (initialize-based revisions only; stateless streams are not resumed).
async fn waits(lab: &Lab) {
    for (retry, gets, least, most) in [
        ("0", 5, 2500, 3500),
        ("99999999999999999999999", 0, 0, 500),
        ("-1", 1, 1000, 2000),
        ("1e9", 1, 1000, 2000),
    ] {
        let fake = fake::start(move |seen: Seen| async move {
            match (seen.http.as_str(), seen.method()) {
                ("POST", "tools/call") => {
                    Some(fake::events(vec![(0, format!("id: e1\nretry: {retry}\ndata:\n\n"))]))
                }
                ("GET", _) if gets < 5 => Some(StatusCode::BAD_GATEWAY.into_response()),
                ("GET", _) => Some(fake::events(vec![])),
                _ => None,
            }
        })
        .await;
        let target = Era::Initialized.target(&fake);
        lab.list(&target).await.unwrap();
        let started = Instant::now();
        let outcome = lab.call(&target, fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{retry}: {outcome:?}");
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(least) && took < Duration::from_millis(most),
            "{retry}: {took:?}"
        );
        let asked = fake.seen().iter().filter(|seen| seen.header("last-event-id").is_some()).count();
        assert_eq!(asked, gets, "{retry}");
    }
}
