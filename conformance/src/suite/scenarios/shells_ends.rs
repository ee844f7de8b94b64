//! How shells in containers end (PROTOCOL 7), and which are not started, on every engine. Whatever ends a session ends
//! its processes.

use crate::server::ServerOptions;
use rustix::process::Signal;
use serde_json::json;

use crate::suite::support::agent::eventually;
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::objects::long_life;
use crate::suite::support::stage::Stage;
use crate::suite::support::tar::tar;
use crate::suite::support::terminal::{Terminal, quiet};

scenarios! {
    "7": closing_ends_all_that_the_session_started,
    "7": a_lost_link_ends_all_that_its_sessions_started,
    "7": the_end_of_the_agent_ends_all_that_its_sessions_started,
    "7": a_tab_that_is_closed_at_once_leaves_nothing,
    "7": a_session_ends_with_its_container,
    "7": where_there_is_no_shell_it_is_said,
    "7": the_owner_of_the_host_decides,
    "7": who_had_a_shell_is_written_down_and_nothing_of_what_was_typed,
}

/// Leaves processes of every kind behind: in the background, in a session of its own, one that ignores the end of its
/// terminal, and one in front.
fn busy(stage: &Stage<'_>, shell: &Terminal<'_>, id: &str) {
    shell.line("sleep 31337 &");
    shell.line("setsid sleep 31338 >/dev/null 2>&1 &");
    shell.line("trap '' HUP; sleep 31339 & sleep 31340");
    stage.wait_among(id, &["sleep 31337", "sleep 31338", "sleep 31339", "sleep 31340"]);
}

fn in_a_busy_shell(engine: &Engine, end: impl FnOnce(&mut Stage<'_>, &crate::server::ShellSession)) {
    let mut stage = Stage::new(engine);
    let id = stage.objects.create("a", &quiet());
    stage.objects.start(&id);
    let before = stage.settled(&id);
    let session = {
        let (one, other) = (stage.shell(&id), stage.shell(&id));
        busy(&stage, &one, &id);
        other.run("echo id''le", "idle");
        one.session.clone()
    };
    end(&mut stage, &session);
    stage.wait_running(&id, &before);
    stage.check();
}

fn closing_ends_all_that_the_session_started() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.create("a", &quiet());
        stage.objects.start(&id);
        let before = stage.settled(&id);
        let (one, other) = (stage.shell(&id), stage.shell(&id));
        other.line("sleep 41337 &");
        stage.wait_among(&id, &["sleep 41337"]);
        busy(&stage, &one, &id);
        one.session.close();
        one.wait_closed();
        eventually("the end of its processes", || {
            stage.running(&id).iter().all(|command| !command.starts_with("sleep 313")).then_some(())
        });
        other.run("echo ali''ve", "alive");
        assert!(stage.running(&id).contains(&"sleep 41337".to_owned()), "it is another session's");
        other.session.close();
        other.wait_closed();
        stage.wait_running(&id, &before);
        stage.check();
    });
}

fn a_lost_link_ends_all_that_its_sessions_started() {
    every_engine(|engine| {
        in_a_busy_shell(engine, |stage, session| {
            stage.server.cut();
            stage.wait_registrations(2);
            let state = session.state();
            assert!(!state.closed && state.error.is_none(), "there is nobody to tell: {state:?}");
        });
    });
}

fn the_end_of_the_agent_ends_all_that_its_sessions_started() {
    every_engine(|engine| {
        in_a_busy_shell(engine, |stage, session| {
            stage.agent.signal(Signal::TERM);
            assert_eq!(stage.agent.wait_exit().code(), Some(0));
            assert!(session.state().closed, "the server is told");
        });
    });
}

fn a_tab_that_is_closed_at_once_leaves_nothing() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.create("a", &quiet());
        stage.objects.start(&id);
        let before = stage.settled(&id);
        for _ in 0..5 {
            let shell = stage.ask_shell(&id);
            shell.session.close();
            shell.wait_closed();
        }
        // The last of them may not have begun yet: one that is served is behind them all.
        let last = stage.shell(&id);
        last.session.close();
        last.wait_closed();
        stage.wait_running(&id, &before);
        stage.check();
    });
}

fn a_session_ends_with_its_container() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        for (suffix, how) in [("a", "stop?t=20"), ("b", "kill"), ("c", "restart?t=20"), ("d", "")] {
            let id = stage.objects.create(suffix, &long_life());
            stage.objects.start(&id);
            let shell = stage.shell(&id);
            shell.line("sleep 31337 &");
            stage.wait_among(&id, &["sleep 31337"]);
            if how.is_empty() {
                stage.objects.remove(&id);
            } else {
                stage.objects.post(&id, how);
            }
            shell.wait_closed();
        }
        stage.check();
    });
}

fn where_there_is_no_shell_it_is_said() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let nobody = stage.no_shell(&stage.objects.name("nobody"));
        assert!(nobody.contains("no such container"), "{nobody}");
        let id = stage.objects.create("a", &quiet());
        assert!(stage.no_shell(&id).contains("not running"));
        stage.objects.start(&id);
        stage.objects.post(&id, "pause");
        let paused = stage.no_shell(&id);
        assert!(paused.contains("paused"), "{paused}");
        stage.objects.post(&id, "unpause");
        let shell = stage.shell(&id);
        shell.session.close();
        shell.wait_closed();

        let bare = without_shell(engine, &stage);
        let error = stage.no_shell(&bare);
        assert!(error.contains("no shell"), "{error}");
        stage.check();
    });
}

/// A running container in which there is one program, and that is no shell.
fn without_shell(engine: &Engine, stage: &Stage<'_>) -> String {
    let mut body = quiet();
    if !engine.is_simulated() {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find_map(|path| std::fs::read(path).ok());
        let image = tar(&[("sleep", 0o755, &busybox.expect("busybox-static is installed"))]);
        let name = stage.objects.name("bare");
        engine.client.upload("POST", &format!("/images/create?fromSrc=-&repo={name}&tag=latest"), "application/x-tar", &image);
        body["Image"] = json!(format!("{name}:latest"));
        body["Cmd"] = json!(["/sleep", "100000"]);
    }
    let id = stage.objects.create("bare", &body);
    stage.objects.start(&id);
    if let Some(simulated) = &engine.simulated {
        simulated.with_model(|model, _| model.set_shells(&id, &[])).unwrap();
    }
    id
}

fn the_owner_of_the_host_decides() {
    every_engine(|engine| {
        for (variable, claimed) in
            [("AGENT_DISABLE_SHELL", false), ("AGENT_READ_ONLY", false), ("AGENT_DISABLE_UPDATES", true)]
        {
            let stage = Stage::with(engine, ServerOptions::default(), |setup| setup.var(variable, "true"));
            let capabilities = stage.server.registrations()[0].message["capabilities"].clone();
            assert_eq!(capabilities["shell_access"], json!(claimed), "{variable}");
            let mut body = quiet();
            body["Labels"]["dockmon.agent.protect"] = json!("true");
            let guarded = stage.objects.create("guarded", &body);
            stage.objects.start(&guarded);
            let before = stage.settled(&guarded);
            let words = if claimed { "protected" } else { variable };
            let error = stage.no_shell(&guarded);
            assert!(error.contains("permission denied") && error.contains(words), "{variable}: {error}");
            stage.agent.wait_log(&["\"audit\"", "\"shell\"", "\"refused\"", &guarded]);
            assert_eq!(stage.running(&guarded), before);
            stage.check();
        }
    });
}

fn who_had_a_shell_is_written_down_and_nothing_of_what_was_typed() {
    every_engine(|engine| {
        let stage = Stage::with(engine, ServerOptions::default(), |setup| setup.secret("hunter2").secret("aHVudGVyMg"));
        let id = stage.objects.create("a", &quiet());
        stage.objects.start(&id);
        let shell = stage.shell(&id);
        shell.run("echo hunter2; echo do''ne", "done");
        shell.session.close();
        shell.wait_closed();
        stage.agent.wait_log(&["\"audit\"", "\"shell\"", "\"done\"", &id]);
        stage.check();
    });
}
