//! A stream that goes both ways, against a server that does whatever a test says.

mod support;

use std::time::Duration;

use dockmon_core::docker::{DockerError, DockerRequest};
use dockmon_core::{DockerEvent, OpId};
use dockmon_shell::{DockerExecutor as _, EngineAddress};
use support::{Client, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const SWITCHED: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                          Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const A_MOMENT: Duration = Duration::from_millis(50);

/// An exec whose engine is played by a test, which has the connection once the request has been read.
struct Exec {
    client: Client,
    op: OpId,
    engine: UnixStream,
    request: String,
    _folder: tempfile::TempDir,
}

impl Exec {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut client = Client::new(EngineAddress::Unix(path), None);
        let op = client.start(DockerRequest::ExecStart { id: "e1".to_owned() });
        let (mut engine, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert!(engine.read_buf(&mut request).await.unwrap() > 0);
        }
        let request = String::from_utf8(request).unwrap();
        Self { client, op, engine, request, _folder: folder }
    }

    async fn opened(head: &[u8]) -> Self {
        let mut exec = Self::start().await;
        exec.engine.write_all(head).await.unwrap();
        assert!(matches!(exec.client.next(exec.op).await, DockerEvent::Opened));
        exec
    }

    fn grant(&mut self, bytes: usize) {
        self.client.engine.read(self.op, bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.client.engine.write(self.op, bytes.to_vec());
    }

    async fn nothing(&mut self) {
        let next = self.client.next_within(self.op, A_MOMENT).await;
        assert!(next.is_none(), "{next:?}");
    }

    /// So many bytes of output, however they come.
    async fn output(&mut self, bytes: usize) -> Vec<u8> {
        let mut output = Vec::new();
        while output.len() < bytes {
            match self.client.next(self.op).await {
                DockerEvent::Bytes(piece) => output.extend(piece.0),
                other => panic!("{other:?} after {} bytes", output.len()),
            }
        }
        output
    }

    async fn end(&mut self) -> Result<(), DockerError> {
        match self.client.next(self.op).await {
            DockerEvent::Done(result) => result.map(|body| assert!(body.is_none())),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn asks_for_a_raw_connection() {
    let exec = Exec::start().await;
    let (head, body) = exec.request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /exec/e1/start http/1.1\r\n"), "{head}");
    for header in ["connection: upgrade", "upgrade: tcp", "content-type: application/json", "content-length: 27"] {
        assert!(head.lines().any(|line| line == header), "{header} is not in {head}");
    }
    assert_eq!(body, r#"{"Detach":false,"Tty":true}"#);
}

#[tokio::test]
async fn what_comes_with_the_head_is_output() {
    let mut exec = Exec::opened(&[SWITCHED, b"hello"].concat()).await;
    exec.nothing().await;
    exec.grant(3);
    assert_eq!(exec.output(3).await, b"hel");
    exec.nothing().await;
    exec.grant(100);
    assert_eq!(exec.output(2).await, b"lo");
    exec.engine.write_all(b", world").await.unwrap();
    assert_eq!(exec.output(7).await, b", world");
    drop(exec.engine);
    exec.engine = UnixStream::pair().unwrap().0;
    assert!(exec.end().await.is_ok());
    assert!(exec.client.leftovers().is_empty());
}

#[tokio::test]
async fn no_more_is_read_than_was_granted() {
    let mut exec = Exec::opened(SWITCHED).await;
    let all: Vec<u8> = (0..1_000_000_u32).map(|index| (index % 251) as u8).collect();
    let mut sent = 0;
    let mut read = Vec::new();
    while read.len() < all.len() {
        // As much as the socket takes.
        while sent < all.len() {
            match exec.engine.try_write(&all[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(_) => break,
            }
        }
        assert!(sent - read.len() < 600_000, "only a socket's buffer is between: {} of {sent}", read.len());
        let step = 10_000.min(all.len() - read.len());
        exec.grant(step);
        read.extend(exec.output(step).await);
        assert_eq!(read.len() % 10_000, 0);
    }
    assert!(read == all);
}

#[tokio::test]
async fn what_is_written_comes_back_as_credit_when_it_has_left() {
    let mut exec = Exec::opened(SWITCHED).await;
    let all: Vec<u8> = (0..2_000_000_u32).map(|index| (index % 241) as u8).collect();
    for piece in all.chunks(50_000) {
        exec.write(piece);
    }
    let mut written = 0;
    while let Some(event) = exec.client.next_within(exec.op, A_MOMENT).await {
        let DockerEvent::Written { bytes } = event else { panic!("{event:?}") };
        written += bytes;
    }
    assert!(written > 0 && written < 1_000_000, "{written} of what nobody reads");
    let mut taken = vec![0; all.len()];
    exec.engine.read_exact(&mut taken).await.unwrap();
    assert!(taken == all);
    while written < all.len() {
        match exec.client.next(exec.op).await {
            DockerEvent::Written { bytes } => written += bytes,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(written, all.len());
}

#[tokio::test]
async fn both_ways_at_a_time() {
    let mut exec = Exec::opened(SWITCHED).await;
    let (mut from_agent, mut to_agent) =
        std::mem::replace(&mut exec.engine, UnixStream::pair().unwrap().0).into_split();
    // An echo.
    let echo = tokio::spawn(async move { tokio::io::copy(&mut from_agent, &mut to_agent).await });
    let all: Vec<u8> = (0..500_000_u32).map(|index| (index % 239) as u8).collect();
    exec.grant(all.len());
    for piece in all.chunks(7_000) {
        exec.write(piece);
    }
    let (mut read, mut written) = (Vec::new(), 0);
    while read.len() < all.len() || written < all.len() {
        match exec.client.next(exec.op).await {
            DockerEvent::Bytes(piece) => read.extend(piece.0),
            DockerEvent::Written { bytes } => written += bytes,
            other => panic!("{other:?}"),
        }
    }
    assert!(read == all && written == all.len());
    exec.client.engine.cancel(exec.op);
    echo.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_in_chunks_is_taken_out_of_them() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let mut exec = Exec::opened(head).await;
    exec.grant(100);
    assert_eq!(exec.output(5).await, b"hello");
    exec.write(b"ls\n");
    assert!(matches!(exec.client.next(exec.op).await, DockerEvent::Written { bytes: 3 }));
    let mut typed = [0; 3];
    exec.engine.read_exact(&mut typed).await.unwrap();
    assert_eq!(&typed, b"ls\n");
    exec.engine.write_all(b"3\r\nbin\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(exec.output(3).await, b"bin");
    assert!(exec.end().await.is_ok());
}

#[tokio::test]
async fn a_refusal_has_the_engines_words() {
    let mut exec = Exec::start().await;
    let body = r#"{"message":"No such exec instance: e1"}"#;
    let answer = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    exec.engine.write_all(answer.as_bytes()).await.unwrap();
    let expected = DockerError::Status { code: 404, message: "No such exec instance: e1".to_owned() };
    assert_eq!(exec.end().await, Err(expected));
}

#[tokio::test]
async fn who_stops_reading_is_heard_to_the_end() {
    let mut exec = Exec::opened(SWITCHED).await;
    let engine = std::mem::replace(&mut exec.engine, UnixStream::pair().unwrap().0).into_std().unwrap();
    engine.shutdown(std::net::Shutdown::Read).unwrap();
    let mut written = 0;
    for _ in 0..10 {
        exec.write(&[b'x'; 10_000]);
    }
    while written < 100_000 {
        match exec.client.next(exec.op).await {
            DockerEvent::Written { bytes } => written += bytes,
            other => panic!("{other:?}"),
        }
    }
    let mut engine = UnixStream::from_std(engine).unwrap();
    engine.write_all(b"bye").await.unwrap();
    drop(engine);
    exec.grant(100);
    assert_eq!(exec.output(3).await, b"bye");
    assert!(exec.end().await.is_ok());
}

#[tokio::test]
async fn a_cancelled_one_closes_its_connection() {
    let mut exec = Exec::opened(SWITCHED).await;
    exec.client.engine.cancel(exec.op);
    assert_eq!(exec.engine.read(&mut [0; 16]).await.unwrap(), 0);
    eventually("nothing runs", || exec.client.engine.running() == 0).await;
    // Nobody minds what comes too late.
    exec.grant(10);
    exec.write(b"x");
    exec.nothing().await;
}
