//! As much of a shell's language as tests use.

use std::collections::VecDeque;

/// When a command runs, by how the one before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    IfDone,
    IfFailed,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) when: When,
    pub(super) words: Vec<String>,
    /// The words behind a `|`.
    pub(super) piped: Vec<String>,
    pub(super) background: bool,
    /// Its output goes to `/dev/null`.
    pub(super) silent: bool,
}

impl Command {
    fn new(when: When) -> Self {
        Self { when, words: Vec::new(), piped: Vec::new(), background: false, silent: false }
    }
}

/// Reads a line or a script: words, both kinds of quotes, `$NAME` and `$?` (by `value`), `;` `&` `&&` `||` `|`, and
/// redirections, of which only those to `/dev/null` have an effect.
pub(super) fn parse(text: &str, value: impl Fn(&str) -> String) -> VecDeque<Command> {
    let mut commands = VecDeque::new();
    let mut command = Command::new(When::Always);
    let mut piped = false;
    let mut finish = |command: &mut Command, piped: &mut bool, when| {
        let mut done = std::mem::replace(command, Command::new(when));
        *piped = false;
        redirect(&mut done.words, &mut done.silent);
        redirect(&mut done.piped, &mut done.silent);
        if !done.words.is_empty() {
            commands.push_back(done);
        }
    };
    let mut rest = text.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            ' ' | '\t' => {
                rest.next();
            }
            '#' => while rest.next().is_some_and(|c| c != '\n') {},
            ';' | '\n' | '\r' => {
                rest.next();
                finish(&mut command, &mut piped, When::Always);
            }
            '&' | '|' => {
                rest.next();
                let doubled = rest.next_if_eq(&next).is_some();
                match (next, doubled) {
                    ('&', true) => finish(&mut command, &mut piped, When::IfDone),
                    ('|', true) => finish(&mut command, &mut piped, When::IfFailed),
                    ('&', false) => {
                        command.background = true;
                        finish(&mut command, &mut piped, When::Always);
                    }
                    _ => piped = true,
                }
            }
            _ => {
                let word = word(&mut rest, &value);
                if piped { command.piped.push(word) } else { command.words.push(word) }
            }
        }
    }
    finish(&mut command, &mut piped, When::Always);
    commands
}

fn word(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, value: &impl Fn(&str) -> String) -> String {
    let (mut word, mut quote) = (String::new(), None);
    while let Some(&c) = rest.peek() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                rest.next();
                let Some(next) = rest.next() else { break };
                // Within double quotes it is a sign of its own, but before these.
                if quote.is_some() && !"\"\\$`".contains(next) {
                    word.push('\\');
                }
                word.push(next);
                continue;
            }
            ('$', None | Some('"')) => {
                rest.next();
                let mut name = String::new();
                if let Some(special) = rest.next_if(|&c| c == '?' || c == '$') {
                    name.push(special);
                } else {
                    while let Some(c) = rest.next_if(|&c| c.is_ascii_alphanumeric() || c == '_') {
                        name.push(c);
                    }
                }
                word.push_str(&if name.is_empty() { "$".to_owned() } else { value(&name) });
                continue;
            }
            // `2>&1` is one word.
            ('&', None) if word.ends_with('>') => word.push(c),
            (' ' | '\t' | ';' | '\n' | '\r' | '&' | '|', None) => break,
            (c, _) => word.push(c),
        }
        rest.next();
    }
    word
}

/// Takes redirections out.
fn redirect(words: &mut Vec<String>, silent: &mut bool) {
    let mut kept = Vec::new();
    let mut taken = std::mem::take(words).into_iter();
    while let Some(word) = taken.next() {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        if !digits.starts_with(['>', '<']) {
            kept.push(word);
            continue;
        }
        let target = digits.trim_start_matches(['>', '<']).to_owned();
        let target = if target.is_empty() { taken.next().unwrap_or_default() } else { target };
        let output = digits.starts_with('>') && !word.starts_with('2');
        *silent |= output && target == "/dev/null";
    }
    *words = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Command> {
        parse(text, |name| format!("[{name}]")).into()
    }

    fn words(text: &str) -> Vec<String> {
        read(text).remove(0).words
    }

    #[test]
    fn words_are_quoted_and_filled_in() {
        assert_eq!(words("echo 'a b' \"c $X\" d\\ e $? '$X'"), ["echo", "a b", "c [X]", "d e", "[?]", "$X"]);
        assert_eq!(words("printf '\\377\\n'"), ["printf", "\\377\\n"]);
        assert_eq!(words("printf \"\\377\\\\\""), ["printf", "\\377\\"]);
        assert_eq!(read("  # nothing\n"), []);
    }

    #[test]
    fn commands_are_told_apart() {
        let commands = read("sleep 9 & a && b || c; cat >/dev/null; d 2>&1; head -c 9 /dev/zero | tr '\\0' x");
        let short: Vec<String> = commands.iter().map(|c| c.words.join(" ")).collect();
        assert_eq!(short, ["sleep 9", "a", "b", "c", "cat", "d", "head -c 9 /dev/zero"]);
        assert!(commands[0].background && !commands[1].background);
        assert_eq!((commands[2].when, commands[3].when), (When::IfDone, When::IfFailed));
        assert!(commands[4].silent && !commands[5].silent);
        assert_eq!(commands[6].piped, ["tr", "\\0", "x"]);
    }
}
