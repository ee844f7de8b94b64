//! The agent's own program and the ones beside it.

use dockmon_core::{ProgramAnswer, ProgramError, ProgramRequest};

/// The process that the new program becomes.
pub(crate) const CHILD: u32 = 4711;

#[derive(Debug, Default)]
pub(crate) struct Programs {
    /// Whether a new program lies beside the agent's own.
    pub(crate) new: bool,
    /// Whether it runs as a child.
    pub(crate) child: bool,
    /// What it says of its version; none: it does not run at all.
    pub(crate) version: Option<&'static str>,
    /// How often it was put in place.
    pub(crate) swapped: u32,
    /// Requests by this name fail.
    pub(crate) failing: Option<&'static str>,
    /// Every request, by its name; looks at the child aside.
    pub(crate) requests: Vec<String>,
}

impl Programs {
    pub(crate) fn answer(&mut self, request: &ProgramRequest) -> Result<ProgramAnswer, ProgramError> {
        let text = format!("{request:?}");
        let name = text.split([' ', '{']).next().unwrap_or_default().to_owned();
        if name != "Look" {
            self.requests.push(name.clone());
        }
        if self.failing == Some(name.as_str()) {
            return Err(ProgramError(format!("{name} failed")));
        }
        Ok(match request {
            ProgramRequest::Download { .. } => {
                self.new = true;
                ProgramAnswer::Done
            }
            ProgramRequest::Check => match self.version {
                Some(version) => ProgramAnswer::Says(version.to_owned()),
                None => return Err(ProgramError("cannot run the new program".to_owned())),
            },
            ProgramRequest::Start => {
                self.child = true;
                ProgramAnswer::Started(CHILD)
            }
            ProgramRequest::Look { pid } if self.child && *pid == CHILD => ProgramAnswer::Alive,
            ProgramRequest::Look { .. } => ProgramAnswer::Ended("with code 3".to_owned()),
            ProgramRequest::Stop { pid } => {
                assert_eq!(*pid, CHILD);
                self.child = false;
                ProgramAnswer::Done
            }
            ProgramRequest::Swap if !self.new => ProgramAnswer::Missing,
            ProgramRequest::Swap => {
                self.new = false;
                self.swapped += 1;
                ProgramAnswer::Done
            }
            ProgramRequest::Discard => {
                self.new = false;
                ProgramAnswer::Done
            }
        })
    }
}
