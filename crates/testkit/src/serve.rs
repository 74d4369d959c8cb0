//! A loopback listener for a fake; it ends with the fake.

use axum::{Router, response::Response};
use hyper::service::{Service as _, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{convert::Infallible, io, net::SocketAddr};
use tokio::{net::TcpListener, task::JoinSet};

/// Mark of an answer that was made and never arrives: its connection is cut instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost;

/// A running fake. Dropped, it stops listening and cuts its connections.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    pub(crate) async fn start(router: Router) -> Self {
        Self::start_on(Self::bind().await, router)
    }

    /// A free loopback port, for a fake that must know its own address before it serves.
    pub(crate) async fn bind() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free")
    }

    pub(crate) fn start_on(listener: TcpListener, router: Router) -> Self {
        let addr = listener.local_addr().expect("a bound listener has an address");
        // Not `axum::serve`: its connections would outlive it, and a stopped peer must be gone at once.
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let router = TowerToHyperService::new(router.clone());
                let service = service_fn(move |request| {
                    let answer = router.call(request);
                    async move { deliver(answer.await) }
                });
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no event here.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { addr, task }
    }

    /// Stops listening and cuts what is open.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

/// The answer, unless it is to be lost: an error here closes the connection without a byte.
fn deliver(answer: Result<Response, Infallible>) -> io::Result<Response> {
    let answer = answer.unwrap_or_else(|never| match never {});
    match answer.extensions().get::<Lost>() {
        Some(Lost) => Err(io::Error::other("this answer is to be lost")),
        None => Ok(answer),
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}
