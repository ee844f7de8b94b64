//! Joining a client to an exec: what it types goes in, what the exec says comes out, and neither is read faster than the
//! other side takes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

use super::connections::Leaving;
use super::shared::{Connection, Shared, now};
use super::streams::Feed;
use crate::engine::model::{ExecOutput, Started};

/// How much is taken of an exec's output at once, and how much input is read.
const PIECE: usize = 16 * 1_024;

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Joins an upgraded connection to an exec. It counts as a connection of its own, which can be cut.
pub(super) fn attach(shared: &Arc<Shared>, started: Started, upgrade: OnUpgrade) {
    let id = {
        let mut state = shared.lock();
        state.next_connection += 1;
        let id = state.next_connection;
        state.connections.insert(id, Connection { attached: true, ..Connection::default() });
        id
    };
    let leaving = Leaving { shared: Arc::clone(shared), id };
    let serving = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let _leaving = leaving;
        let Ok(upgraded) = upgrade.await else { return };
        let (reader, mut writer) = split(TokioIo::new(upgraded));
        let changes = serving.execs_changed.subscribe();
        tokio::select! {
            () = type_in(&serving, &started, reader, changes) => {}
            () = show(&serving, &started, &mut writer) => {
                // Whoever has gone already does not hear it.
                let _ = writer.shutdown().await;
            }
        }
    });
    if let Some(connection) = shared.lock().connections.get_mut(&id) {
        connection.abort = Some(task.abort_handle());
    }
}

/// Feeds what an exec says to an answer that was not upgraded. Nothing can be typed there.
pub(super) async fn feed(shared: Arc<Shared>, started: Started, to: Feed) {
    let mut output = Output::new(&shared, &started);
    while let Some(bytes) = output.next().await {
        if !to.send(Bytes::from(bytes)).await {
            return;
        }
    }
}

/// Reads as long as the exec takes it; for ever, since its output goes on when the input has ended.
async fn type_in(
    shared: &Shared,
    started: &Started,
    mut reader: ReadHalf<Upgraded>,
    mut changes: watch::Receiver<u64>,
) {
    let mut buffer = vec![0; PIECE];
    loop {
        while started.said.is_some() || !shared.lock().model.exec_has_room(&started.id) {
            if changes.changed().await.is_err() {
                return;
            }
        }
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => shared.change(|model, now| model.exec_input(&started.id, &buffer[..read], now)),
        }
    }
    shared.change(|model, now| model.exec_close_input(&started.id, now));
    std::future::pending().await
}

/// Writes until the exec ends, or nobody takes it any more.
async fn show(shared: &Shared, started: &Started, writer: &mut WriteHalf<Upgraded>) {
    let mut output = Output::new(shared, started);
    while let Some(bytes) = output.next().await {
        if write(writer, &bytes).await.is_err() {
            return;
        }
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// What one exec says, piece by piece.
struct Output<'a> {
    shared: &'a Shared,
    started: &'a Started,
    /// What the engine itself says, if the exec cannot.
    said: Option<String>,
    changes: watch::Receiver<u64>,
}

impl<'a> Output<'a> {
    fn new(shared: &'a Shared, started: &'a Started) -> Self {
        let changes = shared.execs_changed.subscribe();
        Self { shared, started, said: started.said.clone(), changes }
    }

    /// The next piece, as it is sent; none at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(said) = self.said.take() {
            return Some(self.framed(said.into_bytes()));
        }
        if self.started.said.is_some() {
            return None;
        }
        loop {
            self.changes.borrow_and_update();
            let id = &self.started.id;
            let (output, wakes) =
                self.shared.change(|model, now| (model.exec_output(id, PIECE, now), model.exec_wakes(id)));
            match output {
                ExecOutput::Bytes(bytes) => return Some(self.framed(bytes)),
                ExecOutput::End => return None,
                ExecOutput::Nothing => {}
            }
            let sleep = async {
                match wakes {
                    Some(at) => tokio::time::sleep(Duration::from_nanos(at.saturating_sub(now()))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = sleep => {}
            }
        }
    }

    /// Without a terminal each piece has a head: the stream and its length.
    fn framed(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.started.raw {
            return bytes;
        }
        let mut framed = vec![1, 0, 0, 0];
        framed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend(bytes);
        framed
    }
}
