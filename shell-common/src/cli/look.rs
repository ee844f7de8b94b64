//! How output looks: colours and signs where they can be shown, plain text elsewhere.

use std::io::{self, IsTerminal};

use super::variable;

/// What standard output can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    colours: bool,
    signs: bool,
}

/// The sense of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Note,
    Faint,
    Title,
}

impl Look {
    /// Of this process's standard output. Colours and signs are for a terminal; `NO_COLOR` and a `TERM` that has none
    /// are respected, and a locale that is not UTF-8 gets ASCII.
    pub(super) fn of_output() -> Self {
        Self::new(io::stdout().is_terminal(), |name| variable(name).filter(|value| !value.is_empty()))
    }

    fn new(terminal: bool, get: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&get).unwrap_or_default();
        let utf8 = locale.to_ascii_lowercase().replace('-', "").ends_with("utf8");
        let colours = terminal && get("NO_COLOR").is_none() && get("TERM").is_some_and(|term| term != "dumb");
        Self { colours, signs: terminal && utf8 }
    }

    /// The text in its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Note => "33",
            Tone::Faint => "2",
            Tone::Title => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A sign, or the word for it.
    pub(super) const fn sign(self, sign: &'static str, word: &'static str) -> &'static str {
        if self.signs { sign } else { word }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(terminal: bool, vars: &[(&str, &str)]) -> Look {
        Look::new(terminal, |name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn colours_and_signs_are_for_terminals() {
        let all = [("TERM", "xterm"), ("LANG", "de_DE.UTF-8")];
        assert_eq!(look(true, &all), Look { colours: true, signs: true });
        assert_eq!(look(false, &all), Look::default());
        assert!(!look(true, &[("TERM", "xterm"), ("LANG", "C.utf8"), ("NO_COLOR", "1")]).colours);
        assert_eq!(look(true, &[("TERM", "dumb"), ("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Look::default());
        assert_eq!(Look::default().paint(Tone::Bad, "x"), "x");
        assert_eq!(look(true, &all).paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
