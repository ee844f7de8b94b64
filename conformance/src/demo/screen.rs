//! The screen: a pure function of what is known and what the user chose to look at.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Widget};

use super::events::EventLine;
use super::palette::Palette;
use super::state::{Host, State};
use super::table::{self, Sort};
use super::units;

/// Below this nothing readable fits.
const LEAST: (u16, u16) = (24, 6);

/// What the user chose, and the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// The first container shown, when they do not all fit.
    pub(super) scroll: usize,
    pub(super) palette: Palette,
    /// Since the demo's start.
    pub(super) elapsed: Duration,
    /// Until it ends by itself.
    pub(super) left: Option<Duration>,
}

impl View {
    pub(super) fn new(palette: Palette) -> Self {
        Self { sort: Sort::default(), scroll: 0, palette, elapsed: Duration::ZERO, left: None }
    }
}

/// How the height is shared out.
struct Areas {
    header: Rect,
    table: Rect,
    events: Rect,
    footer: Rect,
}

impl Areas {
    fn of(area: Rect, containers: usize) -> Self {
        // On few lines the table is worth more than the second line of the header and the events.
        let roomy = area.height >= 12;
        let [header, body, footer] = Layout::vertical([
            Constraint::Length(if roomy { 3 } else { 1 }),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(area);
        // The table takes what it needs, but leaves the events a third; they take all that it does not need.
        let least = if roomy { (area.height / 3).clamp(4, 14) } else { 0 };
        let needed = u16::try_from(containers.max(3)).unwrap_or(u16::MAX).saturating_add(2);
        let table = if roomy { needed.min(body.height.saturating_sub(least)) } else { body.height };
        let [table, events] = Layout::vertical([Constraint::Length(table), Constraint::Min(0)]).areas(body);
        Self { header, table, events, footer }
    }
}

/// How many of so many containers fit on a screen of this size.
pub(super) fn rows(area: Rect, containers: usize) -> usize {
    // The rule above and the titles take a line each.
    usize::from(Areas::of(area, containers).table.height.saturating_sub(2))
}

/// Draws everything.
pub(super) fn render(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return Paragraph::new("too small, q quits").render(area, buffer);
    }
    let areas = Areas::of(area, state.containers.len());
    header(state, view, areas.header, buffer);
    containers(state, view, areas.table, buffer);
    events(state, view, areas.events, buffer);
    footer(state, view, areas.footer, buffer);
}

/// Puts one line's left and right parts; the right one goes where both do not fit.
fn split(left: Line<'_>, right: Line<'_>, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.width);
    if left.width() + right.width() + 2 <= room {
        right.right_aligned().render(area, buffer);
    }
    left.render(area, buffer);
}

fn header(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    let palette = view.palette;
    let lines = area.rows().collect::<Vec<_>>();
    let engine = Line::from(Span::styled(state.engine.as_str(), palette.figure()));
    let Some(host) = &state.host else {
        let waiting = match &state.trouble {
            Some(trouble) => Span::styled(trouble.clone(), palette.bad()),
            None => Span::styled("waiting for the agent", palette.notable()),
        };
        return split(Line::from(waiting), engine, lines[0], buffer);
    };
    let link = match (state.connected, &state.trouble) {
        (true, _) => Span::styled("● connected", palette.good()),
        (false, Some(trouble)) => Span::styled(format!("○ {trouble}"), palette.bad()),
        (false, None) => Span::styled("○ not connected", palette.notable()),
    };
    let name = Span::styled(host.name.clone(), palette.strong());
    split(Line::from(vec![name, Span::raw("  "), link]), engine, lines[0], buffer);
    if lines.len() > 2 {
        let agent = Line::styled(format!("agent {}", host.agent_version), palette.faint());
        split(Line::from(machine(host)), agent, lines[1], buffer);
        load(state, palette, lines[2], buffer);
    }
}

/// What kind of machine it is.
pub(super) fn machine(host: &Host) -> String {
    let engine = Some(&host.engine_version).filter(|it| !it.is_empty()).map(|it| format!("engine {it}"));
    let cpus = host.cpus.map(|count| format!("{count} CPU{}", if count == 1 { "" } else { "s" }));
    let texts = [&host.system, &host.kernel].map(|text| Some(text.clone()).filter(|text| !text.is_empty()));
    let parts = texts.into_iter().chain([engine, cpus, host.memory.map(units::bytes)]);
    parts.flatten().collect::<Vec<_>>().join(" · ")
}

/// How busy the host is, and how busy all containers together are; the agent tells the first only where it can see it.
fn load(state: &State, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let label = |text: &'static str| Span::styled(text, palette.faint());
    let totals = state.totals();
    let containers = Line::from(vec![
        label("containers  CPU "),
        Span::raw(units::percent(totals.cpu)),
        label("  memory "),
        Span::raw(units::bytes(totals.memory)),
    ]);
    let Some(load) = state.load else { return containers.render(area, buffer) };
    let host = Line::from(vec![
        label("host  CPU "),
        Span::raw(format!("{:>6} ", units::percent(load.cpu))),
        Span::styled(units::sparkline(state.load_history.iter().copied(), 10, 10.0), palette.figure()),
        label("  memory "),
        Span::raw(units::percent(load.memory)),
        label("  net "),
        Span::raw(units::rate(load.network)),
    ]);
    split(host, containers, area, buffer);
}

fn section<'a>(title: String, palette: Palette) -> Block<'a> {
    let title = Line::styled(title, palette.strong().remove_modifier(Modifier::DIM));
    Block::new().borders(Borders::TOP).border_style(palette.faint()).title(title)
}

fn containers(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    let totals = state.totals();
    let fit = usize::from(area.height.saturating_sub(2));
    let scroll = view.scroll.min(totals.containers.saturating_sub(fit));
    let mut title = format!(" Containers: {} running of {} ", totals.running, totals.containers);
    if totals.containers > fit && fit > 0 {
        title.push_str(&format!("· {}–{} shown ", scroll + 1, scroll + fit));
    }
    let block = section(title, view.palette);
    let inner = block.inner(area);
    block.render(area, buffer);
    if state.list_count == 0 {
        let text = if state.connected { "asking for the containers" } else { "" };
        return Line::styled(text, view.palette.faint()).render(inner, buffer);
    }
    if state.containers.is_empty() {
        let text = if state.simulated { "none" } else { "none here; --simulated shows a lively engine" };
        return Line::styled(text, view.palette.faint()).render(inner, buffer);
    }
    table::render(&table::sorted(state, view.sort), scroll, view.palette, inner, buffer);
}

fn events(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let block = section(" Events (UTC) ".to_owned(), view.palette);
    let inner = block.inner(area);
    block.render(area, buffer);
    if state.events.is_empty() {
        return Line::styled("none yet", view.palette.faint()).render(inner, buffer);
    }
    let fit = usize::from(inner.height);
    let newest = state.events.iter().skip(state.events.len().saturating_sub(fit));
    for (event, row) in newest.zip(inner.rows()) {
        event_line(event, view.palette).render(row, buffer);
    }
}

fn event_line(event: &EventLine, palette: Palette) -> Line<'static> {
    // A death's code is what an alert is about; of other events the word itself is.
    let mood = palette.mood(event.mood);
    let detail = if event.action == "die" { mood } else { palette.faint() };
    Line::from(vec![
        Span::styled(format!("{:<8}  ", event.time), palette.faint()),
        Span::styled(format!("{:<24}  ", units::cut(&event.name, 24)), palette.strong()),
        Span::styled(format!("{:<14}  ", units::cut(&event.action, 14)), mood),
        Span::styled(event.detail.clone(), detail),
    ])
}

fn footer(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    let key = |key: &'static str| Span::styled(key, view.palette.strong());
    let word = |word: String| Span::styled(word, view.palette.faint());
    let keys = Line::from(vec![
        key("q"),
        word(" quit  ".to_owned()),
        key("s"),
        word(format!(" sort: {}  ", view.sort.word())),
        key("↑↓"),
        word(" scroll".to_owned()),
    ]);
    let left = view.left.map(|left| format!(", {} left", clock(left))).unwrap_or_default();
    let counters = format!(
        "{} events · {} samples · {} lists · {}{left}",
        state.event_count,
        state.sample_count,
        state.list_count,
        clock(view.elapsed),
    );
    split(keys, Line::styled(counters, Style::new()), area, buffer);
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
