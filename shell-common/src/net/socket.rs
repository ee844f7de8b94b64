//! One WebSocket, one task: it connects, and then reads and writes until the end.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dockmon_core::{Frame, Input, OpId, Secret, SocketClosed, SocketEvent, SocketKind, Text};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tungstenite::error::CapacityError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame as RawFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error as WebSocketError, Message};

use super::Network;
use super::connect::connect;
use crate::Runtime;

/// How long the frames before a close frame, the frame itself and the peer's answer may take together.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A longer frame is sent in fragments of this size (RFC 6455, 5.4): tungstenite keeps the buffer it masks a frame in,
/// so that one long list would cost its length for ever; and a pong need not wait for the end of it.
pub(super) const FRAGMENT: usize = 32 * 1024;

/// So many messages are read before other tasks have their turn, so that what the driver has not handled yet stays
/// short: all tasks share a thread.
const READS_PER_TURN: usize = 32;

/// The longest reason a close frame has room for.
const MAX_REASON: usize = 123;

/// RFC 6455: a close frame without a status.
const NO_STATUS: u16 = 1005;

/// What the driver can ask of a socket.
pub(super) enum Command {
    Frame(Frame),
    Ping(u64),
    Close { code: u16, reason: String },
}

/// Which socket to open.
pub(super) struct Request {
    pub(super) op: OpId,
    pub(super) kind: SocketKind,
    pub(super) bearer: Option<Secret>,
}

/// The life of a socket. It ends without a word when the commands' sender is dropped, and with `Failed` or `Closed`
/// otherwise.
pub(super) async fn run<R: Runtime>(
    runtime: R,
    network: Arc<Network>,
    request: Request,
    mut commands: UnboundedReceiver<Command>,
    inputs: UnboundedSender<Input>,
) {
    let op = request.op;
    let mut queue = VecDeque::new();
    // Boxed, or the handshakes' state would take its place in memory as long as the socket lives.
    let connecting = {
        let runtime = runtime.clone();
        async move { connect(&runtime, &network, request.kind, request.bearer.as_ref()).await }.boxed()
    };
    let Some(connected) = while_wanted(connecting, &mut commands, &mut queue).await else { return };
    let event = match connected {
        Connected::Closed => SocketEvent::Closed(SocketClosed::Broken("closed before it was open".to_owned())),
        Connected::Done(Err(error)) => SocketEvent::Failed(error),
        Connected::Done(Ok(websocket)) => {
            let _ = inputs.unbounded_send(Input::Socket { op, event: SocketEvent::Open });
            let mut socket = Socket {
                runtime,
                op,
                inputs,
                websocket,
                commands,
                queue,
                rest: None,
                unreported: 0,
                unflushed: false,
                blocked: false,
                phase: Phase::Open,
                deadline: None,
            };
            return poll_fn(|cx| socket.poll(cx)).await;
        }
    };
    let _ = inputs.unbounded_send(Input::Socket { op, event });
}

enum Connected<T> {
    Done(T),
    Closed,
}

/// Drives the connecting, while commands wait in `queue`. `None` when the socket is not wanted any more.
async fn while_wanted<T>(
    mut connecting: Pin<Box<dyn Future<Output = T> + Send>>,
    commands: &mut UnboundedReceiver<Command>,
    queue: &mut VecDeque<Command>,
) -> Option<Connected<T>> {
    poll_fn(|cx| {
        while let Poll::Ready(command) = commands.poll_next_unpin(cx) {
            match command {
                None => return Poll::Ready(None),
                Some(Command::Close { .. }) => return Poll::Ready(Some(Connected::Closed)),
                Some(command) => queue.push_back(command),
            }
        }
        connecting.as_mut().poll(cx).map(|done| Some(Connected::Done(done)))
    })
    .await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Our close frame is sent: nothing more is written, the peer's is waited for.
    Closing,
    /// The end is told: what still has to leave is our answer, or our reason.
    Over,
}

struct Socket<R: Runtime> {
    runtime: R,
    op: OpId,
    inputs: UnboundedSender<Input>,
    websocket: R::WebSocket,
    commands: UnboundedReceiver<Command>,
    queue: VecDeque<Command>,
    /// What is still to be sent of a long frame.
    rest: Option<Bytes>,
    /// Bytes of frames given to the WebSocket since the last `Sent`.
    unreported: usize,
    /// Whether something was given to the WebSocket since its last complete flush.
    unflushed: bool,
    /// Whether the WebSocket would take no more when asked last. When it takes something again, all before has left.
    blocked: bool,
    phase: Phase,
    /// The end of all patience, once a close frame is to be sent.
    deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<R: Runtime> Socket<R> {
    /// Does all that can be done now. Reading comes first and never waits for writing.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take_commands(cx).is_break() {
            return Poll::Ready(());
        }
        if let Some(deadline) = &mut self.deadline {
            if deadline.poll_unpin(cx).is_ready() {
                self.over(SocketClosed::Broken("no answer to the close frame within 2 s".to_owned()));
                return Poll::Ready(());
            }
        }
        if self.phase != Phase::Over {
            self.read(cx);
        }
        if self.phase == Phase::Open {
            if let Err(error) = self.write(cx) {
                self.over(SocketClosed::Broken(error.to_string()));
                return Poll::Ready(());
            }
        }
        match self.flush(cx) {
            Poll::Ready(Err(error)) => {
                self.over(SocketClosed::Broken(error.to_string()));
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) if self.phase == Phase::Over => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Commands are taken off the channel even while writing is blocked: a `Close` starts the clock at once.
    fn take_commands(&mut self, cx: &mut Context<'_>) -> std::ops::ControlFlow<()> {
        while let Poll::Ready(command) = self.commands.poll_next_unpin(cx) {
            let Some(command) = command else { return std::ops::ControlFlow::Break(()) };
            if matches!(command, Command::Close { .. }) {
                self.start_clock();
            }
            self.queue.push_back(command);
        }
        std::ops::ControlFlow::Continue(())
    }

    fn start_clock(&mut self) {
        if self.deadline.is_none() {
            self.deadline = Some(self.runtime.sleep(CLOSE_LIMIT).boxed());
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) {
        for _ in 0..READS_PER_TURN {
            match self.websocket.poll_next_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(message))) => self.received(message),
                Poll::Ready(Some(Err(WebSocketError::Capacity(CapacityError::MessageTooLong { .. })))) => {
                    self.over(SocketClosed::TooLarge);
                    // The peer reads it if it ever gets to the end of its message.
                    let code = CloseCode::Size;
                    let close = Message::Close(Some(CloseFrame { code, reason: "message too large".into() }));
                    let _ = self.websocket.start_send_unpin(close);
                    self.unflushed = true;
                }
                Poll::Ready(Some(Err(error))) => self.over(SocketClosed::Broken(error.to_string())),
                Poll::Ready(None) => self.over(SocketClosed::Broken("the connection ended".to_owned())),
            }
            if self.phase == Phase::Over {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    fn received(&mut self, message: Message) {
        match message {
            // Copied, so that tungstenite's buffer is its own again and need not be allocated anew.
            Message::Text(text) => self.tell(SocketEvent::Text(Text(text.as_str().to_owned()))),
            Message::Binary(data) => self.tell(SocketEvent::Binary { bytes: data.len() }),
            Message::Ping(_) => {
                // tungstenite has the pong ready.
                self.unflushed = true;
                self.tell(SocketEvent::Ping);
            }
            Message::Pong(data) => match <[u8; 8]>::try_from(data.as_ref()) {
                Ok(number) => self.tell(SocketEvent::Pong { number: u64::from_be_bytes(number) }),
                Err(_) => tracing::trace!(bytes = data.len(), "a pong that nobody asked for"),
            },
            Message::Close(frame) => {
                // tungstenite has the answer ready, if it is not one itself.
                self.unflushed = true;
                let (code, reason) =
                    frame.map_or((NO_STATUS, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
                self.over(SocketClosed::Frame { code, reason });
            }
            // Never given out by a reading socket.
            Message::Frame(_) => {}
        }
    }

    /// Gives the WebSocket all it takes: it gathers small frames, and one flush sends them together.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), WebSocketError> {
        while self.phase == Phase::Open && (self.rest.is_some() || !self.queue.is_empty()) {
            match self.websocket.poll_ready_unpin(cx) {
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(());
                }
                Poll::Ready(ready) => ready?,
            }
            if std::mem::take(&mut self.blocked) {
                self.report();
            }
            if let Some(message) = self.next_message() {
                self.unflushed = true;
                self.websocket.start_send_unpin(message)?;
            }
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(rest) = self.rest.take() {
            return Some(self.fragment(rest, Data::Continue));
        }
        Some(match self.queue.pop_front()? {
            Command::Frame(frame) if frame.len() <= FRAGMENT => {
                self.unreported += frame.len();
                Message::Frame(RawFrame::message(frame.into_bytes(), OpCode::Data(Data::Text), true))
            }
            Command::Frame(frame) => self.fragment(frame.into_bytes(), Data::Text),
            Command::Ping(number) => Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())),
            Command::Close { code, reason } => {
                self.phase = Phase::Closing;
                Message::Close(Some(CloseFrame { code: code.into(), reason: cut(&reason).into() }))
            }
        })
    }

    fn fragment(&mut self, mut frame: Bytes, data: Data) -> Message {
        let piece = frame.split_to(frame.len().min(FRAGMENT));
        self.unreported += piece.len();
        let last = frame.is_empty();
        self.rest = (!last).then_some(frame);
        Message::Frame(RawFrame::message(piece, OpCode::Data(data), last))
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        if self.unflushed {
            std::task::ready!(self.websocket.poll_flush_unpin(cx))?;
            self.unflushed = false;
            self.blocked = false;
            self.report();
        }
        Poll::Ready(Ok(()))
    }

    /// Everything given to the WebSocket so far is with the operating system.
    fn report(&mut self) {
        let bytes = std::mem::take(&mut self.unreported);
        if bytes > 0 {
            self.tell(SocketEvent::Sent { bytes });
        }
    }

    /// Tells the end, once.
    fn over(&mut self, how: SocketClosed) {
        if self.phase != Phase::Over {
            self.tell(SocketEvent::Closed(how));
            self.phase = Phase::Over;
            self.start_clock();
        }
    }

    fn tell(&self, event: SocketEvent) {
        if self.phase != Phase::Over {
            // The driver is gone only when the process ends.
            let _ = self.inputs.unbounded_send(Input::Socket { op: self.op, event });
        }
    }
}

/// At most what a close frame has room for, whole characters.
fn cut(reason: &str) -> &str {
    let end = (0..=MAX_REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut("bye"), "bye");
        assert_eq!(cut(&"é".repeat(100)).len(), 122);
        assert_eq!(cut(&"x".repeat(200)).len(), 123);
    }
}
