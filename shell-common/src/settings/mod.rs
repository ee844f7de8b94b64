//! What the environment says (PROTOCOL 12), read and checked before anything starts.

mod duration;
mod engine;
mod problem;
mod server;
mod vars;

use std::path::{Path, PathBuf};
use std::time::Duration;

use dockmon_core::docker::ApiVersion;
use dockmon_core::{Config, DataFile, DiskError, HostFacts, Policy, ProcessFacts, Saved, Secret};

pub(crate) use engine::usual_sockets;
pub use problem::{Problem, SettingsErrors};
pub use server::ServerAddress;
use vars::Vars;

use crate::Way;
use crate::disk;
use crate::net::{ProxySettings, TlsSettings};
use crate::{program, version};

/// The longest `AGENT_NAME` and `PROTO_VERSION` that the server takes (PROTOCOL 2), in characters.
const MAX_NAME: usize = 255;
const MAX_PROTO_VERSION: usize = 20;

/// How much is logged (`LOG_LEVEL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything that helps to find a fault.
    Debug,
    /// What the agent does.
    #[default]
    Info,
    /// What went wrong and is dealt with.
    Warn,
    /// What needs somebody to act.
    Error,
}

/// All settings, checked. `Debug` shows no secret.
#[derive(Debug)]
pub struct Settings {
    /// `LOG_LEVEL`
    pub log_level: LogLevel,
    /// `LOG_JSON`: JSON or text for people.
    pub log_json: bool,
    pub(crate) server: ServerAddress,
    pub(crate) engine: Way,
    pub(crate) proxy: ProxySettings,
    pub(crate) tls: TlsSettings,
    pub(crate) data_path: PathBuf,
    /// `AGENT_RECORD`: the folder for a recording of this session.
    pub(crate) record: Option<PathBuf>,
    /// What was found in `DATA_PATH`, with `PERMANENT_TOKEN` in place of the file's where that is set.
    pub(crate) saved: Saved,
    /// Files of `DATA_PATH` that are there and could not be read.
    pub(crate) unreadable: Vec<DiskError>,
    pub(crate) registration_token: Option<Secret>,
    agent_name: Option<String>,
    force_unique_registration: bool,
    pub(crate) docker_api_version: Option<ApiVersion>,
    reconnect_initial: Duration,
    reconnect_max: Duration,
    proto_version: String,
    policy: Policy,
    allow_unverified: bool,
    hand_over: bool,
}

impl Settings {
    /// Reads and checks every variable that `get` gives, and the files in `DATA_PATH`. An empty value counts as none.
    ///
    /// # Errors
    /// All problems together, each naming its variable and what is accepted.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut vars = Vars::new(get);
        let server = server(&mut vars);
        let proxy = proxies(&mut vars);
        let tls = TlsSettings {
            insecure: vars.flag("INSECURE_SKIP_VERIFY", false),
            file: vars.text("SSL_CERT_FILE").map(PathBuf::from),
            folders: vars.text("SSL_CERT_DIR").map(|dirs| std::env::split_paths(&dirs).collect()).unwrap_or_default(),
        };
        let engine = engine::way(&mut vars, &tls);
        let data_path = vars.absolute_path("DATA_PATH").unwrap_or_else(|| PathBuf::from("/data"));
        let record = vars.absolute_path("AGENT_RECORD");
        let registration_token = vars.token("REGISTRATION_TOKEN");
        let (saved, unreadable) = saved(&mut vars, &data_path, registration_token.is_some());

        let agent_name = vars.parsed("AGENT_NAME", "at most 255 characters", |name| {
            (name.chars().count() <= MAX_NAME).then(|| name.to_owned())
        });
        let force_unique_registration = vars.flag("FORCE_UNIQUE_REGISTRATION", false);
        if force_unique_registration && vars.text("AGENT_NAME").is_none() {
            let hint = "FORCE_UNIQUE_REGISTRATION=true needs a name of this machine's own".to_owned();
            vars.problems.push(Problem::Missing { name: "AGENT_NAME", hint });
        }
        let docker_api_version =
            vars.parsed("DOCKER_API_VERSION", "a version of the Engine API such as 1.41", |text| text.parse().ok());
        let (reconnect_initial, reconnect_max) = reconnect(&mut vars);
        let proto_version = vars
            .parsed("PROTO_VERSION", "at most 20 characters", |text| {
                (text.chars().count() <= MAX_PROTO_VERSION).then(|| text.to_owned())
            })
            .unwrap_or_else(|| "1.1".to_owned());
        let log_level = vars
            .parsed("LOG_LEVEL", "one of debug, info, warn, error", |text| match text.to_ascii_lowercase().as_str() {
                "debug" => Some(LogLevel::Debug),
                "info" => Some(LogLevel::Info),
                "warn" => Some(LogLevel::Warn),
                "error" => Some(LogLevel::Error),
                _ => None,
            })
            .unwrap_or_default();
        let log_json = vars.flag("LOG_JSON", true);

        let policy = policy(&mut vars);
        let allow_unverified = vars.flag("SELF_UPDATE_ALLOW_UNVERIFIED", false);
        let hand_over = vars.text(program::HAND_OVER).is_some();

        // Nothing uses these yet. A slip in them is told now all the same, rather than at the first update.
        let _ = vars.duration("UPDATE_TIMEOUT", Duration::from_secs(120));
        let _ = vars.absolute_path("AGENT_STACKS_DIR");
        let _ = vars.absolute_path("HOST_STACKS_DIR");
        let _ = vars.absolute_path("COMPOSE_PATH");
        let _ = vars.flag("COMPOSE_DOWNLOAD", true);

        match (server, engine) {
            (Some(server), Some(engine)) if vars.problems.is_empty() => Ok(Self {
                log_level,
                log_json,
                server,
                engine,
                proxy,
                tls,
                data_path,
                record,
                saved,
                unreadable,
                registration_token,
                agent_name,
                force_unique_registration,
                docker_api_version,
                reconnect_initial,
                reconnect_max,
                proto_version,
                policy,
                allow_unverified,
                hand_over,
            }),
            _ => Err(SettingsErrors(vars.problems)),
        }
    }

    /// How the engine is reached.
    pub fn engine(&self) -> Way {
        self.engine.clone()
    }

    /// What the core decides by.
    pub(crate) fn config(&self, host: HostFacts) -> Config {
        Config {
            agent_name: self.agent_name.clone(),
            force_unique_registration: self.force_unique_registration,
            version: version::own().to_owned(),
            proto_version: self.proto_version.clone(),
            reconnect_initial: self.reconnect_initial,
            reconnect_max: self.reconnect_max,
            docker_api_version: self.docker_api_version,
            registration_token: self.registration_token.clone(),
            insecure_skip_verify: self.tls.insecure,
            data_path: self.data_path.display().to_string(),
            allow_unverified: self.allow_unverified,
            hand_over: self.hand_over,
            policy: self.policy,
            host,
            process: ProcessFacts::default(),
        }
    }
}

fn server<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>) -> Option<ServerAddress> {
    const NAME: &str = "DOCKMON_URL";
    match vars.text(NAME) {
        None => {
            let hint = format!("it must be {}", ServerAddress::EXPECTED);
            vars.problems.push(Problem::Missing { name: NAME, hint });
            None
        }
        // Somebody may have put a password there.
        Some(value) if value.contains('@') => {
            let expected = ServerAddress::EXPECTED.to_owned();
            vars.problems.push(Problem::Hidden { name: NAME.to_owned(), expected });
            None
        }
        Some(_) => vars.parsed(NAME, ServerAddress::EXPECTED, ServerAddress::parse),
    }
}

/// What the owner of the host allows.
fn policy<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>) -> Policy {
    Policy {
        read_only: vars.flag("AGENT_READ_ONLY", false),
        disable_shell: vars.flag("AGENT_DISABLE_SHELL", false),
        disable_updates: vars.flag("AGENT_DISABLE_UPDATES", false),
        disable_self_update: vars.flag("AGENT_DISABLE_SELF_UPDATE", false),
        disable_compose: vars.flag("AGENT_DISABLE_COMPOSE", false),
    }
}

fn proxies<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>) -> ProxySettings {
    let https = vars.either("HTTPS_PROXY", "https_proxy");
    let http = vars.either("HTTP_PROXY", "http_proxy");
    let exceptions = vars.text("NO_PROXY").or_else(|| vars.text("no_proxy"));
    let mut checked = |proxy: Option<(&'static str, String)>| {
        let (name, value) = proxy?;
        if ProxySettings::is_proxy(&value) {
            return Some(Secret::new(value));
        }
        let expected = "an HTTP proxy such as http://proxy.example:3128 or https://user:password@proxy.example";
        vars.problems.push(Problem::Hidden { name: name.to_owned(), expected: expected.to_owned() });
        None
    };
    ProxySettings { https: checked(https), http: checked(http), exceptions }
}

/// `RECONNECT_INITIAL` and `RECONNECT_MAX`.
fn reconnect<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>) -> (Duration, Duration) {
    let initial = vars.duration("RECONNECT_INITIAL", Duration::from_secs(1));
    let max = vars.duration("RECONNECT_MAX", Duration::from_secs(60));
    if initial > max {
        let value = format!("{max:?}");
        let expected = format!("at least RECONNECT_INITIAL, which is {initial:?}");
        vars.problems.push(Problem::Value { name: "RECONNECT_MAX", value, expected });
    }
    (initial, max)
}

/// What an earlier life left, and the tokens: one of the two kinds must be there.
fn saved<F: Fn(&str) -> Option<String>>(
    vars: &mut Vars<F>,
    data_path: &Path,
    can_register: bool,
) -> (Saved, Vec<DiskError>) {
    let (mut saved, unreadable) = disk::read_saved(data_path);
    let file = data_path.join(DataFile::PermanentToken.name()).display().to_string();
    if let Some(token) = vars.secret("PERMANENT_TOKEN") {
        saved.permanent_token = vars.checked_token("PERMANENT_TOKEN", &token);
    } else if let Some(token) = saved.permanent_token.take() {
        let name = format!("the file {file}");
        saved.permanent_token = vars.checked_token(&name, token.expose());
    } else if !can_register && !vars.names("REGISTRATION_TOKEN") && !vars.names("PERMANENT_TOKEN") {
        let why = match unreadable.iter().find(|error| error.path == file) {
            Some(error) => format!("cannot be read ({})", error.reason),
            None => "does not exist".to_owned(),
        };
        let hint = format!(
            "create one in DockMon (Hosts, Add host) for the first start; afterwards the permanent token is kept in \
             {file}, which {why}"
        );
        vars.problems.push(Problem::Missing { name: "REGISTRATION_TOKEN", hint });
    }
    if saved.permanent_token.is_some() {
        // The secret of the first start may be gone by now.
        vars.problems
            .retain(|problem| !matches!(problem, Problem::File { name, .. } if name == "REGISTRATION_TOKEN_FILE"));
    }
    (saved, unreadable)
}

#[cfg(test)]
mod tests;
