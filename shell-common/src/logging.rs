//! Log lines to standard error, JSON or for people (PROTOCOL 12).

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::settings::{LogLevel, Settings};

/// Sends log lines to standard error from now on, with UTC times: standard output stays free for what subcommands say.
/// Our own crates are heard from `LOG_LEVEL` on, others from `warn` on. A process that has a subscriber already keeps
/// it.
pub(crate) fn start(settings: &Settings) {
    let level = match settings.log_level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // A target is matched by its beginning: `dockmon` is core, shell and agents. What was done to the host is written
    // down at any level.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("dockmon", level)
        .with_target("dockmon_audit", LevelFilter::INFO);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = if settings.log_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    };
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
}
