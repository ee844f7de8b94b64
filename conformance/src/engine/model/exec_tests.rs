//! Execs without a socket.

use serde_json::json;

use super::time::SECOND;
use super::*;

const NOW: Nanos = 1_800_000_000 * SECOND;

fn model(profile: EngineProfile) -> Model {
    let mut model = Model::new(profile, 1, NOW);
    model.add_container(ContainerSpec::new("web").set("Env", json!(["FOO=bar"])), NOW).unwrap();
    model.take_events();
    model
}

/// An exec of this command on a terminal, started.
fn started(model: &mut Model, command: &[&str], session: &str) -> String {
    let body = json!({
        "Cmd": command, "Tty": true, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        "Env": [format!("DOCKMON_SESSION={session}")],
    });
    let id = model.create_exec("web", &body.to_string(), NOW).unwrap();
    let started = model.start_exec(&id, r#"{"Tty":true}"#, NOW).unwrap();
    assert_eq!((started.raw, started.said), (true, None));
    id
}

fn shown(model: &mut Model, id: &str) -> String {
    let mut all = Vec::new();
    while let ExecOutput::Bytes(bytes) = model.exec_output(id, 1_000, NOW) {
        all.extend(bytes);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Types a line at the prompt; what follows its echo, without the next prompt.
fn typed(model: &mut Model, id: &str, line: &str) -> String {
    model.exec_input(id, format!("{line}\r").as_bytes(), NOW);
    let shown = shown(model, id);
    let answer = shown.strip_prefix(&format!("{line}\r\n")).unwrap_or_else(|| panic!("no echo: {shown:?}"));
    answer.strip_suffix("/ # ").unwrap_or(answer).to_owned()
}

fn actions(model: &mut Model) -> Vec<String> {
    model.take_events().iter().map(|event| event.action.clone()).collect()
}

#[test]
fn a_shell_answers_what_is_typed() {
    let mut model = model(EngineProfile::docker20());
    let id = started(&mut model, &["sh"], "s");
    assert_eq!(shown(&mut model, &id), "/ # ");
    assert_eq!(typed(&mut model, &id, "echo hello '$FOO' $FOO"), "hello $FOO bar\r\n");
    assert_eq!(typed(&mut model, &id, "nonesuch"), "sh: nonesuch: not found\r\n");
    assert_eq!(typed(&mut model, &id, "echo $?; false || echo so"), "127\r\nso\r\n");
    assert_eq!(typed(&mut model, &id, "stty size"), "stty: standard input\r\n");
    assert_eq!(model.resize_exec(&id, "24", "80"), Ok(Resized::Done(200)));
    assert_eq!(typed(&mut model, &id, "stty size"), "24 80\r\n");
    assert_eq!(typed(&mut model, &id, "head -c 5 /dev/zero | tr '\\0' x; seq 3"), "xxxxx1\r\n2\r\n3\r\n");
    let environment = typed(&mut model, &id, "env");
    assert!(environment.contains("FOO=bar\r\n") && environment.contains("DOCKMON_SESSION=s\r\n"), "{environment}");
    assert_eq!(typed(&mut model, &id, "cat"), "");
    model.exec_input(&id, b"abc\r\x04", NOW);
    assert_eq!(shown(&mut model, &id), "abc\r\nabc\r\n/ # ");
    model.exec_input(&id, b"sleep 100\r\x03", NOW);
    assert_eq!(shown(&mut model, &id), "^C\r\n/ # ", "what was typed and not shown is gone, too");
    assert_eq!(typed(&mut model, &id, "wc -c"), "");
    model.exec_input(&id, b"12345\r\x04", NOW);
    assert_eq!(shown(&mut model, &id), "12345\r\n6\r\n/ # ");
    model.exec_input(&id, b"exit 3\r", NOW);
    assert_eq!(shown(&mut model, &id), "exit 3\r\n");
    assert_eq!(model.exec_output(&id, 10, NOW), ExecOutput::End);
    let inspect = model.inspect_exec(&id).unwrap();
    assert_eq!((&inspect["Running"], &inspect["ExitCode"]), (&json!(false), &json!(3)));
    assert_eq!(actions(&mut model), ["exec_create: sh ", "exec_start: sh ", "exec_die"]);
    assert_eq!(model.processes("web").unwrap(), ["sleep infinity"]);
}

#[test]
fn much_output_is_made_only_as_it_is_taken() {
    let mut model = model(EngineProfile::docker26());
    let id = started(&mut model, &["sh"], "s");
    shown(&mut model, &id);
    model.exec_input(&id, b"seq 1000000000\r", NOW);
    let mut last = Vec::new();
    for _ in 0..200 {
        let ExecOutput::Bytes(bytes) = model.exec_output(&id, 1_000, NOW) else { panic!("it goes on") };
        assert_eq!(bytes.len(), 1_000);
        last = bytes;
    }
    // 200,000 bytes are numbers up to about 30,000: it did not run ahead.
    let text = String::from_utf8_lossy(&last).into_owned();
    let number: u64 = text.lines().nth(1).unwrap().parse().unwrap();
    assert!((20_000..40_000).contains(&number), "{number}");
    assert!(!model.exec_has_room(&id), "nor does it take more input");
    model.exec_input(&id, b"\x03", NOW);
    assert_eq!(shown(&mut model, &id), "^C\r\n/ # ");
}

#[test]
fn a_time_that_is_slept_passes() {
    let mut model = model(EngineProfile::docker26());
    let id = started(&mut model, &["sh", "-c", "sleep 2; echo up"], "s");
    assert_eq!(model.exec_output(&id, 10, NOW + SECOND), ExecOutput::Nothing);
    assert_eq!(model.exec_wakes(&id), Some(NOW + 2 * SECOND));
    assert_eq!(model.processes("web").unwrap().len(), 3);
    assert_eq!(model.exec_output(&id, 10, NOW + 2 * SECOND), ExecOutput::Bytes(b"up\r\n".to_vec()));
    assert_eq!(model.exec_output(&id, 10, NOW + 2 * SECOND), ExecOutput::End);
    assert_eq!(model.processes("web").unwrap().len(), 1);
}

#[test]
fn background_jobs_stay_until_their_session_is_hung_up() {
    let mut model = model(EngineProfile::docker26());
    let (one, two) = (started(&mut model, &["sh"], "session-1"), started(&mut model, &["sh"], "session-2"));
    model.exec_input(&one, b"sleep 1000 &\r", NOW);
    model.exec_input(&two, b"sleep 2000 &\rexit\r", NOW);
    assert_eq!(model.processes("web").unwrap(), ["sleep infinity", "sh", "sleep 1000", "sleep 2000"]);
    for session in ["session-1", "session-2"] {
        let script = "for p in /proc/*/environ; do …; done";
        let body = json!({ "Cmd": ["sh", "-c", script, "sh", format!("DOCKMON_SESSION={session}")], "User": "0" });
        let id = model.create_exec("web", &body.to_string(), NOW).unwrap();
        model.start_exec(&id, r#"{"Detach":true}"#, NOW).unwrap();
        assert_eq!(model.inspect_exec(&id).unwrap()["ExitCode"], 0);
    }
    assert_eq!(model.processes("web").unwrap(), ["sleep infinity"]);
    assert_eq!(model.exec_output(&one, 10, NOW), ExecOutput::End);
    assert_eq!(model.inspect_exec(&one).unwrap()["ExitCode"], 129);
}

#[test]
fn an_exec_ends_with_its_container_and_stands_still_with_it() {
    for profile in [EngineProfile::docker20(), EngineProfile::docker26(), EngineProfile::podman()] {
        let mut model = model(profile);
        let podman = model.podman();
        let id = started(&mut model, &["sh"], "s");
        shown(&mut model, &id);
        assert_eq!(model.inspect_container("web", model.profile().api).unwrap()["ExecIDs"], json!([id]));
        model.pause_container("web", NOW).unwrap();
        model.exec_input(&id, b"echo a\r", NOW);
        assert_eq!(model.exec_output(&id, 100, NOW), ExecOutput::Nothing);
        model.unpause_container("web", NOW).unwrap();
        assert_eq!(shown(&mut model, &id), "echo a\r\na\r\n/ # ");
        actions(&mut model);
        model.kill_container("web", None, NOW).unwrap();
        assert_eq!(model.exec_output(&id, 100, NOW), ExecOutput::End);
        let told = actions(&mut model);
        let told: Vec<&str> =
            told.iter().map(String::as_str).filter(|word| word.contains("die") || word == &"kill").collect();
        let expected = if podman { ["kill", "die", "exec_died"] } else { ["kill", "exec_die", "die"] };
        assert_eq!(told, expected);
        assert_eq!(model.inspect_exec(&id).is_ok(), podman, "Docker forgets it");
        assert!(model.processes("web").unwrap().is_empty());
        model.start_container("web", NOW).unwrap();
        assert_eq!(model.processes("web").unwrap(), ["sleep infinity"]);
    }
}

#[test]
fn a_program_that_is_not_there_is_told_in_the_output() {
    let mut model = model(EngineProfile::docker26());
    model.set_shells("web", &[]).unwrap();
    let id = model.create_exec("web", r#"{"Cmd":["sh"],"Tty":true}"#, NOW).unwrap();
    let said = model.start_exec(&id, "{}", NOW).unwrap().said.unwrap();
    assert!(said.contains("exec: \"sh\": executable file not found in $PATH"), "{said}");
    assert_eq!(model.inspect_exec(&id).unwrap()["ExitCode"], 126);
    let script =
        "export TERM=xterm-256color DOCKMON_SESSION=\"$1\"\ncommand -v bash >/dev/null 2>&1 && exec bash\nexec sh";
    for (shells, becomes) in [(&["sh", "bash"][..], "bash"), (&["sh"], "sh")] {
        model.set_shells("web", shells).unwrap();
        let id = started(&mut model, &["/bin/sh", "-c", script, "sh", "other"], "s");
        assert_eq!(shown(&mut model, &id), "/ # ");
        assert_eq!(typed(&mut model, &id, "echo $DOCKMON_SESSION $TERM"), "other xterm-256color\r\n");
        assert_eq!(model.processes("web").unwrap().last().unwrap(), becomes);
    }
}

#[test]
fn the_table_of_execs_forgets_those_that_ended() {
    let mut model = model(EngineProfile::docker26());
    let first = model.create_exec("web", r#"{"Cmd":["true"]}"#, NOW).unwrap();
    let runs = started(&mut model, &["sh"], "s");
    for _ in 0..execs::MAX_EXECS {
        model.create_exec("web", r#"{"Cmd":["true"]}"#, NOW).unwrap();
    }
    assert_eq!(model.execs.len(), execs::MAX_EXECS);
    assert!(model.inspect_exec(&first).is_err() && model.inspect_exec(&runs).is_ok());
}
