//! A connection whose peer accepts nothing is cut. hyper does not poll a response's body while the socket takes no bytes, so a stream's
//! own watch over its reader never runs then; only the socket's side can see it (behaviour 19).

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// `stream`, whose writes fail with [`io::ErrorKind::TimedOut`] when none got through for `limit`. A peer that reads slowly but reads is
/// left alone; so is one to whom there is nothing to write.
#[derive(Debug)]
pub(super) struct WriteDeadline<S> {
    stream: S,
    limit: Duration,
    /// Since when the peer takes no bytes.
    writing: Option<Pin<Box<Sleep>>>,
    /// The same for flush and shutdown. Apart, because a flush of a socket is done at once whatever becomes of its bytes.
    flushing: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, writing: None, flushing: None }
    }
}

/// Passes `done` on and watches how long it has been pending.
fn within<T>(
    done: Poll<io::Result<T>>,
    since: &mut Option<Pin<Box<Sleep>>>,
    limit: Duration,
    context: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if done.is_ready() {
        *since = None;
        return done;
    }
    let deadline = since.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
    ready!(deadline.as_mut().poll(context));
    *since = None;
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer accepts no bytes")))
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        within(done, &mut this.writing, this.limit, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(context, buffers);
        within(done, &mut this.writing, this.limit, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(context);
        within(done, &mut this.flushing, this.limit, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_shutdown(context);
        within(done, &mut this.flushing, this.limit, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const LIMIT: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_cut() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut ours = WriteDeadline::new(ours, LIMIT);
        let began = Instant::now();
        let error = ours.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 10, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_slow_peer_and_an_idle_one_are_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut ours = WriteDeadline::new(ours, LIMIT);
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            let mut buffer = [0; 16];
            while read.len() < 96 {
                tokio::time::sleep(LIMIT / 3).await;
                let count = theirs.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..count]);
            }
            (read, theirs)
        });
        // Longer than the limit in all, and each write in time.
        let began = Instant::now();
        ours.write_all(&[7; 96]).await.unwrap();
        assert!(began.elapsed() > LIMIT);
        let (read, _theirs) = reading.await.unwrap();
        assert_eq!(read, [7; 96]);
        // Nothing to write for longer than the limit, then again.
        tokio::time::sleep(LIMIT * 2).await;
        ours.write_all(&[8; 16]).await.unwrap();
    }
}
