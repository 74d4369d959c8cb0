//! A peer on bare sockets: it sends what no real server can be brought to send, at any speed, without an end.

use crate::record::{Record, Recorded};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A step of an answer. No steps at all are silence: the connection stays open.
#[derive(Debug, Clone)]
pub enum Act {
    Send(Bytes),
    Wait(Duration),
    /// The same bytes until the client hangs up, each time after this pause.
    Forever(Bytes, Duration),
    /// The connection ends here, whatever is missing.
    Close,
}

/// A whole answer, after which the connection stays open. Each of `headers` ends in CR LF.
pub fn whole(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    vec![Act::Send(bytes.into())]
}

type Script = dyn Fn(&Recorded) -> Vec<Act> + Send + Sync;

/// A running peer. Dropped, it stops listening and cuts its connections.
#[derive(Debug)]
pub struct RawPeer {
    addr: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Shared {
    record: Record,
    connections: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
}

impl RawPeer {
    /// A peer on a free port of 127.0.0.1.
    pub async fn start(script: impl Fn(&Recorded) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// A peer at this address of loopback.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn start_at(
        addr: SocketAddr,
        script: impl Fn(&Recorded) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap_or_else(|error| panic!("{addr}: {error}"));
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Shared::default();
        let script: Arc<Script> = Arc::new(script);
        let of_task = shared.clone();
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                of_task.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, script) = (of_task.clone(), Arc::clone(&script));
                open.spawn(async move {
                    // A client that hangs up is what this peer is for.
                    let _ = converse(socket, &shared, &*script).await;
                });
            }
        });
        Self { addr, shared, task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://host:port` and this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.record.all()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes that the system took to deliver them.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut socket: TcpStream, shared: &Shared, script: &Script) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer).await? {
        shared.record.push(request.clone());
        for act in script(&request) {
            match act {
                Act::Send(bytes) => send(&mut socket, &bytes, shared).await?,
                Act::Wait(pause) => tokio::time::sleep(pause).await,
                Act::Forever(bytes, pause) => loop {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    send(&mut socket, &bytes, shared).await?;
                },
                Act::Close => return socket.shutdown().await,
            }
        }
    }
    Ok(())
}

async fn send(socket: &mut TcpStream, mut bytes: &[u8], shared: &Shared) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = socket.write(bytes).await?;
        shared.sent.fetch_add(taken as u64, Ordering::SeqCst);
        bytes = &bytes[taken..];
    }
    Ok(())
}

/// The next request; `None` when the client hangs up. What it sends is always well-formed, so nothing is checked.
async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Recorded>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().and_then(|name| Method::from_bytes(name.as_bytes()).ok()).unwrap_or_default();
    let target = first.next().unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim()))
        {
            headers.append(name, value);
        }
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok());
    let body_end = head_end + length.and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0);
    while buffer.len() < body_end {
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = String::from_utf8_lossy(&buffer[head_end..body_end]).into_owned();
    buffer.drain(..body_end);
    Ok(Some(Recorded { method, target, headers, body }))
}
