use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::json;

use super::super::state::tests::{feed_event, feed_sample, populated};
use super::*;

fn draw(state: &State, view: &View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(state, view, frame.area(), frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let cells = buffer.content().chunks(usize::from(buffer.area.width));
    cells.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn view() -> View {
    View::new(Palette::new(true))
}

#[test]
fn a_usual_terminal_shows_everything() {
    let mut state = populated(3);
    feed_event(&mut state, 0, "start", json!({}));
    feed_event(&mut state, 2, "die", json!({"exitCode": "137"}));
    let lines = lines(&draw(&state, &view(), 100, 24));
    let header = [
        ("harbour  ● connected", "simulated engine"),
        ("Debian GNU/Linux 12 · 6.1.0 · engine 26.1.5 · 8 CPUs · 23.5 GiB", "agent 0.1.0"),
        ("host  CPU 12.5 %          █  memory 40.0 %  net 2.00 KiB/s", "containers  CPU 15.0 %  memory 68.0 MiB"),
    ];
    for (line, (left, right)) in lines.iter().zip(header) {
        assert!(line.starts_with(left) && line.ends_with(right) && line.chars().count() == 100, "{line}");
    }
    assert!(lines[3].starts_with(" Containers: 2 running of 3 ───"), "{}", lines[3]);
    assert!(lines[4].starts_with("NAME") && lines[4].contains("MEMORY"), "{}", lines[4]);
    let first = "box-0   running   2.5 %   ▃   34.0 MiB   3 %   0 B/s   0 B/s";
    assert_eq!(lines[5].split_whitespace().collect::<Vec<_>>(), first.split_whitespace().collect::<Vec<_>>());
    assert!(lines[7].contains("exited"), "{}", lines[7]);
    assert!(lines[8].starts_with(" Events (UTC) ───"), "{lines:#?}");
    assert_eq!(lines[9], "15:39:31  box-0                     start");
    assert_eq!(lines[10], "15:39:31  box-2                     die             exit 137");
    assert!(lines[23].starts_with("q quit  s sort: name  ↑↓ scroll"), "{}", lines[23]);
    assert!(lines[23].ends_with("2 events · 3 samples · 1 lists · 0:00"), "{}", lines[23]);
}

#[test]
fn every_size_can_be_drawn() {
    let mut state = populated(30);
    for number in 0..40 {
        feed_event(&mut state, number, "health_status: unhealthy and much to say about it", json!({}));
    }
    for width in (0..140).step_by(7) {
        for height in 0..40 {
            draw(&state, &View { scroll: 1000, left: Some(Duration::from_secs(5)), ..view() }, width, height);
        }
    }
    let tiny = draw(&state, &view(), 20, 3);
    assert_eq!(lines(&tiny)[0], "too small, q quits");
}

#[test]
fn few_lines_belong_to_the_table() {
    let lines = lines(&draw(&populated(3), &view(), 40, 8));
    assert!(lines[0].starts_with("harbour"), "{lines:#?}");
    assert!(lines[3].starts_with("box-0"), "{lines:#?}");
    assert!(lines[7].starts_with("q quit"), "{lines:#?}");
}

#[test]
fn what_does_not_fit_can_be_scrolled_to() {
    let state = populated(30);
    let area = Rect::new(0, 0, 80, 24);
    let fit = rows(area, 30);
    let lines = |scroll| lines(&draw(&state, &View { scroll, ..view() }, 80, 24));
    assert!(lines(0)[3].contains(&format!("1–{fit} shown")), "{}", lines(0)[3]);
    let last = lines(1000);
    assert!(last[3].contains("–30 shown"), "{}", last[3]);
    assert!(last[4 + fit].starts_with("box-9"), "{last:#?}");
}

#[test]
fn before_the_agent_is_there_it_says_so() {
    let mut state = State::new("Docker engine at /var/run/docker.sock", false);
    let first = |state: &State| lines(&draw(state, &view(), 80, 24))[0].clone();
    assert!(first(&state).starts_with("waiting for the agent"));
    assert!(first(&state).ends_with("/var/run/docker.sock"));
    state.trouble = Some("refused: Registration token has expired".to_owned());
    assert!(first(&state).starts_with("refused: Registration token has expired"));
}

#[test]
fn an_engine_without_containers_is_no_empty_screen() {
    let mut state = populated(0);
    let text = |state: &State| lines(&draw(state, &view(), 80, 24))[4].clone();
    assert_eq!(text(&state), "none here; --simulated shows a lively engine");
    state.simulated = true;
    assert_eq!(text(&state), "none");
}

#[test]
fn colours_are_there_unless_unwanted() {
    let mut state = populated(3);
    feed_sample(&mut state, 0, 250.0);
    feed_event(&mut state, 2, "die", json!({"exitCode": "1"}));
    let colours = |palette| {
        let buffer = draw(&state, &View::new(palette), 100, 24);
        buffer.content().iter().map(|cell| cell.fg).filter(|&colour| colour != Color::Reset).count()
    };
    assert!(colours(Palette::new(true)) > 0);
    assert_eq!(colours(Palette::new(false)), 0);
}

#[test]
fn clocks_have_hours_when_they_need_them() {
    assert_eq!(clock(Duration::from_secs(65)), "1:05");
    assert_eq!(clock(Duration::from_secs(3605)), "1:00:05");
}
