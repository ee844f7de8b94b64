//! The open connections, and what can be made to happen to them.

use super::handle::ScriptedServer;
use super::state::{OpenLink, Outgoing, Route};

/// The open connections of one of the two sockets, and the faults of that socket.
#[derive(Debug)]
pub struct Link<'a> {
    server: &'a ScriptedServer,
    route: Route,
}

impl Link<'_> {
    fn each(&self, mut act: impl FnMut(&mut OpenLink)) {
        self.server.shared().change(|state| {
            state.links.values_mut().filter(|link| link.route == self.route).for_each(&mut act);
        });
    }

    /// Ends all open connections with a reset, without a close frame.
    pub fn cut(&self) {
        self.each(|link| link.faults.cut());
    }

    /// Neither reads nor writes on the open connections from now on, and does not end them: half-open links. They are
    /// held until they are cut or the server ends. New connections are not concerned.
    pub fn vanish(&self) {
        self.each(|link| link.faults.vanish());
    }

    /// Leaves what arrives in the sockets, on open and new connections, until told otherwise; writing goes on.
    pub fn stop_reading(&self, stop: bool) {
        self.server.shared().change(|state| state.faults_of(self.route).stop_reading = stop);
        self.each(|link| link.faults.stop_reading(stop));
    }

    /// Reads and writes at most so many bytes a second each, on each open and new connection, until told otherwise.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.server.shared().change(|state| state.faults_of(self.route).rate = bytes_per_second);
        self.each(|link| link.faults.throttle(bytes_per_second));
    }

    /// Closes the open connections with a close frame, after what is queued on them.
    pub fn close(&self, code: u16, reason: &str) {
        self.each(|link| {
            let _ = link.outgoing.send(Outgoing::Close { code, reason: reason.to_owned() });
        });
    }

    /// Answers requests for this socket with an HTTP status instead of an upgrade, until told otherwise.
    pub fn http_status(&self, status: Option<u16>) {
        self.server.shared().change(|state| state.faults_of(self.route).http_status = status);
    }

    /// How many connections are open, counting vanished ones.
    pub fn open(&self) -> usize {
        self.server.shared().read(|state| state.links.values().filter(|link| link.route == self.route).count())
    }
}

/// The main socket's faults, since tests mean that one.
impl ScriptedServer {
    /// The main socket.
    pub fn main_link(&self) -> Link<'_> {
        Link { server: self, route: Route::Main }
    }

    /// The stats socket.
    pub fn stats_link(&self) -> Link<'_> {
        Link { server: self, route: Route::Stats }
    }

    /// [`Link::cut`] of the main socket.
    pub fn cut(&self) {
        self.main_link().cut();
    }

    /// [`Link::vanish`] of the main socket.
    pub fn vanish(&self) {
        self.main_link().vanish();
    }

    /// [`Link::stop_reading`] of the main socket.
    pub fn stop_reading(&self, stop: bool) {
        self.main_link().stop_reading(stop);
    }

    /// [`Link::throttle`] of the main socket.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.main_link().throttle(bytes_per_second);
    }

    /// [`Link::close`] of the main socket.
    pub fn close(&self, code: u16, reason: &str) {
        self.main_link().close(code, reason);
    }

    /// [`Link::http_status`] of the main socket.
    pub fn http_status(&self, status: Option<u16>) {
        self.main_link().http_status(status);
    }
}
