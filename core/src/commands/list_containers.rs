//! `list_containers`: asked every two seconds for ever, so a warm list costs one engine call (PROTOCOL 5).
//!
//! The engine's text crosses as it is: what the list lacks is put into it, nothing is taken apart and put together.

use serde_json::value::RawValue;

use super::answer::{CommandError, Doing};
use crate::details::{Container, Details};
use crate::docker::DockerRequest;
use crate::docker::views::{ContainerSummary, HostConfig, elements, read};
use crate::events::{INSPECTS_AT_ONCE, Shown, check};
use crate::ids::ContainerId;
use crate::run::Cx;

pub(super) async fn run(cx: &Cx) -> Result<String, CommandError> {
    let list = cx.docker(DockerRequest::ContainerList).await.doing("list containers")?;
    let Some(list) = list else { return Ok("[]".to_owned()) };
    let containers: Vec<Listed<'_>> = elements(&list).into_iter().map(Listed::read).collect();
    let shown = containers.iter().map(|listed| (listed.view.id.0.clone(), Shown::of(&listed.view)));
    check(cx, shown.collect()).await;
    fetch_missing(cx, &containers).await;
    let mut details = cx.shared.details.borrow_mut();
    let text = render(&containers, &details);
    let mut ids: Vec<&str> = containers.iter().map(|listed| listed.view.id.0.as_str()).collect();
    let mut images: Vec<&str> = containers.iter().map(|listed| listed.view.image_id.0.as_str()).collect();
    ids.sort_unstable();
    images.sort_unstable();
    details.retain(&|id| ids.binary_search(&id).is_ok(), &|image| images.binary_search(&image).is_ok());
    Ok(text)
}

struct Listed<'a> {
    raw: &'a RawValue,
    view: ContainerSummary<'a>,
}

impl<'a> Listed<'a> {
    fn read(raw: &'a RawValue) -> Self {
        Self { raw, view: read(raw) }
    }
}

/// Asks for what is not known, or may have changed. What cannot be had (a container that went meanwhile) is left out
/// of its element, never fails the list.
async fn fetch_missing(cx: &Cx, containers: &[Listed<'_>]) {
    let (missing, mut images) = {
        let details = cx.shared.details.borrow();
        let missing: Vec<&str> = containers
            .iter()
            .map(|listed| listed.view.id.0.as_str())
            .filter(|id| !id.is_empty() && !details.is_container_fresh(id))
            .collect();
        let images: Vec<&str> = containers
            .iter()
            .map(|listed| listed.view.image_id.0.as_str())
            .filter(|image| !image.is_empty() && !details.is_image_fresh(image))
            .collect();
        (missing, images)
    };
    images.sort_unstable();
    images.dedup();
    for chunk in missing.chunks(INSPECTS_AT_ONCE) {
        let asked = cx.shared.details.borrow().epoch();
        let requests = chunk.iter().map(|id| DockerRequest::ContainerInspect { id: ContainerId::from(*id) });
        for (id, answer) in chunk.iter().zip(cx.ask_all(requests).await) {
            match answer {
                Ok(Some(inspect)) => {
                    cx.shared.details.borrow_mut().keep_container(id, asked, Container::read(&inspect));
                }
                // Not asked again every two seconds.
                Err(error) if error.is_forbidden() => {
                    cx.shared.details.borrow_mut().keep_container(id, asked, Container::default());
                }
                Ok(None) | Err(_) => {}
            }
        }
    }
    for chunk in images.chunks(INSPECTS_AT_ONCE) {
        let asked = cx.shared.details.borrow().epoch();
        let requests = chunk.iter().map(|image| DockerRequest::ImageInspect { name: (*image).to_owned() });
        for (image, answer) in chunk.iter().zip(cx.ask_all(requests).await) {
            match answer {
                Ok(inspect) => cx.shared.details.borrow_mut().keep_image(image, asked, inspect.as_deref()),
                // Its image was removed under it, or nobody may look at it: no digests, until an event says otherwise.
                Err(error) if error.is_not_found() || error.is_forbidden() => {
                    cx.shared.details.borrow_mut().keep_image(image, asked, None)
                }
                Err(_) => {}
            }
        }
    }
}

fn render(containers: &[Listed<'_>], details: &Details) -> String {
    let size: usize = containers.iter().map(|listed| listed.raw.get().len() + 512).sum();
    let mut text = String::with_capacity(size + 2);
    text.push('[');
    for (index, listed) in containers.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_element(&mut text, listed, details);
    }
    text.push(']');
    text
}

fn push_element(text: &mut String, listed: &Listed<'_>, details: &Details) {
    let raw = listed.raw.get();
    let container = details.container(&listed.view.id.0);
    let body = raw.strip_suffix('}').unwrap_or(raw).trim_end();
    if body.len() == raw.len() {
        // No object: not ours to mend.
        text.push_str(raw);
        return;
    }
    push_with_restart_policy(text, body, listed, container);
    let mut comma = if body.ends_with('{') { "" } else { "," };
    // Podman's list has no HostConfig at all.
    let policy = container.and_then(|container| container.restart_policy.as_deref());
    if let (Some(policy), false) = (policy, raw.contains("\"HostConfig\"")) {
        text.extend([comma, "\"HostConfig\":{\"RestartPolicy\":", policy, "}"]);
        comma = ",";
    }
    if listed.view.repo_digests.is_none() {
        let digests = details.digests(&listed.view.image_id.0).unwrap_or("[]");
        text.extend([comma, "\"RepoDigests\":", digests]);
    }
    if let Some(container) = container {
        if let (Some(started_at), None) = (&container.started_at, listed.view.started_at) {
            text.extend([",\"StartedAt\":", started_at]);
        }
        if listed.view.env.is_none() && !container.env.is_empty() {
            text.extend([",\"Env\":", &container.env]);
        }
    }
    text.push('}');
}

/// The element's text up to its last brace, with the restart policy put into its `HostConfig`.
fn push_with_restart_policy(text: &mut String, body: &str, listed: &Listed<'_>, container: Option<&Container>) {
    let policy = container.and_then(|container| container.restart_policy.as_deref());
    let (Some(host_config), Some(policy)) = (listed.view.host_config, policy) else {
        text.push_str(body);
        return;
    };
    let view: HostConfig<'_> = read(host_config);
    let inner = host_config.get();
    // Where HostConfig's text ends within the element's: both are slices of the same answer.
    let end = (inner.as_ptr() as usize + inner.len()).wrapping_sub(listed.raw.get().as_ptr() as usize);
    let open = end.checked_sub(1).and_then(|close| body.get(..close)).filter(|_| inner.ends_with('}'));
    match open {
        Some(open) if view.restart_policy.is_none() => {
            let comma = if open.trim_end().ends_with('{') { "" } else { "," };
            text.extend([open, comma, "\"RestartPolicy\":", policy, &body[open.len()..]]);
        }
        _ => text.push_str(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn details(ids: &[&str]) -> Details {
        let mut details = Details::default();
        let asked = details.epoch();
        let inspect = json!({"State": {"StartedAt": "2026-11-23T15:38:46Z"}, "Config": {"Env": ["A=b=c"]},
            "HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}});
        for id in ids {
            details.keep_container(id, asked, Container::read(&raw(&inspect)));
        }
        details.keep_image("sha256:i", asked, Some(&raw(&json!({"RepoDigests": ["demo@sha256:1"]}))));
        details
    }

    fn rendered(list: &str, details: &Details) -> Value {
        let list = RawValue::from_string(list.to_owned()).unwrap();
        let containers: Vec<Listed<'_>> = elements(&list).into_iter().map(Listed::read).collect();
        serde_json::from_str(&render(&containers, details)).unwrap()
    }

    #[test]
    fn adds_what_the_list_lacks_and_keeps_the_rest() {
        let list = json!([{"Id": "a", "ImageID": "sha256:i", "Odd": {"deep": [1, 2.50]},
            "HostConfig": {"NetworkMode": "default"}, "Last": "}"}]);
        let mut expected = list[0].clone();
        expected["RepoDigests"] = json!(["demo@sha256:1"]);
        expected["StartedAt"] = json!("2026-11-23T15:38:46Z");
        expected["Env"] = json!({"A": "b=c"});
        expected["HostConfig"]["RestartPolicy"] = json!({"Name": "always", "MaximumRetryCount": 0});
        assert_eq!(rendered(&list.to_string(), &details(&["a"])), json!([expected]));
        let spaced = "[ { \"Id\" : \"a\" , \"ImageID\" : \"sha256:i\", \"Odd\":{\"deep\":[1,2.50]},\n\"HostConfig\" : \
                      { \"NetworkMode\" : \"default\" } , \"Last\":\"}\" } ]";
        assert_eq!(rendered(spaced, &details(&["a"])), json!([expected]));
    }

    #[test]
    fn an_engine_that_gives_them_itself_is_believed() {
        let list = json!([{"Id": "a", "RepoDigests": ["own"], "Env": null, "StartedAt": "own",
            "HostConfig": {"RestartPolicy": {"Name": "own"}}}]);
        let mut expected = list.clone();
        expected[0]["Env"] = json!({"A": "b=c"});
        let text = rendered(&list.to_string(), &details(&["a"]));
        assert_eq!(text[0]["HostConfig"], expected[0]["HostConfig"]);
        assert_eq!((&text[0]["RepoDigests"], &text[0]["StartedAt"]), (&json!(["own"]), &json!("own")));
    }

    #[test]
    fn odd_elements_never_fail_the_list() {
        let list = r#"[{}, {"Id":"a","HostConfig":{}}, {"Id":"b","HostConfig":null}, 7, null, {"Id":"never seen"}]"#;
        let value = rendered(list, &details(&["a", "b"]));
        assert_eq!(value[0], json!({"RepoDigests": []}));
        assert_eq!(value[1]["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!(value[2]["HostConfig"], Value::Null);
        assert_eq!(rendered(r#"[{"Id":"a"}]"#, &details(&["a"]))[0]["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!((&value[3], &value[4]), (&json!(7), &Value::Null));
        assert!(value[5].get("Env").is_none());
    }
}
