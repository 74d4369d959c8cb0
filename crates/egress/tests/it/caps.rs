//! Threats B/C 33-35: deadlines of every phase, caps of every buffer.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use patchbay_egress::{Egress, EgressError, Limits, Phase, Request};

use crate::support::{Act, Server, answer, egress_to, get};

const SHORT: Duration = Duration::from_millis(250);

fn chunked(first: &[u8]) -> Act {
    let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    text.extend(chunk(first));
    Act::Send(text)
}

fn chunk(data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let out = tokio::time::timeout(Duration::from_secs(10), future).await.expect("no deadline fired");
    assert!(started.elapsed() < limit, "took {:?}", started.elapsed());
    out
}

async fn body(egress: &Egress, request: Request) -> Result<bytes::Bytes, EgressError> {
    egress.send(request).await?.bytes().await
}

fn phase(error: &EgressError) -> Option<Phase> {
    match error {
        EgressError::Timeout { phase, .. } => Some(*phase),
        _ => None,
    }
}

#[tokio::test]
async fn no_answer_ends_at_the_first_byte_deadline() {
    let server = Server::start(|_| vec![Act::Wait(Duration::from_secs(30))]).await;
    let egress = egress_to(&[&server]);
    let mut request = get(server.url("/mcp?token=secret"));
    request.limits.first_byte = SHORT;
    let error = within(Duration::from_secs(2), egress.send(request)).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::FirstByte), "{error:?}");
    assert_eq!(error.public_message(), format!("no answer from {} within 250 ms", server.addr));
    assert!(error.is_timeout() && error.is_retryable() && !error.surely_not_sent());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn endless_headers_end_at_the_first_byte_deadline() {
    let server = Server::start(|_| {
        vec![
            Act::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Act::Forever(b"x: y\r\n".to_vec(), Duration::from_millis(20)),
        ]
    })
    .await;
    let egress = egress_to(&[&server]);
    let mut request = get(server.url("/"));
    request.limits.first_byte = SHORT;
    let error = within(Duration::from_secs(2), egress.send(request)).await.unwrap_err();
    assert!(phase(&error) == Some(Phase::FirstByte) || matches!(error, EgressError::Interrupted { .. }));
    assert!(!error.surely_not_sent());
}

#[tokio::test]
async fn the_total_deadline_covers_headers_and_body() {
    let silent = Server::start(|_| vec![Act::Wait(Duration::from_secs(30))]).await;
    let dripping =
        Server::start(|_| vec![chunked(b"a"), Act::Forever(chunk(b"a"), Duration::from_millis(20))]).await;
    let egress = egress_to(&[&silent, &dripping]);
    for server in [&silent, &dripping] {
        let mut request = get(server.url("/"));
        request.limits.total = Some(SHORT);
        let error = within(Duration::from_secs(2), body(&egress, request)).await.unwrap_err();
        assert_eq!(phase(&error), Some(Phase::Total), "{error:?}");
        assert_eq!(error.public_message(), format!("{} did not finish within 250 ms", server.addr));
    }
}

#[tokio::test]
async fn a_flood_does_not_outrun_the_total_deadline() {
    let server =
        Server::start(|_| vec![chunked(b"a"), Act::Forever(chunk(&[b'a'; 512]), Duration::ZERO)]).await;
    let egress = egress_to(&[&server]);
    let mut request = get(server.url("/"));
    request.limits.total = Some(SHORT);
    request.limits.max_body = u64::MAX;
    let response = egress.send(request).await.unwrap();
    let mut stream = std::pin::pin!(response.into_stream());
    let last = within(Duration::from_secs(2), async {
        let mut last = None;
        while let Some(item) = stream.next().await {
            last = Some(item);
        }
        last
    })
    .await;
    assert_eq!(phase(&last.unwrap().unwrap_err()), Some(Phase::Total));
}

#[tokio::test]
async fn silence_in_a_body_ends_at_the_idle_deadline_but_slow_bytes_do_not() {
    let stalls = Server::start(|_| vec![chunked(b"start"), Act::Wait(Duration::from_secs(30))]).await;
    let slow = Server::start(|_| {
        let mut acts = vec![chunked(b"a")];
        for _ in 0..5 {
            acts.extend([Act::Wait(Duration::from_millis(100)), Act::Send(chunk(b"b"))]);
        }
        acts.push(Act::Send(b"0\r\n\r\n".to_vec()));
        acts
    })
    .await;
    let egress = egress_to(&[&stalls, &slow]);
    let mut request = get(stalls.url("/"));
    request.limits.idle = SHORT;
    let response = egress.send(request).await.unwrap();
    let mut stream = std::pin::pin!(response.into_stream());
    assert_eq!(&stream.next().await.unwrap().unwrap()[..], b"start");
    let error = within(Duration::from_secs(2), stream.next()).await.unwrap().unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Idle), "{error:?}");
    assert!(stream.next().await.is_none(), "an error is the last item");

    let mut request = get(slow.url("/"));
    request.limits.idle = SHORT;
    assert_eq!(&body(&egress, request).await.unwrap()[..], b"abbbbb", "500 ms in all, never 250 ms silent");
}

#[tokio::test]
async fn bodies_over_the_cap_are_cut() {
    let announced = Server::start(|_| answer("200 OK", "", &"x".repeat(1001))).await;
    let hidden = Server::start(|_| {
        vec![chunked(&[b'x'; 600]), Act::Send(chunk(&[b'x'; 401])), Act::Send(b"0\r\n\r\n".to_vec())]
    })
    .await;
    let until_close = Server::start(|_| {
        vec![Act::Send([b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 1001][..]].concat()), Act::Close]
    })
    .await;
    let egress = egress_to(&[&announced, &hidden, &until_close]);
    for server in [&announced, &hidden, &until_close] {
        for (cap, fits) in [(1000, false), (1001, true)] {
            let mut request = get(server.url("/"));
            request.limits.max_body = cap;
            match body(&egress, request.clone()).await {
                Ok(all) => assert!(fits && all.len() == 1001),
                Err(error) => {
                    assert!(
                        !fits && matches!(error, EgressError::BodyTooLarge { limit: 1000, .. }),
                        "{error:?}"
                    );
                    assert!(!error.surely_not_sent() && !error.is_retryable());
                }
            }
            // the stream hands out what fits, then the error
            let stream = egress.send(request).await.unwrap().into_stream();
            let (mut bytes, mut failed) = (0, false);
            let mut stream = std::pin::pin!(stream);
            while let Some(item) = stream.next().await {
                match item {
                    Ok(chunk) => bytes += chunk.len(),
                    Err(error) => failed = matches!(error, EgressError::BodyTooLarge { .. }),
                }
            }
            assert_eq!(failed, !fits);
            assert!(bytes <= 1001 && (fits || bytes <= 1000));
        }
    }
    let error = egress.send(get(announced.url("/"))).await.unwrap().with_max_body(10).bytes().await;
    assert!(matches!(error, Err(EgressError::BodyTooLarge { limit: 10, .. })));
}

#[tokio::test]
async fn an_endless_body_costs_its_cap_only() {
    let server =
        Server::start(|_| vec![chunked(b"a"), Act::Forever(chunk(&[b'a'; 65536]), Duration::ZERO)]).await;
    let egress = egress_to(&[&server]);
    let mut request = get(server.url("/"));
    request.limits.max_body = 1024 * 1024;
    let error = within(Duration::from_secs(5), body(&egress, request)).await.unwrap_err();
    assert_eq!(error.public_message(), format!("{} sent more than 1 MiB", server.addr));
    // the beginning of an error body, without the rest
    let (start, more) = within(Duration::from_secs(2), async {
        egress.send(get(server.url("/"))).await.unwrap().prefix(100).await
    })
    .await
    .unwrap();
    assert!(start.len() == 100 && more);
}

#[tokio::test]
async fn prefix_of_a_short_body_is_the_whole_body() {
    let server = Server::start(|_| answer("500 Internal Server Error", "", "oops")).await;
    let egress = egress_to(&[&server]);
    for (max, expected, more) in [(3, "oop", true), (4, "oops", false), (100, "oops", false), (0, "", true)] {
        let (start, cut) = egress.send(get(server.url("/"))).await.unwrap().prefix(max).await.unwrap();
        assert_eq!((&start[..], cut), (expected.as_bytes(), more), "{max}");
    }
}

#[tokio::test]
async fn header_caps() {
    for (count, size, fits) in
        [(1, 15 * 1024, true), (1, 17 * 1024, false), (6, 12 * 1024, false), (5, 12 * 1024, true)]
    {
        let server = Server::start(move |_| {
            let headers: String = (0..count).map(|n| format!("x-{n}: {}\r\n", "v".repeat(size))).collect();
            answer("200 OK", &headers, "ok")
        })
        .await;
        let egress = egress_to(&[&server]);
        let outcome = egress.send(get(server.url("/"))).await;
        assert_eq!(outcome.is_ok(), fits, "{count} of {size}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, EgressError::HeadersTooLarge { .. }), "{error:?}");
        }
    }
    // far beyond: hyper gives up first, still without an unbounded buffer
    let server = Server::start(|_| {
        vec![Act::Send(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), Act::Forever(vec![b'v'; 65536], Duration::ZERO)]
    })
    .await;
    let egress = egress_to(&[&server]);
    let error = within(Duration::from_secs(4), egress.send(get(server.url("/")))).await.unwrap_err();
    assert!(matches!(error, EgressError::Interrupted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_not_an_end() {
    let by_length = Server::start(|_| {
        vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()), Act::Close]
    })
    .await;
    let by_chunks = Server::start(|_| vec![chunked(b"half"), Act::Close]).await;
    let egress = egress_to(&[&by_length, &by_chunks]);
    for server in [&by_length, &by_chunks] {
        let error = body(&egress, get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, EgressError::Interrupted { .. }), "{error:?}");
        assert!(!error.surely_not_sent());
    }
}

#[tokio::test]
async fn unasked_compression_is_refused() {
    let server = Server::start(|_| answer("200 OK", "content-encoding: gzip\r\n", "\u{1f}bomb")).await;
    let plain = Server::start(|_| answer("200 OK", "content-encoding: Identity\r\n", "ok")).await;
    let egress = egress_to(&[&server, &plain]);
    let error = body(&egress, get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Encoded { .. }), "{error:?}");
    assert_eq!(server.seen()[0].header("accept-encoding"), None);
    assert_eq!(&body(&egress, get(plain.url("/"))).await.unwrap()[..], b"ok");
}

#[tokio::test]
async fn absurd_limits_do_not_panic() {
    let server = Server::start(|_| answer("200 OK", "", "ok")).await;
    let egress = egress_to(&[&server]);
    let mut request = get(server.url("/"));
    request.limits = Limits {
        connect: Duration::MAX,
        first_byte: Duration::MAX,
        idle: Duration::MAX,
        total: Some(Duration::MAX),
        max_body: u64::MAX,
    };
    assert_eq!(&body(&egress, request.clone()).await.unwrap()[..], b"ok");
    request.limits.total = Some(Duration::ZERO);
    let error = body(&egress, request).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Total));
}
