//! The few colours there are, or none.

use ratatui::style::{Color, Modifier, Style};

use super::events::Mood;

/// Styles by meaning. Without colour, weight alone tells what matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    colour: bool,
}

impl Palette {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// By the convention of <https://no-color.org>: any value that is not empty turns colour off.
    pub(super) fn from_environment() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn tint(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn good(self) -> Style {
        self.tint(Color::Green)
    }

    pub(super) fn notable(self) -> Style {
        self.tint(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.tint(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn figure(self) -> Style {
        self.tint(Color::Cyan)
    }

    pub(super) fn mood(self, mood: Mood) -> Style {
        match mood {
            Mood::Good => self.good(),
            Mood::Bad => self.bad(),
            Mood::Notable => self.notable(),
            Mood::Plain => Style::new(),
        }
    }
}
