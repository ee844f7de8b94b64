//! `dockmon-agent replay`: a recorded session, lived again where it was recorded.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::replay::{How, replay};

#[derive(Args)]
pub(super) struct Options {
    /// The recordings
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// The process's exit code: 0 if all come out the same.
pub(super) fn main(options: &Options) -> u8 {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut all = 0;
    for file in &options.files {
        match replay(file, options.how, &mut out) {
            Ok(true) => {}
            Ok(false) => all = 1,
            // Nobody reads on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return all,
            Err(error) => {
                let _ = out.flush();
                eprintln!("{}: {error}", file.display());
                all = 1;
            }
        }
    }
    // Likewise.
    let _ = out.flush();
    all
}
