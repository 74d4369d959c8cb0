//! The way to the tool server, with the delays of a real network: answers take a while, so that there is a time between a call that was
//! carried out and its outcome.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::random::Random;

/// A running relay; it lives as long as this process.
pub(super) struct Relay {
    address: SocketAddr,
}

impl Relay {
    /// Passes connections on to `upstream`; each piece of an answer waits for up to `delay`.
    ///
    /// # Errors
    /// When no port can be had.
    pub(super) fn start(upstream: SocketAddr, delay: Duration, mut random: Random) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the relay")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut random = random.split();
                thread::spawn(move || {
                    let Ok(server) = TcpStream::connect(upstream) else { return };
                    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
                        return;
                    };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    thread::spawn(move || pass(client_too, server_too, || Duration::ZERO));
                    pass(server, client, || random.between(Duration::ZERO, delay));
                });
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut delay: impl FnMut() -> Duration) {
    let mut piece = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut piece) {
        if count == 0 {
            break;
        }
        let wait = delay();
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}
