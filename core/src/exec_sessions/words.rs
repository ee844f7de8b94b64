//! What a person in front of a terminal is told when there is no shell for them.

use crate::docker::DockerError;
use crate::policy::Refusal;

/// So begins what engines send as an exec's output when there is no such program: Docker's words, and Podman's with
/// either of its runtimes.
const NO_PROGRAM: [&[u8]; 4] = [b"OCI runtime exec failed", b"Error: runc: ", b"Error: crun: ", b"exec failed"];

/// What they say is not longer than this.
pub(crate) const MAX_NO_PROGRAM: usize = 1024;

/// There is neither bash nor sh.
pub(super) const NO_SHELL: &str = "this container has no shell (neither bash nor sh)";

const PAUSED: &str = "the container is paused";
const AWAY: &str = "the container engine cannot be reached";
const NO_CONTAINER: &str = "there is no such container";
const NOT_RUNNING: &str = "the container is not running";

/// Whether this is why an exec cannot be made: nothing runs in the container any more.
pub(super) fn is_over(reason: &str) -> bool {
    [NO_CONTAINER, NOT_RUNNING].contains(&reason)
}

/// Whether output looks as if the engine itself said that the program cannot be run.
pub(crate) fn may_be_no_program(output: &[u8]) -> bool {
    NO_PROGRAM.iter().any(|begin| output.starts_with(begin))
}

/// What an exit code of an exec whose output looks so means.
pub(super) fn of_no_program(exit_code: Option<i64>, output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    match exit_code {
        Some(126 | 127) if text.contains("not found") || text.contains("no such file") => Some(NO_SHELL.to_owned()),
        Some(126 | 127 | 255) => Some(format!("the shell cannot be run: {}", text.trim())),
        _ => None,
    }
}

/// Why the engine gives no shell.
pub(super) fn of_engine(error: &DockerError) -> String {
    match error {
        DockerError::Status { code: 404, message } if message.to_ascii_lowercase().contains("container") => {
            NO_CONTAINER.to_owned()
        }
        DockerError::Status { message, .. } => {
            let lower = message.to_ascii_lowercase();
            if lower.contains("is paused") {
                PAUSED.to_owned()
            } else if lower.contains("is restarting") {
                "the container is restarting: try again when it runs".to_owned()
            } else if lower.contains("not running") || lower.contains("on running containers") {
                NOT_RUNNING.to_owned()
            } else if lower.contains("executable file not found") || lower.contains("no such file") {
                NO_SHELL.to_owned()
            } else {
                message.clone()
            }
        }
        DockerError::Unreachable { .. } => AWAY.to_owned(),
        DockerError::Broken(_) => "the connection to the container engine broke".to_owned(),
        DockerError::TimedOut { seconds } => format!("the container engine did not answer within {seconds} s"),
        DockerError::Forbidden { .. } | DockerError::Unreadable(_) | DockerError::Incompatible(_) => error.to_string(),
    }
}

/// Why the agent gives none.
pub(super) fn of_policy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unknown { error, .. } => of_engine(error),
        refusal => refusal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// As `wire` cuts them.
    const MAX_ERROR_BYTES: usize = 120;

    fn engine(code: u16, message: &str) -> String {
        of_engine(&DockerError::Status { code, message: message.to_owned() })
    }

    #[test]
    fn the_engines_own_words_in_short() {
        let id = "3e13613f7f60318af27dacb628c82de93a041ff5967cce38f882a081c0bae7cc";
        assert_eq!(engine(409, &format!("Container {id} is not running")), "the container is not running");
        assert_eq!(
            engine(500, "can only create exec sessions on running containers: container state improper"),
            "the container is not running"
        );
        assert_eq!(engine(409, &format!("Container {id} is paused, unpause it first")), "the container is paused");
        assert_eq!(engine(404, &format!("No such container: {id}")), "there is no such container");
        assert_eq!(engine(403, "no"), "no");
        assert_eq!(engine(404, "page not found"), "page not found");
    }

    #[test]
    fn no_program() {
        let docker = b"OCI runtime exec failed: exec failed: unable to start container process: exec: \"sh\": \
                       executable file not found in $PATH: unknown\r\n";
        assert!(may_be_no_program(docker) && !may_be_no_program(b"/ # "));
        assert_eq!(of_no_program(Some(126), docker).as_deref(), Some(NO_SHELL));
        assert_eq!(of_no_program(Some(0), docker), None, "somebody has just printed it");
        assert!(
            of_no_program(Some(126), b"OCI runtime exec failed: permission denied").unwrap().contains("permission")
        );
        assert!(NO_SHELL.len() <= MAX_ERROR_BYTES);
    }

    #[test]
    fn refusals_fit() {
        let setting = of_policy(&Refusal::Setting("AGENT_DISABLE_SHELL"));
        assert!(setting.contains("AGENT_DISABLE_SHELL=true") && setting.len() <= MAX_ERROR_BYTES, "{setting}");
    }
}
