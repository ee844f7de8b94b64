//! Lines instead of a screen: for pipes, logs and those who ask for it.

use std::io::{self, Write};
use std::time::Duration;

use super::events::EventLine;
use super::screen::machine;
use super::state::State;
use super::table::{Sort, sorted};
use super::units;

/// How often the totals are printed.
const TOTALS_EVERY: Duration = Duration::from_secs(2);

/// Prints what is new.
pub(super) struct Printer<W> {
    out: W,
    registered: bool,
    listed: bool,
    events: u64,
    next_totals: Duration,
    trouble: Option<String>,
}

impl<W: Write> Printer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, registered: false, listed: false, events: 0, next_totals: Duration::ZERO, trouble: None }
    }

    fn line(&mut self, elapsed: Duration, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:>7.1} s  {text}", elapsed.as_secs_f64())
    }

    /// Prints one line of news.
    pub(super) fn say(&mut self, elapsed: Duration, text: &str) -> io::Result<()> {
        self.line(elapsed, text)?;
        self.out.flush()
    }

    /// Prints what the state says that it did not say before.
    pub(super) fn update(&mut self, state: &State, elapsed: Duration) -> io::Result<()> {
        if let (false, Some(time)) = (self.registered, state.registered_in) {
            self.registered = true;
            let host = state.host.clone().unwrap_or_default();
            let text = format!("registered in {} ms: {} · {}", time.as_millis(), host.name, machine(&host));
            self.line(elapsed, &text)?;
        }
        if state.trouble != self.trouble {
            self.trouble.clone_from(&state.trouble);
            if let Some(trouble) = &state.trouble {
                self.line(elapsed, trouble)?;
            }
        }
        if !self.listed && state.list_count > 0 {
            self.listed = true;
            // The first samples need a moment.
            self.next_totals = elapsed + TOTALS_EVERY;
            self.table(state, elapsed)?;
        }
        let new = usize::try_from(state.event_count - self.events).unwrap_or(usize::MAX);
        for event in state.events.iter().skip(state.events.len().saturating_sub(new)) {
            self.line(elapsed, &event_text(event))?;
        }
        self.events = state.event_count;
        if self.listed && elapsed >= self.next_totals {
            self.next_totals = elapsed + TOTALS_EVERY;
            self.line(elapsed, &totals_text(state))?;
        }
        self.out.flush()
    }

    fn table(&mut self, state: &State, elapsed: Duration) -> io::Result<()> {
        let hint =
            if state.containers.is_empty() && !state.simulated { " (--simulated shows a lively engine)" } else { "" };
        self.line(elapsed, &format!("containers: {}{hint}", state.containers.len()))?;
        for container in sorted(state, Sort::Name) {
            let (name, container_state) = (units::cut(&container.name, 24), &container.state);
            self.line(elapsed, &format!("  {name:<24}  {container_state:<10}  {}", container.image))?;
        }
        Ok(())
    }
}

fn event_text(event: &EventLine) -> String {
    let name = units::cut(&event.name, 24);
    format!("event  {name:<24}  {:<14}  {}", event.action, event.detail).trim_end().to_owned()
}

fn totals_text(state: &State) -> String {
    let totals = state.totals();
    let mut text = format!(
        "{} of {} running · CPU {} · memory {} · in {} · out {} · {} samples",
        totals.running,
        totals.containers,
        units::percent(totals.cpu),
        units::bytes(totals.memory),
        units::rate(totals.received),
        units::rate(totals.sent),
        state.sample_count,
    );
    if let Some((container, usage)) = sorted(state, Sort::Cpu).first().and_then(|it| Some((it, it.usage?))) {
        text.push_str(&format!(" · busiest {} {}", container.name, units::percent(usage.cpu)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::state::tests::{feed_event, populated};
    use super::*;

    fn print(state: &State, printer: &mut Printer<Vec<u8>>, seconds: u64) -> Vec<String> {
        printer.update(state, Duration::from_secs(seconds)).unwrap();
        let text = String::from_utf8(std::mem::take(&mut printer.out)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_thing_is_said_once() {
        let mut state = populated(2);
        let mut printer = Printer::new(Vec::new());
        let lines = print(&state, &mut printer, 1);
        assert_eq!(
            lines,
            [
                "    1.0 s  registered in 45 ms: harbour · Debian GNU/Linux 12 · 6.1.0 · engine 26.1.5 · 8 CPUs · 23.5 GiB",
                "    1.0 s  containers: 2",
                "    1.0 s    box-0                     running     shop/box:1",
                "    1.0 s    box-1                     running     shop/box:1",
            ]
        );
        feed_event(&mut state, 1, "die", json!({"exitCode": "3"}));
        assert_eq!(
            print(&state, &mut printer, 2),
            ["    2.0 s  event  box-1                     die             exit 3"]
        );
        let totals = "    3.0 s  1 of 2 running · CPU 2.5 % · memory 34.0 MiB · in 0 B/s · out 0 B/s · 2 samples · \
                      busiest box-0 2.5 %";
        assert_eq!(print(&state, &mut printer, 3), [totals]);
        assert_eq!(print(&state, &mut printer, 4), [""; 0]);
    }

    #[test]
    fn a_refusal_is_said_when_it_changes() {
        let mut state = State { trouble: Some("refused: no".to_owned()), ..State::default() };
        let mut printer = Printer::new(Vec::new());
        assert_eq!(print(&state, &mut printer, 0), ["    0.0 s  refused: no"]);
        assert_eq!(print(&state, &mut printer, 1), [""; 0]);
        state.trouble = None;
        assert_eq!(print(&state, &mut printer, 2), [""; 0]);
    }
}
