//! What people forget when they start it: one clear line that says what to change.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::site::{Site, mount, on_docker, set, unset};
use crate::server::{DEFAULT_TOKEN, RegistrationToken, ServerOptions};

scenarios! {
    "12": what_is_forgotten_is_named,
    "12": what_cannot_be_used_is_named,
    "2": a_token_that_was_spent,
    "1": ws_to_a_port_with_tls,
}

fn what_is_forgotten_is_named() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        unset(&mut body, "DOCKMON_URL");
        site.start("url", &body).refuses(&["DOCKMON_URL is not set", "https://"]);

        let mut body = site.body();
        unset(&mut body, "REGISTRATION_TOKEN");
        site.start("token", &body).refuses(&["REGISTRATION_TOKEN is not set", "Add host"]);

        let mut body = site.body();
        mount(&mut body, "/var/run/docker.sock", None);
        site.start("socket", &body).says(&["no engine socket", "-v /var/run/docker.sock:/var/run/docker.sock"]);

        let mut body = site.body();
        mount(&mut body, "/data", None);
        site.start("read-only", &body).refuses(&["DATA_PATH", "-v dockmon-agent-data:/data"]);
        body["HostConfig"]["ReadonlyRootfs"] = json!(false);
        let forgetful = site.start("volume", &body);
        forgetful.says(&["WARN", "DATA_PATH=/data is not on a volume", "-v dockmon-agent-data:/data"]);
    });
}

fn what_cannot_be_used_is_named() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        body["HostConfig"]["CapDrop"] = json!(["ALL"]);
        site.start("capabilities", &body)
            .refuses(&["--cap-add SETUID --cap-add SETGID", "--user 1000:1000 --group-add"]);

        let mut body = site.body();
        set(&mut body, "AGENT_USER", "dockmon");
        site.start("user", &body).refuses(&["AGENT_USER=\"dockmon\"", "1000:1000"]);

        // Root's own socket, as Podman's may be.
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("engine.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let mut body = site.body();
        mount(&mut body, "/var/run/docker.sock", Some(&path.display().to_string()));
        site.start("closed", &body).refuses(&["mode 600", "-e AGENT_USER=0"]);

        // Docker makes a folder of a source that is missing.
        let mut body = site.body();
        mount(&mut body, "/var/run/docker.sock", Some(&place.path().join("none").display().to_string()));
        site.start("folder", &body).says(&["/var/run/docker.sock", "folder"]);

        let folder = place.path().join("data");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let mut body = site.body();
        mount(&mut body, "/data", Some(&folder.display().to_string()));
        body["User"] = json!("1000:1000");
        site.start("owner", &body).says(&["/data", "ermission denied", "owner"]);
    });
}

fn a_token_that_was_spent() {
    on_docker(|engine| {
        let once = ServerOptions::default().tokens([RegistrationToken::single(DEFAULT_TOKEN)]);
        let site = Site::with(engine, once);
        let agent = site.start("agent", &site.body());
        site.wait_registrations(1);
        agent.stop();
        let mut body = site.body();
        mount(&mut body, "/data", Some(&site.objects.name("other")));
        let late = site.start("late", &body);
        let line = late.says(&["was used before", "make a new one in DockMon"]);
        assert!(!line.contains(DEFAULT_TOKEN));
    });
}

fn ws_to_a_port_with_tls() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        set(&mut body, "DOCKMON_URL", &format!("ws://dockmon.test:{}", site.server.address().port()));
        site.start("agent", &body).says(&["check DOCKMON_URL", "wss:// for a TLS port"]);
    });
}
