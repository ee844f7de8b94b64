//! What stands in a recording where a secret was.

use std::collections::{BTreeMap, BTreeSet};

/// So many different secrets are told apart. What comes beyond gets a placeholder that another one may have, too.
const MOST: usize = 50_000;
/// What placeholders are made of: nothing that JSON, a shell or a URL would take for more than a letter.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Gives the same secret the same placeholder, of the same length as JSON has it, and different ones different ones as
/// far as their length allows. Control characters stay: they decide whether a secret is one that can be used.
#[derive(Debug)]
pub(super) struct Placeholders {
    /// From chance that is not in the recording: nobody can try out which secret has this placeholder.
    salt: u64,
    given: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Placeholders {
    pub(super) const fn new(salt: u64) -> Self {
        Self { salt, given: BTreeMap::new(), taken: BTreeSet::new() }
    }

    pub(super) fn of(&mut self, secret: &str) -> String {
        if let Some(known) = self.given.get(secret) {
            return known.clone();
        }
        let mut made = make(self.salt, secret);
        if self.given.len() < MOST {
            // One of a single letter has 32 of them.
            let others = (1..LETTERS.len() as u64).map(|more| make(self.salt.wrapping_add(more), secret));
            if self.taken.contains(&made) {
                made = others.into_iter().find(|other| !self.taken.contains(other)).unwrap_or(made);
            }
            self.taken.insert(made.clone());
            self.given.insert(secret.to_owned(), made.clone());
        }
        made
    }

    /// The same text with every secret in it that was seen before and has at least `least` characters replaced.
    pub(super) fn in_words(&self, words: &str, least: usize) -> String {
        let mut words = words.to_owned();
        let known = self.given.iter().filter(|(secret, _)| secret.len() >= least);
        for (secret, placeholder) in known {
            if words.contains(secret.as_str()) {
                words = words.replace(secret.as_str(), placeholder);
            }
        }
        words
    }
}

fn make(salt: u64, secret: &str) -> String {
    // FNV, then splitmix64 for as many letters as there have to be.
    let mut state = secret
        .bytes()
        .fold(salt ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut letter = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        char::from(LETTERS[(z >> 59) as usize])
    };
    let mut made = String::with_capacity(secret.len());
    for character in secret.chars() {
        match character {
            control if control.is_ascii_control() => made.push(control),
            // JSON escapes these two.
            '"' | '\\' => made.extend([letter(), letter()]),
            other => made.extend((0..other.len_utf8()).map(|_| letter())),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_for_same_of_the_same_length_and_nothing_of_the_secret() {
        let mut placeholders = Placeholders::new(7);
        let first = placeholders.of("hunter2");
        assert_eq!((first.len(), placeholders.of("hunter2")), (7, first.clone()));
        assert_ne!(placeholders.of("hunter3"), first);
        assert_ne!(Placeholders::new(8).of("hunter2"), first, "the salt tells");
        let odd = placeholders.of("a\"\n\u{1}ä");
        assert_eq!((odd.len(), &odd[3..5]), (7, "\n\u{1}"), "as JSON has it: {odd:?}");
        assert_eq!(placeholders.of(""), "");
        let digits: BTreeSet<String> = (0..10).map(|digit| placeholders.of(&digit.to_string())).collect();
        assert_eq!(digits.len(), 10, "short ones are told apart, too");
    }

    #[test]
    fn words_that_quote_one() {
        let mut placeholders = Placeholders::new(7);
        let (long, _) = (placeholders.of("swordfish"), placeholders.of("no"));
        assert_eq!(placeholders.in_words("no: \"KEY=swordfish\" is odd", 6), format!("no: \"KEY={long}\" is odd"));
    }
}
