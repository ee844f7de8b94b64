//! Frames of interactive shells (PROTOCOL 7).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::outbound::{event, json};
use crate::action::Frame;
use crate::docker::views::{Lenient, read};
use crate::time::WallTime;

/// The longest session id that is taken (the server's are UUIDs).
const MAX_ID_BYTES: usize = 128;
/// The longest `error` of a session: the server puts it into a close frame.
const MAX_ERROR_BYTES: usize = 120;
/// What a `data` frame has beside its data, at most: two of the longest ids' worth of escapes are far more than any.
const AROUND_DATA: usize = 256 + 6 * MAX_ID_BYTES;

/// What the server wants of a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ShellOrder {
    /// Start a shell in this container.
    Start { container: String },
    /// What was typed.
    Data(Vec<u8>),
    /// The browser's terminal has this size.
    Resize { cols: u16, rows: u16 },
    /// The browser's terminal is gone.
    Close,
}

/// Why a push cannot be used. Without its content: what was typed may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OddShellPush {
    #[error("without a session_id that can be used")]
    Id,
    #[error("its data is no base64")]
    Data,
    #[error("its action is not known")]
    Action,
    #[error("its size is none")]
    Size,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    action: Lenient<String>,
    session_id: Lenient<String>,
    container_id: Lenient<String>,
    data: Lenient<String>,
    cols: Lenient<f64>,
    rows: Lenient<f64>,
}

/// Reads the payload of a `shell_session` push: the session's id, and what is wanted.
pub(crate) fn shell_order(payload: Option<&RawValue>) -> Result<(String, ShellOrder), OddShellPush> {
    let payload: Payload = payload.map(read).unwrap_or_default();
    let id = payload.session_id.0;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(OddShellPush::Id);
    }
    let order = match payload.action.0.as_str() {
        "start" => ShellOrder::Start { container: payload.container_id.0 },
        "data" => ShellOrder::Data(BASE64_STANDARD.decode(payload.data.0).map_err(|_| OddShellPush::Data)?),
        "resize" => match (cells(payload.cols.0), cells(payload.rows.0)) {
            (Some(cols), Some(rows)) => ShellOrder::Resize { cols, rows },
            _ => return Err(OddShellPush::Size),
        },
        "close" => ShellOrder::Close,
        _ => return Err(OddShellPush::Action),
    };
    Ok((id, order))
}

/// A side of a terminal. A terminal has at most 65,535 cells on each, as the kernel counts them.
fn cells(value: f64) -> Option<u16> {
    // A cast of a number that is too large gives the largest.
    (value >= 1.0).then_some(value as u16)
}

/// How many raw bytes a `data` frame of at most `bytes` can carry.
pub(crate) const fn shell_data_within(bytes: usize) -> usize {
    bytes.saturating_sub(AROUND_DATA) / 4 * 3
}

/// The shell runs.
pub(crate) fn shell_started(id: &str, now: WallTime) -> Frame {
    shell_event(id, "started", "", now)
}

/// A piece of its output.
pub(crate) fn shell_output(id: &str, bytes: &[u8], now: WallTime) -> Frame {
    let mut data = String::with_capacity(bytes.len() / 3 * 4 + 16);
    data.push_str(r#","data":""#);
    BASE64_STANDARD.encode_string(bytes, &mut data);
    data.push('"');
    shell_event(id, "data", &data, now)
}

/// Its output has ended.
pub(crate) fn shell_closed(id: &str, now: WallTime) -> Frame {
    shell_event(id, "closed", "", now)
}

/// It could not be started, or cannot go on. The text is cut at [`MAX_ERROR_BYTES`].
pub(crate) fn shell_error(id: &str, error: &str, now: WallTime) -> Frame {
    shell_event(id, "error", &format!(r#","error":{}"#, json(cut(error))), now)
}

fn shell_event(id: &str, action: &str, more: &str, now: WallTime) -> Frame {
    event("shell_data", &format!(r#"{{"session_id":{},"action":"{action}"{more}}}"#, json(id)), now)
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_ERROR_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(payload: &str) -> Result<(String, ShellOrder), OddShellPush> {
        let raw = RawValue::from_string(payload.to_owned()).unwrap();
        shell_order(Some(&raw))
    }

    #[test]
    fn what_the_server_wants() {
        let wants = |payload: &str| order(payload).map(|(id, order)| (id == "s", order)).ok().unwrap();
        let start = ShellOrder::Start { container: "6471b0bf440f".to_owned() };
        let text = r#"{"action":"start","container_id":"6471b0bf440f","session_id":"s","new":1}"#;
        assert!(wants(text) == (true, start));
        let data = ShellOrder::Data(b"stty size\n".to_vec());
        assert!(wants(r#"{"action":"data","session_id":"s","data":"c3R0eSBzaXplCg=="}"#) == (true, data));
        let resize = ShellOrder::Resize { cols: 101, rows: u16::MAX };
        assert!(wants(r#"{"action":"resize","session_id":"s","cols":101,"rows":9999999}"#) == (true, resize));
        assert!(wants(r#"{"action":"close","session_id":"s"}"#) == (true, ShellOrder::Close));
    }

    #[test]
    fn odd_pushes() {
        let odd = |payload: &str| order(payload).err().unwrap();
        assert_eq!(shell_order(None).err().unwrap(), OddShellPush::Id);
        assert_eq!(odd("[1]"), OddShellPush::Id);
        assert_eq!(odd(r#"{"action":"close"}"#), OddShellPush::Id);
        assert_eq!(odd(&format!(r#"{{"action":"close","session_id":"{}"}}"#, "x".repeat(129))), OddShellPush::Id);
        assert_eq!(odd(r#"{"action":"data","session_id":"s","data":"hunter2!"}"#), OddShellPush::Data);
        assert_eq!(odd(r#"{"action":"sing","session_id":"s"}"#), OddShellPush::Action);
        for size in [r#""cols":0,"rows":24"#, r#""cols":80,"rows":-1"#, r#""cols":80"#, r#""cols":"80","rows":24"#] {
            assert_eq!(odd(&format!(r#"{{"action":"resize","session_id":"s",{size}}}"#)), OddShellPush::Size);
        }
    }

    #[test]
    fn what_the_agent_says() {
        let now = WallTime::from_nanos(1_795_448_326_500_000_000);
        assert_eq!(
            shell_output("s", b"$ ", now).as_str(),
            concat!(
                r#"{"type":"event","command":"shell_data","payload":{"session_id":"s","action":"data","data":"JCA="},"#,
                r#""timestamp":"2026-11-23T15:38:46.5Z"}"#
            )
        );
        let error = shell_error("s", &"ä".repeat(100), now);
        assert!(error.as_str().contains(&format!(r#""error":"{}"}}"#, "ä".repeat(60))), "{}", error.as_str());
        assert!(shell_started("s", now).as_str().contains(r#"{"session_id":"s","action":"started"}"#));
    }

    #[test]
    fn a_frame_is_not_larger_than_there_is_room() {
        let now = WallTime::from_nanos(1_795_448_326_123_456_789);
        let id = "\u{1}".repeat(MAX_ID_BYTES);
        for room in [AROUND_DATA + 4, 10_000, 65_536] {
            let frame = shell_output(&id, &vec![0; shell_data_within(room)], now);
            assert!(frame.len() <= room, "{} of {room}", frame.len());
        }
    }
}
