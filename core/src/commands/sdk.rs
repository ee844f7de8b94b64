//! The Python Docker SDK's names for a new container, as the engine's own. A pure function.
//!
//! What it does not know is an error that names it: a setting that is silently left out would be worse.

use serde_json::{Map, Value, json};

/// What cannot be translated, by the SDK's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SdkError {
    #[error("config.{0} is not known")]
    Unknown(String),
    #[error("config.{0}: {1}")]
    Wrong(String, &'static str),
    #[error("config.image is missing")]
    NoImage,
}

/// Translates `config`; `name` is passed over.
pub(super) fn body(config: Map<String, Value>) -> Result<Map<String, Value>, SdkError> {
    let mut body = Body::default();
    for (key, value) in config {
        if !value.is_null() {
            body.set(&key, value)?;
        }
    }
    body.finish()
}

#[derive(Default)]
struct Body {
    top: Map<String, Value>,
    host: Map<String, Value>,
    network: Option<String>,
}

impl Body {
    fn set(&mut self, key: &str, value: Value) -> Result<(), SdkError> {
        let wrong = |expected| SdkError::Wrong(key.to_owned(), expected);
        match key {
            // Not the engine's: the SDK's own ways of running.
            "name" | "detach" | "remove" | "stdout" | "stderr" | "stream" => {}
            "image" => self.top("Image", value),
            "command" => self.top("Cmd", words(value).ok_or_else(|| wrong("a text or a list"))?),
            "entrypoint" => self.top("Entrypoint", words(value).ok_or_else(|| wrong("a text or a list"))?),
            "environment" => self.top("Env", pairs(value, '=').ok_or_else(|| wrong("an object or a list"))?),
            "labels" => self.top("Labels", labels(value).ok_or_else(|| wrong("an object or a list"))?),
            "hostname" => self.top("Hostname", value),
            "domainname" => self.top("Domainname", value),
            "user" => self.top("User", Value::from(text(&value))),
            "working_dir" => self.top("WorkingDir", value),
            "tty" => self.top("Tty", value),
            "stdin_open" => self.top("OpenStdin", value),
            "stop_signal" => self.top("StopSignal", value),
            "mac_address" => self.top("MacAddress", value),
            "healthcheck" => self.top("Healthcheck", capitals(value).ok_or_else(|| wrong("an object"))?),
            "ports" => self.ports(value).ok_or_else(|| wrong("an object of container to host ports"))?,
            "volumes" => self.volumes(value).ok_or_else(|| wrong("an object or a list"))?,
            "network" => self.network = Some(value.as_str().ok_or_else(|| wrong("a text"))?.to_owned()),
            "restart_policy" => {
                self.host("RestartPolicy", restart_policy(value).ok_or_else(|| wrong("an object or a text"))?)
            }
            "extra_hosts" => self.host("ExtraHosts", pairs(value, ':').ok_or_else(|| wrong("an object or a list"))?),
            "sysctls" => self.host("Sysctls", labels(value).ok_or_else(|| wrong("an object or a list"))?),
            "tmpfs" => self.host("Tmpfs", labels(value).ok_or_else(|| wrong("an object or a list"))?),
            "devices" => self.host("Devices", devices(value).ok_or_else(|| wrong("a list of host:container:rwm"))?),
            "ulimits" => self.host("Ulimits", each_capitals(value).ok_or_else(|| wrong("a list of objects"))?),
            "log_config" => self.host("LogConfig", capitals(value).ok_or_else(|| wrong("an object"))?),
            "mounts" => self.host("Mounts", each_capitals(value).ok_or_else(|| wrong("a list of objects"))?),
            "mem_limit" => self.host("Memory", bytes(&value).ok_or_else(|| wrong("bytes, or 512m"))?),
            "memswap_limit" => self.host("MemorySwap", bytes(&value).ok_or_else(|| wrong("bytes, or 512m"))?),
            "mem_reservation" => self.host("MemoryReservation", bytes(&value).ok_or_else(|| wrong("bytes, or 512m"))?),
            "shm_size" => self.host("ShmSize", bytes(&value).ok_or_else(|| wrong("bytes, or 512m"))?),
            _ => match HOST_NAMES.iter().find(|(sdk, _)| *sdk == key) {
                Some((_, engine)) => self.host(engine, value),
                None => return Err(SdkError::Unknown(key.to_owned())),
            },
        }
        Ok(())
    }

    fn top(&mut self, key: &str, value: Value) {
        self.top.insert(key.to_owned(), value);
    }

    fn host(&mut self, key: &str, value: Value) {
        self.host.insert(key.to_owned(), value);
    }

    /// `{"80/tcp": 8080 | "8080" | ["127.0.0.1", 8080] | [8080, 8081] | null}`
    fn ports(&mut self, value: Value) -> Option<()> {
        let (mut exposed, mut bindings) = (Map::new(), Map::new());
        for (port, host) in value.as_object()? {
            let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
            let binding = |port: &Value| json!({"HostIp": "", "HostPort": text(port)});
            let bound = match host {
                Value::Null => vec![json!({"HostIp": "", "HostPort": ""})],
                Value::Array(list) => match list.as_slice() {
                    [Value::String(ip), port] if ip.contains(['.', ':']) => {
                        vec![json!({"HostIp": ip, "HostPort": text(port)})]
                    }
                    ports => ports.iter().map(binding).collect(),
                },
                port => vec![binding(port)],
            };
            exposed.insert(port.clone(), json!({}));
            bindings.insert(port, bound.into());
        }
        self.top("ExposedPorts", exposed.into());
        self.host("PortBindings", bindings.into());
        Some(())
    }

    /// `{"/host" or "name": {"bind": "/in", "mode": "rw"}}`, or `["/host:/in:ro"]`
    fn volumes(&mut self, value: Value) -> Option<()> {
        let binds = match value {
            Value::Array(list) => list,
            Value::Object(map) => map
                .iter()
                .map(|(source, target)| {
                    let bind = target.as_str().or_else(|| target.get("bind")?.as_str())?;
                    let mode = target.get("mode").and_then(Value::as_str).unwrap_or("rw");
                    Some(format!("{source}:{bind}:{mode}").into())
                })
                .collect::<Option<Vec<Value>>>()?,
            _ => return None,
        };
        self.host("Binds", binds.into());
        Some(())
    }

    fn finish(mut self) -> Result<Map<String, Value>, SdkError> {
        if self.top.get("Image").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(SdkError::NoImage);
        }
        if let Some(network) = self.network {
            self.host.entry("NetworkMode").or_insert_with(|| network.into());
        }
        self.top.insert("HostConfig".to_owned(), self.host.into());
        Ok(self.top)
    }
}

/// Names whose values are the engine's already.
const HOST_NAMES: [(&str, &str); 31] = [
    ("auto_remove", "AutoRemove"),
    ("cap_add", "CapAdd"),
    ("cap_drop", "CapDrop"),
    ("cgroup_parent", "CgroupParent"),
    ("cpu_period", "CpuPeriod"),
    ("cpu_quota", "CpuQuota"),
    ("cpu_shares", "CpuShares"),
    ("cpuset_cpus", "CpusetCpus"),
    ("cpuset_mems", "CpusetMems"),
    ("dns", "Dns"),
    ("dns_opt", "DnsOptions"),
    ("dns_search", "DnsSearch"),
    ("group_add", "GroupAdd"),
    ("init", "Init"),
    ("ipc_mode", "IpcMode"),
    ("links", "Links"),
    ("nano_cpus", "NanoCpus"),
    ("network_mode", "NetworkMode"),
    ("oom_kill_disable", "OomKillDisable"),
    ("oom_score_adj", "OomScoreAdj"),
    ("pid_mode", "PidMode"),
    ("pids_limit", "PidsLimit"),
    ("privileged", "Privileged"),
    ("publish_all_ports", "PublishAllPorts"),
    ("read_only", "ReadonlyRootfs"),
    ("runtime", "Runtime"),
    ("security_opt", "SecurityOpt"),
    ("storage_opt", "StorageOpt"),
    ("userns_mode", "UsernsMode"),
    ("uts_mode", "UTSMode"),
    ("volumes_from", "VolumesFrom"),
];

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A command: a list as it is, a text split as a shell would without expanding anything.
fn words(value: Value) -> Option<Value> {
    match value {
        Value::Array(_) => Some(value),
        Value::String(text) => split(&text).map(Value::from),
        _ => None,
    }
}

/// Words by white space, with single and double quotes and backslashes. `None` for a quote that does not end.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// `{"A": "1"}` as `["A=1"]`; a list as it is.
fn pairs(value: Value, between: char) -> Option<Value> {
    match value {
        Value::Array(_) => Some(value),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| match value {
                Value::Null => key.clone(),
                value => format!("{key}{between}{}", text(value)),
            };
            Some(map.iter().map(pair).collect::<Vec<_>>().into())
        }
        _ => None,
    }
}

/// `["a"]` as `{"a": ""}`; an object with its values as texts.
fn labels(value: Value) -> Option<Value> {
    let map: Map<String, Value> = match value {
        Value::Array(list) => {
            list.iter().map(|label| Some((label.as_str()?.to_owned(), "".into()))).collect::<Option<_>>()?
        }
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, text(&value).into())).collect(),
        _ => return None,
    };
    Some(map.into())
}

/// `{"Name": …, "MaximumRetryCount": …}`, or just the name.
fn restart_policy(value: Value) -> Option<Value> {
    match value {
        Value::String(name) => Some(json!({"Name": name})),
        value => capitals(value),
    }
}

fn devices(value: Value) -> Option<Value> {
    let device = |device: &Value| {
        let mut parts = device.as_str()?.split(':');
        let host = parts.next()?;
        let (inside, permissions) = (parts.next().unwrap_or(host), parts.next().unwrap_or("rwm"));
        Some(json!({"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions}))
    };
    value.as_array()?.iter().map(device).collect::<Option<Vec<_>>>().map(Value::from)
}

/// An object whose keys begin with capitals, as the engine spells them: `max_retries` is `MaxRetries`.
fn capitals(value: Value) -> Option<Value> {
    let Value::Object(map) = value else { return None };
    let capital = |key: &str| -> String {
        let word = |word: &str| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        };
        key.split('_').map(word).collect()
    };
    Some(map.into_iter().map(|(key, value)| (capital(&key), value)).collect::<Map<_, _>>().into())
}

fn each_capitals(value: Value) -> Option<Value> {
    let Value::Array(list) = value else { return None };
    list.into_iter().map(capitals).collect::<Option<Vec<_>>>().map(Value::from)
}

/// A number of bytes, or a text such as `512m`, `1.5g`, `64kb`, with the SDK's binary units.
fn bytes(value: &Value) -> Option<Value> {
    if value.is_number() {
        return Some(value.clone());
    }
    let text = value.as_str()?.trim().to_ascii_lowercase();
    let number = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let factor = match text[number.len()..].trim_end_matches('b') {
        "" => 1_u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (-1.0..1e15).contains(&number).then(|| Value::from((number * factor as f64) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(config: Value) -> Result<Value, SdkError> {
        let Value::Object(config) = config else { panic!() };
        body(config).map(Value::from)
    }

    #[test]
    fn the_settings_people_use() {
        let body = translated(json!({
            "image": "demo:1", "name": "web", "command": "sh -c 'sleep 1; echo \"a b\"'", "detach": true,
            "environment": {"A": "1", "N": 2}, "labels": ["plain"], "restart_policy": {"Name": "always"},
            "ports": {"80/tcp": 8080, "53/udp": ["127.0.0.1", 5353], "90": null, "91": [9100, 9101]},
            "volumes": {"data": {"bind": "/data", "mode": "ro"}}, "network": "net", "mem_limit": "512m",
            "devices": ["/dev/fuse"], "cap_add": ["NET_ADMIN"], "hostname": null,
        }))
        .unwrap();
        assert_eq!(body["Cmd"], json!(["sh", "-c", "sleep 1; echo \"a b\""]));
        assert_eq!(body["Env"], json!(["A=1", "N=2"]));
        assert_eq!(body["Labels"], json!({"plain": ""}));
        assert_eq!(body["ExposedPorts"].as_object().unwrap().len(), 4);
        let host = &body["HostConfig"];
        assert_eq!(host["PortBindings"]["80/tcp"], json!([{"HostIp": "", "HostPort": "8080"}]));
        assert_eq!(host["PortBindings"]["53/udp"], json!([{"HostIp": "127.0.0.1", "HostPort": "5353"}]));
        assert_eq!(host["PortBindings"]["91/tcp"][1]["HostPort"], "9101");
        assert_eq!(host["Binds"], json!(["data:/data:ro"]));
        assert_eq!((&host["NetworkMode"], &host["Memory"]), (&json!("net"), &json!(536_870_912)));
        assert_eq!(host["RestartPolicy"], json!({"Name": "always"}));
        assert_eq!(host["Devices"][0]["PathInContainer"], "/dev/fuse");
        assert!(body.get("Hostname").is_none() && body.get("name").is_none());
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        assert_eq!(translated(json!({"image": "a", "colour": 1})), Err(SdkError::Unknown("colour".into())));
        assert_eq!(translated(json!({"name": "a"})), Err(SdkError::NoImage));
        let error = translated(json!({"image": "a", "ports": 80})).unwrap_err();
        assert!(matches!(error, SdkError::Wrong(key, _) if key == "ports"));
    }

    #[test]
    fn sizes_and_words() {
        assert_eq!(bytes(&json!("1.5g")), Some(json!(1_610_612_736)));
        assert_eq!(bytes(&json!("64kb")), Some(json!(65_536)));
        assert_eq!(bytes(&json!(7)), Some(json!(7)));
        assert_eq!(bytes(&json!("-1")), Some(json!(-1)));
        assert_eq!(bytes(&json!("lots")), None);
        assert_eq!(split(r#"a\ b "" 'c d'"#), Some(vec!["a b".into(), String::new(), "c d".into()]));
        assert_eq!(split("'open"), None);
    }
}
