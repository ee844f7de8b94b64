//! A WebSocket client that knows nothing of agents.

use std::time::Duration;

use dockmon_conformance::server::{DEFAULT_TOKEN, ScriptedServer, ServerOptions};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Far above what anything here takes; only a failing test waits so long.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn server() -> ScriptedServer {
    ScriptedServer::start(ServerOptions::default()).await.unwrap()
}

pub(crate) fn register(token: &str, engine_id: &str) -> Value {
    json!({
        "type": "register", "token": token, "engine_id": engine_id, "version": "0.1.0", "proto_version": "1.1",
        "capabilities": {}, "hostname": format!("host of {engine_id}"), "hostname_source": "daemon",
    })
}

pub(crate) struct Client<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
}

impl Client {
    /// Opens the main socket.
    pub(crate) async fn open(server: &ScriptedServer) -> Self {
        Self::open_path(server, "/api/agent/ws").await.unwrap()
    }

    pub(crate) async fn open_path(server: &ScriptedServer, path: &str) -> Result<Self, Error> {
        Self::request(server, format!("{}{path}", server.url())).await
    }

    pub(crate) async fn request(
        server: &ScriptedServer,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<Self, Error> {
        let tcp = TcpStream::connect(server.address()).await?;
        let (socket, _) = client_async(request, tcp).await?;
        Ok(Self { socket })
    }

    /// Opens the main socket and registers; gives the permanent token too.
    pub(crate) async fn registered(server: &ScriptedServer, token: &str, engine_id: &str) -> (Self, String) {
        let mut client = Self::open(server).await;
        client.send(&register(token, engine_id)).await;
        let answer = client.json().await;
        assert_eq!(answer["type"], "auth_success", "{answer}");
        let token = answer["permanent_token"].as_str().unwrap().to_owned();
        (client, token)
    }

    pub(crate) async fn with_defaults(server: &ScriptedServer) -> Self {
        Self::registered(server, DEFAULT_TOKEN, "ENGINE:ONE").await.0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; none: the connection is over.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, Error>> {
        timeout(LONG, self.socket.next()).await.expect("the server says something")
    }

    pub(crate) async fn json(&mut self) -> Value {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected JSON, got {other:?}"),
            }
        }
    }

    /// Reads until the close frame, and on until the connection is over.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    while self.next().await.is_some() {}
                    return (code.into(), reason.as_str().to_owned());
                }
                Some(Ok(_)) => {}
                other => panic!("expected a close frame, got {other:?}"),
            }
        }
    }
}
