//! Requests of health checks, against targets of all kinds.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dockmon_agent::TokioRuntime;
use dockmon_core::{Input, OpId, ProbeError, ProbeRequest, ProbeResult, Secret};
use dockmon_shell::Probes;
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;
use rustls::ServerConfig;

use crate::support::tls::{Authority, over, self_signed};
use crate::support::{block_on, server, settings};

/// Longer than anything takes on a loaded machine.
const LONG: Duration = Duration::from_secs(60);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Answers each connection with the next of its texts, and hands over what it was asked.
struct Target {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Target {
    fn new(answers: &[&str]) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), answers)
    }

    fn at(ip: IpAddr, answers: &[&str]) -> Self {
        let answers = Mutex::new(answers.iter().map(|answer| (*answer).to_owned()).collect::<VecDeque<_>>());
        Self::playing(ip, move |stream, head| {
            let answer = answers.lock().unwrap().pop_front().expect("no more requests than answers");
            let _ = stream.write_all(answer.as_bytes());
            drop(head);
        })
    }

    /// Plays `answer` on each connection, with the head of what was asked.
    fn playing(ip: IpAddr, answer: impl Fn(&mut TcpStream, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, requests) = channel();
        let answer = Arc::new(answer);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sender, answer) = (stream.expect("a connection"), sender.clone(), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // One that is cancelled may end before it has asked.
                    if let Some(head) = head(&mut stream) {
                        let _ = sender.send(head.clone());
                        answer(&mut stream, head);
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn url(&self, rest: &str) -> String {
        format!("http://{}{rest}", self.address)
    }

    /// The next request's head.
    fn asked(&self) -> String {
        self.requests.recv_timeout(LONG).expect("a request")
    }
}

/// The head of a request, if it comes.
fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn request(url: &str) -> ProbeRequest {
    ProbeRequest {
        url: Secret::new(url),
        method: "GET".to_owned(),
        headers: Vec::new(),
        authorization: None,
        timeout: LONG,
        follow_redirects: false,
        verify_tls: true,
    }
}

fn following(url: &str) -> ProbeRequest {
    ProbeRequest { follow_redirects: true, ..request(url) }
}

/// Probes and what they tell.
struct Prober {
    probes: Probes<TokioRuntime>,
    inputs: UnboundedReceiver<Input>,
}

impl Prober {
    fn new(vars: &[(&str, &str)]) -> Self {
        let (sender, inputs) = unbounded();
        Self { probes: Probes::new(TokioRuntime, &settings("http://127.0.0.1:1", vars), sender), inputs }
    }

    async fn next(&mut self) -> (OpId, ProbeResult) {
        match self.inputs.next().await {
            Some(Input::Probe { op, result }) => (op, result),
            other => panic!("no result of a probe: {other:?}"),
        }
    }

    async fn ask(&mut self, request: ProbeRequest) -> Result<u16, ProbeError> {
        self.probes.execute(OpId(7), request);
        self.next().await.1.outcome
    }
}

fn ask(request: ProbeRequest) -> Result<u16, ProbeError> {
    block_on(async { Prober::new(&[]).ask(request).await })
}

fn words(outcome: Result<u16, ProbeError>) -> String {
    match outcome {
        Err(ProbeError::Failed(words)) => words,
        other => panic!("no words: {other:?}"),
    }
}

#[test]
fn any_status_is_an_answer() {
    for (answer, status) in [
        (OK, 200),
        ("HTTP/1.0 404 Not Found\r\n\r\n", 404),
        ("HTTP/1.1 503 \r\nRetry-After: 5\r\n\r\n<html>", 503),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", 302),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            204,
        ),
    ] {
        let target = Target::new(&[answer]);
        assert_eq!(ask(request(&target.url("/health?deep=1"))), Ok(status));
        let asked = target.asked();
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("\r\nHost: {}\r\n", target.address)), "{asked}");
    }
}

#[test]
fn methods_headers_and_logins_arrive() {
    let target = Target::new(&[OK, OK]);
    let mut request = request(&target.url("/"));
    request.method = "POST".to_owned();
    request.headers = vec![("Host".to_owned(), Secret::new("shop")), ("X-Key".to_owned(), Secret::new("k"))];
    request.authorization = Some(Secret::new("Bearer t"));
    assert_eq!(ask(request.clone()), Ok(200));
    let asked = target.asked();
    assert!(asked.starts_with("POST / HTTP/1.1\r\nHost: shop\r\n") && asked.contains("\r\nX-Key: k\r\n"), "{asked}");
    assert!(
        asked.contains("\r\nAuthorization: Bearer t\r\n") && asked.contains("\r\nContent-Length: 0\r\n"),
        "{asked}"
    );
    request.method = "HEAD".to_owned();
    request.url = Secret::new(target.url("/").replace("//", "//user:pass@"));
    request.authorization = None;
    assert_eq!(ask(request), Ok(200));
    let asked = target.asked();
    assert!(asked.starts_with("HEAD /") && asked.contains("\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"), "{asked}");
}

#[test]
fn ipv6_and_names_with_several_addresses() {
    let target = Target::at(Ipv6Addr::LOCALHOST.into(), &[OK]);
    assert_eq!(ask(request(&target.url("/"))), Ok(200));
    assert!(target.asked().contains(&format!("\r\nHost: [::1]:{}\r\n", target.address.port())));
    // Nobody listens on its other address.
    let target = Target::new(&[OK]);
    assert_eq!(ask(request(&format!("http://localhost:{}/", target.address.port()))), Ok(200));
}

#[test]
fn the_words_for_what_goes_wrong() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(ask(request(&format!("http://{free}/"))), Err(ProbeError::Refused));
    assert_eq!(ask(request(&format!("http://localhost:{}/", free.port()))), Err(ProbeError::Refused));
    assert_eq!(ask(request("http://no-such-host.invalid/")), Err(ProbeError::HostNotFound));
    for url in ["", "shop", "ftp://user:hunter2@shop/", "http://user:hunter2@[::1/"] {
        let words = words(ask(request(url)));
        assert!(words.contains("URL") && !words.contains("hunter2"), "{words}");
    }
    for (answer, expected) in [
        ("", "the connection was closed before an answer came"),
        ("HTTP/1.1 200", "the connection was closed before an answer came"),
        ("SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP/1.1"),
        ("\u{15}\u{3}\u{1}", "the answer is not HTTP/1.1"),
    ] {
        let target = Target::new(&[answer]);
        let words = words(ask(request(&target.url("/"))));
        assert!(words.starts_with(expected), "{answer:?}: {words}");
    }
}

#[test]
fn what_is_no_http_is_seen_while_the_connection_is_open() {
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        stream.write_all(b"220 mail ESMTP\r\n").unwrap();
        let _ = stream.read(&mut [0]);
    });
    assert!(words(ask(request(&target.url("/")))).contains("not HTTP"));
}

#[test]
fn a_silent_target_costs_its_time_and_no_more() {
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        // Until the other side has had enough.
        let _ = stream.read(&mut [0]);
    });
    let (op, result) = block_on(async {
        let mut prober = Prober::new(&[]);
        let timeout = Duration::from_millis(300);
        prober.probes.execute(OpId(7), ProbeRequest { timeout, ..request(&target.url("/")) });
        prober.next().await
    });
    assert_eq!((op, result.outcome), (OpId(7), Err(ProbeError::TimedOut)));
    assert!(result.took >= Duration::from_millis(300));
}

#[test]
fn one_that_drips_or_never_ends_is_bounded() {
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-More: and more\r\n").is_ok() {}
    });
    let words = words(ask(request(&target.url("/"))));
    assert!(words.contains("too large") || words.contains("not HTTP"), "{words}");
    // A body without end is nobody's: the connection is closed behind the head.
    let (sender, closed) = channel();
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"4\r\nmore\r\n").is_ok() {}
        let _ = sender.send(());
    });
    assert_eq!(ask(request(&target.url("/"))), Ok(200));
    closed.recv_timeout(LONG).expect("a connection that was closed");
    // Heads without end that only announce others.
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {}
    });
    assert!(self::words(ask(request(&target.url("/")))).contains("too large"));
    // One that comes byte by byte, and is cut anywhere, is read all the same.
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let head = format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 418 Teapot\r\nX: {}\r\n\r\n", "y".repeat(3000));
        for byte in head.bytes() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(ask(request(&target.url("/"))), Ok(418));
}

#[test]
fn redirects_are_followed_if_asked() {
    let last = Target::new(&[OK]);
    let other = last.url("/there");
    let first = "HTTP/1.1 301 Moved\r\nLocation: ../b?c\r\n\r\n";
    let second = format!("HTTP/1.1 307 Moved\r\nLocation: {other}\r\n\r\n");
    let target = Target::new(&[first, &second]);
    let mut request = following(&target.url("/x/a"));
    request.method = "POST".to_owned();
    request.authorization = Some(Secret::new("Bearer secret"));
    let cookie = ("Cookie".to_owned(), Secret::new("session=secret"));
    request.headers = vec![cookie, ("X-Key".to_owned(), Secret::new("k"))];
    assert_eq!(ask(request), Ok(200));
    assert!(target.asked().starts_with("POST /x/a HTTP/1.1\r\n"));
    let again = target.asked();
    assert!(again.starts_with("GET /b?c HTTP/1.1\r\n") && again.contains("Bearer secret"), "{again}");
    // The same host on another port: Go takes it for the same, too.
    let there = last.asked();
    assert!(there.starts_with("GET /there HTTP/1.1\r\n") && there.contains("Bearer secret"), "{there}");
}

#[test]
fn credentials_stay_with_their_host() {
    let last = Target::new(&[OK]);
    let elsewhere = format!("http://localhost:{}/there", last.address.port());
    let target = Target::new(&[&format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\n\r\n")]);
    let mut request = following(&target.url("/").replace("//", "//user:pass@"));
    request.headers = vec![
        ("Cookie".to_owned(), Secret::new("session=secret")),
        ("Authorization".to_owned(), Secret::new("Bearer secret")),
        ("Host".to_owned(), Secret::new("shop")),
    ];
    assert_eq!(ask(request), Ok(200));
    assert!(target.asked().contains("Bearer secret"));
    let there = last.asked();
    assert!(!there.contains("secret") && !there.contains("Authorization"), "{there}");
    assert!(there.contains("\r\nHost: localhost:"), "{there}");
}

#[test]
fn redirects_have_an_end() {
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n");
    });
    assert_eq!(words(ask(following(&target.url("/")))), "more than 10 redirects");
    assert_eq!(target.requests.try_iter().count(), 11);
    for (answer, outcome) in [
        ("HTTP/1.1 302 Found\r\n\r\n", Ok(302)),
        ("HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n", Ok(304)),
        ("HTTP/1.1 200 OK\r\nLocation: /x\r\n\r\n", Ok(200)),
    ] {
        let target = Target::new(&[answer]);
        assert_eq!(ask(following(&target.url("/"))), outcome, "{answer}");
    }
    let target = Target::new(&["HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"]);
    assert!(words(ask(following(&target.url("/")))).contains("no http URL"));
}

/// Answers over TLS, as often as it is asked.
fn secure(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("its address").port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = over(stream.expect("a connection"), Arc::clone(&config));
            // A client that does not like the certificate goes away.
            let mut byte = [0; 1024];
            if matches!(stream.read(&mut byte), Ok(1..)) {
                let _ = stream.write_all(OK.as_bytes());
            }
        }
    });
    url
}

#[test]
fn certificates_are_looked_at_or_not() {
    let authority = Authority::new();
    let file = authority.file();
    // What the agent's own link does is its own affair.
    let vars = [("SSL_CERT_FILE", file.to_str().unwrap()), ("INSECURE_SKIP_VERIFY", "true")];
    let (good, other) = (secure(authority.server("localhost")), secure(authority.server("elsewhere")));
    let own = secure(self_signed("localhost", true).0);
    block_on(async {
        let mut prober = Prober::new(&vars);
        assert_eq!(prober.ask(request(&good)).await, Ok(200));
        let wrong = words(prober.ask(request(&other)).await);
        assert!(wrong.starts_with("invalid peer certificate"), "{wrong}");
        let unknown = words(prober.ask(request(&own)).await);
        assert!(unknown.starts_with("invalid peer certificate"), "{unknown}");
        for url in [&good, &other, &own] {
            let any = ProbeRequest { verify_tls: false, ..request(url) };
            assert_eq!(prober.ask(any).await, Ok(200));
        }
        assert_eq!(prober.ask(request(&good)).await, Ok(200));
    });
    let plain = server::Server::tcp(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_eq!(words(ask(request(&format!("https://{}/", plain.address)))), "no TLS is spoken on this port");
    plain.end();
}

#[test]
fn many_at_once_and_cancelled_ones() {
    let target = Target::playing(Ipv4Addr::LOCALHOST.into(), |stream, head| {
        if head.starts_with("GET /never") {
            let _ = stream.read(&mut [0]);
        } else {
            let _ = stream.write_all(OK.as_bytes());
        }
    });
    block_on(async {
        let mut prober = Prober::new(&[]);
        for n in 0..64 {
            let path = if n % 2 == 0 { "/never" } else { "/" };
            prober.probes.execute(OpId(n), request(&format!("http://localhost:{}{path}", target.address.port())));
        }
        let mut done = Vec::new();
        while done.len() < 32 {
            let (op, result) = prober.next().await;
            assert_eq!(result.outcome, Ok(200));
            done.push(op.0);
        }
        assert!(done.iter().all(|op| op % 2 == 1));
        for n in 0..64 {
            prober.probes.cancel(OpId(n));
        }
        // Another one's result comes, and none of theirs before it.
        prober.probes.execute(OpId(100), request(&target.url("/")));
        assert_eq!(prober.next().await.0, OpId(100));
        assert!(prober.inputs.try_recv().is_err());
    });
}
