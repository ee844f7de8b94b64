//! The agent in a container of the engine that it watches.

use std::path::Path;

use serde_json::{Value, json};

use super::agent::binary;
use super::engines::Engine;
use crate::server::{DEFAULT_TOKEN, ScriptedServer};

/// A container with the agent's binary, and what of this machine it needs to run; with this machine's network.
pub(crate) fn agent_body(engine: &Engine, server: &ScriptedServer, data: &Path) -> Value {
    let socket = engine.socket.canonicalize().unwrap();
    let mut binds = vec![
        format!("{}:/agent:ro", binary().display()),
        format!("{}:/var/run/docker.sock", socket.display()),
        format!("{}:/data", data.display()),
    ];
    // It is not linked statically here.
    let libraries = ["/lib", "/lib64", "/usr/lib"].into_iter().filter(|folder| Path::new(folder).exists());
    binds.extend(libraries.map(|folder| {
        let real = Path::new(folder).canonicalize().unwrap();
        format!("{}:{folder}:ro", real.display())
    }));
    json!({
        "Image": "busybox:latest", "Cmd": ["/agent"], "Labels": {"dmtest": "true"},
        "Env": [
            format!("DOCKMON_URL={}", server.url()), format!("REGISTRATION_TOKEN={DEFAULT_TOKEN}"),
            "RECONNECT_INITIAL=100ms", "RECONNECT_MAX=1s",
        ],
        "HostConfig": {"NetworkMode": "host", "Binds": binds},
    })
}

/// The same with one more bind.
pub(crate) fn bind(body: &mut Value, bind: String) {
    if let Some(binds) = body["HostConfig"]["Binds"].as_array_mut() {
        binds.push(Value::from(bind));
    }
}
