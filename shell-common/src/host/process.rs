//! Which process this is, and whether another one is still there.

use std::fs;

use dockmon_core::ProcessFacts;

/// This process. What cannot be read is empty.
pub(crate) fn own_process() -> ProcessFacts {
    ProcessFacts { pid: std::process::id(), started: started("self").unwrap_or_default(), namespace: namespace() }
}

/// How far apart two words on the start of one process may be: a second, in the ticks of `/proc`. An emulator (`qemu-user`,
/// which runs images of another architecture) tells a process a start of its own, some ticks after the kernel's.
const TICKS_APART: u64 = 100;

/// Whether that process runs. `None` where it cannot be seen from here: it is in another container, say.
pub(crate) fn is_alive(process: &ProcessFacts) -> Option<bool> {
    if process.pid == 0 || process.started == 0 || process.namespace != namespace() {
        return None;
    }
    let now = started(&process.pid.to_string());
    Some(now.is_some_and(|started| started.abs_diff(process.started) <= TICKS_APART))
}

fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`; `None` for a process that is none or has ended and just waits for its parent.
fn started(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn knows_itself_and_who_is_gone() {
        let own = own_process();
        assert!(own.started > 0 && own.namespace.starts_with("pid:"), "{own:?}");
        assert_eq!(is_alive(&own), Some(true));
        for (later, alive) in [(3, true), (TICKS_APART + 1, false)] {
            let other = ProcessFacts { started: own.started + later, ..own.clone() };
            assert_eq!(is_alive(&other), Some(alive), "an emulator's word, or its id again");
        }
        assert_eq!(is_alive(&ProcessFacts { namespace: "pid:[1]".to_owned(), ..own.clone() }), None);
        assert_eq!(is_alive(&ProcessFacts::default()), None);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let started = started(&child.id().to_string()).unwrap();
        let facts = ProcessFacts { pid: child.id(), started, ..own };
        assert_eq!(is_alive(&facts), Some(true));
        child.kill().unwrap();
        // Not waited for yet: it is a zombie now, or soon.
        while is_alive(&facts) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(is_alive(&facts), Some(false));
    }
}
