//! What can be run in a simulated container.

use super::Nanos;
use super::producers::Producer;
use super::script::Command;
use super::shell::{Shell, Surroundings, Work};
use super::time::SECOND;

/// Programs that are there without a shell of their own, as busybox has them.
const PROGRAMS: [&str; 16] = [
    "cat", "echo", "env", "false", "head", "id", "kill", "printf", "ps", "pwd", "seq", "sleep", "stty", "tr", "true",
    "wc",
];

/// Whether a container whose image has these shells has this program; the shells are what the others come with.
pub(super) fn exists(name: &str, shells: &[String]) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    shells.iter().any(|shell| shell == name) || !shells.is_empty() && PROGRAMS.contains(&name)
}

/// Words that stand before a command and change nothing that is simulated.
const BEFORE: [&str; 3] = ["nohup", "setsid", "exec"];

impl Shell {
    /// Runs a command, or begins it.
    pub(super) fn run(&mut self, mut command: Command, around: &mut Surroundings<'_>) {
        let mut replaced = false;
        while command.words.len() > 1 && BEFORE.contains(&command.words[0].as_str()) {
            replaced |= command.words.remove(0) == "exec";
        }
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        if replaced && words.first().is_some_and(|name| around.shells.iter().any(|shell| name.ends_with(shell))) {
            self.interactive = true;
            self.forget_commands();
            return around.processes.become_another(self.pid, words.join(" "), self.environment.clone());
        }
        if command.background && words[0] == "sleep" {
            let started = self.fork(words.join(" "), around).is_some();
            return self.done_or(started, "sh: can't fork: Resource temporarily unavailable");
        }
        if !command.piped.is_empty() {
            return self.pipe(&words, &command);
        }
        let silent = command.silent;
        let status = match words.as_slice() {
            ["exit"] => return self.work = Work::Ended(self.status),
            ["exit", code, ..] => return self.work = Work::Ended(code.parse().unwrap_or(2)),
            ["echo", "-n", rest @ ..] => self.say(&rest.join(" "), silent),
            ["echo", rest @ ..] => self.say(&format!("{}\n", rest.join(" ")), silent),
            ["printf", format, ..] => {
                if !silent {
                    self.print(&unescape(format));
                }
                0
            }
            ["cat"] => return self.work = Work::Copy { silent },
            ["wc", "-c"] => return self.work = Work::Count { bytes: 0 },
            ["seq", range @ ..] => return self.count(range, silent),
            ["sleep", time, ..] => return self.sleep(time, &words, around),
            ["env"] => {
                let text: String = self.environment.iter().map(|entry| format!("{entry}\n")).collect();
                self.say(&text, silent)
            }
            ["ps"] => self.list(around),
            ["kill", rest @ ..] => self.kill_some(rest, around),
            ["stty", "size"] => match around.size {
                Some((rows, columns)) => self.say(&format!("{rows} {columns}\n"), silent),
                None => self.fail("stty: standard input", 1),
            },
            ["stty", rest @ ..] => {
                for (word, echo) in [("-echo", false), ("echo", true)] {
                    if let (true, Some(terminal)) = (rest.contains(&word), self.terminal()) {
                        terminal.set_echo(echo);
                    }
                }
                0
            }
            ["command", "-v", name] => match exists(name, around.shells) {
                true => self.say(&format!("/bin/{name}\n"), silent),
                false => 127,
            },
            ["pwd"] => self.say("/\n", silent),
            ["id"] => self.say("uid=0(root) gid=0(root)\n", silent),
            ["export", entries @ ..] => {
                for entry in entries {
                    let name = entry.split('=').next();
                    self.environment.retain(|known| known.split('=').next() != name);
                    self.environment.push((*entry).to_owned());
                }
                0
            }
            ["true" | ":" | "cd" | "trap" | "set" | "unset" | "wait", ..] => 0,
            ["false"] => 1,
            [name, ..] => self.fail(&format!("sh: {name}: not found"), 127),
            [] => 0,
        };
        self.status = status;
    }

    fn say(&mut self, text: &str, silent: bool) -> i64 {
        if !silent {
            self.print(text.as_bytes());
        }
        0
    }

    fn fail(&mut self, text: &str, status: i64) -> i64 {
        self.print(format!("{text}\n").as_bytes());
        status
    }

    fn done_or(&mut self, done: bool, text: &str) {
        self.status = if done { 0 } else { self.fail(text, 2) };
    }

    /// `head -c N /dev/zero | tr '\0' x`: the one pipe there is.
    fn pipe(&mut self, words: &[&str], command: &Command) {
        let piped: Vec<&str> = command.piped.iter().map(String::as_str).collect();
        let left = match words {
            ["head", "-c", count, "/dev/zero"] => count.parse().ok(),
            _ => None,
        };
        match (left, piped.as_slice()) {
            (Some(left), ["tr", _, with]) if with.len() == 1 => {
                let producer = Producer::Bytes { left, byte: with.as_bytes()[0] };
                self.work = Work::Produce { producer, silent: command.silent };
            }
            _ => self.status = self.fail("sh: this pipe is not simulated", 2),
        }
    }

    fn count(&mut self, range: &[&str], silent: bool) {
        let numbers: Option<Vec<u64>> = range.iter().map(|word| word.parse().ok()).collect();
        let (from, to) = match numbers.as_deref() {
            Some([to]) => (1, *to),
            Some([from, to]) => (*from, *to),
            _ => {
                self.status = self.fail("seq: two numbers are simulated", 1);
                return;
            }
        };
        if to < from {
            return self.finish(0);
        }
        self.work = Work::Produce { producer: Producer::numbers(from, to), silent };
    }

    fn sleep(&mut self, time: &str, words: &[&str], around: &mut Surroundings<'_>) {
        // `infinity`, too, is a long time.
        let seconds = time.parse::<f64>().unwrap_or(f64::INFINITY).clamp(0.0, 1e9);
        // Without a shell around it, it is no child of its own.
        let pid = if self.direct { Some(self.pid) } else { self.fork(words.join(" "), around) };
        match pid {
            Some(pid) => {
                let until = around.now.saturating_add((seconds * SECOND as f64) as Nanos);
                self.work = Work::Sleep { until, pid };
            }
            None => self.done_or(false, "sh: can't fork: Resource temporarily unavailable"),
        }
    }

    fn list(&mut self, around: &Surroundings<'_>) -> i64 {
        let mut text = format!("PID   USER     COMMAND\n    1 root     {}\n", around.first);
        for (pid, process) in around.processes.of(around.container) {
            text.push_str(&format!("{pid:5} root     {}\n", process.command));
        }
        self.say(&text, false)
    }

    /// `kill [-SIGNAL] PID…`: whatever the signal, but 0, they end.
    fn kill_some(&mut self, words: &[&str], around: &mut Surroundings<'_>) -> i64 {
        let asks = words.first() == Some(&"-0");
        let mut status = 0;
        for word in words.iter().filter(|word| !word.starts_with('-')) {
            let pid: u64 = word.parse().unwrap_or(0);
            let mine = around.processes.get(pid).is_some_and(|process| process.container == around.container);
            match (mine, pid == self.pid) {
                (true, true) if !asks => self.work = Work::Ended(143),
                (true, _) if asks => {}
                (true, _) => drop(around.processes.remove(pid)),
                (false, _) => status = self.fail(&format!("sh: can't kill pid {word}: No such process"), 1),
            }
        }
        status
    }
}

/// `\n`, `\t`, `\\` and bytes in octal.
fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes().peekable());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let mut value = None;
        for _ in 0..3 {
            let Some(digit) = rest.next_if(|b| (b'0'..=b'7').contains(b)) else { break };
            value = Some(value.unwrap_or(0_u8).wrapping_mul(8).wrapping_add(digit - b'0'));
        }
        bytes.push(match value {
            Some(value) => value,
            None => match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(other) => other,
                None => b'\\',
            },
        });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(unescape("a\\377\\n\\\\\\0"), b"a\xff\n\\\0");
    }

    #[test]
    fn programs_come_with_a_shell() {
        let with = |shells: &[&str]| shells.iter().map(|&shell| shell.to_owned()).collect::<Vec<_>>();
        assert!(exists("/bin/sh", &with(&["sh"])) && exists("cat", &with(&["sh"])));
        assert!(!exists("bash", &with(&["sh"])) && exists("bash", &with(&["sh", "bash"])));
        assert!(!exists("cat", &with(&[])));
    }
}
