//! `calls`: which calls of the Engine API the agent makes, by what they are for, and a configuration of the usual socket
//! proxy that allows just those. From the list that the code itself is made of.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use dockmon_core::docker::calls::{CALLS, EngineCall, Feature};

/// What is asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// For an agent that only looks (AGENT_READ_ONLY=true)
    #[arg(long)]
    pub(crate) read_only: bool,
}

/// Prints the list to standard output; the exit code.
pub(crate) fn main(options: &Options) -> u8 {
    match io::stdout().write_all(text(options).as_bytes()).and_then(|()| io::stdout().flush()) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => 1,
        _ => 0,
    }
}

fn text(options: &Options) -> String {
    let made = |call: &EngineCall| !(options.read_only && call.changes());
    let mut text = String::from(
        "What the agent asks the engine, what for, and the variables of a socket proxy that allow it\n\
         (tecnativa/docker-socket-proxy, and proxies that take the same):\n",
    );
    for feature in Feature::ALL {
        let calls: Vec<&EngineCall> = feature.calls().filter(|call| made(call)).collect();
        if !calls.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{}", feature.words());
        }
        for call in calls {
            let _ = writeln!(text, "  {:<7}{:<33}{}", call.method, call.path, call.needs());
        }
    }
    text.push_str("\nA call that is not allowed costs only what needs it.\n\n");
    text.push_str(&compose(options));
    text
}

/// A Compose file with the proxy.
fn compose(options: &Options) -> String {
    let sections: BTreeSet<&str> = CALLS
        .iter()
        .filter(|call| !(options.read_only && call.changes()))
        .map(|call| call.section.variable())
        .collect();
    let mut text = String::from(if options.read_only {
        "# A socket proxy for an agent that only looks.\n"
    } else {
        "# A socket proxy for an agent that may do everything. Mind that POST=1 with CONTAINERS=1 lets whoever reaches\n\
         # the proxy create a container that owns the host: `dockmon-agent calls --read-only` has one that does not.\n"
    });
    text.push_str(
        "services:\n  docker-socket-proxy:\n    image: tecnativa/docker-socket-proxy\n    restart: unless-stopped\n    \
         environment:\n",
    );
    for section in sections {
        let _ = writeln!(text, "      {section}: 1");
    }
    let _ = writeln!(text, "      POST: {}", u8::from(!options.read_only));
    text.push_str("    volumes:\n      - /var/run/docker.sock:/var/run/docker.sock:ro\n");
    text.push_str("    ports:\n      - 127.0.0.1:2375:2375\n");
    text.push_str("# The agent's environment then has\n#   DOCKER_HOST=tcp://127.0.0.1:2375\n");
    if options.read_only {
        text.push_str("#   AGENT_READ_ONLY=true\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_are_told() {
        let all = text(&Options { read_only: false });
        for call in CALLS {
            let line = all.lines().find(|line| line.contains(call.method) && line.contains(&format!("{} ", call.path)));
            assert!(line.is_some_and(|line| line.ends_with(&call.needs())), "{call}: {all}");
        }
        for line in ["      CONTAINERS: 1", "      POST: 1", "      INFO: 1", "      VERSION: 1"] {
            assert!(all.lines().any(|told| told == line), "{line}: {all}");
        }
        assert!(all.lines().all(|line| line.chars().count() <= 120), "{all}");
    }

    #[test]
    fn an_agent_that_looks_needs_no_changes() {
        let looks = text(&Options { read_only: true });
        for (word, told) in
            [("POST  ", false), ("DELETE", false), ("POST: 0", true), ("GET ", true), ("AGENT_READ_ONLY=true", true)]
        {
            assert_eq!(looks.contains(word), told, "{word}: {looks}");
        }
        assert!(!looks.contains("pulling images"), "what is left of nothing is not told");
    }
}
