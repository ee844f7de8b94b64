use std::time::Duration;

use dockmon_conformance::server::{DEFAULT_TOKEN, RegistrationToken, Route, ScriptedServer, ServerOptions};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, LONG, register, server};

async fn refused(server: &ScriptedServer, message: &serde_json::Value) -> String {
    let mut client = Client::open(server).await;
    client.send(message).await;
    let answer = client.json().await;
    assert_eq!(answer["type"], "auth_error");
    assert_eq!(client.closed().await, (1008, "Authentication failed".to_owned()));
    answer["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_registration_gets_a_permanent_token_that_works_with_its_engine_only() {
    let server = server().await;
    let (_client, permanent) = Client::registered(&server, DEFAULT_TOKEN, "ENGINE:ONE").await;
    let first = server.wait_registered(LONG).await.unwrap();
    assert!(!first.permanent);
    assert_eq!(first.host.name, "host of ENGINE:ONE");
    assert_eq!(first.message["token"], "…");

    let (_again, same) = Client::registered(&server, &permanent, "ENGINE:ONE").await;
    assert_eq!(same, permanent);
    assert!(server.wait_registrations(2, LONG).await.unwrap().permanent);

    let error = refused(&server, &register(&permanent, "ENGINE:TWO")).await;
    assert_eq!(error, "Permanent token does not match engine_id");
    assert_eq!(server.wait_refusals(1, LONG).await.unwrap().error, error);
}

#[tokio::test]
async fn tokens_are_used_up_expire_and_can_be_unknown() {
    let tokens = [RegistrationToken::single("once"), RegistrationToken::expired("old")];
    let server = ScriptedServer::start(ServerOptions::default().tokens(tokens)).await.unwrap();
    Client::registered(&server, "once", "E1").await;
    for (token, error) in [
        ("once", "Registration token has reached maximum uses"),
        ("old", "Registration token has expired"),
        ("never-made", "Invalid registration token"),
    ] {
        assert_eq!(refused(&server, &register(token, "E2")).await, error);
    }
    server.add_token(RegistrationToken::multi_use("many"));
    Client::registered(&server, "many", "E3").await;
    assert_eq!(refused(&server, &register("many", "E3")).await, "Agent with this engine_id is already registered");
    server.expire_token("many");
    assert_eq!(refused(&server, &register("many", "E4")).await, "Registration token has expired");
}

#[tokio::test]
async fn a_field_too_many_and_a_wrong_first_message_are_refused() {
    let server = server().await;
    let mut message = register(DEFAULT_TOKEN, "E1");
    message["surprise"] = json!(1);
    let error = refused(&server, &message).await;
    assert_eq!(error, "Invalid registration data: Extra inputs are not permitted (field: surprise)");
    assert_eq!(refused(&server, &json!({"type": "reconnect"})).await, "Invalid authentication type");
    server.refuse_registrations(Some("Registration failed due to a test"));
    assert_eq!(refused(&server, &register(DEFAULT_TOKEN, "E1")).await, "Registration failed due to a test");
}

#[tokio::test]
async fn who_says_nothing_is_sent_away() {
    let options = ServerOptions { register_timeout: Duration::from_millis(50), ..ServerOptions::default() };
    let server = ScriptedServer::start(options).await.unwrap();
    let mut client = Client::open(&server).await;
    assert_eq!(client.json().await["error"], "Authentication timeout");
    assert_eq!(client.closed().await.0, 1008);
}

#[tokio::test]
async fn the_newer_of_two_connections_stays() {
    let server = server().await;
    let (mut older, permanent) = Client::registered(&server, DEFAULT_TOKEN, "E1").await;
    let (mut newer, _) = Client::registered(&server, &permanent, "E1").await;
    assert_eq!(older.closed().await, (1000, "New connection established".to_owned()));
    let end = server.wait_closings(Route::Main, 1, LONG).await.unwrap();
    assert_eq!(end.frame, Some((1000, "New connection established".to_owned())));
    assert!(!end.by_agent);

    let question = server.begin_command("list_images", json!({})).unwrap();
    assert_eq!(newer.json().await["id"], question.id());
}

#[tokio::test]
async fn what_is_not_json_text_ends_the_connection() {
    let server = server().await;
    for (number, message) in [Message::binary(vec![1]), Message::text("{"), Message::text("[]")].into_iter().enumerate()
    {
        let (mut client, _) = Client::registered(&server, DEFAULT_TOKEN, &format!("E{number}")).await;
        client.socket.send(message).await.unwrap();
        assert_eq!(client.closed().await, (1011, "Internal error".to_owned()));
    }
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_connection_and_one_at_the_limit_does_not() {
    let options = ServerOptions { message_limit: 4096, ..ServerOptions::default() };
    let server = ScriptedServer::start(options).await.unwrap();
    let mut client = Client::with_defaults(&server).await;
    let frame = |length: usize| json!({"type": "x", "y": "z".repeat(length - r#"{"type":"x","y":""}"#.len())});
    client.send(&frame(4096)).await;
    server.wait_frame(|frame| frame.text().len() == 4096, LONG).await.unwrap();
    client.send(&frame(4097)).await;
    assert_eq!(client.closed().await.0, 1009);
    assert!(server.violations().iter().any(|text| text.contains("4097 bytes")), "{:?}", server.violations());
}

#[tokio::test]
async fn the_agents_own_close_is_told_from_the_servers() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    client.socket.close(None).await.unwrap();
    let end = server.wait_closings(Route::Main, 1, LONG).await.unwrap();
    assert!(end.by_agent);
    assert!(!server.is_connected());
}

#[tokio::test]
async fn the_stats_socket_wants_a_permanent_token() {
    let server = server().await;
    let (_main, token) = Client::registered(&server, DEFAULT_TOKEN, "E1").await;
    let url = format!("{}/api/stats/ws/ingest", server.url());
    let status = |result: Result<Client, Error>| match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    };
    assert_eq!(status(Client::request(&server, url.as_str()).await), 401);
    assert_eq!(status(Client::request(&server, format!("{url}?token=unknown")).await), 401);
    assert_eq!(status(Client::request(&server, format!("{url}?token={token}")).await), 101);

    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    let mut client = Client::request(&server, request.clone()).await.unwrap();
    client.send(&json!({"container_id": "short"})).await;
    server.wait_stats_frame(|frame| frame.json()["container_id"] == "short", LONG).await.unwrap();
    assert_eq!(server.stats_frames().len(), 1);
    assert!(server.violations()[0].contains("full id"), "{:?}", server.violations());

    server.stats_link().http_status(Some(404));
    assert_eq!(status(Client::request(&server, request).await), 404);
    assert_eq!(status(Client::open_path(&server, "/elsewhere").await), 404);
    assert!(server.is_connected());
}
