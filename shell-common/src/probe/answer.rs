//! The head of an answer. What is behind it is not read.

use std::mem::MaybeUninit;

use dockmon_core::ProbeError;
use hyper::rt::Read;

use super::{failed, words};
use crate::engine;

/// The heads of an answer, with those that only announce it (100, 103), may have so many bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// The most headers it may have.
const HEADERS_LIMIT: usize = 256;
/// A head is looked at whenever more of it comes while it is shorter than this, so that what is no HTTP is seen at its
/// first line; then at its end only, so that a slow one does not cost its square.
const SHORT: usize = 1024;

/// An answer's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
}

/// Reads until the head is whole.
pub(super) async fn read<Io: Read + Unpin>(io: &mut Io) -> Result<Answer, ProbeError> {
    let (mut head, mut seen, mut passed) = (Vec::new(), 0, 0);
    loop {
        let from = head.len();
        let more = engine::read(io, |bytes| head.extend_from_slice(bytes)).await;
        if !more.map_err(|error| failed(words(&error)))? {
            return Err(failed("the connection was closed before an answer came"));
        }
        seen += head.len() - from;
        while head.len() < SHORT || is_whole(&head[passed..]) {
            let Some((length, answer)) = parse(&head)? else { break };
            // The answer itself is still to come. 101 was not asked for, and is the last word.
            if !(100..200).contains(&answer.status) || answer.status == 101 {
                return Ok(answer);
            }
            head.drain(..length);
            passed = 0;
        }
        if seen >= HEAD_LIMIT {
            return Err(failed("the answer's head is too large"));
        }
        // The end of a head may be cut in two.
        passed = head.len().saturating_sub(3);
    }
}

fn is_whole(text: &[u8]) -> bool {
    text.windows(2).any(|window| window == b"\n\n") || text.windows(3).any(|window| window == b"\n\r\n")
}

/// Reads a head, if it is whole: its length, and what it says.
fn parse(text: &[u8]) -> Result<Option<(usize, Answer)>, ProbeError> {
    let mut headers = [MaybeUninit::uninit(); HEADERS_LIMIT];
    let mut head = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut head, text, &mut headers);
    let httparse::Status::Complete(length) =
        parsed.map_err(|error| failed(format!("the answer is not HTTP/1.1 ({error})")))?
    else {
        return Ok(None);
    };
    let status = head.code.ok_or_else(|| failed("the answer has no status"))?;
    let location = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
    let location = location.map(|header| String::from_utf8_lossy(header.value).into_owned());
    Ok(Some((length, Answer { status, location })))
}
