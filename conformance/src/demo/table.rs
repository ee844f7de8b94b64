//! The table of containers: which of them, in what order, in which columns.

use std::cmp::Reverse;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table, Widget};

use super::containers::Container;
use super::palette::Palette;
use super::state::State;
use super::units;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Name,
    Cpu,
    Memory,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Name,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
        }
    }
}

/// The containers in their order.
pub(super) fn sorted(state: &State, sort: Sort) -> Vec<&Container> {
    let mut containers: Vec<_> = state.containers.values().collect();
    // By name first: the sorts below keep that order among equals, so rows do not jump about.
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    match sort {
        Sort::Name => {}
        Sort::Cpu => containers.sort_by_key(|it| Reverse(it.usage.map_or(-1, |usage| (usage.cpu * 10.0) as i64))),
        Sort::Memory => containers.sort_by_key(|it| Reverse(it.usage.map(|usage| usage.memory))),
    }
    containers
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    State,
    Cpu,
    History,
    Memory,
    Limit,
    Received,
    Sent,
    Status,
    Image,
}

const NAME_WIDTH: u16 = 16;

/// All columns in the order in which they are shown, with width and rank: the higher the rank, the sooner it goes.
const COLUMNS: [(Column, u16, u8); 10] = [
    (Column::Name, NAME_WIDTH, 0),
    (Column::State, 10, 2),
    (Column::Cpu, 7, 1),
    (Column::History, 16, 4),
    (Column::Memory, 9, 3),
    (Column::Limit, 6, 6),
    (Column::Received, 11, 5),
    (Column::Sent, 11, 5),
    (Column::Status, 26, 8),
    (Column::Image, 28, 7),
];

const GAP: u16 = 2;

/// The columns that fit.
fn columns(width: u16) -> Vec<Column> {
    let fits = |rank: u8| {
        let kept = COLUMNS.iter().filter(|column| column.2 <= rank);
        kept.map(|column| column.1 + GAP).sum::<u16>() <= width + GAP
    };
    let rank = (0..=8).rev().find(|&rank| fits(rank)).unwrap_or(0);
    COLUMNS.iter().filter(|column| column.2 <= rank).map(|column| column.0).collect()
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::State => "STATE",
            Self::Cpu => "CPU",
            Self::History => "LAST SECONDS",
            Self::Memory => "MEMORY",
            Self::Limit => "OF",
            Self::Received => "NET IN",
            Self::Sent => "NET OUT",
            Self::Status => "STATUS",
            Self::Image => "IMAGE",
        }
    }

    fn alignment(self) -> Alignment {
        match self {
            Self::Cpu | Self::Memory | Self::Limit | Self::Received | Self::Sent => Alignment::Right,
            _ => Alignment::Left,
        }
    }

    fn constraint(self) -> Constraint {
        // What is left over goes to the names: they are what one looks for.
        match self {
            Self::Name => Constraint::Min(NAME_WIDTH),
            other => Constraint::Length(COLUMNS.iter().find(|column| column.0 == other).map_or(0, |column| column.1)),
        }
    }

    fn text(self, container: &Container) -> String {
        let figure =
            |get: fn(&super::containers::Usage) -> String| container.usage.as_ref().map(get).unwrap_or_default();
        match self {
            Self::Name => container.name.clone(),
            Self::State => container.state.clone(),
            Self::Cpu => figure(|usage| units::percent(usage.cpu)),
            Self::History => units::sparkline(container.cpu_history.iter().copied(), 16, 10.0),
            Self::Memory => figure(|usage| units::bytes(usage.memory)),
            Self::Limit => figure(|usage| match usage.memory_limit {
                0 => String::new(),
                limit => format!("{:.0} %", usage.memory as f64 * 100.0 / limit as f64),
            }),
            Self::Received => figure(|usage| units::rate(usage.received)),
            Self::Sent => figure(|usage| units::rate(usage.sent)),
            Self::Status => container.status.clone(),
            Self::Image => container.image.clone(),
        }
    }

    fn style(self, container: &Container, palette: Palette) -> Style {
        match self {
            Self::Name if container.is_up() => palette.strong(),
            Self::State => match container.state.as_str() {
                "running" => palette.good(),
                "paused" | "restarting" | "removing" => palette.notable(),
                "dead" => palette.bad(),
                "exited" if container.exit_code().is_some_and(|code| code != 0) => palette.bad(),
                _ => palette.faint(),
            },
            Self::Cpu if container.usage.is_some_and(|usage| usage.cpu >= 90.0) => palette.notable(),
            Self::History => palette.figure(),
            Self::Limit | Self::Status | Self::Image => palette.faint(),
            _ if !container.is_up() => palette.faint(),
            _ => Style::new(),
        }
    }
}

/// Draws as much of the table as fits, from the row `scroll` on.
pub(super) fn render(containers: &[&Container], scroll: usize, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let columns = columns(area.width);
    let cell = |column: Column, text: String, style: Style| {
        Cell::from(Text::from(Line::styled(text, style).alignment(column.alignment())))
    };
    let header = Row::new(columns.iter().map(|&it| cell(it, it.title().to_owned(), palette.faint())));
    let shown = containers.iter().skip(scroll).take(usize::from(area.height.saturating_sub(1)));
    let rows = shown.map(|container| {
        Row::new(columns.iter().map(|&it| cell(it, it.text(container), it.style(container, palette))))
    });
    let widths = columns.iter().map(|column| column.constraint());
    Table::new(rows, widths).header(header).column_spacing(GAP).render(area, buffer);
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::populated;
    use super::*;

    #[test]
    fn columns_go_one_by_one_as_it_gets_narrow() {
        assert_eq!(columns(200).len(), COLUMNS.len());
        assert!(columns(120).contains(&Column::Sent) && !columns(120).contains(&Column::Status));
        assert!(columns(80).contains(&Column::History));
        assert_eq!(columns(30), [Column::Name, Column::Cpu]);
        assert_eq!(columns(3), [Column::Name]);
    }

    #[test]
    fn sorting_puts_the_greatest_first_and_what_does_not_run_last() {
        let state = populated(4);
        let names = |sort| sorted(&state, sort).iter().map(|it| it.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Sort::Name), ["box-0", "box-1", "box-2", "box-3"]);
        assert_eq!(names(Sort::Cpu), ["box-3", "box-1", "box-0", "box-2"]);
        assert_eq!(names(Sort::Memory), ["box-0", "box-1", "box-3", "box-2"]);
        assert_eq!(Sort::Name.next().next().next(), Sort::Name);
    }
}
