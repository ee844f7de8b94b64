//! Host names to addresses for health checks, by the system's resolver on the blocking pool.
//!
//! A resolver without an answer holds its thread for half a minute. So a name is looked up once at a time, whoever
//! waits; few are looked up at a time; and names that failed last time have a lane of their own, where they hold up each
//! other only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};

use dockmon_core::ProbeError;
use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::Shared;

use super::failed;
use crate::Runtime;
use crate::running::lock;

/// Look-ups at a time in each of the two lanes.
const AT_ONCE: usize = 2;
/// Names that wait or are looked up, and names known to have failed. Redirects can lead anywhere.
const MAX_NAMES: usize = 4096;

/// The addresses, in the order the system prefers; `None` where it has none.
type Answer = Option<Arc<[IpAddr]>>;

#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Those that wait for their turn, or for the resolver.
    asked: BTreeMap<String, Shared<oneshot::Receiver<Answer>>>,
    lanes: [Lane; 2],
    failed: BTreeSet<String>,
}

#[derive(Default)]
struct Lane {
    busy: usize,
    waiting: VecDeque<(String, oneshot::Sender<Answer>)>,
}

impl Names {
    /// The addresses of `host`, at least one. A host that is an address already costs no look-up.
    pub(super) async fn resolve<R: Runtime>(&self, runtime: &R, host: &str) -> Result<Arc<[IpAddr]>, ProbeError> {
        if let Ok(address) = host.parse() {
            return Ok(Arc::new([address]));
        }
        let answer = self.ask(runtime, host).ok_or_else(|| failed("too many host names are being looked up"))?;
        answer.await.ok().flatten().filter(|addresses| !addresses.is_empty()).ok_or(ProbeError::HostNotFound)
    }

    fn ask<R: Runtime>(&self, runtime: &R, host: &str) -> Option<Shared<oneshot::Receiver<Answer>>> {
        let mut state = lock(&self.0);
        if let Some(answer) = state.asked.get(host) {
            return Some(answer.clone());
        }
        if state.asked.len() >= MAX_NAMES {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let answer = receiver.shared();
        state.asked.insert(host.to_owned(), answer.clone());
        let lane = usize::from(state.failed.contains(host));
        state.lanes[lane].waiting.push_back((host.to_owned(), sender));
        drop(state);
        self.work(runtime, lane);
        Some(answer)
    }

    /// Looks up what waits in a lane, as far as there is room.
    fn work<R: Runtime>(&self, runtime: &R, lane: usize) {
        loop {
            let (host, sender) = {
                let lane = &mut lock(&self.0).lanes[lane];
                if lane.busy == AT_ONCE {
                    return;
                }
                let Some(next) = lane.waiting.pop_front() else { return };
                lane.busy += 1;
                next
            };
            let (names, pool) = (self.clone(), runtime.clone());
            runtime.spawn(async move {
                let asked = host.clone();
                let answer = pool.blocking(move || look_up(&asked)).await;
                names.done(&host, lane, answer.is_some());
                // Nobody may wait any more.
                let _ = sender.send(answer);
                names.work(&pool, lane);
            });
        }
    }

    fn done(&self, host: &str, lane: usize, found: bool) {
        let mut state = lock(&self.0);
        state.lanes[lane].busy -= 1;
        state.asked.remove(host);
        if found {
            state.failed.remove(host);
        } else {
            if state.failed.len() >= MAX_NAMES {
                state.failed.clear();
            }
            state.failed.insert(host.to_owned());
        }
    }
}

/// Blocks for as long as the resolver likes.
fn look_up(host: &str) -> Answer {
    let addresses = (host, 0).to_socket_addrs().ok()?;
    Some(addresses.map(|address| address.ip()).collect())
}
