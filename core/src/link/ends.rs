//! How a connection to the server ends, and when the next one is tried.

use std::time::Duration;

use tracing::{error, info, warn};

use super::{Link, LinkEvent, State};
use crate::action::Action;
use crate::input::SocketClosed;
use crate::run::Shared;
use crate::wire::MAX_FRAME_BYTES;

impl Link {
    pub(super) fn closed(&mut self, shared: &Shared, closed: &SocketClosed, out: &mut Vec<LinkEvent>) {
        if matches!(self.state, State::Closing(..)) {
            self.state = State::Closed;
            out.push(LinkEvent::Closed);
            return;
        }
        self.fared.failed(shared.now.get().mono, closed.to_string(), "");
        match closed {
            SocketClosed::Frame { code: 1000, reason } if reason.contains("New connection") => {
                if shared.hand_over.on_superseded() {
                    info!("the server closed this link for the new agent's");
                    self.lost(shared, out);
                } else {
                    self.superseded(shared, out);
                }
                return;
            }
            SocketClosed::Frame { code: 1009, reason } => {
                error!(reason, "the server closed the link: a frame was too large for it");
            }
            SocketClosed::Frame { code, reason } => warn!(code, reason, "the server closed the link"),
            SocketClosed::Broken(reason) => warn!(reason, "the link to the server broke"),
            SocketClosed::TooLarge => {
                warn!("the server sent a frame above {MAX_FRAME_BYTES} bytes: the link is made anew");
            }
        }
        self.lost(shared, out);
    }

    /// The server prefers a newer connection of this identity. Once: like any loss. Again: somebody else has it.
    fn superseded(&mut self, shared: &Shared, out: &mut Vec<LinkEvent>) {
        let now = shared.now.get().mono;
        let again = self.identity.superseded(now, self.waited);
        self.lost(shared, out);
        if again {
            error!(
                "another agent uses this identity: the server keeps closing this link for a newer one. Two agents may \
                 share one data volume, or this machine was cloned: stop one of them, or remove permanent_token from \
                 its data volume and register it anew (AGENT_NAME and FORCE_UNIQUE_REGISTRATION=true for a clone)"
            );
            self.fared.failed(now, "another agent uses this identity", "stop one of the two, or register it anew");
            self.wait(shared, self.backoff.max());
        } else {
            warn!("the server closed this link for a newer connection of the same identity");
        }
    }

    pub(super) fn drop_link(&mut self, shared: &Shared, out: &mut Vec<LinkEvent>) {
        if let Some(socket) = self.socket() {
            let op = socket.op;
            shared.ops.borrow_mut().actions.push_back(Action::Cancel { op });
        }
        self.lost(shared, out);
    }

    /// The socket is gone: what was up is down, and the next attempt has a time.
    pub(super) fn lost(&mut self, shared: &Shared, out: &mut Vec<LinkEvent>) {
        if self.is_live() {
            self.fared.down(shared.now.get().mono);
            out.push(LinkEvent::Down);
        }
        shared.outbox.borrow_mut().link_lost();
        let delay = self.backoff.failed(&mut shared.chance.borrow_mut());
        self.wait(shared, delay);
    }

    fn wait(&mut self, shared: &Shared, delay: Duration) {
        if !shared.hand_over.duty().registers() {
            // Another agent does.
            self.state = State::Closed;
            return;
        }
        self.waited = delay;
        self.state = State::Waiting { until: shared.now.get().mono + delay };
        info!(seconds = delay.as_secs_f32(), "next attempt to connect");
    }
}
