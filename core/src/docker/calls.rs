//! Every call of the Engine API that the agent makes: what for, and what a socket proxy has to allow for it.
//!
//! The list is the code's own: a request that is missing in it does not compile ([`DockerRequest::call`]).

use super::DockerRequest;

/// A section of the Engine API, as the usual socket proxies divide it (Tecnativa's `docker-socket-proxy` and those that
/// take its variables): the first component of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `/containers`
    Containers,
    /// `/events`
    Events,
    /// `/exec`
    Exec,
    /// `/images`
    Images,
    /// `/info`
    Info,
    /// `/networks`
    Networks,
    /// `/version`
    Version,
    /// `/volumes`
    Volumes,
}

impl Section {
    /// The proxy's variable that opens it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Containers => "CONTAINERS",
            Self::Events => "EVENTS",
            Self::Exec => "EXEC",
            Self::Images => "IMAGES",
            Self::Info => "INFO",
            Self::Networks => "NETWORKS",
            Self::Version => "VERSION",
            Self::Volumes => "VOLUMES",
        }
    }
}

/// A part of what the agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Without it nothing works.
    Registration,
    /// `daemon_started_at` (PROTOCOL 2).
    EngineStart,
    /// `host_ips` in container mode (PROTOCOL 2).
    HostAddresses,
    /// Where the agent itself runs (PROTOCOL 9).
    OwnContainer,
    /// PROTOCOL 5.
    ContainerList,
    /// `RepoDigests` in the list of containers.
    Digests,
    /// PROTOCOL 6.
    Events,
    /// PROTOCOL 6.
    Statistics,
    /// PROTOCOL 4.
    Logs,
    /// PROTOCOL 4: all that changes a container.
    Operations,
    /// PROTOCOL 4.
    Creation,
    /// PROTOCOL 4.
    Pulls,
    /// PROTOCOL 5.
    Images,
    /// PROTOCOL 5.
    Networks,
    /// PROTOCOL 5.
    Volumes,
    /// PROTOCOL 7.
    Shells,
    /// PROTOCOL 8.
    Updates,
}

impl Feature {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 17] = [
        Self::Registration,
        Self::EngineStart,
        Self::HostAddresses,
        Self::OwnContainer,
        Self::ContainerList,
        Self::Digests,
        Self::Events,
        Self::Statistics,
        Self::Logs,
        Self::Operations,
        Self::Creation,
        Self::Pulls,
        Self::Images,
        Self::Networks,
        Self::Volumes,
        Self::Shells,
        Self::Updates,
    ];

    /// It in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Registration => "registering with the server (nothing works without)",
            Self::EngineStart => "when the engine was started",
            Self::HostAddresses => "the host's addresses, of an agent in a container",
            Self::OwnContainer => "which container the agent runs in, of an agent in a container",
            Self::ContainerList => "the list of containers, their state and details",
            Self::Digests => "the digests of images in the list of containers",
            Self::Events => "events of containers",
            Self::Statistics => "statistics of containers",
            Self::Logs => "logs of containers",
            Self::Operations => "starting, stopping and other operations on containers",
            Self::Creation => "creating containers",
            Self::Pulls => "pulling images",
            Self::Images => "listing, removing and pruning images",
            Self::Networks => "listing, creating, removing and pruning networks",
            Self::Volumes => "listing, creating, removing and pruning volumes",
            Self::Shells => "shells in containers",
            Self::Updates => "updating containers",
        }
    }

    /// The calls it makes.
    pub fn calls(self) -> impl Iterator<Item = &'static EngineCall> {
        CALLS.iter().filter(move |call| call.features.contains(&self))
    }
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineCall {
    /// The name of its [`DockerRequest`].
    pub request: &'static str,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Its path below the API version, with `{id}` or `{name}` for what stands there.
    pub path: &'static str,
    /// The section it belongs to.
    pub section: Section,
    /// A proxy's variable that opens this call alone.
    pub alone: Option<&'static str>,
    /// What it is made for.
    pub features: &'static [Feature],
}

impl EngineCall {
    /// Whether it changes something: socket proxies ask for one more variable then.
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// What a socket proxy has to be given for it.
    pub fn needs(&self) -> String {
        let section = self.section.variable();
        match (self.changes(), self.alone) {
            (false, _) => format!("{section}=1"),
            (true, None) => format!("{section}=1 and POST=1"),
            (true, Some(alone)) => format!("{section}=1 and POST=1 (or {alone}=1)"),
        }
    }

    /// The call that this is; `path` without its query, with or without a version.
    pub fn find(method: &str, path: &str) -> Option<&'static Self> {
        let path = unversioned(path);
        let mut fitting = CALLS.iter().filter(|call| call.method == method);
        // A path without a name is itself: `/images/prune` is no image.
        fitting.clone().find(|call| call.path == path).or_else(|| fitting.find(|call| call.names(path)))
    }

    /// Whether the path is this one with some name in it.
    fn names(&self, path: &str) -> bool {
        let Some((before, rest)) = self.path.split_once('{') else { return false };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        // The name of an image is the one that has slashes.
        name.is_some_and(|name| !name.is_empty() && (before == "/images/" || !name.contains('/')))
    }
}

/// `GET /containers/{id}/json`
impl std::fmt::Display for EngineCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A path without `/v1.41` at its beginning.
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/'));
    match rest {
        Some((minor, rest)) if minor.bytes().all(|byte| byte.is_ascii_digit()) => &path[path.len() - rest.len() - 1..],
        _ => path,
    }
}

/// `Request METHOD "path" Section [or VARIABLE] for Feature…;`
macro_rules! calls {
    ($($request:ident $method:ident $path:literal $section:ident $(or $alone:ident)? for $($feature:ident)+;)+) => {
        /// All of them.
        pub const CALLS: &[EngineCall] = &[$(
            EngineCall {
                request: stringify!($request),
                method: stringify!($method),
                path: $path,
                section: Section::$section,
                alone: calls!(@alone $($alone)?),
                features: &[$(Feature::$feature),+],
            }
        ),+];

        /// Their places in the list.
        #[derive(Clone, Copy)]
        enum Place { $($request),+ }

        impl DockerRequest {
            /// What it is in HTTP, and what it is for.
            pub const fn call(&self) -> &'static EngineCall {
                let place = match self { $(Self::$request { .. } => Place::$request),+ };
                &CALLS[place as usize]
            }
        }
    };
    (@alone) => { None };
    (@alone $alone:ident) => { Some(stringify!($alone)) };
}

calls! {
    Version           GET    "/version"                    Version    for Registration;
    Info              GET    "/info"                       Info       for Registration;

    ContainerList     GET    "/containers/json"            Containers for ContainerList Events Images Volumes Updates;
    ContainerInspect  GET    "/containers/{id}/json"       Containers for OwnContainer ContainerList Events Logs Operations Shells Updates;
    ContainerCreate   POST   "/containers/create"          Containers for Creation Updates;
    ContainerStart    POST   "/containers/{id}/start"      Containers or ALLOW_START for Operations Updates;
    ContainerStop     POST   "/containers/{id}/stop"       Containers or ALLOW_STOP for Operations Updates;
    ContainerRestart  POST   "/containers/{id}/restart"    Containers or ALLOW_RESTARTS for Operations;
    ContainerKill     POST   "/containers/{id}/kill"       Containers or ALLOW_RESTARTS for Operations;
    ContainerPause    POST   "/containers/{id}/pause"      Containers for Operations Updates;
    ContainerUnpause  POST   "/containers/{id}/unpause"    Containers for Operations Updates;
    ContainerRemove   DELETE "/containers/{id}"            Containers for Operations Updates;
    ContainerRename   POST   "/containers/{id}/rename"     Containers for Operations Updates;
    ContainerUpdate   POST   "/containers/{id}/update"     Containers for Updates;
    ExecCreate        POST   "/containers/{id}/exec"       Containers for Shells;
    ExecStart         POST   "/exec/{id}/start"            Exec       for Shells;
    ExecResize        POST   "/exec/{id}/resize"           Exec       for Shells;
    ExecInspect       GET    "/exec/{id}/json"             Exec       for Shells;
    ContainerLogs     GET    "/containers/{id}/logs"       Containers for Logs;
    ContainerStats    GET    "/containers/{id}/stats"      Containers for Statistics;
    Events            GET    "/events"                     Events     for Events;

    ImageList         GET    "/images/json"                Images     for Images;
    ImageInspect      GET    "/images/{name}/json"         Images     for Digests Images Updates;
    ImagePull         POST   "/images/create"              Images     for Pulls Updates;
    ImageRemove       DELETE "/images/{name}"              Images     for Images;
    ImagePrune        POST   "/images/prune"               Images     for Images;

    NetworkList       GET    "/networks"                   Networks   for HostAddresses Networks;
    NetworkInspect    GET    "/networks/{id}"              Networks   for EngineStart Networks;
    NetworkCreate     POST   "/networks/create"            Networks   for Networks;
    NetworkRemove     DELETE "/networks/{id}"              Networks   for Networks;
    NetworkConnect    POST   "/networks/{id}/connect"      Networks   for Updates;
    NetworkDisconnect POST   "/networks/{id}/disconnect"   Networks   for Networks;
    NetworkPrune      POST   "/networks/prune"             Networks   for Networks;

    VolumeList        GET    "/volumes"                    Volumes    for Volumes;
    VolumeCreate      POST   "/volumes/create"             Volumes    for Volumes;
    VolumeRemove      DELETE "/volumes/{name}"             Volumes    for Volumes;
    VolumePrune       POST   "/volumes/prune"              Volumes    for Volumes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ContainerId;

    #[test]
    fn a_request_finds_its_call() {
        let id = ContainerId::new("web");
        assert_eq!(DockerRequest::ContainerPause { id }.call().to_string(), "POST /containers/{id}/pause");
        assert_eq!(DockerRequest::Version.call().request, "Version");
        let prune = DockerRequest::VolumePrune { all_filter: true };
        assert_eq!(prune.call().to_string(), "POST /volumes/prune");
    }

    #[test]
    fn a_path_finds_its_call() {
        let found = |method: &str, path: &str| EngineCall::find(method, path).map(|call| call.request);
        for (method, path, request) in [
            ("GET", "/version", "Version"),
            ("GET", "/v1.41/containers/json", "ContainerList"),
            ("GET", "/v1.41/containers/web/json", "ContainerInspect"),
            ("POST", "/containers/a%2Fb/stop", "ContainerStop"),
            ("DELETE", "/v1.24/containers/v1.2", "ContainerRemove"),
            ("GET", "/v1.41/images/json", "ImageList"),
            ("GET", "/v1.41/images/localhost:5000/a/b/json", "ImageInspect"),
            ("DELETE", "/images/a/b:1", "ImageRemove"),
            ("POST", "/images/prune", "ImagePrune"),
            ("GET", "/networks/bridge", "NetworkInspect"),
            ("POST", "/networks/prune", "NetworkPrune"),
        ] {
            assert_eq!(found(method, path), Some(request), "{method} {path}");
        }
        for (method, path) in [("PUT", "/version"), ("GET", "/swarm"), ("GET", "/containers//json"), ("GET", "")] {
            assert_eq!(found(method, path), None, "{method} {path}");
        }
        for call in CALLS {
            let path = call.path.replace("{id}", "x1").replace("{name}", "x1");
            assert_eq!(EngineCall::find(call.method, &path), Some(call), "{path}");
        }
    }

    #[test]
    fn what_a_proxy_has_to_allow() {
        let needs = |method: &str, path: &str| EngineCall::find(method, path).unwrap().needs();
        assert_eq!(needs("GET", "/events"), "EVENTS=1");
        assert_eq!(needs("POST", "/volumes/prune"), "VOLUMES=1 and POST=1");
        assert_eq!(needs("POST", "/containers/a/start"), "CONTAINERS=1 and POST=1 (or ALLOW_START=1)");
    }

    #[test]
    fn the_section_is_the_paths_first_component() {
        for call in CALLS {
            let first = call.path.split('/').nth(1).unwrap();
            assert_eq!(call.section.variable(), first.to_ascii_uppercase(), "{call}");
            assert!(!call.features.is_empty(), "{call}");
        }
    }
}
