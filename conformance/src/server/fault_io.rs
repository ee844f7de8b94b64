//! A TCP stream that misbehaves to order.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What is wrong with one connection now. Changing it wakes the connection.
#[derive(Debug, Default)]
pub(super) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    vanished: bool,
    stopped_reading: bool,
    rate: Option<u64>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = self.lock();
            change(&mut state);
            [state.reader.take(), state.writer.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ends the connection at once, with a reset instead of a farewell.
    pub(super) fn cut(&self) {
        self.change(|state| state.cut = true);
    }

    /// Neither reads nor writes from now on, and says nothing about it: the other side sees a link that is merely quiet.
    pub(super) fn vanish(&self) {
        self.change(|state| state.vanished = true);
    }

    /// Leaves what arrives in the socket until told otherwise.
    pub(super) fn stop_reading(&self, stop: bool) {
        self.change(|state| state.stopped_reading = stop);
    }

    /// At most so many bytes a second, each way; none: as fast as it goes.
    pub(super) fn throttle(&self, bytes_per_second: Option<u64>) {
        self.change(|state| state.rate = bytes_per_second.map(|rate| rate.max(1)));
    }

    /// Whether this side has stopped taking part, so that its own keep-alive must stay silent too.
    pub(super) fn is_deaf(&self) -> bool {
        let state = self.lock();
        state.vanished || state.stopped_reading
    }
}

/// The stream itself: TLS and the WebSocket are spoken above it.
#[derive(Debug)]
pub(super) struct FaultyTcp {
    tcp: TcpStream,
    faults: Arc<Faults>,
    reading: Bucket,
    writing: Bucket,
}

impl FaultyTcp {
    pub(super) fn new(tcp: TcpStream, faults: Arc<Faults>) -> Self {
        Self { tcp, faults, reading: Bucket::default(), writing: Bucket::default() }
    }
}

impl Drop for FaultyTcp {
    fn drop(&mut self) {
        if self.faults.lock().cut {
            // Without lingering, closing sends a reset, which is what a killed server or a dropped NAT entry looks like.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the test")
}

impl AsyncRead for FaultyTcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rate = {
            let mut state = this.faults.lock();
            if state.cut {
                return Poll::Ready(Err(aborted()));
            }
            state.reader = Some(cx.waker().clone());
            if state.vanished || state.stopped_reading {
                return Poll::Pending;
            }
            state.rate
        };
        let Some(rate) = rate else {
            return Pin::new(&mut this.tcp).poll_read(cx, buf);
        };
        let allowed = std::task::ready!(this.reading.poll_allowance(cx, rate));
        let mut scratch = [0; 4096];
        let length = allowed.min(scratch.len()).min(buf.remaining());
        let mut part = ReadBuf::new(&mut scratch[..length]);
        std::task::ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        this.reading.spend(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl FaultyTcp {
    /// Pends while nothing may be written; otherwise the rate to keep to.
    fn poll_may_write(&self, cx: &Context<'_>) -> Poll<io::Result<Option<u64>>> {
        let mut state = self.faults.lock();
        if state.cut {
            return Poll::Ready(Err(aborted()));
        }
        state.writer = Some(cx.waker().clone());
        if state.vanished { Poll::Pending } else { Poll::Ready(Ok(state.rate)) }
    }
}

impl AsyncWrite for FaultyTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(rate) = std::task::ready!(this.poll_may_write(cx))? else {
            return Pin::new(&mut this.tcp).poll_write(cx, buf);
        };
        let allowed = std::task::ready!(this.writing.poll_allowance(cx, rate));
        let written = std::task::ready!(Pin::new(&mut this.tcp).poll_write(cx, &buf[..allowed.min(buf.len())]))?;
        this.writing.spend(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.poll_may_write(cx))?;
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.poll_may_write(cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

/// A token bucket that holds a tenth of a second.
#[derive(Debug, Default)]
struct Bucket {
    bytes: f64,
    filled: Option<Instant>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Bucket {
    /// How many bytes may pass now, at least one; pends until that is so.
    fn poll_allowance(&mut self, cx: &mut Context<'_>, rate: u64) -> Poll<usize> {
        loop {
            if let Some(wait) = &mut self.wait {
                std::task::ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            let now = Instant::now();
            let rate = rate as f64;
            let most = (rate / 10.0).max(1.0);
            let since = self.filled.map_or(0.1, |filled| (now - filled).as_secs_f64());
            self.bytes = (self.bytes + since * rate).min(most);
            self.filled = Some(now);
            if self.bytes >= 1.0 {
                return Poll::Ready(self.bytes as usize);
            }
            let missing = (1.0 - self.bytes).max(most / 2.0 - self.bytes);
            self.wait = Some(Box::pin(tokio::time::sleep(Duration::from_secs_f64(missing / rate))));
        }
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes -= bytes as f64;
    }
}
