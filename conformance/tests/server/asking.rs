use std::time::Duration;

use dockmon_conformance::server::{ScriptedServer, ServerOptions};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LONG, server};

fn response(id: &Value, payload: Value) -> Value {
    json!({"type": "response", "id": id, "payload": payload, "timestamp": "2026-11-23T15:39:31Z"})
}

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    let list = server.begin_command("list_containers", None).unwrap();
    let stop = server.begin_operation("stop", json!({"container_id": "abc", "timeout": 3})).unwrap();

    let first = client.json().await;
    assert_eq!(first["id"], list.id());
    let expected = json!({
        "type": "command", "command": "list_containers", "id": first["id"], "correlation_id": first["id"],
    });
    assert_eq!(first, expected);
    let second = client.json().await;
    assert_eq!(second["payload"], json!({"action": "stop", "container_id": "abc", "timeout": 3}));

    client.send(&json!({"correlation_id": second["id"], "success": false, "error": "no such container"})).await;
    client.send(&response(&first["id"], json!([{"Id": "x"}]))).await;
    assert_eq!(list.wait(LONG).await.unwrap().ok(), json!([{"Id": "x"}]));
    assert_eq!(stop.wait(LONG).await.unwrap().error(), "no such container");
    assert_eq!(server.answered_wrongly(), [""; 0]);
    assert_eq!(server.violations(), [""; 0]);
}

#[tokio::test]
async fn none_too_many_and_stray_answers_are_named() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    let none = server.begin_command("list_images", json!({})).unwrap();
    let twice = server.begin_command("list_volumes", json!({})).unwrap();
    client.json().await;
    let question = client.json().await;
    for id in [&question["id"], &question["id"], &json!("stray")] {
        client.send(&response(id, json!([]))).await;
    }
    server.wait_frame(|frame| frame.json()["id"] == "stray", LONG).await.unwrap();
    assert_eq!(server.answer_count(twice.id()), 2);
    let wrong = server.answered_wrongly();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].contains("list_images") && wrong[0].ends_with("0 answers"), "{wrong:?}");
    assert!(wrong[2].contains("nobody asked"), "{wrong:?}");
    drop(none);
}

#[tokio::test]
async fn a_failed_wait_shows_what_came_instead() {
    let server = server().await;
    assert!(server.begin_command("list_images", json!({})).is_err());
    let mut client = Client::with_defaults(&server).await;
    client.send(&json!({"type": "event", "command": "container_event", "payload": {"action": "start"}})).await;
    server.wait_event(|frame| frame.payload()["action"] == "start", LONG).await.unwrap();
    let after = server.frame_count();
    let wanted = |frame: &dockmon_conformance::server::Frame| frame.payload()["action"] == "start";
    let error = server.wait_event_since(after, wanted, Duration::from_millis(20)).await.unwrap_err().to_string();
    assert!(error.contains(r#""action":"start""#) && error.contains("1 registrations"), "{error}");
    assert!(!error.contains(dockmon_conformance::server::DEFAULT_TOKEN), "{error}");
}

#[tokio::test]
async fn containers_are_polled_for_if_wanted() {
    let options =
        ServerOptions { poll_containers: Some(Duration::from_millis(10)), ..ServerOptions::default().polling() };
    let server = ScriptedServer::start(options).await.unwrap();
    let mut client = Client::with_defaults(&server).await;
    for _ in 0..3 {
        let question = client.json().await;
        assert_eq!(question["command"], "list_containers");
        assert!(question.get("payload").is_none());
        client.send(&response(&question["id"], json!([]))).await;
    }
    client.json().await;
    assert_eq!(server.questions().len(), 4);
}

#[tokio::test]
async fn raw_messages_and_pings_pass_both_ways() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    assert!(server.send_text("no json"));
    assert!(server.send_binary(vec![7]));
    assert!(server.ping());
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("no json"));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(vec![7]));
    client.socket.send(Message::Ping("hello".into())).await.unwrap();
    while client.next().await.unwrap().unwrap() != Message::Pong("hello".into()) {}
    // A client answers a ping while it is read from.
    let answered = server.wait_until("the pong", LONG, |server| (server.counters().pongs_received == 1).then_some(()));
    tokio::select! {
        answered = answered => answered.unwrap(),
        () = async { while client.next().await.is_some() {} } => panic!("the server ended the connection"),
    }
    assert_eq!(server.counters().pings_received, 1);
}

#[test]
fn a_test_without_a_runtime_can_use_it_too() {
    let server = ScriptedServer::spawn(ServerOptions::default()).unwrap();
    let error = server.block_on(server.wait_registered(Duration::from_millis(10))).unwrap_err();
    assert!(error.to_string().starts_with("a registered agent: did not come within 10ms"), "{error}");
}
