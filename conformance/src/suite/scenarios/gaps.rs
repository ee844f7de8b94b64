//! The engine's connections break, and things happen meanwhile: afterwards every change was told exactly once.

use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::engine::EngineOptions;
use crate::server::ServerOptions;
use crate::suite::support::agent::DEADLINE;
use crate::suite::support::daemon::Daemon;
use crate::suite::support::engines::{Engine, Kind, Scenario, every_engine, together};
use crate::suite::support::flaky::FlakySocket;
use crate::suite::support::objects::{Objects, long_life};
use crate::suite::support::stage::Stage;
use crate::suite::support::told::Told;

scenarios! {
    "11": every_change_in_a_gap_is_told_once,
    "11": a_log_that_is_cut_loses_and_repeats_nothing,
    "11": a_restart_of_the_daemon_is_told_from_what_it_left,
}

/// The containers of a scenario with a gap: each has a fate of its own.
struct Cast {
    /// Ran, dies.
    dies: String,
    /// Ran, is renamed.
    renamed: String,
    /// Ran, is removed by force.
    removed: String,
    /// Ran, dies and is started again.
    again: String,
    /// Ran, is paused.
    paused: String,
    /// Was stopped, is started.
    starts: String,
    /// Was stopped, is removed.
    forgotten: String,
    /// Runs on, as if nothing had been.
    runs: String,
}

impl Cast {
    fn enter(stage: &Stage<'_>) -> Self {
        let run = |name: &str| stage.objects.run(name);
        let cast = Self {
            dies: run("dies"),
            renamed: run("old"),
            removed: run("removed"),
            again: run("again"),
            paused: run("paused"),
            starts: stage.objects.create_long("starts"),
            forgotten: stage.objects.create_long("forgotten"),
            runs: run("runs"),
        };
        for id in [&cast.dies, &cast.renamed, &cast.removed, &cast.again, &cast.paused, &cast.runs] {
            stage.wait_told(id, &["create", "start"]);
        }
        for id in [&cast.starts, &cast.forgotten] {
            stage.wait_told(id, &["create"]);
        }
        cast
    }

    /// What nobody hears; two more containers that lived meanwhile.
    fn play(&self, engine: &Engine, stage: &Stage<'_>) -> (String, String) {
        stage.objects.end(engine, &self.dies);
        stage.objects.rename(&self.renamed, "new");
        stage.objects.remove(&self.removed);
        stage.objects.end(engine, &self.again);
        stage.objects.start(&self.again);
        stage.objects.post(&self.paused, "pause");
        stage.objects.start(&self.starts);
        stage.objects.remove(&self.forgotten);
        let brief = stage.objects.run("brief");
        stage.objects.end(engine, &brief);
        (stage.objects.run("newcomer"), brief)
    }

    /// Everything was told, once, and in an order that makes sense.
    fn check(&self, stage: &Stage<'_>, (newcomer, brief): &(String, String)) {
        let lives: [(&str, &[&str]); 10] = [
            (&self.dies, &["create", "start", "die 7"]),
            (&self.renamed, &["create", "start", "rename"]),
            (&self.removed, &["create", "start", "die", "destroy"]),
            (&self.again, &["create", "start", "die", "start"]),
            (&self.paused, &["create", "start", "pause"]),
            (&self.starts, &["create", "start"]),
            (&self.forgotten, &["create", "destroy"]),
            (&self.runs, &["create", "start"]),
            (newcomer, &["create", "start"]),
            (brief, &["create", "start", "die 7"]),
        ];
        // The exit code of what is gone, or runs again, can only be known from the engine's own event.
        let word = |told: &Told| {
            let lost = told.id == self.removed || told.id == self.again;
            if lost { told.action.clone() } else { told.word() }
        };
        let all_told = |_: &crate::server::ScriptedServer| {
            let told = stage.told();
            let enough = |(id, life): &(&str, &[&str])| told.iter().filter(|told| told.id == *id).count() >= life.len();
            lives.iter().all(enough).then_some(())
        };
        let waiting = stage.server.wait_until("every change", DEADLINE, all_told);
        stage.server.block_on(waiting).unwrap_or_else(|error| panic!("{error}\n{:?}", stage.told()));
        // A repetition would come before this.
        let marker = stage.objects.create_long("marker");
        stage.wait_told(&marker, &["create"]);
        let told = stage.told();
        for (id, life) in lives {
            let words: Vec<String> = told.iter().filter(|told| told.id == id).map(word).collect();
            assert_eq!(words, life, "all: {told:?}");
        }
        let renamed = told.iter().find(|told| told.id == self.renamed && told.action == "rename").unwrap();
        assert_eq!(renamed.name, stage.objects.name("new"));
    }

    /// Those that run have samples again.
    fn check_samples(&self, stage: &Stage<'_>, newcomer: &str) {
        let mark = stage.server.frame_count();
        for id in [&self.again, &self.starts, &self.renamed, &self.runs, newcomer] {
            stage.wait_sample_since(mark, id);
        }
    }
}

/// Makes this many events that change nothing, and push others out of the engine's memory.
fn flood(engine: &Engine, stage: &Stage<'_>, id: &str, count: usize) {
    if let Some(simulated) = &engine.simulated {
        for _ in 0..count {
            simulated.with_model(|model, now| model.kill_container(id, Some("SIGHUP"), now)).unwrap();
        }
    } else if engine.is_podman() {
        // It forgets nothing and tells of no exec before its start: a few renames of another container do.
        let other = stage.objects.create_long("flood");
        for n in 0..count / 10 {
            stage.objects.rename(&other, &format!("flood{n}"));
        }
        stage.objects.remove(&other);
    } else {
        for _ in 0..count {
            engine.client.post(&format!("/containers/{id}/exec"), Some(json!({"Cmd": ["true"]})));
        }
    }
}

/// A stage whose agent reaches the engine through a socket that can be cut.
fn behind<'a>(engine: &'a Engine, flaky: &FlakySocket) -> Stage<'a> {
    let host = format!("unix://{}", flaky.path().display());
    let stage = Stage::with(engine, ServerOptions::default(), |setup| setup.var("DOCKER_HOST", host));
    stage.agent.wait_followed();
    stage
}

/// Three gaps on every engine. The one that the engine has to remember comes first: the others make more events than it
/// does remember, and all wait for the engines most of the time.
fn every_change_in_a_gap_is_told_once() {
    every_engine(|engine| {
        what_the_engine_still_has_is_told_in_its_own_words(engine);
        let rest: [(&str, Scenario); 2] = [
            ("forgotten", what_the_engine_forgot_is_reconstructed),
            ("cut again and again", cuts_in_the_middle_of_it_all),
        ];
        together(rest.map(|(name, scenario)| (format!("{name}, {:?}", engine.kind), move || scenario(engine))));
    });
}

/// 2,000 events, of which Docker keeps the last 256: what lies before them must be told from what the containers show.
/// Podman keeps them all (and tells of no exec that was only created).
fn what_the_engine_forgot_is_reconstructed(engine: &Engine) {
    let flaky = FlakySocket::before(&engine.socket);
    let stage = behind(engine, &flaky);
    let cast = Cast::enter(&stage);
    let before = stage.told().len();
    flaky.cut(true);
    let new = cast.play(engine, &stage);
    flood(engine, &stage, &cast.runs, 2000);
    flaky.cut(false);
    cast.check(&stage, &new);
    if !engine.is_podman() {
        let marked = stage.told().iter().filter(|told| told.reconstructed).count();
        let unmarked: Vec<_> = stage.told().into_iter().skip(before).filter(|told| !told.reconstructed).collect();
        assert_eq!((marked, unmarked.len()), (14, 1), "only the marker is the engine's own: {unmarked:?}");
    }
    cast.check_samples(&stage, &new.0);
    stage.check();
}

/// A gap that the engine remembers is filled with its own events.
fn what_the_engine_still_has_is_told_in_its_own_words(engine: &Engine) {
    let flaky = FlakySocket::before(&engine.socket);
    let stage = behind(engine, &flaky);
    let cast = Cast::enter(&stage);
    for _ in 0..3 {
        // Breaks with nothing in them.
        flaky.cut(false);
    }
    flaky.cut(true);
    let new = cast.play(engine, &stage);
    flaky.cut(false);
    cast.check(&stage, &new);
    cast.check_samples(&stage, &new.0);
    stage.check();
}

/// As the first, but the connections come back, and break again, while all that happens.
fn cuts_in_the_middle_of_it_all(engine: &Engine) {
    let flaky = FlakySocket::before(&engine.socket);
    let stage = behind(engine, &flaky);
    let cast = Cast::enter(&stage);
    let done = std::sync::atomic::AtomicBool::new(false);
    let new = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                flaky.cut(false);
                std::thread::sleep(std::time::Duration::from_millis(150));
            }
        });
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            flood(engine, &stage, &cast.runs, 600);
            let new = cast.play(engine, &stage);
            flood(engine, &stage, &cast.runs, 600);
            new
        }));
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        played.unwrap()
    });
    cast.check(&stage, &new);
    cast.check_samples(&stage, &new.0);
    stage.check();
}

/// Podman cuts its log of events when it has a megabyte. It ends the streams that began at some moment; others tell again what
/// is left of it, from before their beginning.
fn a_log_that_is_cut_loses_and_repeats_nothing() {
    let Some(daemon) = Daemon::alone(Kind::Podman) else { return };
    let engine = daemon.engine();
    let log = || std::fs::metadata(daemon.events_log()).unwrap();
    // Of an earlier time, which is nobody's business any more; it is in the half of the log that stays.
    let early = Objects::new(&engine);
    fill(&early, || log().len() > 600_000);
    let before = early.create_long("before");
    let stage = Stage::followed(&engine);
    let cast = Cast::enter(&stage);
    let whole = log().ino();
    fill(&early, || log().ino() != whole);
    let new = cast.play(&engine, &stage);
    cast.check(&stage, &new);
    let again = stage.server.events("container_event").iter().any(|frame| frame.payload()["container_id"] == before);
    assert!(!again, "{before} was before the agent's time");
    assert!(stage.told().iter().all(|told| !told.reconstructed), "Podman has its own words for all of it");
    cast.check_samples(&stage, &new.0);
    stage.check();
}

/// Makes events until there are enough.
fn fill(objects: &Objects, is_full: impl Fn() -> bool) {
    // Every event has the labels.
    let mut body = long_life();
    body["Labels"] = json!({"fill": "x".repeat(3_000)});
    for n in 0.. {
        let id = objects.create(&format!("fill{n}"), &body);
        objects.remove(&id);
        if is_full() {
            return;
        }
        assert!(n < 1_000, "Podman's log does not grow, or is not cut");
    }
}

/// The simulated engine's daemon restarts, heard or not: Docker's ring is empty then.
fn a_restart_of_the_daemon_is_told_from_what_it_left() {
    let heard = |engine: &Engine| engine.simulated.as_ref().unwrap().restart();
    let unheard = |engine: &Engine| engine.simulated.as_ref().unwrap().restart_unheard();
    let restarts: [(&str, Scenario); 2] = [("heard", heard), ("unheard", unheard)];
    together(restarts.map(|(name, restart)| {
        let run = move || {
            for options in [EngineOptions::docker20(), EngineOptions::docker26()] {
                restarted(&Engine::simulated(options), restart);
            }
        };
        (name.to_owned(), run)
    }));
}

fn restarted(engine: &Engine, restart: Scenario) {
    assert_eq!(engine.kind, Kind::Simulated);
    let stage = Stage::followed(engine);
    let always = |name: &str, policy: &str| {
        let mut body = long_life();
        body["HostConfig"]["RestartPolicy"] = json!({"Name": policy});
        let id = stage.objects.create(name, &body);
        stage.objects.start(&id);
        id
    };
    let (back, stays) = (always("back", "always"), always("stays", "no"));
    for id in [&back, &stays] {
        stage.wait_told(id, &["create", "start"]);
    }
    flood(engine, &stage, &back, 300);
    restart(engine);
    let words = |id: &str| -> Vec<String> {
        stage.told().into_iter().filter(|told| told.id == id).map(|told| told.action).collect()
    };
    let whole = |_: &crate::server::ScriptedServer| {
        (words(&back).len() >= 4 && words(&stays).len() >= 3).then_some(())
    };
    stage.server.block_on(stage.server.wait_until("both deaths and a start", DEADLINE, whole)).unwrap();
    let marker = stage.objects.create_long("marker");
    stage.wait_told(&marker, &["create"]);
    assert_eq!(words(&back), ["create", "start", "die", "start"], "{:?}", stage.told());
    assert_eq!(words(&stays), ["create", "start", "die"], "{:?}", stage.told());
    stage.wait_sample_since(stage.server.frame_count(), &back);
    stage.check();
}
