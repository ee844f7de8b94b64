//! A web server for health checks to ask: what it answers stands in the path, or is set by the scenario.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Listens on a port of 127.0.0.1 until it is stopped or dropped.
///
/// `/status/N` answers N, `/slow` nothing, `/brief` after a twentieth of a second, `/garbage` what is no HTTP,
/// `/redirect?URL` a redirect to there; anything else [`Site::set`]'s status, at first 200.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// The certificate that it shows, if it speaks TLS.
    pub(crate) pem: Option<String>,
    common: Arc<Common>,
    accepting: Option<JoinHandle<()>>,
}

struct Common {
    tls: Option<Arc<ServerConfig>>,
    stop: AtomicBool,
    status: AtomicU16,
    /// The heads of all requests.
    asked: Mutex<Vec<String>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Site {
    pub(crate) fn plain() -> Self {
        Self::new(None)
    }

    /// With a certificate of its own making, for `localhost`.
    pub(crate) fn tls() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        Self::new(Some((Arc::new(config), certificate.pem())))
    }

    fn new(tls: Option<(Arc<ServerConfig>, String)>) -> Self {
        let (tls, pem) = tls.unzip();
        let common = Common {
            tls,
            stop: AtomicBool::new(false),
            status: AtomicU16::new(200),
            asked: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        };
        let address = free_address();
        let mut site = Self { address, pem, common: Arc::new(common), accepting: None };
        site.start();
        site
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        match self.pem {
            Some(_) => format!("https://localhost:{}{rest}", self.address.port()),
            None => format!("http://{}{rest}", self.address),
        }
    }

    /// Listens again, on the same port.
    pub(crate) fn start(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.common.stop.store(false, Ordering::SeqCst);
        let common = Arc::clone(&self.common);
        self.accepting = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if common.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), common) = (stream, Arc::clone(&common)) else { continue };
                std::thread::spawn(move || common.serve(stream));
            }
        }));
    }

    /// Connections are refused from now on.
    pub(crate) fn stop(&mut self) {
        self.common.stop.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }

    pub(crate) fn set(&self, status: u16) {
        self.common.status.store(status, Ordering::SeqCst);
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.common.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were answered at the same time, at most.
    pub(crate) fn most(&self) -> usize {
        self.common.most.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Common {
    fn serve(&self, stream: TcpStream) {
        match &self.tls {
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                self.answer(&mut StreamOwned::new(connection, stream));
            }
            None => self.answer(&mut { stream }),
        }
    }

    fn answer(&self, stream: &mut (impl Read + Write)) {
        // Who does not like the certificate goes away.
        let Some(head) = read_head(stream) else { return };
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        let usual = self.status.load(Ordering::SeqCst).to_string();
        let (status, more) = match target.split_once(['?', '/']).map_or("", |(_, rest)| rest) {
            "slow" => {
                // Until the other side goes.
                let _ = stream.read(&mut [0]);
                (usual, String::new())
            }
            "garbage" => {
                let _ = stream.write_all(b"220 mail ready\r\n");
                (usual, String::new())
            }
            "brief" => {
                std::thread::sleep(Duration::from_millis(50));
                (usual, String::new())
            }
            rest => match (rest.strip_prefix("status/"), rest.strip_prefix("redirect?")) {
                (Some(status), _) => (status.to_owned(), String::new()),
                (_, Some(to)) => ("302".to_owned(), format!("Location: {to}\r\n")),
                _ => (usual, String::new()),
            },
        };
        let _ = write!(stream, "HTTP/1.1 {status} As Wanted\r\n{more}Content-Length: 2\r\n\r\nok");
        let _ = stream.flush();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// An address of 127.0.0.1 that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
