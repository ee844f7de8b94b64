//! What the server does on the main socket by itself: letting the agent in, keep-alive, polling.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::Connection;
use super::registration::Register;
use super::state::{Outgoing, Refusal, Registration, Route};

/// How long the server waits for an answer to `list_containers`.
const LIST_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Does for ever what a connection needs besides reading and writing.
pub(super) async fn keep(connection: &Connection) {
    if connection.route == Route::Main {
        tokio::join!(await_registration(connection), keep_alive(connection), poll_containers(connection));
    }
    std::future::pending().await
}

async fn await_registration(connection: &Connection) {
    let mut registered = connection.registered.subscribe();
    if timeout(connection.shared.options.register_timeout, registered.wait_for(|&it| it)).await.is_err()
        && !connection.shared.read(|state| state.hold_registrations)
    {
        refuse(connection, "Authentication timeout");
    }
}

/// Handles the first message: in, or out.
pub(super) fn register(connection: &Connection, message: &Value) {
    let shared = &connection.shared;
    let checked = Register::check(message);
    let admitted = shared.change(|state| {
        if state.hold_registrations {
            return None;
        }
        if let Some(error) = &state.refuse_with {
            return Some(Err(error.clone()));
        }
        let register = match checked {
            Ok(register) => register,
            Err(error) => return Some(Err(error)),
        };
        let permanent = state.identities.knows_permanent(&register.token);
        Some(state.identities.admit(&register, || shared.new_id()).map(|host| (host, permanent)))
    });
    let (host, permanent) = match admitted {
        None => return,
        Some(Err(error)) => return refuse(connection, &error),
        Some(Ok(admitted)) => admitted,
    };
    let mut message = message.clone();
    message["token"] = Value::from("…");
    let token = (!shared.read(|state| state.null_permanent_token)).then_some(&host.agent_id);
    let success = json!({
        "type": "auth_success", "agent_id": host.agent_id, "host_id": host.host_id, "permanent_token": token,
    });
    connection.send(Outgoing::Text(success.to_string()));
    shared.change(|state| {
        for (&number, link) in &mut state.links {
            if number != connection.number && link.agent_id.as_ref() == Some(&host.agent_id) && !link.superseded {
                link.superseded = true;
                let reason = "New connection established".to_owned();
                let _ = link.outgoing.send(Outgoing::Close { code: 1000, reason });
            }
        }
        if let Some(link) = state.links.get_mut(&connection.number) {
            link.agent_id = Some(host.agent_id.clone());
        }
        state.registrations.push(Registration {
            connection: connection.number,
            host,
            permanent,
            at: Instant::now(),
            after: connection.accepted.elapsed(),
            message,
        });
    });
    connection.registered.send_replace(true);
}

fn refuse(connection: &Connection, error: &str) {
    connection.shared.change(|state| {
        state.refusals.push(Refusal { connection: connection.number, error: error.to_owned(), at: Instant::now() });
    });
    connection.send(Outgoing::Text(json!({"type": "auth_error", "error": error}).to_string()));
    connection.close(1008, "Authentication failed");
}

/// Pings, and closes when no pong comes: but not while a fault keeps this side from hearing it.
async fn keep_alive(connection: &Connection) {
    let options = &connection.shared.options;
    let mut pongs = connection.pongs.subscribe();
    loop {
        sleep(options.ping_interval).await;
        if connection.faults.is_deaf() {
            continue;
        }
        let before = *pongs.borrow_and_update();
        connection.shared.change(|state| state.counters.pings_sent += 1);
        connection.send(Outgoing::Ping);
        let answered = timeout(options.pong_timeout, pongs.wait_for(|&count| count > before)).await.is_ok();
        if !answered && !connection.faults.is_deaf() {
            return connection.close(1011, "keepalive ping timeout");
        }
    }
}

async fn poll_containers(connection: &Connection) {
    let Some(period) = connection.shared.options.poll_containers else { return };
    let mut registered = connection.registered.subscribe();
    if registered.wait_for(|&it| it).await.is_err() {
        return;
    }
    let shared = Arc::clone(&connection.shared);
    let mut changes = shared.changes();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let id = shared.new_id();
        let question = json!({"type": "command", "command": "list_containers", "id": id, "correlation_id": id});
        shared.change(|state| state.answers.ask(&id, "list_containers".to_owned(), false));
        connection.send(Outgoing::Text(question.to_string()));
        let answered = changes.wait_for(|_| shared.read(|state| state.answers.count(&id) > 0));
        // Late is as good as never: the server asks again.
        let _ = timeout(LIST_LIMIT, answered).await;
    }
}
