//! What a pull needs: the reference in the engine's two halves, and the registry's credentials.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use dockmon_core::docker::{DockerError, RegistryAuth};
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;

/// The header with the registry's credentials.
pub(super) const AUTH_HEADER: HeaderName = HeaderName::from_static("x-registry-auth");
/// What Docker's own client calls Docker Hub in credentials.
const HUB: &str = "https://index.docker.io/v1/";

/// Splits a reference into what `fromImage` and `tag` take: `name`, and its tag or digest. Without either `latest`,
/// since an engine asked for no tag pulls them all. A digest wins over a tag beside it.
pub(super) fn split(reference: &str) -> (&str, &str) {
    let (tagged, digest) = match reference.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (reference, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let path = tagged.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match tagged[path..].find(':') {
        Some(colon) => (&tagged[..path + colon], Some(&tagged[path + colon + 1..])),
        None => (tagged, None),
    };
    (name, digest.or(tag).unwrap_or("latest"))
}

/// The host of the registry that a name is at, in the words of credentials.
fn registry(name: &str) -> &str {
    match name.split_once('/') {
        // Docker's rule for the first component: with a dot or a port, or `localhost`, it is a host.
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" => HUB,
            host => host,
        },
        _ => HUB,
    }
}

#[derive(Serialize)]
struct AuthConfig<'a> {
    username: &'a str,
    password: &'a str,
    serveraddress: &'a str,
}

/// The header's value: base64 (of the URL alphabet, padded, as Go reads it) of JSON. Marked sensitive, so that nothing
/// prints it.
///
/// # Errors
/// None that can happen: the text is plain ASCII.
pub(super) fn auth_header(auth: &RegistryAuth, name: &str) -> Result<HeaderValue, DockerError> {
    let config = AuthConfig {
        username: auth.username.expose(),
        password: auth.password.expose(),
        serveraddress: registry(name),
    };
    // Without the errors' own words, which could hold what is to be kept.
    let unusable = || DockerError::Unreadable("the registry's credentials cannot be written as JSON".into());
    let json = serde_json::to_string(&config).map_err(|_| unusable())?;
    let mut value = HeaderValue::try_from(BASE64_URL_SAFE.encode(json)).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockmon_core::Secret;

    #[test]
    fn references() {
        assert_eq!(split("busybox"), ("busybox", "latest"));
        assert_eq!(split("busybox:1.36"), ("busybox", "1.36"));
        assert_eq!(split("localhost:5000/busybox"), ("localhost:5000/busybox", "latest"));
        assert_eq!(split("localhost:5000/a/b:x"), ("localhost:5000/a/b", "x"));
        assert_eq!(split("ghcr.io/a/b@sha256:00ff"), ("ghcr.io/a/b", "sha256:00ff"));
        assert_eq!(split("ghcr.io/a/b:1@sha256:00ff"), ("ghcr.io/a/b", "sha256:00ff"));
        assert_eq!(split(""), ("", "latest"));
    }

    #[test]
    fn registries() {
        assert_eq!(registry("busybox"), HUB);
        assert_eq!(registry("library/busybox"), HUB);
        assert_eq!(registry("docker.io/library/busybox"), HUB);
        assert_eq!(registry("ghcr.io/a/b"), "ghcr.io");
        assert_eq!(registry("localhost/a"), "localhost");
        assert_eq!(registry("reg:5000/a"), "reg:5000");
    }

    #[test]
    fn credentials_are_base64_and_hidden() {
        let auth = RegistryAuth { username: Secret::new("me"), password: Secret::new("h\u{fc}nter?>2") };
        let value = auth_header(&auth, "ghcr.io/a/b").unwrap();
        assert_eq!(format!("{value:?}"), "Sensitive");
        let json = BASE64_URL_SAFE.decode(value.as_bytes()).unwrap();
        let text = "{\"username\":\"me\",\"password\":\"h\u{fc}nter?>2\",\"serveraddress\":\"ghcr.io\"}";
        assert_eq!(json, text.as_bytes());
        assert!(value.to_str().unwrap().len() % 4 == 0, "padded");
    }
}
