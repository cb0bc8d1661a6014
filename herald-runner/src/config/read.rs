//! Reads the flat YAML of the runner, with the place of every key and value.

use std::collections::HashMap;
use std::ops::Range;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, options};

use super::report::Problem;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Empty, `~` or `null`.
    Null,
    /// A text, number or boolean, as written; `plain` when it stands without quotes.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map. Of one that stands inside of a list or of another map nothing is kept: no key of the runner takes one.
    Map(Vec<Entry>),
}

impl Kind {
    /// For error texts.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) value: Node,
}

const DEEPEST: usize = 32;

/// The entries at the top of the document, and what is wrong with it as YAML.
pub(super) fn entries(text: &str) -> (Vec<Entry>, Vec<Problem>) {
    let mut reader = Reader::default();
    let options = options! { block_nesting_limit: DEEPEST, flow_nesting_limit: DEEPEST };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let start = span.start.byte_offset().unwrap_or(0);
                let end = span.end.byte_offset().unwrap_or(start);
                reader.event(event, start..end.max(start));
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
                reader.problems.push(Problem::syntax(at..at, format!("this is not YAML: {}", error.info())));
                break;
            }
        }
    }
    (reader.entries, reader.problems)
}

/// A key whose value has not come.
type Waiting = Option<(String, Range<usize>)>;

/// A list or map whose end has not come.
struct Open {
    inside: Inside,
    anchor: usize,
    start: usize,
}

enum Inside {
    List(Vec<Node>),
    Map(Waiting, Vec<Entry>),
}

#[derive(Default)]
struct Reader {
    /// Below the top map.
    open: Vec<Open>,
    in_top: bool,
    documents: usize,
    key: Waiting,
    anchors: HashMap<usize, Node>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.problems.push(Problem::new(span, "a second document begins here; a file holds one"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let kind = if null { Kind::Null } else { Kind::Scalar { text: text.into_owned(), plain } };
                self.place(Node { span, kind }, anchor);
            }
            Event::MappingStart(..) if self.open.is_empty() && !self.in_top => self.in_top = true,
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open { inside: Inside::Map(None, Vec::new()), anchor, start: span.start });
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { inside: Inside::List(Vec::new()), anchor, start: span.start });
            }
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(Open { inside, anchor, start }) => {
                    let kind = match inside {
                        Inside::List(items) => Kind::List(items),
                        Inside::Map(_, entries) => Kind::Map(entries),
                    };
                    self.place(Node { span: start..span.end.max(start), kind }, anchor);
                }
                None => self.in_top = false,
            },
            Event::Alias(id) => {
                let kind = self.anchors.get(&id).map_or(Kind::Null, |node| node.kind.clone());
                self.place(Node { span, kind }, 0);
            }
            _ => {}
        }
    }

    fn place(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let depth = self.open.len();
        match self.open.last_mut().map(|open| &mut open.inside) {
            Some(Inside::List(items)) => return items.push(node),
            Some(Inside::Map(key, entries)) if depth == 1 => {
                return enter(key, entries, node, &mut self.problems);
            }
            Some(Inside::Map(..)) => return,
            None => {}
        }
        if !self.in_top {
            if node.kind != Kind::Null {
                let message = format!("the configuration is a map of keys, not {}", node.kind.name());
                self.problems.push(Problem::new(node.span, message));
            }
            return;
        }
        enter(&mut self.key, &mut self.entries, node, &mut self.problems);
    }
}

/// The next key of a map, or the value of the key that waits for one.
fn enter(key: &mut Waiting, entries: &mut Vec<Entry>, node: Node, problems: &mut Vec<Problem>) {
    match key.take() {
        None => {
            let text = match node.kind {
                Kind::Scalar { text, .. } => text,
                _ => {
                    problems.push(Problem::new(node.span.clone(), "a key must be a text"));
                    String::new()
                }
            };
            *key = Some((text, node.span));
        }
        Some((key, span)) => entries.push(Entry { key, span, value: node }),
    }
}
