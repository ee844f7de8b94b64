//! The line discipline of a terminal: what the kernel does between a keyboard and a program.

use std::collections::VecDeque;

/// Bytes that are typed and not read: a terminal takes no more until the program reads.
pub(super) const INPUT_HOLDS: usize = 4_096;

/// One read of a program in lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line with its line end, or what Ctrl-D sent off without one.
    Bytes(Vec<u8>),
    /// Ctrl-D on an empty line.
    End,
}

/// The state of one terminal. Output goes through [`Tty::print`], input through [`Tty::type_in`].
#[derive(Clone, Debug)]
pub(super) struct Tty {
    echo: bool,
    line: Vec<u8>,
    reads: VecDeque<Read>,
    held: usize,
}

impl Default for Tty {
    fn default() -> Self {
        Self { echo: true, line: Vec::new(), reads: VecDeque::new(), held: 0 }
    }
}

impl Tty {
    pub(super) fn set_echo(&mut self, echo: bool) {
        self.echo = echo;
    }

    /// Whether more may be typed.
    pub(super) fn has_room(&self) -> bool {
        self.held + self.line.len() < INPUT_HOLDS
    }

    /// The next thing to read.
    pub(super) fn read(&mut self) -> Option<Read> {
        let read = self.reads.pop_front();
        if let Some(Read::Bytes(bytes)) = &read {
            self.held -= bytes.len();
        }
        read
    }

    /// Writes as a program's output arrives: line ends become CR LF.
    pub(super) fn print(out: &mut VecDeque<u8>, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                out.push_back(b'\r');
            }
            out.push_back(byte);
        }
    }

    /// Bytes from the keyboard; echoes to `out`. `true`: Ctrl-C was among them, which throws away what was typed before
    /// it and what was not shown yet.
    pub(super) fn type_in(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) -> bool {
        let mut interrupted = false;
        for &byte in bytes {
            match if byte == b'\r' { b'\n' } else { byte } {
                3 => {
                    (self.line, self.held) = (Vec::new(), 0);
                    self.reads.clear();
                    out.clear();
                    self.show(b"^C", out);
                    interrupted = true;
                }
                4 if self.line.is_empty() => self.reads.push_back(Read::End),
                4 => self.send_off(),
                8 | 127 => {
                    if self.line.pop().is_some() {
                        self.show(b"\x08 \x08", out);
                    }
                }
                b'\n' => {
                    self.line.push(b'\n');
                    self.show(b"\n", out);
                    self.send_off();
                }
                // A line may not be longer; the terminal says so with its bell.
                _ if self.line.len() >= INPUT_HOLDS - 1 => self.show(b"\x07", out),
                byte @ (0..=8 | 11..=31) => {
                    self.line.push(byte);
                    self.show(&[b'^', byte | 0x40], out);
                }
                byte => {
                    self.line.push(byte);
                    self.show(&[byte], out);
                }
            }
        }
        interrupted
    }

    fn send_off(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.held += line.len();
        self.reads.push_back(Read::Bytes(line));
    }

    fn show(&self, bytes: &[u8], out: &mut VecDeque<u8>) {
        if self.echo {
            Self::print(out, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux does with the same bytes, as seen through Docker with `cat`.
    #[test]
    fn typing_is_echoed_edited_and_sent_off_by_lines() {
        let (mut tty, mut out) = (Tty::default(), VecDeque::new());
        assert!(!tty.type_in(b"abc\rdef\x7fg\r\xff\x01\t|\rxx\x04\x04", &mut out));
        let shown: Vec<u8> = out.drain(..).collect();
        assert_eq!(shown, b"abc\r\ndef\x08 \x08g\r\n\xff^A\t|\r\nxx");
        for line in [&b"abc\n"[..], b"deg\n", b"\xff\x01\t|\n", b"xx"] {
            assert_eq!(tty.read(), Some(Read::Bytes(line.to_vec())));
        }
        assert_eq!((tty.read(), tty.read()), (Some(Read::End), None));
        tty.type_in(b"lost", &mut out);
        assert!(tty.type_in(b"\x03kept\n", &mut out));
        assert_eq!(out.iter().copied().collect::<Vec<_>>(), b"^Ckept\r\n");
        assert_eq!(tty.read(), Some(Read::Bytes(b"kept\n".to_vec())));
    }

    #[test]
    fn what_is_not_read_fills_the_terminal_and_long_lines_are_cut() {
        let (mut tty, mut out) = (Tty::default(), VecDeque::new());
        tty.set_echo(false);
        tty.type_in(&[b'a'; 2 * INPUT_HOLDS], &mut out);
        assert!(out.is_empty());
        tty.type_in(b"\n", &mut out);
        assert!(!tty.has_room());
        assert!(matches!(tty.read(), Some(Read::Bytes(line)) if line.len() == INPUT_HOLDS));
        assert!(tty.has_room());
    }
}
