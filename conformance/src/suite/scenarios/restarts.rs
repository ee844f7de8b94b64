//! Engines that really restart: daemons of our own.

use rustix::process::Signal;
use serde_json::json;

use crate::server::ScriptedServer;
use crate::suite::support::agent::DEADLINE;
use crate::suite::support::daemon::Daemon;
use crate::suite::support::engines::{Engine, Kind, together};
use crate::suite::support::objects::{Objects, long_life};
use crate::suite::support::stage::Stage;

scenarios! {
    "11": daemons_that_restart_and_crash,
}

/// Waits until so many changes were told of each, and then some; gives the words of each.
#[track_caller]
fn wait_lives<const N: usize>(stage: &Stage<'_>, what: &str, ids: [(&str, usize); N]) -> [Vec<String>; N] {
    let words =
        |id: &str| stage.told().into_iter().filter(|told| told.id == id).map(|told| told.action).collect::<Vec<_>>();
    let whole = |_: &ScriptedServer| ids.iter().all(|(id, count)| words(id).len() >= *count).then_some(());
    let waiting = stage.server.wait_until(what, DEADLINE, whole);
    stage.server.block_on(waiting).unwrap_or_else(|error| panic!("{error}\n{:?}", stage.told()));
    // A repetition would come before this.
    let marker = stage.objects.create_long(&format!("marker{}", stage.server.frame_count()));
    stage.wait_told(&marker, &["create"]);
    ids.map(|(id, _)| words(id))
}

fn dockerd_restarts(kind: Kind) {
    let Some(mut daemon) = Daemon::docker(kind) else { return };
    let engine = daemon.engine();
    let stage = Stage::followed(&engine);
    let with_policy = |suffix: &str, policy: &str| {
        let mut body = long_life();
        body["HostConfig"]["RestartPolicy"] = json!({"Name": policy});
        let id = stage.objects.create(suffix, &body);
        stage.objects.start(&id);
        id
    };
    let (always, plain, ended) =
        (with_policy("always", "always"), with_policy("plain", "no"), stage.objects.run("ended"));
    stage.objects.end(&engine, &ended);
    for id in [&always, &plain] {
        stage.wait_told(id, &["create", "start"]);
    }
    stage.wait_told(&ended, &["create", "start", "die 7"]);

    daemon.end(Signal::TERM);
    stage.agent.wait_log(&["ERROR", "Cannot connect to the Docker daemon"]);
    daemon.start();
    let lives = wait_lives(&stage, "a restart", [(&always, 4), (&plain, 3), (&ended, 3)]);
    let once = ["create", "start", "die", "start"];
    assert_eq!(lives, [&once[..], &once[..3], &once[..3]], "{:?}", stage.told());
    stage.wait_sample_since(stage.server.frame_count(), &always);
    assert_eq!(stage.on("get_status", &always)["status"], "running");

    // Again, without a word: containers run on until the new daemon finds them.
    stage.objects.start(&plain);
    stage.wait_told_actions(&plain, &["create", "start", "die", "start"]);
    stage.objects.wait_ready(&always, 2);
    daemon.end(Signal::KILL);
    daemon.start();
    let lives = wait_lives(&stage, "a crash", [(&always, 6), (&plain, 5), (&ended, 3)]);
    let twice = ["create", "start", "die", "start", "die", "start"];
    assert_eq!(lives, [&twice[..], &twice[..5], &twice[..3]], "{:?}", stage.told());
    stage.wait_sample_since(stage.server.frame_count(), &always);
    assert_eq!(stage.server.registrations().len(), 1);
    stage.check();
    drop(stage);
}

fn daemons_that_restart_and_crash() {
    let restarts = [Kind::Docker20, Kind::Docker26, Kind::Podman].map(|kind| {
        let run = move || if kind == Kind::Podman { podmans_service_restarts() } else { dockerd_restarts(kind) };
        (format!("{kind:?}"), run)
    });
    together(restarts);
}

fn podmans_service_restarts() {
    let Some(mut daemon) = Daemon::podman() else { return };
    let engine = daemon.engine();
    let mut stage = Stage::followed(&engine);
    let shared = Engine::find(Kind::Podman).unwrap();
    // Podman's containers do not care for its service.
    let others = Objects::new(&shared);
    let id = others.run("a");
    let told = |words: &[&str]| {
        let of = |_: &ScriptedServer| {
            let frames = stage.server.events("container_event");
            let told = frames.iter().filter_map(|frame| crate::suite::support::told::Told::read(frame));
            let told: Vec<String> = told.filter(|told| told.id == id).map(|told| told.word()).collect();
            (told.len() >= words.len()).then_some(told)
        };
        let told = stage.server.block_on(stage.server.wait_until("its changes", DEADLINE, of)).unwrap();
        assert_eq!(told, words);
    };
    told(&["create", "start"]);
    stage.wait_sample_since(0, &id);
    for signal in [Signal::TERM, Signal::KILL] {
        daemon.end(signal);
        stage.agent.wait_log(&["ERROR", "engine"]);
        if signal == Signal::TERM {
            others.end(&shared, &id);
        } else {
            others.start(&id);
        }
        daemon.start();
    }
    told(&["create", "start", "die 7", "start"]);
    stage.wait_sample_since(stage.server.frame_count(), &id);
    stage.server.cut();
    stage.wait_registrations(2);
    stage.agent = stage.agent.restart();
    stage.wait_registrations(3);
    let registrations = stage.server.registrations();
    assert!(registrations.iter().all(|it| it.message["engine_id"] == registrations[0].message["engine_id"]));
    assert!(stage.server.refusals().is_empty(), "{:?}", stage.server.refusals());
    assert_eq!(stage.server.violations(), [""; 0]);
}
