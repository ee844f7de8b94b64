//! Fetching a new program.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dockmon_core::{ProgramAnswer, ProgramError};
use http::header::{AUTHORIZATION, HOST, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use ring::digest;

use super::failed;
use super::place::Place;
use crate::disk::remove;
use crate::engine::Connection;
use crate::net::{ProxySettings, TlsSettings, reach, within};
use crate::probe::{MAX_REDIRECTS, Url};
use crate::settings::{ServerAddress, Settings};
use crate::{Runtime, version};

/// The largest program that is taken.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(600);
/// How long a server may say nothing.
const SILENT_AT_MOST: Duration = Duration::from_secs(60);
/// So much is gathered before it is written.
const WRITE_AT_ONCE: usize = 256 * 1024;

/// How programs are fetched.
pub(super) struct Source {
    proxy: ProxySettings,
    tls: TlsSettings,
}

impl Source {
    pub(super) fn new(settings: &Settings) -> Self {
        // Whether the agent's own server is verified does not count here.
        let tls = TlsSettings { insecure: false, ..settings.tls.clone() };
        Self { proxy: settings.proxy.clone(), tls }
    }
}

/// A connection whose answer's head is there.
struct Answer<Io: hyper::rt::Read + hyper::rt::Write + Unpin + 'static> {
    connection: Connection<Io>,
    response: Response<Incoming>,
}

/// Fetches a program to its place beside the agent's own. With a checksum, it is that one or it is none.
///
/// # Errors
/// Words. What was fetched is removed then.
pub(super) async fn download<R: Runtime>(
    runtime: &R,
    source: &Source,
    place: &Place,
    url: &str,
    checksum: Option<&str>,
) -> Result<ProgramAnswer, ProgramError> {
    let fetched = within(runtime, WITHIN, async {
        let answer = open(runtime, source, url).await?;
        save(runtime, place, answer, checksum).await
    });
    let late = || Err(format!("it took longer than {} s", WITHIN.as_secs()));
    match fetched.await.unwrap_or_else(late) {
        Ok(()) => Ok(ProgramAnswer::Done),
        Err(reason) => {
            let _ = remove(&place.new);
            Err(failed("download the new program", reason))
        }
    }
}

/// Asks for it, and follows where the servers lead.
async fn open<R: Runtime>(runtime: &R, source: &Source, url: &str) -> Result<Answer<R::Io>, String> {
    let mut url = Url::parse(url)?;
    for _ in 0..=MAX_REDIRECTS {
        let answer = ask(runtime, source, &url).await?;
        let status = answer.response.status();
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let location = answer.response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|_| status.is_redirection()) else {
            return Err(format!("{} answers with status {}", url.authority, status.as_u16()));
        };
        let next = url.join(location)?;
        if url.secure && !next.secure {
            return Err(format!("{} leads to where no TLS is spoken", url.authority));
        }
        url = next;
    }
    Err(format!("more than {MAX_REDIRECTS} redirects"))
}

async fn ask<R: Runtime>(runtime: &R, source: &Source, url: &Url) -> Result<Answer<R::Io>, String> {
    let scheme = if url.secure { "https" } else { "http" };
    let server = ServerAddress::parse(&format!("{scheme}://{}", url.authority)).ok_or("the URL is not valid")?;
    let io = reach(runtime, server, &source.proxy, source.tls.clone()).await.map_err(|error| error.to_string())?;
    let mut connection = Connection::over(io).await.map_err(|error| error.to_string())?;
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(url.target.expose())
        .header(HOST, &url.authority)
        .header(USER_AGENT, version::user_agent());
    if let Some(mut login) = url.login.as_ref().and_then(|login| HeaderValue::try_from(login.expose()).ok()) {
        login.set_sensitive(true);
        request = request.header(AUTHORIZATION, login);
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|_| "the URL is not valid")?;
    let sent = within(runtime, SILENT_AT_MOST, connection.send(request)).await.ok_or_else(|| silent(url))?;
    let response = sent.map_err(|error| format!("{} does not answer: {}", url.authority, error.error))?;
    Ok(Answer { connection, response })
}

fn silent(url: &Url) -> String {
    format!("{} has said nothing for {} s", url.authority, SILENT_AT_MOST.as_secs())
}

/// Writes the answer's body to the new program's place, and compares its checksum.
async fn save<R: Runtime>(
    runtime: &R,
    place: &Place,
    mut answer: Answer<R::Io>,
    checksum: Option<&str>,
) -> Result<(), String> {
    let path = place.new.clone();
    let cannot_write = {
        let path = path.display().to_string();
        move |error: io::Error| format!("cannot write {path}: {error}")
    };
    let mut file = runtime.blocking(move || create(&path)).await.map_err(&cannot_write)?;
    let mut sum = digest::Context::new(&digest::SHA256);
    let (mut bytes, mut gathered) = (0, Vec::new());
    let body = answer.response.body_mut();
    loop {
        let next = within(runtime, SILENT_AT_MOST, answer.connection.next_piece(body)).await;
        let piece = next.ok_or("the server has stopped in the middle of it")?;
        let over = piece.is_none();
        if let Some(piece) = piece {
            let piece = piece.map_err(|error| error.to_string())?;
            bytes += piece.len() as u64;
            if bytes > MAX_BYTES {
                return Err(format!("it is larger than {MAX_BYTES} bytes"));
            }
            sum.update(&piece);
            gathered.extend_from_slice(&piece);
        }
        if over || gathered.len() >= WRITE_AT_ONCE {
            let piece = std::mem::take(&mut gathered);
            let write = move || file.write_all(&piece).map(|()| file);
            file = runtime.blocking(write).await.map_err(&cannot_write)?;
        }
        if over {
            break;
        }
    }
    let sum: String = sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if checksum.is_some_and(|expected| expected != sum) {
        return Err(format!("its checksum is {sum}, not the one that the server named"));
    }
    runtime.blocking(move || file.sync_all()).await.and_then(|()| place.sync()).map_err(&cannot_write)
}

fn create(path: &Path) -> io::Result<File> {
    // A mode counts only for a file that is made.
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)
}
