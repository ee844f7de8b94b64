//! The engine's execs: each a terminal that a test plays, and processes that only a search for their mark ends.

use std::collections::{BTreeMap, VecDeque};

use dockmon_core::docker::DockerError;
use dockmon_core::{Blob, DockerEvent, Input, OpId};
use serde_json::{Value, json};

pub(crate) struct Exec {
    pub(crate) container: String,
    /// The body it was created with.
    pub(crate) config: Value,
    /// The stream, while somebody listens.
    op: Option<OpId>,
    started: bool,
    pub(crate) running: bool,
    pub(crate) exit_code: Option<i64>,
    /// So much may be read.
    pub(crate) credit: usize,
    /// What its process has printed and nobody has read.
    printed: VecDeque<u8>,
    /// What it was told.
    pub(crate) input: Vec<u8>,
    /// Rows and columns, each time.
    pub(crate) sizes: Vec<(u16, u16)>,
}

impl Exec {
    /// How much of what it has printed nobody has read.
    pub(crate) fn printed(&self) -> usize {
        self.printed.len()
    }

    /// Whether it searches for the processes of another.
    pub(crate) fn is_search(&self) -> bool {
        self.config["Cmd"][2].as_str().is_some_and(|script| script.contains("/proc/"))
    }
}

pub(crate) struct Execs {
    /// In the order of their creation; an exec's id is its place here.
    pub(crate) all: Vec<Exec>,
    by_op: BTreeMap<OpId, usize>,
    out: VecDeque<Input>,
    /// Whether what is written is taken.
    pub(crate) takes_input: bool,
    /// How searches end, first to last; then by 0. One that ends by 0 has ended its session.
    pub(crate) searches: VecDeque<i64>,
    /// How often a resize is refused before one is done.
    pub(crate) refuse_resizes: usize,
}

impl Default for Execs {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_op: BTreeMap::new(),
            out: VecDeque::new(),
            takes_input: true,
            searches: VecDeque::new(),
            refuse_resizes: 0,
        }
    }
}

fn no_such_exec() -> DockerError {
    DockerError::Status { code: 404, message: "No such exec instance".to_owned() }
}

impl Execs {
    pub(crate) fn create(&mut self, container: &str, body: &str) -> Value {
        let config = serde_json::from_str(body).expect("a body is JSON");
        self.all.push(Exec {
            container: container.to_owned(),
            config,
            op: None,
            started: false,
            running: false,
            exit_code: None,
            credit: 0,
            printed: VecDeque::new(),
            input: Vec::new(),
            sizes: Vec::new(),
        });
        json!({"Id": (self.all.len() - 1).to_string()})
    }

    pub(crate) fn start(&mut self, op: OpId, id: &str) -> Result<(), DockerError> {
        let number: usize = id.parse().map_err(|_| no_such_exec())?;
        let exec = self.all.get_mut(number).ok_or_else(no_such_exec)?;
        assert!(!exec.started, "an exec is started once");
        (exec.op, exec.started, exec.running) = (Some(op), true, true);
        self.by_op.insert(op, number);
        self.out.push_back(Input::Docker { op, event: DockerEvent::Opened });
        if self.all[number].is_search() {
            let code = self.searches.pop_front().unwrap_or(0);
            let marks = self.all[number].config["Cmd"].as_array().expect("a command").clone();
            if code == 0 {
                let same = |exec: &&mut Exec| !exec.is_search() && marks.contains(&exec.config["Cmd"][4]);
                for exec in self.all.iter_mut().filter(same) {
                    exec.running = false;
                    exec.exit_code = Some(129);
                }
            }
            self.exit(number, code);
        }
        Ok(())
    }

    pub(crate) fn resize(&mut self, id: &str, height: u16, width: u16) -> Result<(), DockerError> {
        let exec = id.parse().ok().and_then(|number: usize| self.all.get_mut(number)).ok_or_else(no_such_exec)?;
        if self.refuse_resizes > 0 || !exec.running {
            self.refuse_resizes = self.refuse_resizes.saturating_sub(1);
            return Err(DockerError::Status { code: 500, message: "it is not running".to_owned() });
        }
        exec.sizes.push((height, width));
        Ok(())
    }

    pub(crate) fn inspect(&self, id: &str) -> Result<Value, DockerError> {
        let exec = id.parse().ok().and_then(|number: usize| self.all.get(number)).ok_or_else(no_such_exec)?;
        Ok(json!({"ID": id, "Running": exec.running, "ExitCode": exec.exit_code}))
    }

    pub(crate) fn cancel(&mut self, op: OpId) {
        if let Some(number) = self.by_op.remove(&op) {
            self.all[number].op = None;
        }
    }

    pub(crate) fn grant(&mut self, op: OpId, bytes: usize) {
        if let Some(&number) = self.by_op.get(&op) {
            self.all[number].credit += bytes;
            self.deliver(number);
        }
    }

    pub(crate) fn write(&mut self, op: OpId, bytes: &[u8]) {
        let Some(&number) = self.by_op.get(&op) else { return };
        assert!(self.all[number].started);
        self.all[number].input.extend(bytes);
        if self.takes_input {
            self.out.push_back(Input::Docker { op, event: DockerEvent::Written { bytes: bytes.len() } });
        }
    }

    /// So much of what was written to it is taken now.
    pub(crate) fn take_input(&mut self, number: usize, bytes: usize) {
        if let Some(op) = self.all[number].op {
            self.out.push_back(Input::Docker { op, event: DockerEvent::Written { bytes } });
        }
    }

    /// Its process prints something.
    pub(crate) fn print(&mut self, number: usize, bytes: &[u8]) {
        self.all[number].printed.extend(bytes);
        self.deliver(number);
    }

    /// Its process ends.
    pub(crate) fn exit(&mut self, number: usize, code: i64) {
        (self.all[number].running, self.all[number].exit_code) = (false, Some(code));
        self.deliver(number);
    }

    /// The connection breaks, the process goes on.
    pub(crate) fn cut(&mut self, number: usize) {
        let op = self.all[number].op.take().expect("open");
        self.by_op.remove(&op);
        let event = DockerEvent::Done(Err(DockerError::Broken("reset".to_owned())));
        self.out.push_back(Input::Docker { op, event });
    }

    /// Gives what may be read to whoever listens, in pieces as an engine would; the end is seen only by who may read.
    fn deliver(&mut self, number: usize) {
        let exec = &mut self.all[number];
        let Some(op) = exec.op else { return };
        while exec.credit > 0 && !exec.printed.is_empty() {
            let most = exec.credit.min(exec.printed.len()).min(16 * 1024);
            let piece: Vec<u8> = exec.printed.drain(..most).collect();
            exec.credit -= most;
            self.out.push_back(Input::Docker { op, event: DockerEvent::Bytes(Blob(piece)) });
        }
        if exec.credit > 0 && !exec.running {
            exec.op = None;
            self.by_op.remove(&op);
            self.out.push_back(Input::Docker { op, event: DockerEvent::Done(Ok(None)) });
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Input> {
        self.out.pop_front()
    }

    /// Those that are no searches.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Exec> {
        self.all.iter().filter(|exec| !exec.is_search())
    }

    /// Whose users searches were made as.
    pub(crate) fn searched_as(&self) -> Vec<Option<&str>> {
        self.all.iter().filter(|exec| exec.is_search()).map(|exec| exec.config["User"].as_str()).collect()
    }
}
