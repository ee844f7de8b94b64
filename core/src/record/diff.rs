//! Where two JSON texts differ, for people.

use serde_json::Value;

/// So many places are told, and so many characters of each.
const MOST: usize = 20;
const LONGEST: usize = 200;

/// The places where they differ: a path, and what is there in each. JSON in a text, as frames are, is looked into.
pub(super) fn places(one: &str, other: &str) -> Vec<(String, String, String)> {
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let mut places = Vec::new();
    walk("", &read(one), &read(other), &mut places);
    places
}

fn walk(path: &str, one: &Value, other: &Value, places: &mut Vec<(String, String, String)>) {
    if one == other || places.len() >= MOST {
        return;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(&format!("{path}.{key}"), &of(one), &of(other), places);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let of = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                walk(&format!("{path}[{index}]"), &of(one), &of(other), places);
            }
        }
        (Value::String(a), Value::String(b)) => {
            let inner = |text: &str| serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object());
            match (inner(a), inner(b)) {
                (Some(a), Some(b)) if a != b => walk(path, &a, &b, places),
                _ => places.push((path.to_owned(), shown(one), shown(other))),
            }
        }
        _ => places.push((path.to_owned(), shown(one), shown(other))),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn down_to_the_field_and_into_frames() {
        let one = r#"{"SendFrame":{"op":7,"frame":"{\"a\":{\"b\":[1,2]},\"c\":1}"}}"#;
        let other = r#"{"SendFrame":{"op":8,"frame":"{\"a\":{\"b\":[1,3]},\"c\":1}"}}"#;
        let found = places(one, other);
        let found: Vec<(&str, &str, &str)> = found.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect();
        assert_eq!(found, [(".SendFrame.frame.a.b[1]", "2", "3"), (".SendFrame.op", "7", "8")]);
    }
}
