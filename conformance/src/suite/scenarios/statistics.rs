//! Statistics: the right figures on both sockets, whatever the link is like.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::EngineOptions;
use crate::engine::model::{ContainerSpec, Load};
use crate::server::{Frame, ScriptedServer, ServerOptions};
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, every_engine, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "6": figures_are_exact_on_both_sockets_from_the_first_run_on,
    "6": streams_begin_and_end_with_their_containers,
    "11": a_server_that_does_not_read_costs_samples_only,
    "6": the_hosts_own_figures_come_too,
    "11": a_slow_link_has_the_newest_samples_and_every_answer,
}

/// The samples of a container on the main socket from this mark on.
fn samples(server: &ScriptedServer, mark: u64, id: &str) -> Vec<Value> {
    let frames = server.events_since("container_stats", mark);
    frames.iter().map(|frame| frame.payload().clone()).filter(|sample| sample["container_id"] == id).collect()
}

fn figures_are_exact_on_both_sockets_from_the_first_run_on() {
    let engines = [
        ("docker20", EngineOptions::docker20()),
        ("docker26", EngineOptions::docker26()),
        ("docker29", EngineOptions::docker29()),
        ("podman", EngineOptions::podman()),
    ];
    together(engines.map(|(name, options)| {
        let run = move || {
            let engine = Engine::simulated(options);
            let simulated = engine.simulated.as_ref().unwrap();
            // Half of one processor of four, 40 MiB beside the cache, of 256.
            let mut load = Load::exact(500, 40 << 20);
            load.cache = if name == "podman" { 0 } else { 10 << 20 };
            (load.rx, load.tx, load.read, load.write) = ((1000, 1000), (2000, 2000), (3000, 3000), (4000, 4000));
            let spec = ContainerSpec::new("exact").load(load).host("Memory", json!(256 << 20));
            let id = simulated.add_container(spec).unwrap();
            let stage = Stage::new(&engine);
            // The first of a stream has no sample before it, and so no share of the processor.
            let (third, first) = eventually("three samples", || {
                let samples = samples(&stage.server, 0, &id);
                Some((samples.get(2)?.clone(), samples[0].clone()))
            });
            assert_eq!(first["cpu_percent"], 0.0, "{first}");
            let check = |sample: &Value| {
                assert_eq!(sample["container_name"], "exact");
                // The counters are those of the moment; the clocks of the two are read a little apart.
                let cpu = sample["cpu_percent"].as_f64().unwrap();
                assert!((49.9..=50.1).contains(&cpu), "{sample}");
                assert_eq!(sample["memory_usage"], 40 << 20, "{sample}");
                assert_eq!(sample["memory_limit"], 256 << 20);
                assert_eq!(sample["memory_percent"], 15.6, "40 of 256");
                let total = |name: &str| sample[name].as_u64().unwrap();
                assert!(total("network_rx") > 842 && total("network_tx") > 0, "{sample}");
                // Received, above what there is at the start, is to sent as 1 to 2; read to written as 3 to 4.
                assert!((total("network_rx") - 842).abs_diff(total("network_tx") / 2) <= 1, "{sample}");
                assert!((total("disk_read") / 3).abs_diff(total("disk_write") / 4) <= 1, "{sample}");
            };
            check(&third);
            let mine = |frame: &Frame| {
                frame.json()["container_id"] == id.as_str() && frame.json()["cpu_percent"].as_f64() > Some(0.0)
            };
            let other = stage.server.block_on(stage.server.wait_stats_frame(mine, DEADLINE)).unwrap();
            check(other.json());
            assert_eq!(stage.server.registrations().len(), 1, "the very first run");
            assert!(!stage.server.registrations()[0].permanent);
            stage.check();
        };
        (name.to_owned(), run)
    }));
}

fn streams_begin_and_end_with_their_containers() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        let id = stage.objects.run("a");
        let sample = stage.wait_sample_since(0, &id);
        assert_eq!(sample["container_name"], stage.objects.name("a"));
        assert!(sample["memory_limit"].as_u64().unwrap() > 0, "{sample}");
        stage.objects.rename(&id, "b");
        eventually("the new name", || {
            let mark = stage.server.frame_count();
            (stage.wait_sample_since(mark, &id)["container_name"] == stage.objects.name("b")).then_some(())
        });
        stage.objects.end(engine, &id);
        stage.wait_told(&id, &["create", "start", "rename", "die 7"]);
        if let Some(simulated) = &engine.simulated {
            eventually("no stream", || (simulated.streams().1 == 0).then_some(()));
        }
        // Another container's samples go on, and none of this one comes among them.
        let other = stage.objects.run("other");
        stage.wait_sample_since(stage.server.frame_count(), &other);
        let mark = stage.server.frame_count();
        stage.wait_sample_since(mark, &other);
        assert_eq!(samples(&stage.server, mark, &id), Vec::<Value>::new());
        stage.objects.start(&id);
        stage.wait_sample_since(mark, &id);
        stage.check();
    });
}

/// Takes long: `slow` runs it.
pub(crate) fn a_slow_link_has_the_newest_samples_and_every_answer() {
    // Ten samples a second of each, some 400 KB, on a link that takes a quarter of that. What has left the agent comes
    // before an answer; if that were megabytes the server would give up on an inspect (15 s) and on its pings (20 s).
    let options = EngineOptions { stats_interval: std::time::Duration::from_millis(100), ..EngineOptions::docker26() };
    let engine = Engine::simulated(options);
    let simulated = engine.simulated.as_ref().unwrap();
    const MANY: usize = 100;
    let ids: Vec<String> =
        (0..MANY).map(|n| simulated.add_container(ContainerSpec::new(format!("many-{n}"))).unwrap()).collect();
    let options = ServerOptions { receive_buffer: Some(16 * 1024), ..ServerOptions::default() };
    let stage = Stage::with(&engine, options, |setup| setup);
    eventually("all streams", || (simulated.streams().1 == MANY).then_some(()));
    stage.server.throttle(Some(100_000));
    stage.server.stats_link().throttle(Some(100_000));
    let mark = stage.server.frame_count();
    let full = |server: &ScriptedServer| (server.events_since("container_stats", mark).len() > 800).then_some(());
    stage.server.block_on(stage.server.wait_until("full buffers", DEADLINE, full)).unwrap();
    for id in ids.iter().take(3) {
        let answer = stage.operation("get_status", json!({"container_id": id}));
        assert_eq!(answer.ok()["status"], "running");
    }
    simulated.die(&ids[0], 3).unwrap();
    let died = |frame: &Frame| frame.payload()["action"] == "die" && frame.payload()["container_id"] == ids[0].as_str();
    stage.server.block_on(stage.server.wait_event_since(mark, died, DEADLINE)).unwrap();
    // Everybody has a turn, though not every second.
    let everybody = |server: &ScriptedServer| {
        let frames = server.events_since("container_stats", mark);
        let seen: BTreeSet<String> =
            frames.iter().filter_map(|frame| frame.payload()["container_id"].as_str().map(str::to_owned)).collect();
        (seen.len() >= MANY - 1).then_some(())
    };
    stage.server.block_on(stage.server.wait_until("a sample of everybody", DEADLINE, everybody)).unwrap();
    stage.server.throttle(None);
    stage.server.stats_link().throttle(None);
    // None of before is left: what comes now is of now.
    let mark = stage.server.frame_count();
    stage.wait_sample_since(mark, &ids[MANY - 1]);
    assert_eq!(stage.server.registrations().len(), 1);
    stage.check();
}

fn a_server_that_does_not_read_costs_samples_only() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let simulated = engine.simulated.as_ref().unwrap();
    let ids: Vec<String> =
        (0..100).map(|n| simulated.add_container(ContainerSpec::new(format!("many-{n}"))).unwrap()).collect();
    let options = ServerOptions { receive_buffer: Some(16 * 1024), ..ServerOptions::default() };
    let stage = Stage::with(&engine, options, |setup| setup);
    stage.agent.wait_followed();
    stage.wait_sample_since(0, &ids[99]);
    let mark = stage.server.frame_count();
    stage.server.stop_reading(true);
    let question = stage.server.begin_operation("inspect", json!({"container_id": ids[1]})).unwrap();
    for id in &ids[..50] {
        simulated.die(id, 1).unwrap();
    }
    // Some rounds of samples that nobody takes: the engine's streams are read on all the time.
    let before = simulated.dropped_events();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(simulated.dropped_events(), before, "events are read whatever the server does");
    stage.server.stop_reading(false);
    stage.server.block_on(question.wait(DEADLINE)).unwrap().ok();
    let deaths = |server: &ScriptedServer| {
        let frames = server.events_since("container_event", mark);
        let died: Vec<&Value> = frames
            .iter()
            .filter(|frame| frame.payload()["action"] == "die")
            .map(|frame| &frame.payload()["container_id"])
            .collect();
        (died.len() >= 50).then(|| died.iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let died = stage.server.block_on(stage.server.wait_until("all deaths", DEADLINE, deaths)).unwrap();
    assert_eq!(died, ids[..50], "in order, once");
    assert_eq!(stage.server.registrations().len(), 1);
    stage.check();
}

fn the_hosts_own_figures_come_too() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let stage = Stage::new(&engine);
    let host =
        |frame: &Frame| frame.json()["type"] == "stats" && frame.json()["stats"]["mem_percent"].as_f64() > Some(0.0);
    let frame = stage.server.block_on(stage.server.wait_frame(host, DEADLINE)).unwrap();
    let next = stage.server.block_on(stage.server.wait_frame_since(frame.number + 1, host, DEADLINE)).unwrap();
    let stats = &next.json()["stats"];
    assert!((0.0..=100.0).contains(&stats["cpu_percent"].as_f64().unwrap()), "{stats}");
    assert!((0.0..=100.0).contains(&stats["mem_percent"].as_f64().unwrap()), "{stats}");
    stage.check();
}
