//! What the server configures (PROTOCOL 6), read leniently: a check with an odd field is run without it, not dropped.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::codes::Codes;
use super::credentials;
use crate::docker::views::Lenient;
use crate::probe::ProbeRequest;
use crate::secret::Secret;

/// A configuration's JSON may have so many bytes. The released server's have some 400.
const MAX_CONFIG_BYTES: usize = 16 * 1024;
/// The shortest and longest time between two runs. The released server has 10 s to 1 h.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600));
/// Where none is given.
const USUAL_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest and longest time for one run. The released server has 5 s to 60 s.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
/// Where none is given, or none above zero.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One check, as it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckConfig {
    /// As the server names it: 12 characters.
    pub(super) container_id: String,
    pub(super) host_id: String,
    pub(super) codes: Codes,
    pub(super) interval: Duration,
    pub(super) request: ProbeRequest,
}

/// What a configuration says.
#[derive(Debug)]
pub(super) enum Reading {
    /// Run this check. What could not be read of it is told in words without values.
    Run(Box<CheckConfig>, Vec<&'static str>),
    /// Do not run this container's.
    Off(String),
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("it is no JSON object")]
    NotObject,
    #[error("it has more than {MAX_CONFIG_BYTES} bytes")]
    TooLarge,
    #[error("it has no container_id")]
    NoContainer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    container_id: Lenient<String>,
    host_id: Lenient<String>,
    enabled: Lenient<Option<bool>>,
    url: Lenient<String>,
    method: Lenient<String>,
    expected_status_codes: Lenient<Value>,
    timeout_seconds: Lenient<f64>,
    check_interval_seconds: Lenient<f64>,
    follow_redirects: Lenient<bool>,
    verify_ssl: Lenient<Option<bool>>,
    headers_json: Lenient<Value>,
    auth_config_json: Lenient<Value>,
}

/// The `container_id` of any payload.
pub(super) fn container_id(raw: &RawValue) -> Option<String> {
    fields(raw).ok().map(|fields| fields.container_id.0).filter(|id| !id.is_empty())
}

fn fields(raw: &RawValue) -> Result<Fields, ConfigError> {
    if raw.get().len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge);
    }
    // Serde would read a list as a struct's fields in order.
    if !raw.get().starts_with('{') {
        return Err(ConfigError::NotObject);
    }
    serde_json::from_str(raw.get()).map_err(|_| ConfigError::NotObject)
}

/// Reads one configuration.
pub(super) fn read(raw: &RawValue) -> Result<Reading, ConfigError> {
    let fields = fields(raw)?;
    let container_id = fields.container_id.0;
    if container_id.is_empty() {
        return Err(ConfigError::NoContainer);
    }
    if fields.enabled.0 == Some(false) {
        return Ok(Reading::Off(container_id));
    }
    let mut problems = Vec::new();
    let codes = match fields.expected_status_codes.0 {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    let (codes, all) = Codes::read(&codes);
    if !all {
        problems.push("expected_status_codes cannot be read whole: what can be read counts, or else 200");
    }
    let method = match fields.method.0.trim().to_ascii_uppercase() {
        method if method.is_empty() => "GET".to_owned(),
        method if METHODS.contains(&method.as_str()) => method,
        _ => {
            problems.push("method is not one that this agent uses: GET counts");
            "GET".to_owned()
        }
    };
    let request = ProbeRequest {
        url: Secret::new(fields.url.0.trim()),
        method,
        headers: credentials::headers(&fields.headers_json.0, &mut problems),
        authorization: credentials::authorization(&fields.auth_config_json.0, &mut problems),
        timeout: seconds(fields.timeout_seconds.0, USUAL_TIMEOUT, TIMEOUTS),
        follow_redirects: fields.follow_redirects.0,
        verify_tls: fields.verify_ssl.0.unwrap_or(true),
    };
    let interval = seconds(fields.check_interval_seconds.0, USUAL_INTERVAL, INTERVALS);
    let config = CheckConfig { container_id, host_id: fields.host_id.0, codes, interval, request };
    Ok(Reading::Run(Box::new(config), problems))
}

fn seconds(value: f64, usual: Duration, (least, most): (Duration, Duration)) -> Duration {
    if value > 0.0 { Duration::from_secs_f64(value.clamp(least.as_secs_f64(), most.as_secs_f64())) } else { usual }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn run(value: &Value) -> (CheckConfig, Vec<&'static str>) {
        match read(&raw(value)) {
            Ok(Reading::Run(config, problems)) => (*config, problems),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn as_the_released_server_sends_it() {
        let (config, problems) = run(&json!({"container_id": "44133eb4bc75", "host_id": "h", "enabled": true,
            "url": "http://127.0.0.1:47511/", "method": "GET", "expected_status_codes": "200-204,302",
            "timeout_seconds": 5, "check_interval_seconds": 10, "follow_redirects": false, "verify_ssl": true,
            "headers_json": null, "auth_config_json": null}));
        assert_eq!(problems, [""; 0]);
        assert_eq!((config.container_id.as_str(), config.host_id.as_str()), ("44133eb4bc75", "h"));
        assert!(config.codes.contains(302) && !config.codes.contains(301));
        assert_eq!(config.interval, Duration::from_secs(10));
        let request = config.request;
        assert_eq!((request.url.expose(), request.method.as_str()), ("http://127.0.0.1:47511/", "GET"));
        assert_eq!(
            (request.timeout, request.follow_redirects, request.verify_tls),
            (Duration::from_secs(5), false, true)
        );
        assert!(request.headers.is_empty() && request.authorization.is_none());
    }

    #[test]
    fn odd_fields_cost_themselves_only() {
        let (config, problems) =
            run(&json!({"container_id": "c", "url": 7, "method": "BREW", "expected_status_codes": 204,
            "timeout_seconds": 0, "check_interval_seconds": "soon", "headers_json": "{", "auth_config_json": "[]",
            "verify_ssl": "maybe", "enabled": 1}));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(config.codes.contains(204) && !config.codes.contains(200));
        assert_eq!((config.interval, config.request.timeout), (USUAL_INTERVAL, USUAL_TIMEOUT));
        assert_eq!((config.request.method.as_str(), config.request.verify_tls), ("GET", true));
    }

    #[test]
    fn times_have_limits() {
        let times = |timeout: f64, interval: f64| {
            let (config, _) =
                run(&json!({"container_id": "c", "timeout_seconds": timeout, "check_interval_seconds": interval}));
            (config.request.timeout, config.interval)
        };
        assert_eq!(times(-1.0, -1.0), (USUAL_TIMEOUT, USUAL_INTERVAL));
        assert_eq!(times(0.001, 0.001), (TIMEOUTS.0, INTERVALS.0));
        assert_eq!(times(1e300, 1e300), (TIMEOUTS.1, INTERVALS.1));
    }

    #[test]
    fn what_cannot_be_used() {
        assert_eq!(read(&raw(&json!([1]))).unwrap_err(), ConfigError::NotObject);
        assert_eq!(read(&raw(&json!({"url": "u"}))).unwrap_err(), ConfigError::NoContainer);
        let large = json!({"container_id": "c", "url": "x".repeat(MAX_CONFIG_BYTES)});
        assert_eq!(read(&raw(&large)).unwrap_err(), ConfigError::TooLarge);
        assert!(
            matches!(read(&raw(&json!({"container_id": "c", "enabled": false}))), Ok(Reading::Off(id)) if id == "c")
        );
    }

    #[test]
    fn no_credentials_show() {
        let (config, _) = run(&json!({"container_id": "c", "url": "http://user:hunter2@host/?token=hunter2",
            "headers_json": {"X-Key": "hunter2"}, "auth_config_json": {"type": "bearer", "token": "hunter2"}}));
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        assert!(!serde_json::to_string(&config.request).unwrap().contains("hunter2"));
    }
}
