//! The demo's command line.

use std::time::Duration;

use clap::Parser;

/// Watches the local Docker engine (or a simulated one, if none answers) through a real agent and a stand-in server.
#[derive(Parser, Debug)]
#[command(
    name = "demo",
    after_help = "The engine is that of DOCKER_HOST, or the first that answers at the usual sockets. NO_COLOR is respected."
)]
pub(super) struct Arguments {
    /// End by itself after so many seconds
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub(super) seconds: Option<Duration>,

    /// Use the simulated engine even if a real one answers
    #[arg(long)]
    pub(super) simulated: bool,

    /// Containers of the simulated engine
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub(super) containers: u16,

    /// Print plain lines even in a terminal
    #[arg(long)]
    pub(super) plain: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    // A year is as good as for ever, and what is above overflows clocks.
    if !(0.0..=31_536_000.0).contains(&number) {
        return Err("not between 0 and a year".to_owned());
    }
    Ok(Duration::from_secs_f64(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_within_a_year() {
        let parsed = Arguments::try_parse_from(["demo", "--seconds", "2.5"]).unwrap();
        assert_eq!(parsed.seconds, Some(Duration::from_millis(2500)));
        for bad in ["soon", "-1", "1e99", "NaN"] {
            assert!(Arguments::try_parse_from(["demo", &format!("--seconds={bad}")]).is_err(), "{bad}");
        }
    }
}
