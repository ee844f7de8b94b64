//! The way to the server, tried as the agent goes it, for `doctor`: nothing is told of who asks.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dockmon_core::{ConnectError, SocketKind};
use futures_util::SinkExt;
use futures_util::future::{Either, select};
use http::header::DATE;
use http_body_util::Empty;

use super::connect::{Step, attempt, in_time, reach, request};
use super::{Network, within};
use crate::Runtime;
use crate::settings::Settings;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What worked, in order, with a word on each; and what did not.
pub(crate) struct Found {
    pub(crate) passed: Vec<(Step, String)>,
    pub(crate) failed: Option<(Step, ConnectError)>,
}

/// How the server answers a request that says nothing of who asks.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Its clock, as HTTP has it.
    pub(crate) date: Option<String>,
}

/// The way to the server.
pub(crate) struct Probe<R> {
    runtime: R,
    network: Arc<Network>,
    secure: bool,
}

impl<R: Runtime> Probe<R> {
    pub(crate) fn new(runtime: R, settings: &Settings) -> Self {
        Self { runtime, network: Network::new(settings), secure: settings.server.secure }
    }

    /// The steps of the way, in order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let proxy = self.network.proxy.as_ref();
        let all = [
            (Step::Name, true),
            (Step::Tcp, true),
            (Step::ProxyTls, proxy.is_some_and(|proxy| proxy.secure)),
            (Step::Tunnel, proxy.is_some()),
            (Step::Tls, self.secure),
            (Step::WebSocket, true),
        ];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(step, _)| step).collect()
    }

    /// Opens the main socket and closes it again, within 20 s, without registering: the server knows nobody by that,
    /// and a running agent keeps its link.
    pub(crate) async fn open(&self) -> Found {
        let passed = Mutex::new(Vec::new());
        let told = |step, word| passed.lock().unwrap_or_else(PoisonError::into_inner).push((step, word));
        let result = in_time(&self.runtime, attempt(&self.runtime, &self.network, SocketKind::Main, None, &told)).await;
        let passed = passed.into_inner().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(mut websocket) => {
                let _ = within(&self.runtime, GOODBYE, websocket.close()).await;
                Found { passed, failed: None }
            }
            Err(error) => {
                let step = self.step_of(&error, &passed);
                Found { passed, failed: Some((step, error)) }
            }
        }
    }

    fn step_of(&self, error: &ConnectError, passed: &[(Step, String)]) -> Step {
        let has_passed = |step: &Step| passed.iter().any(|(passed, _)| passed == step);
        match error {
            ConnectError::Resolve { .. } => Step::Name,
            ConnectError::Tcp { .. } => Step::Tcp,
            ConnectError::Proxy { .. } => Step::Tunnel,
            ConnectError::Tls { .. } => {
                let with_proxy = self.steps().contains(&Step::ProxyTls) && !has_passed(&Step::ProxyTls);
                if with_proxy && has_passed(&Step::Tcp) { Step::ProxyTls } else { Step::Tls }
            }
            ConnectError::Http { .. } | ConnectError::Handshake(_) => Step::WebSocket,
            // It is not said where: at the first that did not work.
            ConnectError::TimedOut { .. } => {
                self.steps().into_iter().find(|step| !has_passed(step)).unwrap_or(Step::WebSocket)
            }
        }
    }

    /// Asks for the statistics socket without a token, within 20 s: a server that has it refuses.
    ///
    /// # Errors
    /// As for any connection.
    pub(crate) async fn ask_for_statistics(&self) -> Result<Answer, ConnectError> {
        in_time(&self.runtime, async {
            let io = reach(&self.runtime, &self.network, &|_, _| {}).await?;
            let broke = |error: hyper::Error| ConnectError::Handshake(error.to_string());
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broke)?;
            let (mut head, ()) = request(&self.network, SocketKind::Stats, None)?.into_parts();
            // By HTTP/1.1 the path alone stands in the first line.
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
            head.uri = path.parse().map_err(|_| ConnectError::Handshake("the path cannot be asked for".to_owned()))?;
            let answer = sender.send_request(http::Request::from_parts(head, Empty::<Bytes>::new()));
            // The answer comes only while the connection is polled; whoever is first has the last word.
            let answer = match select(pin!(answer), pin!(connection)).await {
                Either::Left((answer, _)) => answer.map_err(broke)?,
                Either::Right((Err(error), _)) => return Err(broke(error)),
                Either::Right((Ok(()), answer)) => answer.await.map_err(broke)?,
            };
            let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
            Ok(Answer { status: answer.status().as_u16(), date })
        })
        .await
    }
}
