//! The strict check of the `register` message: what the released server takes and what it refuses, field by field.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// Where the agent took its host name from; the server refuses any other word.
const HOSTNAME_SOURCES: [&str; 4] = ["agent_name", "daemon", "os", "engine_id"];

/// Every field that `register` may have; anything else is refused.
const FIELDS: [(&str, Rule); 20] = [
    ("type", Rule::Needed { most: 8 }),
    ("token", Rule::Identifier),
    ("engine_id", Rule::Identifier),
    ("version", Rule::Needed { most: 50 }),
    ("proto_version", Rule::Needed { most: 20 }),
    ("capabilities", Rule::Capabilities),
    ("hostname", Rule::Text { most: 255 }),
    ("hostname_source", Rule::Source),
    ("force_unique_registration", Rule::Bool),
    ("os_type", Rule::Text { most: 50 }),
    ("os_version", Rule::Text { most: 500 }),
    ("kernel_version", Rule::Text { most: 255 }),
    ("docker_version", Rule::Text { most: 50 }),
    ("daemon_started_at", Rule::Text { most: 100 }),
    ("total_memory", Rule::Count { most: 1_000_000_000_000_000 }),
    ("num_cpus", Rule::Count { most: 10_000 }),
    ("agent_os", Rule::Text { most: 20 }),
    ("agent_arch", Rule::Text { most: 20 }),
    ("host_ip", Rule::Text { most: 45 }),
    ("host_ips", Rule::Addresses { most: 50 }),
];

#[derive(Clone, Copy)]
enum Rule {
    /// A string of 1 to 255 letters, digits, `-`, `_` and `:`.
    Identifier,
    /// A string of at most `most` characters that must be there.
    Needed {
        most: usize,
    },
    /// The same, or null, or absent.
    Text {
        most: usize,
    },
    /// A whole number above zero, or null, or absent.
    Count {
        most: u64,
    },
    Bool,
    Capabilities,
    Source,
    Addresses {
        most: usize,
    },
}

/// A `register` message that passed the check.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Register {
    pub(super) token: String,
    pub(super) engine_id: String,
    /// Cleaned as the server does it; none: the server makes a name from the engine's id.
    pub(super) hostname: Option<String>,
    pub(super) hostname_source: Option<String>,
    pub(super) force_unique: bool,
}

impl Register {
    /// Checks a first message; the error is the text of the `auth_error`.
    pub(super) fn check(message: &Value) -> Result<Self, String> {
        let Some(message) = message.as_object() else {
            return Err("Invalid authentication type".to_owned());
        };
        if message.get("type").and_then(Value::as_str) != Some("register") {
            return Err("Invalid authentication type".to_owned());
        }
        for (name, rule) in FIELDS {
            rule.check(message.get(name)).map_err(|problem| invalid(&problem, name))?;
        }
        if let Some(name) = message.keys().find(|name| FIELDS.iter().all(|(known, _)| known != name)) {
            return Err(invalid("Extra inputs are not permitted", name));
        }
        Ok(Self::read(message))
    }

    fn read(message: &Map<String, Value>) -> Self {
        let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
        let clean = |name: String| -> String {
            name.chars().filter(|&c| !matches!(c, '<' | '>') && !c.is_control()).collect::<String>().trim().to_owned()
        };
        Self {
            token: text("token").unwrap_or_default(),
            engine_id: text("engine_id").unwrap_or_default(),
            hostname: text("hostname").map(clean).filter(|name| !name.is_empty()),
            hostname_source: text("hostname_source"),
            force_unique: message.get("force_unique_registration").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

fn invalid(problem: &str, field: &str) -> String {
    format!("Invalid registration data: {problem} (field: {field})")
}

impl Rule {
    fn check(self, value: Option<&Value>) -> Result<(), String> {
        let needed = matches!(self, Self::Identifier | Self::Needed { .. } | Self::Capabilities);
        let value = match value {
            None if needed => return Err("Field required".to_owned()),
            None => return Ok(()),
            Some(Value::Null) if !needed => return Ok(()),
            Some(value) => value,
        };
        match self {
            Self::Needed { most } | Self::Text { most } => text(value, most).map(drop),
            Self::Identifier => {
                let text = text(value, 255)?;
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
                if text.is_empty() {
                    Err("String should have at least 1 character".to_owned())
                } else if text.chars().all(fits) {
                    Ok(())
                } else {
                    Err("Value contains characters that are not allowed".to_owned())
                }
            }
            Self::Count { most } => match value.as_u64() {
                Some(number) if (1..=most).contains(&number) => Ok(()),
                Some(_) => Err(format!("Input should be above 0 and at most {most}")),
                None => Err("Input should be a valid integer".to_owned()),
            },
            Self::Bool => value.is_boolean().then_some(()).ok_or_else(|| "Input should be a valid boolean".to_owned()),
            Self::Capabilities => match value.as_object() {
                Some(map) if map.values().all(Value::is_boolean) => Ok(()),
                Some(_) => Err("Input should be a valid boolean".to_owned()),
                None => Err("Input should be a valid dictionary".to_owned()),
            },
            Self::Source => match value.as_str() {
                Some(source) if HOSTNAME_SOURCES.contains(&source) => Ok(()),
                _ => Err(format!("Input should be one of {}", HOSTNAME_SOURCES.join(", "))),
            },
            Self::Addresses { most } => {
                let list = value.as_array().ok_or_else(|| "Input should be a valid list".to_owned())?;
                if list.len() > most {
                    return Err(format!("List should have at most {most} items"));
                }
                list.iter()
                    .all(Value::is_string)
                    .then_some(())
                    .ok_or_else(|| "Input should be a valid string".to_owned())
            }
        }
    }
}

fn text(value: &Value, most: usize) -> Result<&str, String> {
    let text = value.as_str().ok_or_else(|| "Input should be a valid string".to_owned())?;
    if text.chars().count() > most {
        return Err(format!("String should have at most {most} characters"));
    }
    Ok(text)
}

/// The items of `host_ips` that the server keeps: those that are IP addresses, the others it drops without a word.
pub(super) fn addresses(message: &Value) -> Vec<IpAddr> {
    let items = message.get("host_ips").and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.as_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "type": "register", "token": "some-token", "engine_id": "ABCD:EFGH", "version": "0.1.0",
            "proto_version": "1.1", "capabilities": {"shell_access": true}, "hostname": "a<b>\u{7}c",
            "hostname_source": "daemon", "force_unique_registration": false, "os_type": null,
            "total_memory": 1024, "num_cpus": 2, "host_ips": ["192.0.2.1", "no address"],
        })
    }

    #[test]
    fn a_valid_message_passes_and_its_name_is_cleaned() {
        let register = Register::check(&valid()).unwrap();
        assert_eq!(register.hostname.as_deref(), Some("abc"));
        assert_eq!(addresses(&valid()), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn every_broken_rule_is_refused_naming_its_field() {
        let long = |length: usize| Value::from("x".repeat(length));
        let cases = [
            ("token", Value::Null),
            ("token", json!("")),
            ("token", json!("with space")),
            ("token", long(256)),
            ("engine_id", json!(7)),
            ("engine_id", json!("a/b")),
            ("version", long(51)),
            ("proto_version", json!(1.1)),
            ("capabilities", json!([])),
            ("capabilities", json!({"shell_access": "yes"})),
            ("hostname", long(256)),
            ("hostname_source", json!("guess")),
            ("force_unique_registration", json!("true")),
            ("os_version", long(501)),
            ("kernel_version", long(256)),
            ("docker_version", long(51)),
            ("daemon_started_at", long(101)),
            ("total_memory", json!(0)),
            ("total_memory", json!(1_000_000_000_000_001_u64)),
            ("total_memory", json!(1.5)),
            ("num_cpus", json!(-1)),
            ("num_cpus", json!(10_001)),
            ("agent_os", long(21)),
            ("agent_arch", long(21)),
            ("host_ip", long(46)),
            ("host_ips", json!("192.0.2.1")),
            ("host_ips", Value::from(vec!["192.0.2.1"; 51])),
            ("surprise", Value::Null),
        ];
        for (field, value) in cases {
            let mut message = valid();
            message[field] = value.clone();
            let error = Register::check(&message).expect_err(field);
            assert!(error.starts_with("Invalid registration data: "), "{error}");
            assert!(error.ends_with(&format!("(field: {field})")), "{field} = {value}: {error}");
        }
    }

    #[test]
    fn what_is_needed_must_be_there() {
        for field in ["token", "engine_id", "version", "proto_version", "capabilities"] {
            let mut message = valid();
            message.as_object_mut().unwrap().remove(field);
            assert_eq!(Register::check(&message).unwrap_err(), invalid("Field required", field));
        }
    }

    #[test]
    fn there_is_no_other_first_message() {
        for message in [json!({"type": "reconnect"}), json!({}), json!([])] {
            assert_eq!(Register::check(&message).unwrap_err(), "Invalid authentication type");
        }
    }
}
