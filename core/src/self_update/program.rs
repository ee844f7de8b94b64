//! The two agents as processes: the new one is a child of the old one.

use super::words::{Stage, progress};
use crate::program::{ProgramAnswer, ProgramError, ProgramRequest};
use crate::run::Cx;
use crate::secret::Secret;

/// Every agent's `--version` begins with this.
const NAME: &str = "dockmon-agent";

/// Gets the new program, and looks whether it is one that runs here.
pub(super) async fn fetch(cx: &Cx, url: &Secret, checksum: Option<&str>) -> Result<(), ProgramError> {
    progress(cx, Stage::Download, "Downloading the new agent");
    let request = ProgramRequest::Download { url: url.clone(), checksum: checksum.map(str::to_owned) };
    cx.program(request).await?;
    progress(cx, Stage::Verify, "Checking the new agent");
    match cx.program(ProgramRequest::Check).await? {
        ProgramAnswer::Says(text) if text.starts_with(NAME) => Ok(()),
        _ => Err(ProgramError(format!("what was downloaded is no {NAME}"))),
    }
}

/// Starts it; its process id.
pub(super) async fn start(cx: &Cx) -> Result<u32, ProgramError> {
    progress(cx, Stage::Prepare, "Starting the new agent beside this one");
    match cx.program(ProgramRequest::Start).await? {
        ProgramAnswer::Started(pid) => Ok(pid),
        _ => Err(ProgramError("the new agent was not started".to_owned())),
    }
}

/// Ends the new one, if it runs, and removes its program.
pub(super) async fn discard(cx: &Cx, child: Option<u32>) -> Result<(), ProgramError> {
    if let Some(pid) = child {
        cx.program(ProgramRequest::Stop { pid }).await?;
    }
    cx.program(ProgramRequest::Discard).await.map(drop)
}

/// Puts the new program in this one's place. False: it is there already.
pub(super) async fn take_place(cx: &Cx, child: Option<u32>) -> Result<bool, ProgramError> {
    if let Some(pid) = child {
        cx.program(ProgramRequest::Stop { pid }).await?;
    }
    cx.program(ProgramRequest::Swap).await.map(|answer| answer != ProgramAnswer::Missing)
}

/// Why it will not do, if that shows.
pub(super) async fn ails(cx: &Cx, pid: u32) -> Option<String> {
    match cx.program(ProgramRequest::Look { pid }).await {
        Ok(ProgramAnswer::Ended(how)) => Some(format!("the new agent ended: {how}")),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
