//! Lives a recorded session again (`AGENT_RECORD`), and says where this build's core does something else.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use clap::Args;
use dockmon_core::record::{Difference, Replayer, Step};

/// So many lines of the story are shown before a difference.
const CONTEXT: usize = 12;
/// So many differences are told of one recording.
const MOST: usize = 5;

/// What is told of it, as the command line has it.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct How {
    /// Tell each session: when, what came in, what went out
    #[arg(long)]
    pub print: bool,
    /// Stop behind this line of each file
    #[arg(long, value_name = "LINE")]
    pub until: Option<usize>,
}

/// Whether a recording is lived again as it was, by this build's core.
///
/// # Errors
/// It cannot be read, or what is told cannot be written.
pub fn replay(path: &Path, how: How, out: &mut impl Write) -> io::Result<bool> {
    let mut replayer = Replayer::new();
    let mut context = VecDeque::with_capacity(CONTEXT);
    let (mut told, mut done, mut differences) = (0, 0, 0);
    let name = path.display();
    for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let (number, line) = (number + 1, line?);
        if how.until.is_some_and(|until| number > until) {
            break;
        }
        let step = match replayer.line(&line) {
            Ok(step) => step,
            Err(odd) => {
                writeln!(out, "{name}:{number}: {odd}")?;
                return Ok(false);
            }
        };
        let story = match step {
            Ok(Step::Begun(version)) => format!("agent {version} begins"),
            Ok(Step::Told(words)) => {
                told += 1;
                format!("→ {words}")
            }
            Ok(Step::Same(words)) => {
                done += 1;
                format!("  ← {words}")
            }
            Ok(Step::Ended(why)) => format!("the recording ends: {why}"),
            Err(difference) => {
                differences += 1;
                if !how.print {
                    context.drain(..).try_for_each(|line: String| writeln!(out, "{line}"))?;
                }
                tell(&format!("{name}:{number}"), &difference, out)?;
                if differences == MOST {
                    writeln!(out, "{name}: no more is told of it")?;
                    return Ok(false);
                }
                continue;
            }
        };
        let story = format!("{:>12.6}  {story}", replayer.seconds());
        if how.print {
            writeln!(out, "{story}")?;
        }
        if context.len() == CONTEXT {
            context.pop_front();
        }
        context.push_back(story);
    }
    let verdict = if differences == 0 { "the same" } else { "NOT THE SAME" };
    writeln!(out, "{name}: {told} inputs, {done} actions as before: {verdict}")?;
    Ok(differences == 0 && done > 0)
}

fn tell(place: &str, difference: &Difference, out: &mut impl Write) -> io::Result<()> {
    match difference {
        Difference::Other { recorded, now, places } => {
            writeln!(out, "{place}: differs\n  - {recorded}\n  + {now}")?;
            for (path, recorded, now) in places {
                writeln!(out, "      {path}\n        - {recorded}\n        + {now}")?;
            }
        }
        Difference::Missing(recorded) => writeln!(out, "{place}: nothing is done where there was\n  - {recorded}")?,
        Difference::New(now) => writeln!(out, "{place}: is done, and was not\n  + {now}")?,
    }
    Ok(())
}
