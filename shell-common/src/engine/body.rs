//! The body of a streamed answer, taken out of HTTP/1.1's framing as it arrives. Keeps a few numbers, and no bytes.

use dockmon_core::docker::DockerError;

/// The largest size a chunk may announce has so many hexadecimal digits (a stream's chunks are kilobytes).
const SIZE_DIGITS: u32 = 12;
/// What is behind a chunk's size, or behind the last chunk, may have so many bytes.
const ASIDE_LIMIT: u32 = 16 * 1024;

/// Where the body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// It lasts until the connection is closed.
    UntilClose,
    /// Chunks are to come.
    Chunked(Chunk),
    /// It is over.
    Ended,
}

/// Where a body in chunks stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In a chunk's size, of which so much is read.
    Size { size: u64, digits: u32 },
    /// Behind it, on the same line, which has so many bytes more.
    Extension { size: u64, seen: u32 },
    /// In its data, of which so much is to come.
    Data { left: u64 },
    /// In the line break behind the data.
    After,
    /// Behind the last chunk: in a line of so many bytes, with so many seen in all.
    Trailer { line: u32, seen: u32 },
}

impl Chunk {
    /// Before the first chunk.
    pub(super) const START: Self = Self::Size { size: 0, digits: 0 };
}

impl Body {
    /// Takes bytes off the connection, and gives the body's own among them to `sink`. What comes behind the end of the
    /// body is nobody's.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where this is not HTTP; the errors of `sink`.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), DockerError>,
    ) -> Result<(), DockerError> {
        while let Some(&byte) = bytes.first() {
            match self {
                Self::Ended => return Ok(()),
                Self::UntilClose => return sink(bytes),
                Self::Length(left) | Self::Chunked(Chunk::Data { left }) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (piece, rest) = bytes.split_at(here);
                    bytes = rest;
                    // Not more than there was.
                    *left -= here as u64;
                    if *left == 0 {
                        *self = if matches!(self, Self::Length(_)) { Self::Ended } else { Self::Chunked(Chunk::After) };
                    }
                    sink(piece)?;
                }
                Self::Chunked(chunk) => {
                    bytes = &bytes[1..];
                    match chunk.step(byte)? {
                        Some(next) => *chunk = next,
                        None => *self = Self::Ended,
                    }
                }
            }
        }
        Ok(())
    }

    /// To be called where the connection was closed.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where the body was not over.
    pub(super) fn closed(&mut self) -> Result<(), DockerError> {
        match self {
            Self::Ended => Ok(()),
            Self::UntilClose => {
                *self = Self::Ended;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => {
                Err(DockerError::Broken("the connection was closed before the stream's end".into()))
            }
        }
    }
}

impl Chunk {
    /// Takes one byte of what is around the data; `None` at the end of the body.
    fn step(self, byte: u8) -> Result<Option<Self>, DockerError> {
        let broken = || DockerError::Broken("a chunk of the stream is malformed".into());
        Ok(Some(match (self, byte) {
            (Self::Size { digits: 0, .. }, b'\n' | b';') => return Err(broken()),
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\n') if size == 0 => {
                Self::Trailer { line: 0, seen: 0 }
            }
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\n') => Self::Data { left: size },
            (Self::Size { size, digits }, _) => match char::from(byte).to_digit(16) {
                Some(digit) if digits < SIZE_DIGITS => {
                    Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
                }
                None if digits > 0 && matches!(byte, b'\r' | b';' | b' ' | b'\t') => Self::Extension { size, seen: 0 },
                _ => return Err(broken()),
            },
            (Self::Extension { size, seen }, _) if seen < ASIDE_LIMIT => Self::Extension { size, seen: seen + 1 },
            (Self::After, b'\r') => Self::After,
            (Self::After, b'\n') => Self::START,
            (Self::Trailer { line: 0, .. }, b'\n') => return Ok(None),
            (Self::Trailer { seen, .. }, b'\n') => Self::Trailer { line: 0, seen },
            (Self::Trailer { line, seen }, b'\r') => Self::Trailer { line, seen },
            (Self::Trailer { line, seen }, _) if seen < ASIDE_LIMIT => Self::Trailer { line: line + 1, seen: seen + 1 },
            _ => return Err(broken()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body gives that arrives in these pieces, and where it stands then.
    fn feed(mut body: Body, pieces: &[&[u8]]) -> Result<(String, Body), DockerError> {
        let mut data = Vec::new();
        for piece in pieces {
            body.feed(piece, |bytes| {
                data.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok((String::from_utf8(data).unwrap(), body))
    }

    #[test]
    fn chunks_however_they_are_cut() {
        let stream = b"5\r\nhello\r\n1;a=\"b\"\r\n,\r\n00a \r\n 0123\r\n789\r\n0\r\nTrailer: x\r\n\r\nbehind";
        let expected = ("hello, 0123\r\n789".to_owned(), Body::Ended);
        assert_eq!(feed(Body::Chunked(Chunk::START), &[stream]).unwrap(), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(feed(Body::Chunked(Chunk::START), &bytes).unwrap(), expected);
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(feed(Body::Chunked(Chunk::START), &[head, tail]).unwrap(), expected);
        }
    }

    #[test]
    fn bodies_with_a_length_and_without() {
        assert_eq!(feed(Body::Length(5), &[b"he", b"llo, more"]).unwrap(), ("hello".into(), Body::Ended));
        assert_eq!(feed(Body::UntilClose, &[b"he", b"llo"]).unwrap(), ("hello".into(), Body::UntilClose));
    }

    #[test]
    fn what_is_no_chunk_is_broken() {
        for stream in [&b"x"[..], b"\r\n", b"\n", b";\n", b"-1\r\n", b"1\r\nab", b"1234567890123\r\n", b"5\r\nhellox"] {
            let result = feed(Body::Chunked(Chunk::START), &[stream]);
            assert!(matches!(result, Err(DockerError::Broken(_))), "{:?}: {result:?}", String::from_utf8_lossy(stream));
        }
        let endless = [b"1;".as_slice(), &vec![b'x'; 20_000]].concat();
        assert!(feed(Body::Chunked(Chunk::START), &[&endless]).is_err());
        let endless = [b"0\r\n".as_slice(), &vec![b'x'; 20_000]].concat();
        assert!(feed(Body::Chunked(Chunk::START), &[&endless]).is_err());
    }

    #[test]
    fn an_end_that_comes_too_early() {
        assert!(Body::Chunked(Chunk::START).closed().is_err());
        assert!(Body::Length(1).closed().is_err());
        assert!(Body::UntilClose.closed().is_ok());
        assert!(Body::Ended.closed().is_ok());
    }
}
