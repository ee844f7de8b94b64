//! Shells in containers (PROTOCOL 7): which there are, what the server wants of each, and whose output goes next.
//!
//! ```text
//!   shell_session pushes ─▶ the table ─▶ a session's desk ─▶ its task ─▶ the exec's input, credit by credit
//!   shell_data events  ◀─ the link, in turns ◀─ the desk ◀─ its task ◀─ the exec's output, credit by credit
//! ```
//!
//! Nothing of a session outlives the link it was started on: the server has forgotten it, and its processes are hung up.

mod desk;
mod hang_up;
mod search;
mod session;
mod words;

pub(crate) use words::{MAX_NO_PROGRAM, may_be_no_program};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use serde_json::value::RawValue;
use tracing::{debug, warn};

use self::desk::{Asked, Desk};
use self::search::Searches;
use crate::action::Action;
use crate::ids::ContainerId;
use crate::link::Link;
use crate::run::{Cx, Shared, TaskId, Tasks};
use crate::wire::{self, ShellOrder};

/// Sessions that the server can have at a time; one more is refused with an error.
const MAX_SESSIONS: usize = 64;
/// Sessions in all, with those whose processes are still being ended; one more is refused with an error.
const MAX_ENDING: usize = 128;

/// The sessions there are.
#[derive(Default)]
pub(crate) struct ExecSessions {
    last: u64,
    sessions: BTreeMap<u64, Entry>,
    /// Those that the server still knows, by its id.
    by_id: BTreeMap<String, u64>,
    /// The one whose output went last.
    turn: u64,
    searches: Rc<RefCell<Searches>>,
}

struct Entry {
    id: String,
    task: TaskId,
    desk: Rc<RefCell<Desk>>,
}

impl ExecSessions {
    /// Takes a `shell_session` push in.
    pub(crate) fn push(&mut self, shared: &Rc<Shared>, tasks: &mut Tasks, payload: Option<&RawValue>, stopping: bool) {
        self.sweep(tasks);
        let (id, order) = match wire::shell_order(payload) {
            Ok(order) => order,
            Err(wire::OddShellPush::Size) => return debug!("ignored the size of a terminal without cells"),
            Err(error) => return warn!(%error, "ignored a shell_session push"),
        };
        match order {
            ShellOrder::Start { container } => self.start(shared, tasks, id, container, stopping),
            ShellOrder::Data(bytes) => {
                let of_all = self.sessions.values().map(|entry| entry.desk.borrow().input.len()).sum();
                self.with(tasks, &id, |desk| desk.typed(&bytes, of_all));
            }
            ShellOrder::Resize { cols, rows } => self.with(tasks, &id, |desk| desk.size = Some((cols, rows))),
            ShellOrder::Close => {
                self.with(tasks, &id, |desk| desk.ask(Asked::Close));
                self.by_id.remove(&id);
            }
        }
    }

    fn start(&mut self, shared: &Rc<Shared>, tasks: &mut Tasks, id: String, container: String, stopping: bool) {
        let refusal = if stopping {
            Some("the agent is shutting down".to_owned())
        } else if container.is_empty() {
            Some("the server named no container".to_owned())
        } else if self.by_id.len() >= MAX_SESSIONS && !self.by_id.contains_key(&id) {
            Some(format!("{MAX_SESSIONS} shells are open on this host already: close one first"))
        } else if self.sessions.len() >= MAX_ENDING {
            Some("too many shells are being closed on this host: try again in some seconds".to_owned())
        } else {
            None
        };
        if let Some(refusal) = refusal {
            warn!(refusal, "refused a shell");
            // With the link it is nobody's any more: so it is kept no longer than progress is.
            shared.outbox.borrow_mut().tell(wire::shell_error(&id, &refusal, shared.now.get().wall));
            return;
        }
        // Another one under this id is not the server's any more.
        if self.by_id.contains_key(&id) {
            self.with(tasks, &id, |desk| desk.ask(Asked::Replaced));
        }
        self.last += 1;
        let desk = Rc::new(RefCell::new(Desk::default()));
        let task = tasks.reserve();
        let cx = Cx::new(Rc::clone(shared), task);
        let searches = Rc::clone(&self.searches);
        tasks.spawn(task, session::live(cx, Rc::clone(&desk), searches, id.clone(), ContainerId::new(container)));
        self.by_id.insert(id.clone(), self.last);
        self.sessions.insert(self.last, Entry { id, task, desk });
    }

    /// Does something at the desk of the session that the server means, if there is one, and wakes its task.
    fn with(&self, tasks: &mut Tasks, id: &str, work: impl FnOnce(&mut Desk)) {
        let Some(entry) = self.by_id.get(id).and_then(|key| self.sessions.get(key)) else {
            return debug!("ignored a push for a shell that is not there");
        };
        work(&mut entry.desk.borrow_mut());
        tasks.ready(entry.task);
    }

    /// The link is gone, and with it the server's end of every session.
    pub(crate) fn link_lost(&mut self, tasks: &mut Tasks) {
        self.ask_all(tasks, Asked::LinkLost);
    }

    /// The agent ends: so does every session.
    pub(crate) fn shut_down(&mut self, tasks: &mut Tasks) {
        self.ask_all(tasks, Asked::ShutDown);
    }

    fn ask_all(&mut self, tasks: &mut Tasks, asked: Asked) {
        self.by_id.clear();
        for entry in self.sessions.values() {
            entry.desk.borrow_mut().ask(asked);
            tasks.ready(entry.task);
        }
    }

    /// Sends what the sessions have to say, one frame of each in turn, as far as the link has room for it.
    pub(crate) fn pump(&mut self, shared: &Shared, tasks: &Tasks, link: &mut Link) {
        while let Some(key) = self.next_to_speak() {
            let Some(entry) = self.sessions.get(&key) else { break };
            let mut desk = entry.desk.borrow_mut();
            let Some((frame, bytes)) = desk.next(&entry.id, link.room_for_shells(shared), shared.now.get().wall) else {
                // It is the next one's turn when there is more room.
                break;
            };
            link.send_of_shell(shared, frame);
            if let (Some(op), 1..) = (desk.stream, bytes) {
                // As much as has left may be read again.
                shared.ops.borrow_mut().actions.push_back(Action::Read { op, bytes });
            }
            self.turn = key;
        }
        self.sweep(tasks);
    }

    /// The first one behind the last that has something to say.
    fn next_to_speak(&self) -> Option<u64> {
        let behind = self.sessions.range((Excluded(self.turn), Unbounded));
        let before = self.sessions.range(..=self.turn);
        behind.chain(before).find(|(_, entry)| entry.desk.borrow().has_something_to_say()).map(|(key, _)| *key)
    }

    /// Forgets those that are over and have said so.
    fn sweep(&mut self, tasks: &Tasks) {
        let by_id = &mut self.by_id;
        self.sessions.retain(|key, entry| {
            let desk = entry.desk.borrow();
            if desk.over && by_id.get(&entry.id) == Some(key) {
                by_id.remove(&entry.id);
            }
            tasks.is_alive(entry.task) || desk.has_something_to_say()
        });
    }

    /// Whether there is none, not even one whose processes are being ended.
    pub(crate) fn are_done(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many there are, with those that are being ended.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}
