//! What to do about a connection or a registration that failed, in words for the person who reads the log, the status
//! or the doctor's report.

use crate::docker::DockerError;
use crate::input::ConnectError;

/// A sentence for a connection that could not be made.
pub fn for_connect(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Resolve { .. } => "check the host name in DOCKMON_URL and the DNS servers of this host",
        ConnectError::Tcp { .. } => {
            "check that the server runs and that its port in DOCKMON_URL can be reached from here"
        }
        ConnectError::Proxy { .. } => "check HTTPS_PROXY / HTTP_PROXY, or add the server to NO_PROXY",
        ConnectError::Tls { .. } => {
            "if the server's certificate comes from a CA of your own, mount that CA and name it in SSL_CERT_FILE; \
             INSECURE_SKIP_VERIFY=true switches verification off"
        }
        ConnectError::Http { status: 401 | 403 } => "the server or a proxy in front of it refuses this path",
        ConnectError::Http { status: 404 } => {
            "check DOCKMON_URL: is this a DockMon server, and does the proxy in front of it pass WebSockets on?"
        }
        ConnectError::Http { .. } | ConnectError::Handshake(_) => {
            "check DOCKMON_URL (wss:// for a TLS port, ws:// for a plain one) and the proxy in front of the server"
        }
        ConnectError::TimedOut { .. } => "check the firewall between this host and the server",
    }
}

/// A sentence for an engine that does not do what it should.
pub fn for_engine(error: &DockerError) -> &'static str {
    match error {
        DockerError::Unreachable { reason, .. } if reason.contains("ermission denied") => {
            "no permission on the engine's socket: run the agent as root or add its user to the socket's group \
             (docker run --group-add $(stat -c %g /var/run/docker.sock))"
        }
        DockerError::Unreachable { reason, .. } if reason.contains("No such file") => {
            "no engine socket: mount it (-v /var/run/docker.sock:/var/run/docker.sock) or set DOCKER_HOST"
        }
        DockerError::Unreachable { reason, .. } if reason.contains("no socket") => {
            "Docker makes a folder of a mount whose source is missing: start the engine first, remove the folder, or set \
             DOCKER_HOST"
        }
        DockerError::Unreachable { reason, .. } if reason.contains("TLS") => {
            "the engine is not reached with DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH as they are"
        }
        DockerError::Unreachable { .. } => "the engine is away: waiting for it",
        DockerError::Incompatible(_) => "waiting for another engine",
        _ => "the engine's event stream ended: opening it again",
    }
}

/// A sentence for the server's `auth_error` texts (SERVER.md 2); `permanent`: it was a permanent token.
pub fn for_auth_error(error: &str, permanent: bool) -> &'static str {
    let has = |words: &str| error.contains(words);
    if has("expired") {
        "registration tokens last 15 minutes: make a new one in DockMon and start the agent with it"
    } else if has("maximum uses") {
        "this registration token was used before: make a new one in DockMon. If this agent was registered already, its \
         data volume is missing: mount the one that holds permanent_token"
    } else if has("Invalid registration token") && permanent {
        "the server does not know this agent any more: if its host was deleted in DockMon, remove permanent_token from \
         the data volume and start with a new registration token"
    } else if has("Invalid registration token") {
        "make a new registration token in DockMon and start the agent with it"
    } else if has("does not match engine_id") {
        "this identity belongs to another Docker engine: Docker was reinstalled, or the data volume was copied. Remove \
         permanent_token from the data volume and start with a new registration token"
    } else if has("already registered") {
        "another agent has this engine id (a cloned machine: set AGENT_NAME and FORCE_UNIQUE_REGISTRATION=true), or the \
         host name is taken (set AGENT_NAME)"
    } else if has("already exists") {
        "the host name is taken: set AGENT_NAME"
    } else if has("requires AGENT_NAME") {
        "set AGENT_NAME"
    } else if has("local Docker connections") {
        "DockMon watches this engine itself, over its local socket: remove that host there first"
    } else {
        "see the server's log"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_advice() {
        for (error, permanent, advice) in [
            ("Registration token has expired", false, "15 minutes"),
            ("Registration token has reached maximum uses", false, "used before"),
            ("Invalid registration token", true, "deleted in DockMon"),
            ("Invalid registration token", false, "make a new"),
            ("Permanent token does not match engine_id", true, "another Docker engine"),
            ("Agent with this engine_id is already registered", false, "AGENT_NAME"),
            ("A host named 'x' already exists in DockMon", false, "set AGENT_NAME"),
            ("Migration not supported for local Docker connections", false, "local socket"),
        ] {
            assert!(for_auth_error(error, permanent).contains(advice), "{error}");
        }
    }
}
