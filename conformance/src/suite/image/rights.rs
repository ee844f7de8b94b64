//! Who the agent in the image is, seen from the host, and what it needs for that.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::site::{Agent, Site, mount, on_docker, set};
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::Engine;

scenarios! {
    "12": as_a_user_without_any_right,
    "12": started_as_that_user,
    "12": root_where_it_is_wanted,
    "2": the_volume_of_an_agent_that_was_root_and_back,
    "2": a_folder_that_belongs_to_somebody_else,
}

/// All that a new volume needs.
const LEAST: [&str; 2] = ["SETUID", "SETGID"];

/// The group that may use the engine's socket.
fn group(engine: &Engine) -> u32 {
    fs::metadata(&engine.socket).unwrap().gid()
}

fn capabilities(body: &mut Value, add: &[&str]) {
    body["HostConfig"]["CapDrop"] = json!(["ALL"]);
    body["HostConfig"]["CapAdd"] = json!(add);
}

/// It is user 1000 with one more group, and has nothing that root has.
#[track_caller]
fn nobody(agent: &Agent<'_>, engine: &Engine) {
    for (name, is) in [
        ("Uid", "1000 1000 1000 1000".to_owned()),
        ("Gid", "1000 1000 1000 1000".to_owned()),
        ("NoNewPrivs", "1".to_owned()),
    ] {
        assert_eq!(agent.status(name), is, "{name}");
    }
    // Docker puts the user's own among them, where it sets the user.
    let groups = agent.status("Groups");
    let groups: Vec<u32> =
        groups.split(' ').map(|group| group.parse().unwrap()).filter(|group| *group != 1000).collect();
    assert_eq!(groups, [group(engine)]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(agent.status(set), "0000000000000000", "{set}");
    }
}

fn as_a_user_without_any_right() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        // As most people start it, and its volume is then one of these.
        let agent = site.start("plain", &body);
        site.wait_registrations(1);
        nobody(&agent, engine);
        assert_eq!(agent.status("CapBnd"), "0000000000000000");
        agent.stop();
        capabilities(&mut body, &LEAST);
        let agent = site.start("least", &body);
        site.wait_registrations(2);
        nobody(&agent, engine);
        assert_eq!(agent.exec("healthcheck"), 0);
        agent.stop();
        let ids: Vec<String> = site.server.registrations().into_iter().map(|one| one.host.agent_id).collect();
        assert_eq!(ids[0], ids[1]);
    });
}

fn started_as_that_user() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        capabilities(&mut body, &[]);
        body["User"] = json!("1000:1000");
        let without = site.start("without", &body);
        without.says(&["--group-add"]);
        body["HostConfig"]["GroupAdd"] = json!([group(engine).to_string()]);
        let agent = site.start("with", &body);
        site.wait_registrations(1);
        nobody(&agent, engine);
        agent.stop();
    });
}

fn root_where_it_is_wanted() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        set(&mut body, "AGENT_USER", "0");
        let agent = site.start("agent", &body);
        site.wait_registrations(1);
        assert_eq!(agent.status("Uid"), "0 0 0 0");
        agent.stop();
    });
}

/// The files of the agent that is replaced belong to root, and it is root again when people go back to it.
fn the_volume_of_an_agent_that_was_root_and_back() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let folder = data_of_root();
        let mut body = site.body();
        mount(&mut body, "/data", Some(&folder.path().join("data").display().to_string()));
        let mut as_root = body.clone();
        set(&mut as_root, "AGENT_USER", "0");
        let root = site.start("root", &as_root);
        site.wait_registrations(1);
        root.stop();
        let token = folder.path().join("data/permanent_token");
        assert_eq!(fs::metadata(&token).unwrap().uid(), 0);
        for (name, registrations, body) in [("agent", 2, &body), ("again", 3, &as_root)] {
            let agent = site.start(name, body);
            site.wait_registrations(registrations);
            agent.says(&["registered"]);
            agent.stop();
        }
        let all = site.server.registrations();
        assert!(all.iter().all(|one| one.host.agent_id == all[0].host.agent_id));
        assert_eq!(all.iter().map(|one| one.permanent).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(fs::read_to_string(folder.path().join("data/cleanup.json")).unwrap(), "{}");
        let stacks = folder.path().join("data/stacks/shop/database");
        assert_eq!(fs::metadata(stacks).unwrap().uid(), 999, "other people's data");
    });
}

/// What lies in the data folder of the agent that DockMon has.
fn data_of_root() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("data");
    fs::create_dir_all(data.join("stacks/shop")).unwrap();
    for file in ["update.lock", "cleanup.json", "stacks/shop/database"] {
        fs::write(data.join(file), "{}").unwrap();
    }
    std::os::unix::fs::chown(data.join("stacks/shop/database"), Some(999), Some(999)).unwrap();
    folder
}

fn a_folder_that_belongs_to_somebody_else() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        let belongs_to = |user: u32| std::os::unix::fs::chown(&folder, Some(user), Some(user)).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(folder.join("update.lock"), "").unwrap();
        belongs_to(1234);
        let mut body = site.body();
        mount(&mut body, "/data", Some(&folder.display().to_string()));
        capabilities(&mut body, &LEAST);
        site.start("without", &body).refuses(&["DATA_PATH", "--cap-add CHOWN"]);
        capabilities(&mut body, &[LEAST[0], LEAST[1], "CHOWN"]);
        let agent = site.start("with", &body);
        site.wait_registrations(1);
        nobody(&agent, engine);
        eventually("the token", || folder.join("permanent_token").exists().then_some(()));
        agent.stop();
        assert_eq!(fs::metadata(&folder).unwrap().uid(), 1000);
        for file in ["permanent_token", "update.lock"] {
            assert_eq!(fs::metadata(folder.join(file)).unwrap().uid(), 1000, "{file}");
        }
    });
}
