//! The engine's events, in order and once, with a server that comes and goes.

use std::time::Duration;

use crate::engine::EngineOptions;
use crate::engine::model::ContainerSpec;
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::stage::Stage;

scenarios! {
    "6": a_life_is_told_in_order_and_once,
    "11": what_happens_while_the_server_is_away_is_told_after_it,
    "11": a_cut_in_the_middle_of_a_burst_loses_nothing,
}

fn a_life_is_told_in_order_and_once() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        let id = stage.objects.run("a");
        stage.objects.rename(&id, "b");
        stage.objects.post(&id, "pause");
        stage.objects.post(&id, "unpause");
        stage.objects.end(engine, &id);
        stage.objects.start(&id);
        stage.objects.remove(&id);
        let life = ["create", "start", "rename", "pause", "unpause", "die 7", "start", "die 137", "destroy"];
        stage.wait_told(&id, &life);
        let told: Vec<_> = stage.told().into_iter().filter(|told| told.id == id).collect();
        let (old, new) = (stage.objects.name("a"), stage.objects.name("b"));
        assert!(told[..2].iter().all(|told| told.name == old), "{told:?}");
        assert!(told[2..].iter().all(|told| told.name == new), "{told:?}");
        assert!(told.iter().all(|told| !told.reconstructed), "{told:?}");
        stage.check();
    });
}

fn what_happens_while_the_server_is_away_is_told_after_it() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        let before = stage.objects.run("before");
        stage.wait_told(&before, &["create", "start"]);
        stage.agent.wait_start_saved(&before);
        stage.server.go_down();
        let during = stage.objects.run("during");
        stage.objects.end(engine, &before);
        stage.objects.rename(&during, "renamed");
        // Long enough for several attempts to connect.
        std::thread::sleep(Duration::from_secs(3));
        stage.objects.remove(&during);
        stage.server.refuse_connections(false);
        stage.wait_registrations(2);
        stage.wait_told(&during, &["create", "start", "rename", "die 137", "destroy"]);
        stage.wait_told(&before, &["create", "start", "die 7"]);
        let after = stage.objects.run("after");
        stage.wait_told(&after, &["create", "start"]);
        let told = stage.told();
        let place = |id: &str, word: &str| told.iter().position(|told| told.id == id && told.action == word).unwrap();
        assert!(place(&before, "die") < place(&during, "rename"), "{told:?}");
        assert!(place(&during, "destroy") < place(&after, "create"), "{told:?}");
        assert!(told.iter().all(|told| !told.reconstructed), "{told:?}");
        stage.check();
    });
}

/// What was on its way when a link broke may come twice, for nobody can know whether it arrived. The agent asks for
/// a receipt 100 ms after a frame left; what it has none for is sent again, in the same order. So the repetition is one
/// run of frames at the beginning of the new link, that begins no earlier than what was not acknowledged.
fn a_cut_in_the_middle_of_a_burst_loses_nothing() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a"))).unwrap();
    const BURST: usize = 4000;
    const CUTS: usize = 4;
    for n in 0..BURST {
        simulated.rename(&id, &stage.objects.name(&format!("n{n}"))).unwrap();
        if n % (BURST / CUTS) == BURST / CUTS / 2 {
            let links = stage.server.registrations().len();
            stage.server.cut();
            stage.wait_registrations(links + 1);
        }
        if n % 100 == 0 {
            // A pause now and then, so that frames are on their way at every cut and not all in the agent.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let last = stage.objects.name(&format!("n{}", BURST - 1));
    eventually("the last one", || stage.told().iter().any(|told| told.name == last).then_some(()));
    let frames = stage.server.events("container_event");
    let mut links: Vec<(u64, Vec<usize>)> = Vec::new();
    for frame in &frames {
        let payload = frame.payload();
        if payload["action"] != "rename" || payload["container_id"] != id.as_str() {
            continue;
        }
        let name = payload["container_name"].as_str().unwrap();
        let number = name.rsplit_once('n').and_then(|(_, number)| number.parse().ok()).unwrap();
        match links.last_mut() {
            Some((connection, numbers)) if *connection == frame.connection => numbers.push(number),
            _ => links.push((frame.connection, vec![number])),
        }
    }
    let mut next = 0;
    let mut repeated = 0;
    for (_, numbers) in &links {
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "on one link nothing is lost, nor out of order");
        assert!(numbers[0] <= next, "{} was told before {next}", numbers[0]);
        repeated += next - numbers[0];
        next = numbers[numbers.len() - 1] + 1;
    }
    assert_eq!(next, BURST);
    assert_eq!(links.len(), CUTS + 1);
    // What happens in 100 ms, and in the time of a round trip, of a burst that takes seconds.
    assert!(repeated < BURST / 2, "{repeated} were told twice");
    stage.check();
}
