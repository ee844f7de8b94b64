//! `cargo run --release --bin demo`: see [`dockmon_conformance::demo`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dockmon_conformance::demo::main()
}
