//! A scripted HTTP/1 peer and builders. Written on bare sockets: a real server would refuse to misbehave.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use patchbay_egress::{Egress, EgressConfig, Lookup, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A step of an answer.
#[derive(Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// The same bytes again and again, with a pause between.
    Forever(Vec<u8>, Duration),
    Close,
}

/// A whole answer with a length, after which the connection stays open.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    vec![Act::Send(text.into_bytes())]
}

pub(crate) fn ok() -> Vec<Act> {
    answer("200 OK", "", "ok")
}

type Script = dyn Fn(&Seen) -> Vec<Act> + Send + Sync;

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at(
        addr: SocketAddr,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count, script): (_, _, Arc<Script>) =
            (Arc::clone(&seen), Arc::clone(&connections), Arc::new(script));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                open.spawn(async move {
                    // A peer that hangs up is what many of these tests are about.
                    let _ = converse(socket, &log, &*script).await;
                });
            }
        });
        Self { addr, seen, connections, task }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.addr)).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut socket: TcpStream, log: &Mutex<Vec<Seen>>, script: &Script) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let mut request = Seen { head, body: Vec::new() };
        let length: usize = request.header("content-length").map_or(0, |v| v.parse().unwrap());
        while buffer.len() < head_end + length {
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        request.body = buffer[head_end..head_end + length].to_vec();
        buffer.drain(..head_end + length);
        log.lock().unwrap().push(request.clone());
        for act in script(&request) {
            match act {
                Act::Send(bytes) => socket.write_all(&bytes).await?,
                Act::Wait(pause) => tokio::time::sleep(pause).await,
                Act::Forever(bytes, pause) => loop {
                    socket.write_all(&bytes).await?;
                    tokio::time::sleep(pause).await;
                },
                Act::Close => return Ok(()),
            }
        }
    }
}

pub(crate) fn config(allow: &str) -> EgressConfig {
    EgressConfig {
        allow: allow.parse().unwrap(),
        own_listeners: Vec::new(),
        access_url: None,
        user_agent: "patchbay/test".into(),
    }
}

pub(crate) fn egress(allow: &str) -> Egress {
    Egress::new(config(allow)).unwrap()
}

/// A client that may reach exactly these servers.
pub(crate) fn egress_to(servers: &[&Server]) -> Egress {
    egress(&servers.iter().map(|s| s.addr.to_string()).collect::<Vec<_>>().join(","))
}

pub(crate) fn get(url: Url) -> Request {
    let mut request = Request::get(url);
    request.limits.first_byte = Duration::from_secs(5);
    request
}

type Answers = dyn Fn(&str, usize) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Answers of a name server, by query number.
pub(crate) struct FakeDns {
    answers: Box<Answers>,
    asked: AtomicUsize,
}

impl FakeDns {
    pub(crate) fn new(
        answers: impl Fn(&str, usize) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answers: Box::new(answers), asked: AtomicUsize::new(0) })
    }

    pub(crate) fn fixed(addrs: &[&str]) -> Arc<Self> {
        let addrs: Vec<IpAddr> = addrs.iter().map(|a| a.parse().unwrap()).collect();
        Self::new(move |_, _| Ok(addrs.clone()))
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Lookup for FakeDns {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        async move { (self.answers)(host, number) }.boxed()
    }
}
