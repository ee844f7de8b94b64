//! The terminal: keys in, screens out, and the terminal as it was when it is over.

use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;

use super::palette::Palette;
use super::run::Session;
use super::screen::{self, View};

/// How often the frames are looked through.
const STEP: Duration = Duration::from_millis(100);

/// How often the screen is drawn when nobody presses a key: the figures of all containers change once a second, each at
/// its own moment, and a screen that follows each of them is restless.
const REDRAW: Duration = Duration::from_millis(500);

/// Shows the live screen until somebody or the clock ends it.
pub(super) fn run(session: &mut Session) -> io::Result<()> {
    // This also restores the terminal if something panics.
    let mut terminal = ratatui::try_init()?;
    let result = watch(session, &mut terminal);
    ratatui::try_restore()?;
    result
}

fn watch(session: &mut Session, terminal: &mut DefaultTerminal) -> io::Result<()> {
    let mut view = View::new(Palette::from_environment());
    let mut drawn: Option<Instant> = None;
    let mut events = 0;
    while !session.is_over() {
        session.catch_up();
        let state = &session.state;
        // Events are shown at once.
        let due = drawn.is_none_or(|at| at.elapsed() >= REDRAW) || state.event_count != events;
        if due {
            view.elapsed = session.elapsed();
            view.left = session.left();
            terminal.draw(|frame| screen::render(state, &view, frame.area(), frame.buffer_mut()))?;
            drawn = Some(Instant::now());
            events = state.event_count;
        }
        if !event::poll(STEP)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                let size = terminal.size()?;
                let count = session.state.containers.len();
                let fit = screen::rows(Rect::new(0, 0, size.width, size.height), count);
                if press(&mut view, key, count, fit) {
                    return Ok(());
                }
                drawn = None;
            }
            Event::Resize(..) => drawn = None,
            _ => {}
        }
    }
    Ok(())
}

/// Does what a key says; true: end. `count` containers, of which `fit` are seen at once.
fn press(view: &mut View, key: KeyEvent, count: usize, fit: usize) -> bool {
    let last = count.saturating_sub(fit);
    // What was scrolled to may have gone meanwhile.
    let from = view.scroll.min(last);
    match key.code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => return true,
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Char('s') => view.sort = view.sort.next(),
        KeyCode::Up | KeyCode::Char('k') => view.scroll = from.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => view.scroll = (from + 1).min(last),
        KeyCode::PageUp => view.scroll = from.saturating_sub(fit),
        KeyCode::PageDown => view.scroll = (from + fit).min(last),
        KeyCode::Home => view.scroll = 0,
        KeyCode::End => view.scroll = last,
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::table::Sort;
    use super::*;

    #[test]
    fn keys_scroll_within_the_table_sort_and_quit() {
        let mut view = View::new(Palette::new(false));
        let mut scroll = |code| {
            assert!(!press(&mut view, KeyEvent::from(code), 30, 10));
            view.scroll
        };
        assert_eq!(scroll(KeyCode::Up), 0);
        assert_eq!(scroll(KeyCode::Down), 1);
        assert_eq!(scroll(KeyCode::PageDown), 11);
        assert_eq!(scroll(KeyCode::End), 20);
        assert_eq!(scroll(KeyCode::Down), 20);
        assert_eq!(scroll(KeyCode::PageUp), 10);
        assert_eq!(scroll(KeyCode::Home), 0);
        assert!(!press(&mut view, KeyEvent::from(KeyCode::Char('s')), 30, 10));
        assert_eq!(view.sort, Sort::Cpu);
        for key in [
            KeyEvent::from(KeyCode::Char('q')),
            KeyEvent::from(KeyCode::Esc),
            KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        ] {
            assert!(press(&mut view, key, 30, 10));
        }
    }
}
