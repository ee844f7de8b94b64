//! Containers as an inspect shows them.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::time::rfc3339;
use super::{ApiVersion, Container, EngineError, Flavour, Model, Status};

/// The fields of a host configuration that nobody asked for, as engines fill them.
const HOST_CONFIG: &str = r#"{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":{}},
"NetworkMode":"default","PortBindings":null,"RestartPolicy":{"Name":"","MaximumRetryCount":0},"AutoRemove":false,
"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"private",
"Dns":null,"DnsOptions":null,"DnsSearch":null,"ExtraHosts":null,"GroupAdd":null,"IpcMode":"private","Cgroup":"",
"Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,
"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"runc","Isolation":"","CpuShares":0,
"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":null,"BlkioDeviceReadBps":null,
"BlkioDeviceWriteBps":null,"BlkioDeviceReadIOps":null,"BlkioDeviceWriteIOps":null,"CpuPeriod":0,"CpuQuota":0,
"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":null,"DeviceCgroupRules":null,
"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":null,"OomKillDisable":false,
"PidsLimit":null,"Ulimits":null,"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,
"MaskedPaths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list",
"/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],
"ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}"#;

/// Likewise of a configuration.
const CONFIG: &str = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,
"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,
"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{}}"#;

/// The part of the network settings that repeats the default bridge; gone with API 1.52.
const LEGACY_NETWORK: &str = r#"{"Bridge":"","HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,
"SecondaryIPAddresses":null,"SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"",
"GlobalIPv6PrefixLen":0,"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":""}"#;

static HOST_CONFIG_DEFAULT: LazyLock<Map<String, Value>> = LazyLock::new(|| object(HOST_CONFIG));
static CONFIG_DEFAULT: LazyLock<Map<String, Value>> = LazyLock::new(|| object(CONFIG));
static LEGACY_NETWORK_DEFAULT: LazyLock<Map<String, Value>> = LazyLock::new(|| object(LEGACY_NETWORK));

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

impl Model {
    /// `GET /containers/{id}/json`
    pub fn inspect_container(&self, reference: &str, api: ApiVersion) -> Result<Value, EngineError> {
        let c = self.container(reference)?;
        let mut words = super::create::strings(&c.config["Entrypoint"]);
        let mut args: Vec<&str> = words.by_ref().chain(super::create::strings(&c.config["Cmd"])).collect();
        let path = if args.is_empty() { "" } else { args.remove(0) };
        let (root, id) = (&self.profile.root, &c.id);
        let file = |name: &str| match c.started_at {
            0 => String::new(),
            _ => format!("{root}/containers/{id}/{name}"),
        };
        let driver = if self.podman() { "overlay" } else { "overlay2" };
        let layer = |part: &str| format!("{root}/{driver}/{id}{part}");
        let exec_ids = match self.exec_ids(id).as_slice() {
            [] if !self.podman() => Value::Null,
            ids => json!(ids),
        };
        let mut inspect = json!({
            "Id": id, "Created": rfc3339(c.created), "Path": path, "Args": args, "State": self.state_json(c),
            "Image": c.image_id, "ResolvConfPath": file("resolv.conf"), "HostnamePath": file("hostname"),
            "HostsPath": file("hosts"), "LogPath": file(&format!("{id}-json.log")), "Name": c.slashed,
            "RestartCount": c.restarts, "Driver": driver, "Platform": "linux", "MountLabel": "", "ProcessLabel": "",
            "AppArmorProfile": "", "ExecIDs": exec_ids, "HostConfig": self.host_config_json(c),
            "GraphDriver": {
                "Data": {
                    "LowerDir": layer("-init/diff"), "MergedDir": layer("/merged"), "UpperDir": layer("/diff"),
                    "WorkDir": layer("/work"),
                },
                "Name": driver,
            },
            "Mounts": self.mounts_json(c, false), "Config": self.config_json(c),
            "NetworkSettings": self.network_settings(c, api),
        });
        if self.podman() {
            inspect["SizeRootFs"] = json!(0);
        }
        Ok(inspect)
    }

    fn state_json(&self, c: &Container) -> Value {
        let mut state = json!({
            "Status": c.status.as_str(), "Running": c.alive(), "Paused": c.status == Status::Paused,
            "Restarting": false, "OOMKilled": false, "Dead": false, "Pid": c.pid, "ExitCode": c.exit_code, "Error": c.error,
            "StartedAt": rfc3339(c.started_at), "FinishedAt": rfc3339(c.finished_at),
        });
        match (&c.health, self.profile.flavour) {
            (Some(health), _) => {
                let streak = u32::from(health == "unhealthy");
                state["Health"] = json!({ "Status": health, "FailingStreak": streak, "Log": [] });
            }
            (None, Flavour::Podman) => state["Health"] = json!({ "Status": "", "FailingStreak": 0, "Log": null }),
            (None, Flavour::Docker) => {}
        }
        state
    }

    fn host_config_json(&self, c: &Container) -> Value {
        let mut shown = HOST_CONFIG_DEFAULT.clone();
        if !self.modern() {
            shown.insert("KernelMemory".into(), json!(0));
            shown.insert("KernelMemoryTCP".into(), json!(0));
        }
        if self.podman() {
            for (key, value) in [("CapAdd", json!([])), ("CapDrop", json!([])), ("PidsLimit", json!(2048))] {
                shown.insert(key.into(), value);
            }
            shown.insert("IpcMode".into(), json!("shareable"));
            shown.insert("Runtime".into(), json!("oci"));
            shown.insert("MaskedPaths".into(), Value::Null);
            shown.insert("ReadonlyPaths".into(), Value::Null);
        }
        for (key, value) in c.body["HostConfig"].as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
            match (shown.get_mut(key), value) {
                // Half a policy gets its other half.
                (Some(Value::Object(own)), Value::Object(wanted)) => own.extend(wanted.clone()),
                _ => {
                    shown.insert(key.clone(), value.clone());
                }
            }
        }
        for binding in shown
            .get_mut("PortBindings")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(|ports| ports.values_mut())
            .filter_map(Value::as_array_mut)
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            for part in ["HostIp", "HostPort"] {
                binding.entry(part).or_insert_with(|| Value::from(""));
            }
        }
        shown.insert("NetworkMode".into(), Value::from(self.network_mode_shown(c)));
        Value::Object(shown)
    }

    fn config_json(&self, c: &Container) -> Value {
        let mut shown = CONFIG_DEFAULT.clone();
        for (key, value) in c.config.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
            shown.insert(key.clone(), value.clone());
        }
        if shown["Hostname"] == "" {
            let own = if c.network_mode() == "host" { &self.profile.name } else { c.short_id() };
            shown.insert("Hostname".into(), Value::from(own));
        }
        if self.podman() {
            shown.entry("StopSignal").or_insert_with(|| Value::from("15"));
            shown.entry("StopTimeout").or_insert_with(|| Value::from(0));
        }
        Value::Object(shown)
    }

    fn network_settings(&self, c: &Container, api: ApiVersion) -> Value {
        let networks = self.endpoints_json(c, api);
        let mut ports = json!({});
        if c.alive() {
            for key in c.config["ExposedPorts"].as_object().into_iter().flat_map(Map::keys) {
                ports[key] = Value::Null;
            }
            for (key, bindings) in c.host_config("PortBindings").and_then(Value::as_object).into_iter().flatten() {
                let mut open = Vec::new();
                for binding in bindings.as_array().into_iter().flatten() {
                    let ip = binding["HostIp"].as_str().unwrap_or_default();
                    for ip in if ip.is_empty() { vec!["0.0.0.0", "::"] } else { vec![ip] } {
                        open.push(
                            json!({ "HostIp": ip, "HostPort": binding["HostPort"].as_str().unwrap_or_default() }),
                        );
                    }
                }
                ports[key] = Value::from(open);
            }
        }
        let (sandbox, key) = match c.started_at {
            0 => (String::new(), String::new()),
            _ => (c.id.chars().rev().collect(), format!("/var/run/docker/netns/{}", c.short_id())),
        };
        let mut settings = Map::new();
        if api < ApiVersion::new(1, 52) {
            settings.clone_from(&LEGACY_NETWORK_DEFAULT);
            let first = if self.podman() { "podman" } else { "bridge" };
            for part in ["EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress"] {
                if let Some(value) = networks.get(first).and_then(|n| n.get(part)) {
                    settings.insert(part.into(), value.clone());
                }
            }
        }
        settings.insert("SandboxID".into(), Value::from(sandbox));
        settings.insert("SandboxKey".into(), Value::from(key));
        settings.insert("Ports".into(), ports);
        settings.insert("Networks".into(), networks);
        Value::Object(settings)
    }
}
