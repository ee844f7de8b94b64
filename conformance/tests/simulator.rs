//! Whole lives in simulated time. Many more of them: `cargo run --release --bin simulate -- --seeds 100000`.

use dockmon_conformance::simulator::live;

/// What a life that broke a rule has to say.
fn lived(seed: u64) -> dockmon_conformance::simulator::Life {
    match live(seed, false) {
        Ok(life) => life,
        Err(violation) => panic!(
            "seed {}, after {:?}: {} (cargo run --release --bin simulate -- --seeds 1 --seed {0})",
            violation.seed, violation.at, violation.what
        ),
    }
}

#[test]
fn lives_under_faults_break_no_rule() {
    let lives: Vec<_> = (1..=60).map(lived).collect();
    let sum = |count: fn(&dockmon_conformance::simulator::Life) -> u64| lives.iter().map(count).sum::<u64>();
    // That nothing was broken means nothing where nothing happened.
    assert!(sum(|life| life.faults) > 300, "{} faults", sum(|life| life.faults));
    assert!(sum(|life| life.commands as u64) > 1000 && sum(|life| life.events as u64) > 1000);
    assert!(sum(|life| u64::from(life.processes)) > 90, "agents were restarted");
}

#[test]
fn a_seed_gives_the_same_life_each_time() {
    for seed in 1..=5 {
        let history = || live(seed, true).map(|life| life.history).map_err(|violation| violation.what);
        let (first, second) = (history(), history());
        assert!(first.as_ref().is_ok_and(|lines| lines.len() > 100), "{first:?}");
        assert_eq!(first, second, "seed {seed}");
    }
}
