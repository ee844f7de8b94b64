//! Containers for tests, without writing a whole body.

use serde_json::{Value, json};

use super::{EngineError, ImageSpec, Load, Model, Nanos};

/// A container to be: a name, an image, and what a body has besides. It is made and started as through the API, with
/// the same events.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    name: String,
    body: Value,
    load: Option<Load>,
    on_term: Option<i64>,
    health: Option<String>,
    running: bool,
    exited: Option<i64>,
}

impl ContainerSpec {
    /// A running container of image `busybox:latest`.
    pub fn new(name: impl Into<String>) -> Self {
        let body = json!({ "Image": "busybox:latest", "Cmd": ["sleep", "infinity"] });
        Self { name: name.into(), body, load: None, on_term: Some(0), health: None, running: true, exited: None }
    }

    /// Another image, and the image's own command. It is added to the engine if it is not there.
    pub fn image(mut self, image: &str) -> Self {
        self.body["Image"] = Value::from(image);
        if let Some(body) = self.body.as_object_mut() {
            body.remove("Cmd");
        }
        self
    }

    /// A field of the body: `set("Env", …)`.
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }

    /// A field of the body's `HostConfig`.
    pub fn host(mut self, field: &str, value: Value) -> Self {
        self.body["HostConfig"][field] = value;
        self
    }

    /// A label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.body["Labels"][key] = Value::from(value);
        self
    }

    /// The restart policy: `no`, `always`, `unless-stopped`, `on-failure`.
    pub fn restart(self, policy: &str) -> Self {
        self.host("RestartPolicy", json!({ "Name": policy, "MaximumRetryCount": 0 }))
    }

    /// A published TCP port.
    pub fn port(mut self, container: u16, host: u16) -> Self {
        let key = format!("{container}/tcp");
        self.body["ExposedPorts"][&key] = json!({});
        self.body["HostConfig"]["PortBindings"][&key] = json!([{ "HostIp": "", "HostPort": host.to_string() }]);
        self
    }

    /// A user network it is in; it has to exist before the container starts.
    pub fn network(self, name: &str) -> Self {
        self.host("NetworkMode", Value::from(name))
    }

    /// With a TTY: its logs are not multiplexed.
    pub fn tty(self) -> Self {
        self.set("Tty", Value::from(true))
    }

    /// What it does with its machine.
    pub fn load(mut self, load: Load) -> Self {
        self.load = Some(load);
        self
    }

    /// With a health check that says this.
    pub fn health(mut self, health: &str) -> Self {
        self.health = Some(health.to_owned());
        self
    }

    /// It does not listen to SIGTERM, and has to be killed.
    pub fn stubborn(mut self) -> Self {
        self.on_term = None;
        self
    }

    /// Made, not started.
    pub fn created(mut self) -> Self {
        self.running = false;
        self
    }

    /// Ended with this code.
    pub fn exited(mut self, code: i64) -> Self {
        self.exited = Some(code);
        self
    }
}

impl Model {
    /// Makes (and starts) a container; gives its id.
    pub fn add_container(&mut self, spec: ContainerSpec, now: Nanos) -> Result<String, EngineError> {
        let image = spec.body["Image"].as_str().unwrap_or_default().to_owned();
        if self.find_image(&image).is_none() {
            self.add_image(&image, ImageSpec::default(), now);
        }
        let api = self.profile.api;
        let id = self.create_container(Some(&spec.name), &spec.body.to_string(), api, now)?.id;
        let container = self.container_mut(&id)?;
        container.on_term = spec.on_term;
        if let Some(load) = spec.load {
            container.load = load;
        }
        if spec.running {
            self.start_container(&id, now)?;
        }
        if let Some(health) = spec.health {
            self.set_health(&id, &health, now)?;
        }
        if let Some(code) = spec.exited {
            self.exit_container(&id, code, now)?;
        }
        Ok(id)
    }
}
