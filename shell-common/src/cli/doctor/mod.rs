//! `dockmon-agent doctor`: goes the agent's way from its settings to the server, and stops where it breaks.
//!
//! It uses the agent's own code for each step, so what it finds is what the agent finds. It never registers: a
//! registration token is good for one agent, and the server closes the link of a running agent for a newer one of its
//! identity. So a token is judged by what the server said to the agent itself, which stands in `status.json`.

mod compose;
mod data;
mod engine;
mod registration;
mod report;
mod server;

use std::io::{self, Write};

use report::Report;

use super::look::Look;
use super::{saved, variable};
use crate::Runtime;
use crate::settings::Settings;

/// Checks everything, with the settings of the environment; the exit code: 0 if all is well.
pub(super) async fn run<R: Runtime>(runtime: R) -> u8 {
    let mut report = Report::new(io::stdout(), Look::of_output());
    check(runtime, &mut report).await;
    u8::from(report.end() > 0)
}

async fn check<R: Runtime, W: Write>(runtime: R, report: &mut Report<W>) {
    report.section("Settings");
    let settings = match Settings::from_vars(variable) {
        Ok(settings) => settings,
        Err(errors) => {
            for problem in &errors.0 {
                report.bad("settings", &problem.to_string(), "");
            }
            for name in ["data folder", "engine", "server", "registration"] {
                report.unchecked(name, "the settings have to be right first");
            }
            return;
        }
    };
    report.good("server", &settings.server.to_string());
    report.good("engine", &settings.engine.to_string());
    report.good("data folder", &settings.data_path.display().to_string());
    if settings.tls.insecure {
        let hint = "name the server's certificate or its authority in SSL_CERT_FILE instead";
        report.note("INSECURE_SKIP_VERIFY", "the server's certificate is not verified", hint);
    }

    let last_word = saved::read(&settings.data_path);
    report.section("Data folder");
    data::check(report, &settings);
    report.section("Engine");
    engine::check(report, &runtime, &settings).await;
    report.section("Server");
    server::check(report, &runtime, &settings).await;
    report.section("Registration");
    registration::check(report, &settings, last_word);
    report.section("Compose");
    compose::check(report, &runtime, &settings).await;
}
