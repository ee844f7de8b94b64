//! What the engine says of itself.

use serde_json::{Value, json};

use super::time::rfc3339;
use super::{ApiVersion, EngineError, Model, Nanos, Status};

impl Model {
    /// Whether this engine lets a client of this version in. Podman lets in any.
    pub fn check_version(&self, asked: ApiVersion) -> Result<(), EngineError> {
        let (min, max) = (self.profile.min_api, self.profile.api);
        if self.podman() {
            return Ok(());
        }
        if asked < min {
            let text = format!(
                "client version {asked} is too old. Minimum supported API version is {min}, please upgrade your client to a newer version"
            );
            return Err(EngineError::new(400, text));
        }
        if asked > max {
            let text = format!("client version {asked} is too new. Maximum supported API version is {max}");
            return Err(EngineError::new(400, text));
        }
        Ok(())
    }

    /// The `Server` header.
    pub fn server_header(&self) -> String {
        let name = if self.podman() { "Libpod" } else { "Docker" };
        format!("{name}/{} (linux)", self.profile.version)
    }

    /// `GET /version`
    pub fn version(&self) -> Value {
        let p = &self.profile;
        let (api, min, built) = (p.api.to_string(), p.min_api.to_string(), "2026-05-07T21:09:36.000000000+00:00");
        if self.podman() {
            return json!({
                "Platform": { "Name": "linux/amd64/debian-12" },
                "Components": [
                    {
                        "Name": "Podman Engine", "Version": p.version,
                        "Details": {
                            "APIVersion": p.version, "Arch": "amd64", "BuildTime": "1970-01-01T00:00:00Z",
                            "Experimental": "false", "GitCommit": "", "GoVersion": "go1.19.8",
                            "KernelVersion": p.kernel, "MinAPIVersion": "4.0.0", "Os": "linux",
                        },
                    },
                    { "Name": "Conmon", "Version": "conmon version 2.1.6, commit: unknown", "Details": { "Package": "conmon_2.1.6" } },
                    { "Name": "OCI Runtime (runc)", "Version": "runc version 1.1.5", "Details": { "Package": "runc_1.1.5" } },
                ],
                "Version": p.version, "ApiVersion": api, "MinAPIVersion": min, "GitCommit": "", "GoVersion": "go1.19.8",
                "Os": "linux", "Arch": "amd64", "KernelVersion": p.kernel, "BuildTime": "1970-01-01T00:00:00Z",
            });
        }
        json!({
            "Platform": { "Name": "" },
            "Components": [
                {
                    "Name": "Engine", "Version": p.version,
                    "Details": {
                        "ApiVersion": api, "Arch": "amd64", "BuildTime": built, "Experimental": "false",
                        "GitCommit": "0000000", "GoVersion": "go1.24.4", "KernelVersion": p.kernel,
                        "MinAPIVersion": min, "Os": "linux",
                    },
                },
                { "Name": "containerd", "Version": "1.7.24", "Details": { "GitCommit": "1.7.24" } },
                { "Name": "runc", "Version": "1.1.15", "Details": { "GitCommit": "1.1.15" } },
                { "Name": "docker-init", "Version": "0.19.0", "Details": { "GitCommit": "" } },
            ],
            "Version": p.version, "ApiVersion": api, "MinAPIVersion": min, "GitCommit": "0000000",
            "GoVersion": "go1.24.4", "Os": "linux", "Arch": "amd64", "KernelVersion": p.kernel, "BuildTime": built,
        })
    }

    /// `GET /info`; Podman makes up a new `ID` every time.
    pub fn info(&mut self, now: Nanos) -> Value {
        let id = if self.podman() { self.ids.uuid() } else { self.engine_id.clone() };
        let count = |status: Status| self.containers.values().filter(|c| c.status == status).count();
        let p = &self.profile;
        let driver = if self.podman() { "overlay" } else { "overlay2" };
        let cgroups = if p.cgroup_v2 { "2" } else { "1" };
        let mut info = json!({
            "ID": id, "Containers": self.containers.len(), "ContainersRunning": count(Status::Running),
            "ContainersPaused": count(Status::Paused),
            "ContainersStopped": count(Status::Exited) + count(Status::Created), "Images": self.images.len(),
            "Driver": driver, "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
            "Plugins": {
                "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
                "Authorization": null, "Log": ["json-file", "local", "journald"],
            },
            "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
            "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "BridgeNfIptables": true,
            "BridgeNfIp6tables": true, "Debug": false, "NFd": 26, "OomKillDisable": true, "NGoroutines": 39,
            "SystemTime": rfc3339(now), "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs",
            "CgroupVersion": cgroups, "NEventsListener": 0, "KernelVersion": p.kernel,
        });
        let rest = json!({
            "OperatingSystem": p.operating_system, "OSVersion": "13", "OSType": "linux",
            "Architecture": if self.podman() { "amd64" } else { "x86_64" },
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": { "InsecureRegistryCIDRs": ["127.0.0.0/8"], "IndexConfigs": {}, "Mirrors": [] },
            "NCPU": p.cpus, "MemTotal": p.memory, "GenericResources": null, "DockerRootDir": p.root, "HttpProxy": "",
            "HttpsProxy": "", "NoProxy": "", "Name": p.name, "Labels": [], "ExperimentalBuild": false,
            "ServerVersion": p.version, "Runtimes": { "runc": { "path": "runc" } }, "DefaultRuntime": "runc",
            "Swarm": {
                "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
                "RemoteManagers": null,
            },
            "LiveRestoreEnabled": false, "Isolation": "", "InitBinary": "docker-init",
            "ContainerdCommit": { "ID": "", "Expected": "" }, "RuncCommit": { "ID": "", "Expected": "" },
            "InitCommit": { "ID": "", "Expected": "" }, "SecurityOptions": ["name=seccomp,profile=builtin"],
            "Warnings": null,
        });
        if let (Some(info), Value::Object(rest)) = (info.as_object_mut(), rest) {
            info.extend(rest);
            info.insert("KernelMemoryTCP".into(), Value::from(!self.podman()));
            if !self.modern() {
                info.insert("KernelMemory".into(), Value::from(true));
            } else {
                info.insert("CDISpecDirs".into(), json!([]));
            }
            if self.podman() {
                info.insert("BuildahVersion".into(), json!("1.28.2"));
                info.insert("Rootless".into(), json!(false));
            }
        }
        info
    }
}
