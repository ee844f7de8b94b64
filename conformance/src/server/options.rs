//! How a scripted server is to be started.

use std::time::Duration;

use super::identities::RegistrationToken;
use super::tls::Certificate;

/// The registration token that a server has if no other is asked for; good for any number of agents.
pub const DEFAULT_TOKEN: &str = "scripted-registration-token";

/// How a scripted server behaves from its start; the defaults are the released server's, without its polling.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// TLS, and with what certificate; none: plain.
    pub tls: Option<Certificate>,
    /// The registration tokens it knows. Default: [`DEFAULT_TOKEN`], multi-use.
    pub tokens: Vec<RegistrationToken>,
    /// Ask every registered agent for `list_containers` this often, from the registration on; the real server does so
    /// every 2 s. None (the default): never. A new question waits for the answer to the last one, 30 s at most.
    pub poll_containers: Option<Duration>,
    /// How long a connection may take to register. Default: 30 s.
    pub register_timeout: Duration,
    /// How often the server pings, and how long it waits for the pong. Default: 20 s each.
    pub ping_interval: Duration,
    /// See `ping_interval`.
    pub pong_timeout: Duration,
    /// The largest message it takes, bytes; more closes the connection with 1009. Default: 16 MiB.
    pub message_limit: usize,
    /// The size of the sockets' receive buffer, bytes. A small one makes [`Link::stop_reading`](super::Link::stop_reading)
    /// and [`Link::throttle`](super::Link::throttle) felt at once instead of after some megabytes. None: the system's.
    pub receive_buffer: Option<u32>,
    /// How much of what the agent sent is kept, bytes of text, of each socket; the oldest goes. Default: 256 MiB.
    pub keep_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            tls: None,
            tokens: vec![RegistrationToken::multi_use(DEFAULT_TOKEN)],
            poll_containers: None,
            register_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(20),
            message_limit: 16 * 1024 * 1024,
            receive_buffer: None,
            keep_bytes: 256 * 1024 * 1024,
        }
    }
}

impl ServerOptions {
    /// The same with TLS.
    pub fn tls(mut self, certificate: Certificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    /// The same with these registration tokens and no other.
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = RegistrationToken>) -> Self {
        self.tokens = tokens.into_iter().collect();
        self
    }

    /// The same, asking for `list_containers` every 2 s.
    pub fn polling(mut self) -> Self {
        self.poll_containers = Some(Duration::from_secs(2));
        self
    }
}
