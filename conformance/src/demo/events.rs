//! One event of a container, as a line.

use serde_json::Value;

/// What kind of news it is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Something works again.
    Good,
    /// Something failed.
    Bad,
    /// Somebody stopped something.
    Notable,
    /// All else.
    Plain,
}

/// A `container_event`, read for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventLine {
    /// Hours, minutes and seconds, UTC, as the engine says.
    pub(super) time: String,
    pub(super) name: String,
    /// The engine's word, without the command line that `exec_create: …` has.
    pub(super) action: String,
    /// `exit 137`, `was old-name`, …; often empty.
    pub(super) detail: String,
    pub(super) mood: Mood,
}

impl EventLine {
    /// Reads the payload of a `container_event`.
    pub(super) fn read(payload: &Value) -> Self {
        let text = |name: &str| payload[name].as_str().unwrap_or_default();
        let attribute = |name: &str| payload["attributes"][name].as_str();
        let (action, argument) = text("action").split_once(": ").unwrap_or_else(|| (text("action"), ""));
        let mut detail = match action {
            "die" => format!("exit {}", attribute("exitCode").unwrap_or("?")),
            "rename" => format!("was {}", attribute("oldName").unwrap_or("?").trim_start_matches('/')),
            "kill" => attribute("signal").map(|signal| format!("signal {signal}")).unwrap_or_default(),
            _ => argument.to_owned(),
        };
        if attribute("dockmon.agent.reconstructed") == Some("true") {
            detail.push_str(" (reconstructed)");
        }
        let mood = match action {
            "start" | "unpause" => Mood::Good,
            "die" if attribute("exitCode").is_none_or(|code| code == "0") => Mood::Plain,
            "die" | "oom" => Mood::Bad,
            "health_status" => {
                if argument == "healthy" {
                    Mood::Good
                } else {
                    Mood::Bad
                }
            }
            "stop" | "kill" | "pause" | "restart" | "destroy" => Mood::Notable,
            _ => Mood::Plain,
        };
        let time = text("timestamp").split(['T', '.', 'Z']).nth(1).unwrap_or_default().to_owned();
        Self {
            time,
            name: text("container_name").to_owned(),
            action: action.to_owned(),
            detail: detail.trim().to_owned(),
            mood,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(action: &str, attributes: Value) -> EventLine {
        EventLine::read(&json!({
            "container_id": "a", "container_name": "web", "action": action, "attributes": attributes,
            "timestamp": "2026-11-23T15:39:31.123Z",
        }))
    }

    #[test]
    fn a_death_tells_its_code() {
        let death = line("die", json!({"exitCode": "137"}));
        assert_eq!((death.time.as_str(), death.name.as_str()), ("15:39:31", "web"));
        assert_eq!((death.detail.as_str(), death.mood), ("exit 137", Mood::Bad));
        assert_eq!(line("die", json!({"exitCode": "0"})).mood, Mood::Plain);
    }

    #[test]
    fn long_actions_are_split() {
        let health = line("health_status: unhealthy", json!({}));
        assert_eq!(
            (health.action.as_str(), health.detail.as_str(), health.mood),
            ("health_status", "unhealthy", Mood::Bad)
        );
        assert_eq!(line("exec_create: sh -c true", json!({})).detail, "sh -c true");
        assert_eq!(line("rename", json!({"oldName": "/before"})).detail, "was before");
    }

    #[test]
    fn what_was_reconstructed_says_so() {
        let start = line("start", json!({"dockmon.agent.reconstructed": "true"}));
        assert_eq!((start.detail.as_str(), start.mood), ("(reconstructed)", Mood::Good));
    }
}
