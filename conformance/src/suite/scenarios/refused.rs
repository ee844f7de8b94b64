//! A server that lets nobody in, or throws somebody out: said clearly, and healed when the cause goes.

use std::time::Duration;

use serde_json::json;

use crate::engine::EngineOptions;
use crate::server::{DEFAULT_TOKEN, Host, RegistrationToken, Route, ServerOptions};
use crate::suite::support::agent::{DEADLINE, Setup};
use crate::suite::support::engines::{Engine, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "2": a_registration_token_that_is_no_good,
    "2": an_identity_that_the_server_does_not_take,
    "1": superseded_twice_means_that_two_agents_share_an_identity,
    "1": two_agents_with_one_volume,
    "3": frames_that_are_none,
    "1": closes_of_every_kind_are_followed_by_a_new_link,
}

fn engine() -> Engine {
    Engine::simulated(EngineOptions::docker26())
}

fn a_registration_token_that_is_no_good() {
    let cases: [(&str, Vec<RegistrationToken>, &[&str]); 3] = [
        ("expired", vec![RegistrationToken::expired(DEFAULT_TOKEN)], &["expired", "15 minutes", "make a new one"]),
        ("unknown", vec![], &["Invalid registration token", "make a new registration token"]),
        ("single", vec![RegistrationToken::single(DEFAULT_TOKEN)], &["maximum uses", "used before", "data volume"]),
    ];
    together(cases.map(|(name, tokens, words)| {
        let run = move || {
            let engine = engine();
            let used = name == "single";
            let mut stage = Stage::begun(&engine, ServerOptions::default().tokens(tokens), |setup| setup);
            let other = tempfile::tempdir().unwrap();
            if used {
                // Its data volume is lost.
                stage.wait_registered();
                let setup = Setup::new(&stage.server.url(), &engine.socket, other.path());
                assert_eq!(std::mem::replace(&mut stage.agent, setup.start()).terminate().code(), Some(0));
            }
            stage.agent.wait_log(&[&["ERROR", "refused the registration"], words].concat());
            stage.server.block_on(stage.server.wait_refusals(3, DEADLINE)).unwrap();
            // The same token becomes good: the server deletes the host and makes the token anew.
            if used {
                let host = stage.server.registrations()[0].host.agent_id.clone();
                stage.server.forget_host(&host);
            }
            stage.server.add_token(RegistrationToken::single(DEFAULT_TOKEN));
            stage.wait_registered();
            stage.check();
        };
        (name.to_owned(), run)
    }));
}

fn an_identity_that_the_server_does_not_take() {
    let engine_id = |engine: &Engine| engine.client.get("/info")["ID"].as_str().unwrap().to_owned();
    let cases: [(&str, &[&str]); 4] = [
        ("deleted", &["Invalid registration token", "deleted in DockMon", "permanent_token"]),
        ("copied", &["does not match engine_id", "another Docker engine", "permanent_token"]),
        ("cloned", &["already registered", "AGENT_NAME", "FORCE_UNIQUE_REGISTRATION"]),
        ("local", &["local Docker connections", "local socket"]),
    ];
    together(cases.map(|(name, words)| {
        let run = move || {
            let engine = engine();
            let token = "0badcafe-0000-4000-8000-000000000000";
            let stage = Stage::begun(&engine, ServerOptions::default().tokens([]), |setup| match name {
                "deleted" | "copied" => setup.var("PERMANENT_TOKEN", token).secret(token),
                _ => setup,
            });
            stage.server.block_on(stage.server.wait_refusals(1, DEADLINE)).unwrap();
            let host = |engine_id: String| Host {
                agent_id: token.to_owned(),
                host_id: "h".to_owned(),
                engine_id,
                name: "another".to_owned(),
                forced: false,
            };
            match name {
                "copied" => stage.server.add_host(host("another engine".to_owned())),
                "cloned" => {
                    stage.server.add_host(host(engine_id(&engine)));
                    stage.server.add_token(RegistrationToken::multi_use(DEFAULT_TOKEN));
                }
                "local" => {
                    stage.server.watch_locally(&engine_id(&engine));
                    stage.server.add_token(RegistrationToken::multi_use(DEFAULT_TOKEN));
                }
                _ => {}
            }
            stage.agent.wait_log(&[&["ERROR", "refused the registration"], words].concat());
            // Whoever is asked makes it right in DockMon.
            match name {
                "deleted" => stage.server.add_host(host(engine_id(&engine))),
                "copied" => {
                    stage.server.forget_host(token);
                    stage.server.add_host(host(engine_id(&engine)));
                }
                "cloned" => stage.server.forget_host(token),
                _ => return,
            }
            stage.wait_registered();
        };
        (name.to_owned(), run)
    }));
}

fn superseded_twice_means_that_two_agents_share_an_identity() {
    let engine = engine();
    let stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.var("RECONNECT_MAX", "2s"));
    let superseded = |count: usize| {
        stage.server.close(1000, "New connection established");
        stage.server.block_on(stage.server.wait_closings(Route::Main, count, DEADLINE)).unwrap();
    };
    superseded(1);
    stage.agent.wait_log(&["WARN", "newer connection of the same identity"]);
    stage.wait_registrations(2);
    let fight = ["ERROR", "another agent uses this identity", "data volume", "cloned"];
    assert_eq!(stage.agent.count_log(&fight), 0);
    superseded(2);
    stage.agent.wait_log(&fight);
    let closed = stage.server.closings().pop().unwrap().at;
    stage.wait_registrations(3);
    let waited = stage.server.registrations().pop().unwrap().at - closed;
    assert!(waited >= Duration::from_millis(1900), "RECONNECT_MAX, never in a fight: {waited:?}");
    stage.check();
}

fn two_agents_with_one_volume() {
    let engine = engine();
    let stage = Stage::new(&engine);
    let token = stage.server.registrations()[0].host.agent_id.clone();
    let other = Setup::new(&stage.server.url(), &engine.socket, stage.agent.data()).start();
    let words = ["ERROR", "another agent uses this identity"];
    let said = || stage.agent.count_log(&words) + other.count_log(&words);
    crate::suite::support::agent::eventually("either of the two says so", || (said() > 0).then_some(()));
    assert!(stage.server.registrations().iter().all(|it| it.host.agent_id == token));
    drop(other);
    stage
        .server
        .block_on(
            stage.server.wait_until("the other one stays", DEADLINE, |server| server.is_connected().then_some(())),
        )
        .unwrap();
}

fn frames_that_are_none() {
    let engine = engine();
    let stage = Stage::new(&engine);
    let works = || assert_eq!(stage.command("list_networks", json!({})).ok().as_array().unwrap().len(), 3);
    for text in ["", "hello", "[]", "7", "{\"type\":", "{\"type\":7}", "\u{0}", &"[".repeat(10_000)] {
        assert!(stage.server.send_text(text));
    }
    stage.agent.wait_log(&["WARN", "unreadable frame"]);
    works();
    assert!(stage.server.send_binary(vec![0xff; 1000]));
    stage.agent.wait_log(&["WARN", "binary frame"]);
    works();
    assert!(stage.server.push(&json!({"type": "shiny_new_push", "payload": {}})));
    stage.agent.wait_log(&["shiny_new_push"]);
    works();
    assert_eq!(stage.server.registrations().len(), 1, "none of these costs the link");
    stage.check();
    // A text that is not UTF-8 or too long ends a WebSocket.
    assert!(stage.server.send_text("x".repeat(17 << 20)));
    stage.agent.wait_log(&["WARN", "above 16777216 bytes"]);
    stage.wait_registrations(2);
    works();
    // An answer that had no receipt yet when the link ended came twice, so only this is checked.
    assert_eq!(stage.server.violations(), [""; 0]);
}

fn closes_of_every_kind_are_followed_by_a_new_link() {
    let engine = engine();
    let stage = Stage::new(&engine);
    for (count, (code, reason)) in
        [(1001, "restart"), (1008, "policy"), (1009, "too big"), (1011, "oops")].iter().enumerate()
    {
        stage.server.close(*code, reason);
        stage.agent.wait_log(&[reason, "closed the link"]);
        stage.wait_registrations(count + 2);
    }
    stage.server.go_down();
    stage.agent.wait_log(&["WARN", "the link to the server broke"]);
    stage.agent.wait_log(&["WARN", "cannot connect", "check that the server runs"]);
    stage.server.refuse_connections(false);
    stage.wait_registrations(6);
    stage.check();
}
