//! Execs with a terminal, on every engine of the machine.

mod support;

use dockmon_core::docker::DockerRequest;
use dockmon_core::{DockerEvent, OpId};
use dockmon_shell::DockerExecutor as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use support::Client;
use support::engines::{Own, engines};

/// Makes an exec of this script and starts it.
async fn start(client: &mut Client, own: &Own, script: &str) -> (String, OpId) {
    let body = json!({"AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true,
        "Cmd": ["sh", "-c", script], "Env": ["TERM=dumb"]});
    let body = RawValue::from_string(body.to_string()).unwrap();
    let created = client.json(DockerRequest::ExecCreate { id: own.id.clone(), body }).await;
    let id = created["Id"].as_str().unwrap().to_owned();
    let op = client.start(DockerRequest::ExecStart { id: id.clone() });
    assert!(matches!(client.next(op).await, DockerEvent::Opened));
    (id, op)
}

/// Reads on until this text was seen; all that was read.
async fn until(client: &mut Client, op: OpId, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        match client.next(op).await {
            DockerEvent::Bytes(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes.0)),
            DockerEvent::Written { .. } => {}
            other => panic!("{other:?} after {seen:?}"),
        }
    }
    seen
}

/// The exec's state once it is over: engines know a moment after the stream's end.
async fn over(client: &mut Client, id: &str) -> Value {
    for _ in 0..100 {
        let state = client.json(DockerRequest::ExecInspect { id: id.to_owned() }).await;
        if state["Running"] == false {
            return state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it runs for ever");
}

#[tokio::test]
async fn a_terminal_there_and_back() {
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "exec", &["sleep", "1000"]).await;
        let (id, op) =
            start(&mut client, &own, "echo go; read -r a; echo \"got <$a>\"; stty size; read -r a; exit 7").await;
        client.engine.read(op, 10_000);
        until(&mut client, op, "go\r\n").await;
        client.ask(DockerRequest::ExecResize { id: id.clone(), height: 37, width: 101 }).await.unwrap();
        client.engine.write(op, "grüße\n".into());
        let seen = until(&mut client, op, "37 101\r\n").await;
        assert!(seen.contains("got <grüße>"), "{}: {seen}", engine.name);
        client.engine.write(op, b"x\n".to_vec());
        let (_, end) = client.all(op).await;
        end.unwrap();
        assert_eq!(over(&mut client, &id).await["ExitCode"], 7, "{}", engine.name);
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn output_comes_as_it_is_granted() {
    const ALL: usize = 1 << 20;
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "pour", &["sleep", "1000"]).await;
        let script = "stty -opost; i=0; while [ $i -lt 1024 ]; do printf %01023d $i; echo; i=$((i+1)); done";
        let (id, op) = start(&mut client, &own, script).await;
        let (mut granted, mut seen) = (0, Vec::new());
        let end = loop {
            if granted == seen.len() {
                granted += 5000;
                client.engine.read(op, 5000);
            }
            match client.next(op).await {
                DockerEvent::Bytes(bytes) => seen.extend(bytes.0),
                DockerEvent::Done(end) => break end,
                other => panic!("{other:?}"),
            }
            assert!(seen.len() <= granted, "{}: {} of {granted}", engine.name, seen.len());
        };
        end.unwrap();
        assert_eq!(seen.len(), ALL, "{}", engine.name);
        for (number, line) in seen.chunks(1024).enumerate() {
            assert!(line.ends_with(format!("{number}\n").as_bytes()), "{}: line {number}", engine.name);
        }
        assert_eq!(over(&mut client, &id).await["ExitCode"], 0);
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn input_waits_for_who_does_not_read() {
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "typed", &["sleep", "1000"]).await;
        let script = "stty -icanon -echo; echo go; read -r a; head -c 500000 | wc -c";
        let (_, op) = start(&mut client, &own, script).await;
        client.engine.read(op, 10_000);
        until(&mut client, op, "go\r\n").await;
        client.engine.write(op, b"\n".to_vec());
        for _ in 0..50 {
            client.engine.write(op, vec![b'x'; 10_000]);
        }
        let seen = until(&mut client, op, "500000").await;
        assert!(!seen.contains('x'), "{}: {seen}", engine.name);
        let (_, end) = client.all(op).await;
        end.unwrap();
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn a_container_that_dies_ends_its_execs() {
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "killed", &["sleep", "1000"]).await;
        let (_, op) = start(&mut client, &own, "echo go; sleep 1000").await;
        client.engine.read(op, 10_000);
        until(&mut client, op, "go\r\n").await;
        client.ask(DockerRequest::ContainerKill { id: own.id.clone() }).await.unwrap();
        let (_, end) = client.all(op).await;
        assert!(end.is_ok(), "{}: {end:?}", engine.name);
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn a_cancelled_one_leaves_its_process_running() {
    // Why the core has to end it by itself.
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "left", &["sleep", "1000"]).await;
        let (id, op) = start(&mut client, &own, "echo go; sleep 1000").await;
        client.engine.read(op, 10_000);
        until(&mut client, op, "go\r\n").await;
        client.engine.cancel(op);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let state = client.json(DockerRequest::ExecInspect { id }).await;
        assert_eq!(state["Running"], true, "{}", engine.name);
        own.remove(&mut client).await;
    }
}
