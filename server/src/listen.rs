//! The listener: hyper with a header deadline (axum's own `serve` sets none), and a shutdown that does not wait for ever.

mod write_deadline;

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;
use write_deadline::WriteDeadline;

/// threats 5, Inbound: header read, headers' size, h2 streams.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within a request's body.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_H2_STREAMS: u32 = 100;
/// threats 5, Browser: a peer that accepts nothing for this long is cut.
const WRITE_STALL: Duration = Duration::from_secs(10);

/// The peer's address, for handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Accepts until `stop`, then gives open requests `grace` to end.
pub async fn serve_connections(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_H2_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES as u32);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a peer that left at once: neither ends the server.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers and stream events must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            // Forms and server functions read their body inside the library: the deadline stands below all of them.
            request.map(|body| axum::body::Body::new(TimeoutBody::new(BODY_READ_TIMEOUT, body)))
        });
        let connection = builder
            .serve_connection_with_upgrades(
                TokioIo::new(WriteDeadline::new(stream, WRITE_STALL)),
                TowerToHyperService::new(service),
            )
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::info!("closing connections that were still open");
    }
}
