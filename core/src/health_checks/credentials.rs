//! The headers and the login of a check, which come as JSON in a text (PROTOCOL 6). No value of theirs is ever told.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::secret::Secret;

/// Headers that a check may have.
const MAX_HEADERS: usize = 64;

/// What is about the connection or the body, which are not a check's to decide.
const OURS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// Reads `headers_json`: an object of texts, as it is or in a text. What cannot be used is left out, and said in
/// `problems`.
pub(super) fn headers(value: &Value, problems: &mut Vec<&'static str>) -> Vec<(String, Secret)> {
    let Ok(map) = object(value) else {
        problems.push("headers_json is no JSON object: it is asked without these headers");
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (name, value) in map {
        let value = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                problems.push("headers_json has a header whose value is no text: it is left out");
                continue;
            }
        };
        let value = value.trim_matches([' ', '\t']);
        if !is_token(&name) || !is_value(value) {
            problems.push("headers_json has a header with characters that HTTP does not allow: it is left out");
        } else if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            problems.push("headers_json has a header that is the agent's to set: it is left out");
        } else if headers.len() == MAX_HEADERS {
            problems.push("headers_json has too many headers: those beyond 64 are left out");
            break;
        } else {
            headers.push((name, Secret::new(value)));
        }
    }
    headers
}

/// Reads `auth_config_json` as the value of `Authorization`.
pub(super) fn authorization(value: &Value, problems: &mut Vec<&'static str>) -> Option<Secret> {
    let Ok(map) = object(value) else {
        problems.push("auth_config_json is no JSON object: it is asked without a login");
        return None;
    };
    if map.is_empty() {
        return None;
    }
    let field = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("type").to_ascii_lowercase().as_str() {
        "basic" => {
            let pair = format!("{}:{}", field("username"), field("password"));
            Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair))))
        }
        "bearer" if !field("token").is_empty() && is_value(field("token")) => {
            Some(Secret::new(format!("Bearer {}", field("token"))))
        }
        "bearer" => {
            problems.push("auth_config_json has no token that HTTP allows: it is asked without a login");
            None
        }
        _ => {
            problems.push("auth_config_json is of a type that this agent does not know: it is asked without a login");
            None
        }
    }
}

/// An object, as it is or in a text. Nothing, and an empty text, is an empty one.
fn object(value: &Value) -> Result<Map<String, Value>, ()> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        Value::String(text) if text.trim().is_empty() => Ok(Map::new()),
        Value::String(text) => {
            serde_json::from_str::<Option<Map<_, _>>>(text).map(Option::unwrap_or_default).map_err(drop)
        }
        _ => Err(()),
    }
}

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110, 5.5: above all no line break, behind which another header, or another request, could begin.
fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> (Vec<(String, String)>, usize) {
        let mut problems = Vec::new();
        let headers = headers(&value, &mut problems);
        (headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect(), problems.len())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn login(value: Value) -> (Option<String>, usize) {
        let mut problems = Vec::new();
        let login = authorization(&value, &mut problems);
        (login.map(|secret| secret.expose().to_owned()), problems.len())
    }

    #[test]
    fn headers_in_a_text_or_as_they_are() {
        let expected = (pairs(&[("Host", "shop"), ("X-Key", "k"), ("X-Number", "7")]), 0);
        assert_eq!(read(json!(r#"{"X-Key":" k ","X-Number":7,"Host":"shop"}"#)), expected);
        assert_eq!(read(json!({"X-Key": "k", "X-Number": 7, "Host": "shop"})), expected);
        for nothing in [json!(null), json!(""), json!(" "), json!("null"), json!("{}")] {
            assert_eq!(read(nothing), (Vec::new(), 0));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_left_out() {
        for odd in [json!("{"), json!("[]"), json!(7), json!(r#""text""#)] {
            assert_eq!(read(odd), (Vec::new(), 1));
        }
        let odd =
            json!({"A": "b\r\nEvil: 1", "C d": "e", "": "x", "F": {"g": 1}, "content-Length": "9", "Good": "yes"});
        assert_eq!(read(odd), (pairs(&[("Good", "yes")]), 5));
        let many: Map<String, Value> = (0..100).map(|n| (format!("X-{n}"), json!("v"))).collect();
        let (headers, problems) = read(Value::Object(many));
        assert_eq!((headers.len(), problems), (MAX_HEADERS, 1));
    }

    #[test]
    fn logins() {
        let basic = json!(r#"{"type":"basic","username":"Aladdin","password":"open sesame"}"#);
        assert_eq!(login(basic), (Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()), 0));
        assert_eq!(login(json!({"type": "Bearer", "token": "t"})), (Some("Bearer t".to_owned()), 0));
        assert_eq!(login(json!({"type": "bearer", "token": "t\nEvil: 1"})), (None, 1));
        assert_eq!(login(json!({"type": "digest"})), (None, 1));
        assert_eq!(login(json!("nonsense")), (None, 1));
        assert_eq!(login(json!(null)), (None, 0));
    }

    proptest! {
        #[test]
        fn no_header_can_break_out_of_its_line(name in ".{0,20}", value in "(?s).{0,40}") {
            for (name, value) in read(json!({name: value})).0 {
                let line = format!("{name}: {value}");
                prop_assert!(!line.contains(['\r', '\n', '\0']), "{:?}", line);
                prop_assert!(!name.contains([':', ' ']) && !name.is_empty());
            }
        }

        #[test]
        fn any_text_is_survived(text in "(?s).{0,60}") {
            read(json!(text.clone()));
            login(json!(text));
        }
    }
}
