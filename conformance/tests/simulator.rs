//! Whole lives in simulated time, and workflows in which everything fails once. Many more of both:
//! `cargo run --release --bin simulate -- --seeds 100000` and `… -- --exhaustive --pairs all`.

use dockmon_conformance::simulator::{Bug, Life, Violation, live, live_one, live_with, parallel, single_faults};

/// What a life that broke a rule has to say.
fn lived(seed: u64) -> Life {
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
    let sum = |count: fn(&Life) -> u64| lives.iter().map(count).sum::<u64>();
    // That nothing was broken means nothing where nothing happened.
    assert!(sum(|life| life.faults) > 300, "{} faults", sum(|life| life.faults));
    assert!(sum(|life| life.commands as u64) > 1000 && sum(|life| life.events as u64) > 1000);
    assert!(sum(|life| u64::from(life.processes)) > 90, "agents were restarted");
    assert!(
        sum(|life| u64::from(life.updates.0)) > 5 && sum(|life| u64::from(life.updates.1)) > 20,
        "and containers updated"
    );
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

#[test]
fn every_single_fault_of_some_workflows_breaks_no_rule() {
    for name in [
        "update",
        "update that crashes on podman",
        "stop",
        "create",
        "self-update in a container that crashes",
        "self-update of a program that crashes",
    ] {
        let faults = single_faults(name).unwrap_or_else(|violation| panic!("{name}: {}", violation.what));
        assert!(faults.len() >= 8, "{name} has {} faults", faults.len());
        let violations: Vec<Box<Violation>> =
            parallel(faults.len(), |number| live_one(name, &[faults[number]], false, None).transpose().map(drop));
        let words = violations.iter().map(|violation| format!("{:?}: {}", violation.of, violation.what));
        assert_eq!(words.collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn agents_without_a_record_of_their_hand_over_are_noticed() {
    for name in ["self-update in a container", "self-update of a program"] {
        let life = live_one(name, &[], false, Some(Bug::NoJournal)).unwrap();
        let what = life.expect_err("it is noticed").what;
        assert!(
            ["fight", "at rest", "nothing failed", "none serves"].iter().any(|words| what.contains(words)),
            "{what}"
        );
    }
}

/// How many lives of an agent with this mistake it takes to notice.
fn noticed_after(bug: Bug) -> Option<(u64, String)> {
    (1..=1000).find_map(|seed| live_with(seed, false, Some(bug)).err().map(|violation| (seed, violation.what)))
}

#[test]
fn mistakes_are_noticed() {
    for (bug, words) in [
        (Bug::BackupRemovedTooSoon, &["nothing is left"][..]),
        (Bug::NoJournal, &["left over", "never told", "called"]),
        (Bug::NotStopped, &["runs 2 times"]),
        (Bug::PolicyKept, &["runs 2 times"]),
        (Bug::AnswersTwice, &["answered twice"]),
        (Bug::VolumesForgotten, &["lost its anonymous volume"]),
        (Bug::AlwaysComplete, &["told as complete", "told as failed", "and is", "never told"]),
    ] {
        let (seed, what) = noticed_after(bug).unwrap_or_else(|| panic!("{bug:?} was never noticed"));
        assert!(words.iter().any(|word| what.contains(word)), "{bug:?}, seed {seed}: {what}");
    }
}
