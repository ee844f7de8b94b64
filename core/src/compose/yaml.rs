//! YAML as a tree of bounded size. Aliases stay references, so that no text grows by them.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Nodes of one file.
const MAX_NODES: usize = 50_000;
/// Levels of one file.
const MAX_DEPTH: usize = 64;
/// Characters of one file that begin or end something in YAML. The parser reads a flow (`[…]`, `{…}`) ahead to its end,
/// and keeps some hundred bytes for each of them.
const MAX_INDICATORS: usize = 100_000;
/// Flows within flows: the parser's work at every character grows with them.
const MAX_FLOWS: usize = 256;
/// Steps from alias to alias, and from merge to merge, that are followed in one file.
const MAX_STEPS: u32 = 20_000;

/// Why a text cannot be read as YAML. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("line {line}, column {column} is not YAML")]
    Syntax { line: usize, column: usize },
    #[error("it has more in it than is read of a Compose file")]
    TooLarge,
}

/// A value of a document.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A text and whether it stood there without quotes.
    Scalar(Cow<'a, str>, bool),
    Sequence(Vec<Self>),
    /// Pairs in the file's order, without those whose key is no text.
    Mapping(Vec<(Cow<'a, str>, Self)>),
    /// What stands elsewhere, under this number. The anchor's own place has one, too.
    Alias(usize),
}

/// A file of one document or many.
#[derive(Debug)]
pub(super) struct Yaml<'a> {
    pub(super) documents: Vec<Node<'a>>,
    anchors: BTreeMap<usize, Node<'a>>,
    steps: Cell<u32>,
}

/// A collection that is not at its end.
struct Open<'a> {
    anchor: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Sequence(Vec<Node<'a>>),
    /// With a key that waits for its value; the inner `None` is one that is no text.
    Mapping(Vec<(Cow<'a, str>, Node<'a>)>, Option<Option<Cow<'a, str>>>),
}

impl<'a> Yaml<'a> {
    /// Reads a text.
    pub(super) fn read(text: &'a str) -> Result<Self, YamlError> {
        if !is_bearable(text) {
            return Err(YamlError::TooLarge);
        }
        let mut yaml = Self { documents: Vec::new(), anchors: BTreeMap::new(), steps: Cell::new(0) };
        let (mut open, mut nodes) = (Vec::<Open<'a>>::new(), 0_usize);
        let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        while let Some(event) = parser.next_event() {
            let (event, _) = event
                .map_err(|error| YamlError::Syntax { line: error.marker().line(), column: error.marker().col() + 1 })?;
            let (node, anchor) = match event {
                Event::Scalar(text, style, anchor, _) => (Node::Scalar(text, style == ScalarStyle::Plain), anchor),
                Event::Alias(id) => (Node::Alias(id), 0),
                Event::SequenceStart(anchor, _) => {
                    open.push(Open { anchor, kind: Kind::Sequence(Vec::new()) });
                    if open.len() > MAX_DEPTH {
                        return Err(YamlError::TooLarge);
                    }
                    continue;
                }
                Event::MappingStart(anchor, _) => {
                    open.push(Open { anchor, kind: Kind::Mapping(Vec::new(), None) });
                    if open.len() > MAX_DEPTH {
                        return Err(YamlError::TooLarge);
                    }
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(Open { anchor, kind: Kind::Sequence(nodes) }) => (Node::Sequence(nodes), anchor),
                    Some(Open { anchor, kind: Kind::Mapping(pairs, _) }) => (Node::Mapping(pairs), anchor),
                    None => continue,
                },
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => continue,
            };
            nodes += 1;
            if nodes > MAX_NODES {
                return Err(YamlError::TooLarge);
            }
            yaml.put(open.last_mut(), node, anchor);
        }
        Ok(yaml)
    }

    fn put(&mut self, parent: Option<&mut Open<'a>>, node: Node<'a>, anchor: usize) {
        let key = match parent.as_deref() {
            Some(Open { kind: Kind::Mapping(_, None), .. }) => match self.resolve(&node) {
                Node::Scalar(text, _) => Some(Some(text.clone())),
                _ => Some(None),
            },
            _ => None,
        };
        let node = if anchor == 0 {
            node
        } else {
            self.anchors.insert(anchor, node);
            Node::Alias(anchor)
        };
        match parent.map(|open| &mut open.kind) {
            None => self.documents.push(node),
            Some(Kind::Sequence(nodes)) => nodes.push(node),
            Some(Kind::Mapping(pairs, waiting)) => match waiting.take() {
                None => *waiting = key,
                Some(Some(key)) => pairs.push((key, node)),
                Some(None) => {}
            },
        }
    }

    /// What an alias stands for; any other node is itself.
    fn resolve<'s>(&'s self, node: &'s Node<'a>) -> &'s Node<'a> {
        const NOTHING: &Node<'static> = &Node::Scalar(Cow::Borrowed(""), true);
        match node {
            // One that stands within what it names has nothing to stand for yet.
            Node::Alias(id) => self.anchors.get(id).unwrap_or(NOTHING),
            node => node,
        }
    }

    /// A text that is there and not null.
    pub(super) fn text<'s>(&'s self, node: &'s Node<'a>) -> Option<&'s str> {
        match self.resolve(node) {
            Node::Scalar(text, true) if matches!(&**text, "" | "~" | "null" | "Null" | "NULL") => None,
            Node::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn elements<'s>(&'s self, node: &'s Node<'a>) -> &'s [Node<'a>] {
        match self.resolve(node) {
            Node::Sequence(nodes) => nodes,
            _ => &[],
        }
    }

    /// The pairs of a mapping in the file's order, then those that `<<` merges into it; each key once.
    pub(super) fn pairs<'s>(&'s self, node: &'s Node<'a>) -> Vec<(&'s str, &'s Node<'a>)> {
        let mut pairs = BTreeMap::new();
        let mut order = Vec::new();
        self.merge(node, 0, &mut pairs, &mut order);
        order.into_iter().filter_map(|key| Some((key, *pairs.get(key)?))).collect()
    }

    fn merge<'s>(
        &'s self,
        node: &'s Node<'a>,
        depth: usize,
        pairs: &mut BTreeMap<&'s str, &'s Node<'a>>,
        order: &mut Vec<&'s str>,
    ) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MAX_STEPS || depth > MAX_DEPTH {
            return;
        }
        match self.resolve(node) {
            Node::Mapping(own) => {
                for (key, value) in own.iter().filter(|(key, _)| key != "<<") {
                    pairs.entry(key).or_insert_with(|| {
                        order.push(key);
                        value
                    });
                }
                for (_, merged) in own.iter().filter(|(key, _)| key == "<<") {
                    self.merge(merged, depth + 1, pairs, order);
                }
            }
            // `<<: [*one, *two]`
            Node::Sequence(nodes) if depth > 0 => {
                nodes.iter().for_each(|node| self.merge(node, depth + 1, pairs, order));
            }
            _ => {}
        }
    }

    /// The value of a key of a mapping, its own or merged into it.
    pub(super) fn get<'s>(&'s self, node: &'s Node<'a>, key: &str) -> Option<&'s Node<'a>> {
        self.pairs(node).into_iter().find(|(own, _)| *own == key).map(|(_, value)| value)
    }
}

/// Whether the parser can read the text in little memory and time.
fn is_bearable(text: &str) -> bool {
    let (mut indicators, mut flows) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => flows += 1,
            b']' | b'}' => flows = flows.saturating_sub(1),
            b',' | b':' | b'?' | b'&' | b'*' | b'!' | b'"' | b'\'' => {}
            _ => continue,
        }
        indicators += 1;
        if flows > MAX_FLOWS || indicators > MAX_INDICATORS {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Yaml<'_> {
        Yaml::read(text).unwrap()
    }

    fn keys<'y>(yaml: &'y Yaml<'_>, path: &[&str]) -> Vec<&'y str> {
        let node = path.iter().fold(&yaml.documents[0], |node, key| yaml.get(node, key).unwrap());
        yaml.pairs(node).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn aliases_and_merges() {
        let yaml = read("a: &a {x: 1, y: 2}\nb: &b\n  <<: *a\n  y: 3\n  z: 4\nc: {<<: [*b, *a], q: *a}\nd: *b\n");
        assert_eq!(keys(&yaml, &["b"]), ["y", "z", "x"]);
        assert_eq!(keys(&yaml, &["c"]), ["q", "y", "z", "x"]);
        assert_eq!(keys(&yaml, &["c", "q"]), ["x", "y"]);
        assert_eq!(keys(&yaml, &["d"]), ["y", "z", "x"]);
        let b = yaml.get(&yaml.documents[0], "b").unwrap();
        assert_eq!(yaml.text(yaml.get(b, "y").unwrap()), Some("3"), "its own goes before what is merged");
    }

    #[test]
    fn odd_keys_and_values() {
        let yaml = read("? [a, b]\n: c\n&k key: *k\n*k : 2\nself: &s [*s]\nnone: ~\nempty:\nquoted: \"\"\n");
        assert_eq!(keys(&yaml, &[]), ["key", "self", "none", "empty", "quoted"]);
        let text = |key: &str| yaml.text(yaml.get(&yaml.documents[0], key).unwrap());
        assert_eq!((text("none"), text("empty"), text("quoted"), text("key")), (None, None, Some(""), Some("key")));
    }

    #[test]
    fn what_is_no_yaml_is_told_by_its_place() {
        let Err(YamlError::Syntax { line, .. }) = Yaml::read("a: 1\nb: [secret\n") else { panic!() };
        assert!(line >= 2);
        assert!(Yaml::read("*nobody").is_err());
    }

    /// A text that would make a careless reader take gigabytes or minutes.
    #[test]
    fn hostile_texts_end_soon() {
        let many = |text: &str| text.repeat(1024 * 1024 / text.len());
        for text in ["[", "{", "- ", "? ", "[a,", "{a: ", "\"a\"", "&a ", "*a ", "!t ", "a: ", "-\n", "[]", "{}"] {
            assert!(Yaml::read(&many(text)).is_err(), "{text:?}");
        }
        // Much in one text, and lines without end, are not much.
        read(&many("a "));
        read(&many("|\n"));
        read(&format!("a: |\n{}", many("  x\n")));
        let bomb = (0..60).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!(
                "{text}a{}: &a{} [*a{n}, *a{n}, *a{n}]\nm{}: &m{} {{<<: [*m{n}, *m{n}]}}\n",
                n + 1,
                n + 1,
                n + 1,
                n + 1
            )
        });
        let bomb = format!("m0: &m0 {{k: v}}\n{bomb}");
        let yaml = read(&bomb);
        assert_eq!(keys(&yaml, &["m60"]), [""; 0], "it is not followed without end");
        let chain = (0..15_000).fold("a0: &a0 []\n".to_owned(), |text, n| format!("{text}b: &a{} [*a{n}]\n", n + 1));
        drop(read(&chain));
    }

    fn yamlish() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "services",
            ": ",
            ":",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "-",
            "? ",
            "?",
            "[",
            "]",
            "{",
            "}",
            ", ",
            ",",
            "&a ",
            "*a",
            "!t ",
            "!<x> ",
            "!!str ",
            "|",
            ">",
            "|+1\n",
            ">-\n",
            "\"",
            "'",
            "\\",
            "\\x4",
            "#",
            " # c",
            "---\n",
            "...\n",
            "%TAG ! x\n",
            "%YAML 1.2\n",
            "<<",
            "\t",
            "\r",
            "\u{feff}",
            "\0",
            "é",
            "\u{85}",
            "\u{2028}",
            "~",
            "@",
            "`",
            " ",
            "  ",
        ]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in prop_oneof![yamlish(), ".{0,200}"]) {
            if let Ok(yaml) = Yaml::read(&text) {
                for document in &yaml.documents {
                    for (key, value) in yaml.pairs(document) {
                        let _ = (yaml.get(document, key), yaml.text(value), yaml.elements(value));
                    }
                }
            }
        }
    }
}
