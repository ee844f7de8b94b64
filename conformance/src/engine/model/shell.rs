//! A shell as small as tests need it, and other programs that an exec may run. It does nothing by itself: it goes on
//! when it is given input, and makes output when that is taken.

use std::collections::VecDeque;

use super::Nanos;
use super::processes::{Process, Processes};
use super::producers::Producer;
use super::script::{self, Command, When};
use super::tty::{INPUT_HOLDS, Read, Tty};

/// Output that waits to be taken: the programs stop at it.
const OUTPUT_HOLDS: usize = 64 * 1_024;
/// How much a program makes at once.
const PIECE: usize = 32 * 1_024;
const PROMPT: &[u8] = b"/ # ";

/// What a shell sees of the engine while it runs.
pub(super) struct Surroundings<'a> {
    pub(super) processes: &'a mut Processes,
    pub(super) container: &'a str,
    /// The command line of the container's first process.
    pub(super) first: &'a str,
    /// Which shells its image has.
    pub(super) shells: &'a [String],
    /// Rows and columns.
    pub(super) size: Option<(u16, u16)>,
    pub(super) now: Nanos,
    /// The container is paused: only its terminals, which are the kernel's, go on.
    pub(super) frozen: bool,
}

/// What a shell runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) text: String,
    /// `$0`, `$1` …
    pub(super) arguments: Vec<String>,
    /// It is one program, without a shell around it.
    pub(super) direct: bool,
}

/// What it is at.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// The next command.
    Commands,
    Copy {
        silent: bool,
    },
    Count {
        bytes: u64,
    },
    Produce {
        producer: Producer,
        silent: bool,
    },
    Sleep {
        until: Nanos,
        pid: u64,
    },
    Ended(i64),
}

#[derive(Clone, Debug)]
enum Input {
    Terminal(Tty),
    Pipe { reads: VecDeque<Read>, held: usize },
}

/// A shell, or a program that was started without one.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    pub(super) exec: String,
    pub(super) pid: u64,
    pub(super) environment: Vec<String>,
    pub(super) interactive: bool,
    pub(super) work: Work,
    pub(super) status: i64,
    input: Input,
    out: VecDeque<u8>,
    commands: VecDeque<Command>,
    prompted: bool,
    arguments: Vec<String>,
    pub(super) direct: bool,
}

impl Shell {
    /// One that is asked for commands, or one with a script, on a terminal or on pipes.
    pub(super) fn new(exec: &str, pid: u64, environment: Vec<String>, script: Option<Script>, tty: bool) -> Self {
        let input = match tty {
            true => Input::Terminal(Tty::default()),
            false => Input::Pipe { reads: VecDeque::new(), held: 0 },
        };
        let mut shell = Self {
            exec: exec.to_owned(),
            pid,
            environment,
            interactive: script.is_none(),
            work: Work::Commands,
            status: 0,
            input,
            out: VecDeque::new(),
            commands: VecDeque::new(),
            prompted: false,
            arguments: Vec::new(),
            direct: false,
        };
        if let Some(script) = script {
            shell.direct = script.direct;
            shell.arguments = script.arguments;
            shell.commands = shell.parse(&script.text);
        }
        shell
    }

    fn parse(&self, text: &str) -> VecDeque<Command> {
        script::parse(text, |name| match name {
            "?" => self.status.to_string(),
            "$" => self.pid.to_string(),
            name if name.starts_with(|c: char| c.is_ascii_digit()) => {
                name.parse().ok().and_then(|at: usize| self.arguments.get(at).cloned()).unwrap_or_default()
            }
            name => {
                let value = |entry: &String| entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
                self.environment.iter().find_map(value).unwrap_or_default()
            }
        })
    }

    /// Its exit code, if it has ended and all of its output was taken.
    pub(super) fn ended(&self) -> Option<i64> {
        match self.work {
            Work::Ended(code) => Some(code),
            _ => None,
        }
    }

    /// Whether it takes input now.
    pub(super) fn has_room(&self) -> bool {
        let read = match &self.input {
            Input::Terminal(tty) => tty.has_room(),
            Input::Pipe { held, .. } => *held < INPUT_HOLDS,
        };
        read && self.out.len() < OUTPUT_HOLDS
    }

    /// When it goes on by itself.
    pub(super) fn wakes(&self) -> Option<Nanos> {
        match self.work {
            Work::Sleep { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Bytes from the keyboard, or into the pipe.
    pub(super) fn input(&mut self, bytes: &[u8], around: &mut Surroundings<'_>) {
        let interrupted = match &mut self.input {
            Input::Terminal(tty) => tty.type_in(bytes, &mut self.out),
            Input::Pipe { reads, held } => {
                *held += bytes.len();
                reads.push_back(Read::Bytes(bytes.to_vec()));
                false
            }
        };
        if interrupted {
            self.interrupt(around);
        }
        self.advance(around);
    }

    /// No more input comes. A terminal does not care.
    pub(super) fn close_input(&mut self, around: &mut Surroundings<'_>) {
        if let Input::Pipe { reads, .. } = &mut self.input {
            reads.push_back(Read::End);
        }
        self.advance(around);
    }

    fn interrupt(&mut self, around: &mut Surroundings<'_>) {
        self.status = 130;
        self.commands.clear();
        self.stop_work(around);
        if self.interactive {
            self.work = Work::Commands;
            self.print(b"\n");
            self.prompted = false;
        } else {
            self.work = Work::Ended(130);
        }
    }

    fn stop_work(&mut self, around: &mut Surroundings<'_>) {
        if let Work::Sleep { pid, .. } = self.work {
            around.processes.remove(pid);
        }
    }

    /// It is killed.
    pub(super) fn kill(&mut self, code: i64, around: &mut Surroundings<'_>) {
        self.stop_work(around);
        self.out.clear();
        self.commands.clear();
        self.work = Work::Ended(code);
    }

    /// Takes at most so many bytes of its output, and lets it go on.
    pub(super) fn output(&mut self, most: usize, around: &mut Surroundings<'_>) -> Vec<u8> {
        self.advance(around);
        let taken = self.out.len().min(most);
        self.out.drain(..taken).collect()
    }

    /// Goes on until it waits for input, for time, or for its output to be taken.
    pub(super) fn advance(&mut self, around: &mut Surroundings<'_>) {
        while self.out.len() < OUTPUT_HOLDS && !around.frozen {
            match &mut self.work {
                Work::Ended(_) => return,
                Work::Sleep { until, pid } => {
                    if around.now < *until {
                        return;
                    }
                    around.processes.remove(*pid);
                    self.finish(0);
                }
                Work::Produce { producer, silent } => {
                    let (mut made, silent) = (Vec::new(), *silent);
                    let more = producer.make(PIECE, &mut made);
                    if !silent {
                        self.print(&made);
                    }
                    if !more {
                        self.finish(0);
                    }
                }
                Work::Copy { silent } => {
                    let silent = *silent;
                    match self.read() {
                        Some(Read::Bytes(bytes)) if !silent => self.print(&bytes),
                        Some(Read::Bytes(_)) => {}
                        Some(Read::End) => self.finish(0),
                        None => return,
                    }
                }
                Work::Count { bytes } => {
                    let so_far = *bytes;
                    match self.read() {
                        Some(Read::Bytes(more)) => self.work = Work::Count { bytes: so_far + more.len() as u64 },
                        Some(Read::End) => {
                            self.print(format!("{so_far}\n").as_bytes());
                            self.finish(0);
                        }
                        None => return,
                    }
                }
                Work::Commands => {
                    if !self.next_command(around) {
                        return;
                    }
                }
            }
        }
    }

    /// Runs the next command, or asks for one; `false`: none is there.
    fn next_command(&mut self, around: &mut Surroundings<'_>) -> bool {
        if let Some(command) = self.commands.pop_front() {
            let runs = match command.when {
                When::Always => true,
                When::IfDone => self.status == 0,
                When::IfFailed => self.status != 0,
            };
            if runs {
                self.run(command, around);
            }
            return true;
        }
        if !self.interactive {
            self.work = Work::Ended(self.status);
            return true;
        }
        if !self.prompted && matches!(self.input, Input::Terminal(_)) {
            self.print(PROMPT);
        }
        self.prompted = true;
        match self.read() {
            Some(Read::Bytes(line)) => {
                self.commands = self.parse(&String::from_utf8_lossy(&line));
                self.prompted = false;
                true
            }
            Some(Read::End) => {
                self.work = Work::Ended(self.status);
                true
            }
            None => false,
        }
    }

    fn read(&mut self) -> Option<Read> {
        match &mut self.input {
            Input::Terminal(tty) => tty.read(),
            Input::Pipe { reads, held } => {
                let read = reads.pop_front();
                if let Some(Read::Bytes(bytes)) = &read {
                    *held -= bytes.len();
                }
                read
            }
        }
    }

    /// The command at work is done.
    pub(super) fn finish(&mut self, status: i64) {
        self.status = status;
        self.work = Work::Commands;
    }

    /// Output of a program, as the terminal shows it.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        match self.input {
            Input::Terminal(_) => Tty::print(&mut self.out, bytes),
            Input::Pipe { .. } => self.out.extend(bytes),
        }
    }

    pub(super) fn forget_commands(&mut self) {
        self.commands.clear();
    }

    pub(super) fn terminal(&mut self) -> Option<&mut Tty> {
        match &mut self.input {
            Input::Terminal(tty) => Some(tty),
            Input::Pipe { .. } => None,
        }
    }

    /// A child with this command line; none if there are too many processes.
    pub(super) fn fork(&self, command: String, around: &mut Surroundings<'_>) -> Option<u64> {
        around.processes.spawn(Process {
            container: around.container.to_owned(),
            exec: self.exec.clone(),
            parent: self.pid,
            command,
            environment: self.environment.clone(),
        })
    }
}
