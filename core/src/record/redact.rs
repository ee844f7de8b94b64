//! JSON without its secrets: what is around them stays as it was, byte for byte.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::placeholder::Placeholders;
use super::texts;

/// Nothing real is nested deeper: what is, is left out.
const DEEPEST: usize = 64;
/// A secret that is quoted in an error's words is looked for if it has so many characters.
const QUOTED: usize = 6;
/// Variables that engines set themselves, which the core knows by their values.
const NO_SECRETS: [&str; 5] = ["PATH", "TERM", "container", "HOME", "HOSTNAME"];

/// What a value is, by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// What is secret in it is known by its own names.
    Open,
    /// A list or a map of environment variables.
    Environment,
    /// All texts in it are secret.
    Secret,
    /// JSON in a string, or without one, in which all texts are secret.
    Json,
    /// All but the scheme is secret.
    Url,
    /// Base64 of what somebody typed or was shown.
    Typed,
    /// A Compose file.
    Compose,
    /// Files of environment variables, or one of them.
    EnvFile,
    /// Words of somebody else, that may quote a secret.
    Words,
}

impl Place {
    /// An agent's id at the server is its permanent token.
    fn of(key: &str, with_session: bool) -> Self {
        match key {
            "Env" | "env" | "environment" => Self::Environment,
            "token"
            | "agent_id"
            | "permanent_token"
            | "password"
            | "registry_auth"
            | "registry_credentials"
            | "auth"
            | "HttpProxy"
            | "HttpsProxy" => Self::Secret,
            "headers_json" | "auth_config_json" => Self::Json,
            "url" | "binary_url" => Self::Url,
            "data" if with_session => Self::Typed,
            "content" | "compose_content" => Self::Compose,
            "env_content" | "env_file_content" | "env_files" => Self::EnvFile,
            "error" | "message" => Self::Words,
            _ => Self::Open,
        }
    }
}

/// The text with its secrets replaced. What is no JSON is one secret.
pub(super) fn json(placeholders: &mut Placeholders, text: &str) -> String {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return placeholders.of(text) };
    let mut out = String::with_capacity(text.len());
    // What is around a value, blanks, stays.
    let value = raw.get();
    let before = value.as_ptr() as usize - text.as_ptr() as usize;
    out.push_str(&text[..before]);
    write(placeholders, value, Place::Open, DEEPEST, &mut out);
    out.push_str(&text[before + value.len()..]);
    out
}

/// Words of the engine that may quote what it was given.
pub(super) fn words(placeholders: &Placeholders, words: &str) -> String {
    placeholders.in_words(words, QUOTED)
}

fn write(placeholders: &mut Placeholders, text: &str, place: Place, deep: usize, out: &mut String) {
    if deep == 0 {
        out.push_str("null");
        return;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Ok(Entries(entries)) = serde_json::from_str(text) else { return out.push_str("null") };
            let with_session = entries.iter().any(|(key, _)| key == "session_id");
            let mut last = 0;
            for (key, value) in entries {
                let value = value.get();
                let from = value.as_ptr() as usize - text.as_ptr() as usize;
                out.push_str(&text[last..from]);
                last = from + value.len();
                match place {
                    Place::Open => write(placeholders, value, Place::of(&key, with_session), deep - 1, out),
                    Place::Environment if NO_SECRETS.contains(&&*key) => out.push_str(value),
                    // A map: its values are the secrets, and texts.
                    Place::Environment => write(placeholders, value, Place::Secret, deep - 1, out),
                    // Of what kind a login is, is none.
                    Place::Secret | Place::Json if key == "type" => out.push_str(value),
                    other => write(placeholders, value, other, deep - 1, out),
                }
            }
            out.push_str(&text[last..]);
        }
        Some(b'[') => {
            let Ok(Items(items)) = serde_json::from_str(text) else { return out.push_str("null") };
            let mut last = 0;
            for item in items {
                let item = item.get();
                let from = item.as_ptr() as usize - text.as_ptr() as usize;
                out.push_str(&text[last..from]);
                last = from + item.len();
                write(placeholders, item, place, deep - 1, out);
            }
            out.push_str(&text[last..]);
        }
        Some(b'"') if place != Place::Open => {
            let Ok(plain) = serde_json::from_str::<String>(text) else { return out.push_str("null") };
            let hidden = string(placeholders, &plain, place);
            out.push_str(&serde_json::to_string(&hidden).unwrap_or_default());
        }
        _ => out.push_str(text),
    }
}

fn string(placeholders: &mut Placeholders, plain: &str, place: Place) -> String {
    match place {
        Place::Open => plain.to_owned(),
        Place::Environment => variable(placeholders, plain),
        Place::Secret => placeholders.of(plain),
        Place::Json => {
            let Ok(raw) = serde_json::from_str::<&RawValue>(plain) else { return placeholders.of(plain) };
            let mut out = String::new();
            write(placeholders, raw.get(), Place::Secret, DEEPEST, &mut out);
            out
        }
        Place::Url => match plain.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", placeholders.of(rest)),
            None => placeholders.of(plain),
        },
        Place::Typed => match BASE64_STANDARD.decode(plain) {
            Ok(bytes) => BASE64_STANDARD.encode(typed(&bytes)),
            Err(_) => placeholders.of(plain),
        },
        Place::Compose => texts::compose(placeholders, plain),
        Place::EnvFile => texts::env_file(placeholders, plain),
        Place::Words => words(placeholders, plain),
    }
}

/// `KEY=value` without the value.
pub(super) fn variable(placeholders: &mut Placeholders, entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, value)) if !NO_SECRETS.contains(&name) => format!("{name}={}", placeholders.of(value)),
        _ => entry.to_owned(),
    }
}

/// What was typed or shown: so many bytes of it.
pub(super) fn typed(bytes: &[u8]) -> Vec<u8> {
    vec![b'x'; bytes.len()]
}

/// An object's entries in their order, keys that stand twice twice.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((entry.0.0, entry.1));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reading)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn redacted(text: &str) -> String {
        json(&mut Placeholders::new(3), text)
    }

    #[test]
    fn what_is_around_stays_byte_for_byte() {
        let text = "{ \"Config\" : {\"Env\": [\"A=hunter2\",\t\"PATH=/bin\", \"ODD\"], \"Labels\":{\"a\":\"1\"}},\"n\": 1.50 }";
        let hidden = Placeholders::new(3).of("hunter2");
        assert_eq!(redacted(text), text.replace("hunter2", &hidden));
    }

    #[test]
    fn nothing_secret_is_left_and_no_length_changes() {
        let secrets = json!({
            "type": "health_check_config", "token": "swordfish-1", "permanent_token": "swordfish-2",
            "payload": {
                "url": "https://walt:swordfish-3@example.org/?key=swordfish-4",
                "headers_json": "{\"X-Key\":\"swordfish-5\"}",
                "auth_config_json": {"username": "swordfish-6", "password": "swordfish-7"},
                "registry_auth": {"username": "u", "password": "swordfish-8"},
                "config": {"environment": {"A": "swordfish-9"}}, "Env": {"B": "swordfish-10"},
            },
            "shell": {"session_id": "s", "data": BASE64_STANDARD.encode("swordfish-11")},
            "content": "services:\n  web:\n    environment:\n      - A=swordfish-12\n    image: web\n",
            "env_content": "A=swordfish-13\n", "env_files": {"a.env": "export B='swordfish-14'\n"},
        })
        .to_string();
        let mut placeholders = Placeholders::new(3);
        let hidden = json(&mut placeholders, &secrets);
        assert!(!json(&mut placeholders, r#"{"error":"it was swordfish-9!"}"#).contains("swordfish"));
        assert!(!hidden.contains("swordfish") && !hidden.contains(&BASE64_STANDARD.encode("swordf")), "{hidden}");
        assert_eq!(hidden.len(), secrets.len());
        assert!(hidden.contains("https://") && hidden.contains(r#"\"X-Key\":\""#) && hidden.contains("image: web"));
    }

    #[test]
    fn what_is_no_json_is_a_secret() {
        assert!(!redacted("hunter2 {").contains("hunter2"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".{0,12}".prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("(Env|env_files|data|session_id|url|.{0,6})", inner, 0..5)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_stays_json_of_the_same_shape(value in any_json()) {
            let again: Value = serde_json::from_str(&redacted(&value.to_string())).unwrap();
            let shape = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
            prop_assert_eq!(shape(&again), shape(&value));
        }
    }
}
