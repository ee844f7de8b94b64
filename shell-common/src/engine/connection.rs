//! A connection to the engine for requests with one answer each, polled by the very task that uses it.
//!
//! hyper splits a connection into a handle and a driver that somebody must poll. Here nobody else does: whoever waits
//! for an answer polls the driver beside it. So an exchange costs no second task and no hop between tasks, an idle
//! connection is nothing but its memory, and dropping the user's future closes the socket there and then.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use dockmon_core::docker::DockerError;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;

use super::Way;
use super::connect::connect;
use crate::Runtime;

/// How much of an answer is read at a time: lists can be a megabyte. Also the most an idle connection may keep.
const READ_BUFFER: usize = 64 * 1024;

/// A connection that is open, as far as is known.
pub(crate) struct Connection<Io: hyper::rt::Read + hyper::rt::Write + Unpin + 'static> {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<http1::Connection<Io, Full<Bytes>>>,
}

/// A request had no answer.
pub(crate) struct NoAnswer {
    /// The request, if hyper is sure that no byte of it was sent.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
    /// What went wrong.
    pub(crate) error: hyper::Error,
}

impl<Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static> Connection<Io> {
    /// Connects to the engine.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] with the address.
    pub(super) async fn open<R: Runtime<Io = Io>>(runtime: &R, way: &Way) -> Result<Self, DockerError> {
        Self::over(connect(runtime, way).await?).await.map_err(|error| DockerError::Broken(in_words(&error)))
    }

    /// Speaks HTTP over a stream. Nothing is sent or read yet.
    pub(crate) async fn over(io: Io) -> Result<Self, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(READ_BUFFER);
        let (sender, driver) = builder.handshake(io).await?;
        Ok(Self { sender, driver: Some(driver) })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`NoAnswer`], with the request if it may simply be tried again elsewhere.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, NoAnswer> {
        let answer = self.sender.try_send_request(request);
        self.drive(answer).await.map_err(|mut error| {
            let unsent = error.take_message();
            NoAnswer { unsent, error: error.into_error() }
        })
    }

    /// The next piece of an answer's body; `None` at its end.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where the connection ends before the body does.
    pub(crate) async fn next_piece(&mut self, body: &mut Incoming) -> Option<Result<Bytes, DockerError>> {
        loop {
            match self.drive(body.frame()).await? {
                // Trailers mean nothing here.
                Ok(frame) => {
                    if let Ok(piece) = frame.into_data() {
                        return Some(Ok(piece));
                    }
                }
                Err(error) => return Some(Err(DockerError::Broken(in_words(&error)))),
            }
        }
    }

    /// Whether another request can be sent, after an answer that was read to its end.
    pub(super) async fn reusable(&mut self) -> bool {
        if !self.sender.is_ready() {
            // The driver may need one more look to see that the exchange is over.
            poll_fn(|cx| {
                self.poll_driver(cx);
                Poll::Ready(())
            })
            .await;
        }
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Waits for something that the driver brings about.
    async fn drive<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            // First, since this is what tells the driver that more is wanted.
            if let Poll::Ready(output) = wanted.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.poll_driver(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    fn poll_driver(&mut self, cx: &mut Context<'_>) {
        if self.driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            // It told its error to whoever waits. Dropped at once, it can leave nobody waiting.
            self.driver = None;
        }
    }
}

/// An error with what caused it, once each: hyper's own text says "connection error", its source says why.
pub(super) fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
