//! Lives recorded sessions again and says where today's core does something else.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use dockmon_core::record::Replayer;
use dockmon_shell::{How, replay};

/// Feeds what an agent was told (recorded with AGENT_RECORD) to today's core, and compares everything that it wants
/// done. Exit code 1: it differs somewhere, or a recording cannot be read.
#[derive(Parser)]
struct Arguments {
    /// The recordings.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
    /// Write each file anew, with what today's core does: when it does something else on purpose.
    #[arg(long, conflicts_with = "print")]
    bless: bool,
    /// Make a recording a test: put it (up to --until) among the golden sessions under this name.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["print", "bless"])]
    as_test: Option<String>,
    /// Where the golden sessions are.
    #[arg(long, value_name = "FOLDER", default_value = "conformance/sessions")]
    golden: PathBuf,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut out = io::stdout().lock();
    if let Some(name) = &arguments.as_test {
        let [file] = arguments.files.as_slice() else {
            return Err(io::Error::other("--as-test takes one recording"));
        };
        let place = arguments.golden.join(format!("{name}.ndjson"));
        let text = again(file, arguments.how.until)?;
        fs::OpenOptions::new().write(true).create_new(true).open(&place)?.write_all(text.as_bytes())?;
        writeln!(out, "{}: {} lines", place.display(), text.lines().count())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut same = true;
    for file in &arguments.files {
        if arguments.bless {
            let text = again(file, arguments.how.until)?;
            let changed = text != fs::read_to_string(file)?;
            fs::write(file, text)?;
            writeln!(out, "{}: {}", file.display(), if changed { "made anew" } else { "as it was" })?;
            continue;
        }
        same &= replay(file, arguments.how, &mut out)?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The recording as today's core makes it.
fn again(path: &Path, until: Option<usize>) -> io::Result<String> {
    let mut replayer = Replayer::new();
    let mut text = String::new();
    for (number, line) in BufReader::new(File::open(path)?).lines().take(until.unwrap_or(usize::MAX)).enumerate() {
        let again = replayer.again(&line?);
        text += &again.map_err(|odd| io::Error::other(format!("{}:{}: {odd}", path.display(), number + 1)))?;
    }
    Ok(text)
}
