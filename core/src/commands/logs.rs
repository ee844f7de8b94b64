//! `get_logs` (PROTOCOL 4): both streams of a container, merged in the order of their times.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

use super::answer::{CommandError, Doing, Fields};
use super::inspect::inspect;
use crate::docker::DockerRequest;
use crate::docker::views::{ContainerDetails, read};
use crate::ids::ContainerId;
use crate::input::DockerEvent;
use crate::run::Cx;
use crate::time::WallTime;
use crate::wire::{MAX_FRAME_BYTES, json};

/// JSON text of the logs at most, so that the whole answer fits its frame: the oldest lines go first.
const MAX_JSON_BYTES: usize = MAX_FRAME_BYTES - 64 * 1024;
/// A line without an end is cut here.
const MAX_LINE_BYTES: usize = 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(super) struct GetLogs {
    pub(super) container_id: ContainerId,
    tail: Option<u32>,
}

impl GetLogs {
    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        let inspect = inspect(cx, self.container_id.clone()).await?;
        let details: ContainerDetails<'_> = read(&inspect);
        let mut reader = Reader::new(details.config().tty.0);
        let request = DockerRequest::ContainerLogs { id: self.container_id, tail: self.tail.unwrap_or(100) };
        let stream = cx.stream(request, Some(WITHIN));
        loop {
            match stream.next().await {
                DockerEvent::Bytes(bytes) => reader.push(&bytes.0),
                DockerEvent::Done(result) => {
                    result.doing("get logs")?;
                    return Ok(vec![("logs", reader.finish())]);
                }
                DockerEvent::Opened | DockerEvent::Item(_) | DockerEvent::Written { .. } => {}
            }
        }
    }
}

/// Takes the engine's log stream apart: frames of `[stream, 0, 0, 0, length: u32 big-endian]` and a piece, or plain
/// bytes where the container has a TTY.
struct Reader {
    tty: bool,
    /// A header that has come in part.
    header: Vec<u8>,
    /// The stream of the frame that is being read, and how much of it is to come.
    frame: (usize, usize),
    partial: [Vec<u8>; 2],
    lines: VecDeque<String>,
    bytes: usize,
    out_of_order: bool,
}

impl Reader {
    const fn new(tty: bool) -> Self {
        Self {
            tty,
            header: Vec::new(),
            frame: (0, 0),
            partial: [Vec::new(), Vec::new()],
            lines: VecDeque::new(),
            bytes: 0,
            out_of_order: false,
        }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        if self.tty {
            self.piece(0, bytes);
            return;
        }
        while !bytes.is_empty() {
            let (stream, left) = self.frame;
            if left > 0 {
                let (piece, rest) = bytes.split_at(left.min(bytes.len()));
                self.piece(stream, piece);
                self.frame = (stream, left - piece.len());
                bytes = rest;
                continue;
            }
            let (piece, rest) = bytes.split_at((8 - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(piece);
            bytes = rest;
            if let [stream, _, _, _, a, b, c, d] = self.header[..] {
                self.frame = (usize::from(stream == 2), u32::from_be_bytes([a, b, c, d]) as usize);
                self.header.clear();
            }
        }
    }

    fn piece(&mut self, stream: usize, mut piece: &[u8]) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.partial[stream].extend_from_slice(&piece[..end]);
            self.end_line(stream);
            piece = &piece[end + 1..];
        }
        self.partial[stream].extend_from_slice(piece);
        if self.partial[stream].len() > MAX_LINE_BYTES {
            self.end_line(stream);
        }
    }

    fn end_line(&mut self, stream: usize) {
        let bytes = std::mem::take(&mut self.partial[stream]);
        let line = utc(&String::from_utf8_lossy(&bytes));
        self.out_of_order |= self.lines.back().is_some_and(|last| timestamp(last) > timestamp(&line));
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > MAX_JSON_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len() + 1;
        }
    }

    /// All lines, as one JSON string that fits a frame.
    fn finish(mut self) -> String {
        for stream in [0, 1] {
            if !self.partial[stream].is_empty() {
                self.end_line(stream);
            }
        }
        if self.out_of_order && !self.tty {
            self.lines.make_contiguous().sort_by(|a, b| timestamp(a).cmp(timestamp(b)));
        }
        let mut escaped: VecDeque<String> = self.lines.iter().map(|line| json(&format!("{line}\n"))).collect();
        let mut bytes: usize = escaped.iter().map(String::len).sum();
        while bytes > MAX_JSON_BYTES {
            let Some(line) = escaped.pop_front() else { break };
            bytes -= line.len();
        }
        let mut text = String::with_capacity(bytes + 2);
        text.push('"');
        for line in &escaped {
            text.push_str(&line[1..line.len() - 1]);
        }
        text.push('"');
        text
    }
}

/// The part of a line that tells its time, in a form that sorts: Docker's are of one length.
fn timestamp(line: &str) -> &str {
    line.split_once(' ').map_or("", |(time, _)| time)
}

/// The line with its time in UTC, `Z` at its end: the server takes a line without that as one of now, and Podman gives
/// times of the host's zone.
fn utc(line: &str) -> String {
    if let Some((time, text)) = line.split_once(' ') {
        if !time.ends_with('Z') && time.len() > 19 && time.as_bytes()[10] == b'T' {
            if let Some(time) = WallTime::parse(time) {
                return format!("{} {text}", time.rfc3339());
            }
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend((u32::try_from(text.len()).unwrap()).to_be_bytes());
        frame.extend(text);
        frame
    }

    fn logs(tty: bool, chunks: &[&[u8]]) -> String {
        let mut reader = Reader::new(tty);
        for chunk in chunks {
            reader.push(chunk);
        }
        serde_json::from_str(&reader.finish()).unwrap()
    }

    #[test]
    fn both_streams_in_the_order_of_their_times() {
        let bytes = [
            frame(1, b"2026-01-01T00:00:01.000000000Z out 1\n"),
            frame(1, b"2026-01-01T00:00:03.000000000Z out 2\n"),
            frame(2, b"2026-01-01T00:00:02.000000000Z err"),
            frame(2, b"or \xff\n"),
        ]
        .concat();
        assert_eq!(
            logs(false, &[&bytes]),
            "2026-01-01T00:00:01.000000000Z out 1\n2026-01-01T00:00:02.000000000Z error \u{fffd}\n\
             2026-01-01T00:00:03.000000000Z out 2\n"
        );
    }

    #[test]
    fn a_terminals_output_as_it_is() {
        assert_eq!(
            logs(true, &[b"2026-01-01T00:00:01.5Z \x1b[1mhi\r\n", b"there"]),
            "2026-01-01T00:00:01.5Z \u{1b}[1mhi\r\nthere\n"
        );
    }

    #[test]
    fn times_of_another_zone() {
        assert_eq!(logs(true, &[b"2026-01-01T01:00:00.5+01:00 hi\n"]), "2026-01-01T00:00:00.5Z hi\n");
    }

    #[test]
    fn too_long_logs_lose_their_beginning() {
        let line = format!("2026-01-01T00:00:01Z {}\n", "\u{1}".repeat(100_000));
        let mut reader = Reader::new(true);
        for _ in 0..100 {
            reader.push(line.as_bytes());
        }
        reader.push(b"2026-01-01T00:00:02Z the end\n");
        let text = reader.finish();
        assert!(text.len() <= MAX_JSON_BYTES + 2 && text.len() > MAX_JSON_BYTES / 2);
        assert!(serde_json::from_str::<String>(&text).unwrap().ends_with("the end\n"));
    }

    #[test]
    fn a_line_that_never_ends_is_bounded() {
        let mut reader = Reader::new(true);
        for _ in 0..40 {
            reader.push(&[b'x'; 512 * 1024]);
        }
        assert!(reader.bytes <= MAX_JSON_BYTES && reader.partial[0].len() <= MAX_LINE_BYTES);
    }

    proptest! {
        #[test]
        fn the_cuts_between_chunks_do_not_matter(
            pieces in prop::collection::vec((1_u8..=2, prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            cut in 1_usize..30,
        ) {
            let bytes: Vec<u8> = pieces.iter().flat_map(|(stream, text)| frame(*stream, text)).collect();
            let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(logs(false, &chunks), logs(false, &[&bytes]));
        }

        #[test]
        fn garbage_never_panics_and_gives_text(bytes in prop::collection::vec(any::<u8>(), 0..400), tty: bool) {
            logs(tty, &[&bytes]);
        }
    }
}
