//! A loopback listener for a fake; it ends with the fake.

use axum::Router;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A running fake. Dropped, it stops listening and cuts its connections.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let task = tokio::spawn(async move {
            // Ends only by the abort below.
            let _ = axum::serve(listener, router).await;
        });
        Self { addr, task }
    }

    /// Stops listening now.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
