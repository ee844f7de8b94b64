//! A socket proxy before an engine that lets only some calls through, as the usual ones do: by sections of the Engine
//! API, `POST` for all that changes something, and `ALLOW_START`, `ALLOW_STOP` and `ALLOW_RESTARTS`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::one_request::{Listening, Request};

/// As HAProxy says it.
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 93\r\nCache-Control: no-cache\r\n\
    Content-Type: text/html\r\nConnection: close\r\n\r\n<html><body><h1>403 Forbidden</h1>\n\
    Request forbidden by administrative rules.\n</body></html>\n";

pub(crate) struct ForbiddingProxy {
    listening: Listening,
    shared: Arc<Shared>,
}

struct Shared {
    engine: PathBuf,
    allowed: Mutex<BTreeSet<String>>,
    /// Method and path of each refused call.
    refused: Mutex<Vec<String>>,
}

impl ForbiddingProxy {
    /// `allowed` are the variables that are set to 1.
    pub(crate) fn before(engine: &Path, allowed: &[&str]) -> Self {
        let allowed = Mutex::new(allowed.iter().map(|name| (*name).to_owned()).collect());
        let shared = Arc::new(Shared { engine: engine.to_owned(), allowed, refused: Mutex::default() });
        let serving = Arc::clone(&shared);
        let listening = Listening::new(move |agent| serving.serve(agent));
        Self { listening, shared }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        self.listening.url()
    }

    /// Sets one more variable to 1.
    pub(crate) fn allow(&self, variable: &str) {
        self.shared.allowed.lock().unwrap_or_else(PoisonError::into_inner).insert(variable.to_owned());
    }

    /// The refused calls so far, as `GET /events`.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn serve(&self, mut agent: TcpStream) -> io::Result<()> {
        let Some(request) = Request::read(&mut agent)? else { return Ok(()) };
        let method = request.method();
        let path = unversioned(request.target().split('?').next().unwrap_or_default());
        if !self.allows(method, path) {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
            agent.write_all(FORBIDDEN.as_bytes())?;
            return agent.shutdown(Shutdown::Write);
        }
        request.pass(agent, &self.engine)
    }

    fn allows(&self, method: &str, path: &str) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_set = |name: &str| allowed.contains(name);
        let alone = match path.rsplit('/').next() {
            Some("start") => is_set("ALLOW_START"),
            Some("stop") => is_set("ALLOW_STOP") || is_set("ALLOW_RESTARTS"),
            Some("restart" | "kill") => is_set("ALLOW_RESTARTS"),
            _ => false,
        };
        if alone && path.starts_with("/containers/") {
            return true;
        }
        let section = path.split('/').nth(1).unwrap_or_default().to_ascii_uppercase();
        (matches!(method, "GET" | "HEAD") || is_set("POST")) && is_set(&section)
    }
}

fn unversioned(path: &str) -> &str {
    match path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|slash| &rest[slash..])) {
        Some(rest) => rest,
        None => path,
    }
}
