//! Programs that write much: each byte is made when it is taken.

/// A program at work.
#[derive(Clone, Debug)]
pub(super) enum Producer {
    /// `head -c N /dev/zero`, with every byte replaced by this one.
    Bytes { left: u64, byte: u8 },
    /// `seq A B`: the number to come, in digits, and how many are left.
    Numbers { next: Vec<u8>, left: u64 },
}

impl Producer {
    pub(super) fn numbers(from: u64, to: u64) -> Self {
        Self::Numbers { next: from.to_string().into_bytes(), left: (to + 1).saturating_sub(from) }
    }

    /// Appends about so many bytes; `false` when nothing is left.
    pub(super) fn make(&mut self, most: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bytes { left, byte } => {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
                out.resize(out.len() + now, *byte);
                *left -= now as u64;
                *left > 0
            }
            Self::Numbers { next, left } => {
                let until = out.len() + most;
                while *left > 0 && out.len() < until {
                    out.extend_from_slice(next);
                    out.push(b'\n');
                    increment(next);
                    *left -= 1;
                }
                *left > 0
            }
        }
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_parts_is_what_was_asked_for() {
        let mut numbers = Producer::numbers(8, 101);
        let mut out = Vec::new();
        while numbers.make(7, &mut out) {}
        let expected: String = (8..=101).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let (mut bytes, mut out) = (Producer::Bytes { left: 10, byte: b'x' }, Vec::new());
        assert!(bytes.make(8, &mut out) && !bytes.make(8, &mut out));
        assert_eq!(out, b"xxxxxxxxxx");
    }
}
