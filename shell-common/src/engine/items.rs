//! Cuts a stream of JSON objects into its items.
//!
//! Docker ends each by a line feed, Podman not always; any piece of the stream can end anywhere. Nearly always a piece
//! is one whole item, and then it is looked at once and copied once.

use dockmon_core::docker::DockerError;
use serde_json::value::RawValue;
use serde_json::{Deserializer, StreamDeserializer};

/// The largest item that is taken.
pub(super) const ITEM_LIMIT: usize = 1024 * 1024;

/// Where the cutting stands: between two items, or within one.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The beginning of an item whose end has not come; nothing is allocated between items.
    begun: Vec<u8>,
    /// How many braces and brackets are open in it.
    depth: usize,
    /// Within a string in it.
    in_string: bool,
    /// Behind a backslash in that string.
    escaped: bool,
}

impl Items {
    /// Takes a piece of the stream, and gives `each` the items that are whole now.
    ///
    /// # Errors
    /// [`DockerError::Unreadable`] for what is no JSON object or array, and for an item above [`ITEM_LIMIT`].
    pub(super) fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(Box<RawValue>)) -> Result<(), DockerError> {
        loop {
            if self.begun.is_empty() {
                piece = whole_items(piece, &mut each).trim_ascii_start();
                if piece.is_empty() {
                    return Ok(());
                }
            }
            let end = self.scan(piece)?;
            let (part, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.begun.len() + part.len() > ITEM_LIMIT {
                return Err(DockerError::Unreadable(format!("an item is larger than {} MiB", ITEM_LIMIT >> 20)));
            }
            self.begun.extend_from_slice(part);
            if end.is_none() {
                return Ok(());
            }
            each(item(std::mem::take(&mut self.begun))?);
            piece = rest;
        }
    }

    /// To be called where the stream ends.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where that is within an item.
    pub(super) fn finish(&self) -> Result<(), DockerError> {
        if self.begun.is_empty() {
            return Ok(());
        }
        Err(DockerError::Broken("the stream ended within an item".into()))
    }

    /// Looks for the end of the item that is begun, or begins here: how much of `piece` belongs to it.
    fn scan(&mut self, piece: &[u8]) -> Result<Option<usize>, DockerError> {
        for (index, byte) in piece.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => self.depth += 1,
                _ if self.depth == 0 => return Err(not_an_item()),
                b'"' => self.in_string = true,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(index + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Gives `each` the whole items that `piece` begins with, and returns the rest: nothing, a part of an item, or what has
/// to be looked at closely.
fn whole_items<'a>(piece: &'a [u8], each: &mut impl FnMut(Box<RawValue>)) -> &'a [u8] {
    let mut items: StreamDeserializer<'_, _, &RawValue> = Deserializer::from_slice(piece).into_iter();
    let mut taken = 0;
    while let Some(Ok(value)) = items.next() {
        // A number may go on in the next piece; and no stream of an engine has one here.
        if !value.get().starts_with(['{', '[']) {
            break;
        }
        taken = items.byte_offset();
        each(value.to_owned());
    }
    &piece[taken..]
}

fn item(text: Vec<u8>) -> Result<Box<RawValue>, DockerError> {
    let text = String::from_utf8(text)
        // What is not UTF-8 is replaced, never dropped (PROTOCOL 3).
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    RawValue::from_string(text).map_err(|error| DockerError::Unreadable(error.to_string()))
}

/// Something else stands where an item should begin. It is not shown: nobody knows what it holds.
fn not_an_item() -> DockerError {
    DockerError::Unreadable("not a stream of JSON objects".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a stream that arrives in these pieces.
    fn items(pieces: &[&[u8]]) -> Result<Vec<String>, DockerError> {
        let mut items = Items::default();
        let mut found = Vec::new();
        for piece in pieces {
            items.push(piece, |item| found.push(item.get().to_owned()))?;
        }
        items.finish()?;
        Ok(found)
    }

    #[test]
    fn however_a_stream_is_cut_its_items_are_the_same() {
        let one = r#"{"a":"}{\"\\","b":[{},[1.50]], "ü":"€"}"#;
        let two = r#"{"status":"x"}"#;
        let expected = vec![one.to_owned(), two.to_owned(), two.to_owned()];
        for stream in
            [format!("{one}\n{two}\r\n{two}\n"), format!("{one}{two}{two}"), format!("\n {one} {two}\n\n{two}")]
        {
            let stream = stream.as_bytes();
            assert_eq!(items(&[stream]).unwrap(), expected);
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(items(&bytes).unwrap(), expected);
            for cut in 0..stream.len() {
                let (head, tail) = stream.split_at(cut);
                assert_eq!(items(&[head, tail]).unwrap(), expected, "cut at {cut}");
                assert_eq!(items(&[head, b"", tail]).unwrap(), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_replaced() {
        assert_eq!(items(&[b"{\"a\":\"\xff\"}\n{}"]).unwrap(), ["{\"a\":\"\u{fffd}\"}", "{}"]);
    }

    #[test]
    fn what_is_no_item_is_an_error() {
        for stream in [&b"garbage"[..], b"{} garbage", b"12", b"1 2", b"{}12", b"}", b"{]", b"{\"a\"}", b"\"text\""] {
            let error = items(&[stream]).unwrap_err();
            assert!(matches!(error, DockerError::Unreadable(_)), "{error:?}");
        }
        assert!(matches!(items(&[b"{\"a\":"]).unwrap_err(), DockerError::Broken(_)));
        assert!(matches!(items(&[b"{\"a", b"\":1"]).unwrap_err(), DockerError::Broken(_)));
    }

    #[test]
    fn an_item_has_a_limit() {
        let mut items = Items::default();
        let mut found = 0;
        let text = vec![b'x'; ITEM_LIMIT / 4];
        items.push(b"{\"a\":\"", |_| found += 1).unwrap();
        for _ in 0..3 {
            items.push(&text, |_| found += 1).unwrap();
        }
        assert!(matches!(items.push(&text, |_| found += 1), Err(DockerError::Unreadable(_))));
        assert_eq!(found, 0);
    }

    #[test]
    fn nothing_is_kept_between_items() {
        let mut items = Items::default();
        for piece in [&b"{\"a\""[..], b":1}\n", b"\n", b"{}"] {
            items.push(piece, |_| {}).unwrap();
        }
        assert_eq!(items.begun.capacity(), 0);
    }
}
