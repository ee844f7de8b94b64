//! What a health check asks of its shell: one HTTP request, and what came of it (PROTOCOL 6).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One HTTP request. Only the head of its answer is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// `http://` or `https://`; not looked at by the core. It can hold a user, a password or a token.
    pub url: Secret,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`. There is never a body.
    pub method: String,
    /// Names and values, in order; `Host` and `User-Agent` replace the usual ones. A name is a token of RFC 9110, a
    /// value has no control characters.
    pub headers: Vec<(String, Secret)>,
    /// The value of `Authorization`; it counts before such a header in `headers` and before a user in the URL.
    pub authorization: Option<Secret>,
    /// How long all of it may take: the look-up of the name, the connection, and every redirect.
    pub timeout: Duration,
    /// Whether redirects are followed, ten at most. Otherwise their own status counts.
    pub follow_redirects: bool,
    /// Whether the certificate of an `https` server must be valid.
    pub verify_tls: bool,
}

/// What came of a [`ProbeRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The status of the answer, the last one where redirects were followed.
    pub outcome: Result<u16, ProbeError>,
    /// How long it took until the head of the answer was there, or the failure.
    pub took: Duration,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeError {
    /// [`ProbeRequest::timeout`] has passed.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// The host's name has no address, or none that can be found now.
    HostNotFound,
    /// Anything else, in words without the URL and its credentials.
    Failed(String),
}
