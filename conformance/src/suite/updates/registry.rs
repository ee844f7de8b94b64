//! Images in the registry of the tests.

use serde_json::json;

use crate::suite::support::engines::{Engine, not_run};
use crate::suite::support::objects::Objects;
use crate::suite::support::tar::tar;

/// Where it listens; engines speak plain HTTP with this address.
pub(crate) const REGISTRY: &str = "127.0.0.1:5000";

/// Says loudly if it is not there.
pub(crate) fn has_registry() -> bool {
    let there = std::net::TcpStream::connect(REGISTRY).is_ok();
    if !there {
        not_run(&format!("updates: no registry listens on {REGISTRY}"));
    }
    there
}

/// The name of a scenario's image with this tag.
pub(crate) fn reference(objects: &Objects, tag: &str) -> String {
    format!("{REGISTRY}/{}:{tag}", objects.name("app"))
}

/// An image in the registry, and not in the engine, that these lines of a Dockerfile make of the base image.
#[track_caller]
pub(crate) fn publish(engine: &Engine, objects: &Objects, tag: &str, lines: &[&str]) -> String {
    let reference = build(engine, objects, tag, lines);
    engine.client.delete(&format!("/images/{reference}?force=1"));
    reference
}

/// The same, and the engine has it.
#[track_caller]
pub(crate) fn build(engine: &Engine, objects: &Objects, tag: &str, lines: &[&str]) -> String {
    let client = &engine.client;
    // No two tags are the same image, or one would be there when the other is.
    let mark = format!("LABEL dmtest.tag={tag}");
    let maker = objects.create(&format!("maker-{tag}"), &json!({"Image": "busybox:latest", "Cmd": ["true"]}));
    let repo = format!("{REGISTRY}/{}", objects.name("app"));
    // A layer of its own: all that are empty are one layer, and Podman cannot use it while another scenario's last image
    // with it goes.
    let unique = tar(&[("dmtest", 0o644, format!("{repo}:{tag}").as_bytes())]);
    client.upload("PUT", &format!("/containers/{maker}/archive?path=/"), "application/x-tar", &unique);
    let changes: String =
        lines.iter().chain([&mark.as_str()]).map(|line| format!("&changes={}", encoded(line))).collect();
    client.post(&format!("/commit?container={maker}&repo={}&tag={tag}{changes}", encoded(&repo)), Some(json!({})));
    client.delete(&format!("/containers/{maker}?force=1"));
    let pushed = client.push(&format!("/images/{repo}/push?tag={tag}&tlsVerify=false"));
    assert!(pushed.status < 400 && !pushed.text().contains("errorDetail"), "{pushed}");
    format!("{repo}:{tag}")
}

/// For a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
