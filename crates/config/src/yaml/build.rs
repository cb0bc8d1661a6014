//! From the parser's events to a [`Tree`]: duplicate keys, merges, and the bounds on what aliases may repeat.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;
use serde_yaml::granit_parser::{Event, ScalarStyle, ScanError, Tag};

use super::open_node::{Anchor, Collection, Next, OpenNode, Weight};
use super::report::{Finding, SourceText};
use super::scalar::ScalarError;
use super::tree::{DEEPEST, MapEntry, NodeId, NodeKind, Tree, YamlNode};
use super::{merge, syntax, tag};
use crate::secret::Reference;
use herald_base::secret_name::is_secret_name;

/// The most values that all aliases together may repeat.
const MOST_REPEATED: u64 = 1_000_000;
/// The most bytes of text that all aliases together may repeat.
const MOST_REPEATED_BYTES: u64 = 64 << 20;

/// What came of reading a text.
pub(super) struct Reading {
    /// As far as it could be read.
    pub(super) tree: Tree,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// Whether it was read to its end, so that the tree is whole but for what is wrong.
    pub(super) to_the_end: bool,
}

#[derive(Default)]
pub(super) struct Builder {
    tree: Tree,
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, Anchor>,
    repeated: Weight,
    documents: usize,
    findings: Vec<Finding>,
    /// Places of secret values.
    secret: Vec<Range<usize>>,
    /// Places of secret values with what is before them: an anchor or a tag.
    secret_written: Vec<Range<usize>>,
    /// Where the token before this one ends. An anchor and a tag are between the two.
    before: usize,
    /// Where the latest scalar ends, when it was secret.
    after_secret: Option<usize>,
    syntax_error: bool,
    over: bool,
    /// Whether a plain scalar that JSON has no number for is a text.
    keeps_texts: bool,
}

impl Builder {
    /// One for which a plain scalar that JSON has no number for is a text.
    pub(super) fn with_texts() -> Self {
        Self { keeps_texts: true, ..Self::default() }
    }

    /// Whether there is no use in going on.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn finish(mut self, source: &mut SourceText) -> Reading {
        if self.documents == 0 && self.findings.is_empty() {
            self.tree.root = None;
        }
        if self.syntax_error {
            // There is no tree from here on that shows what is secret: it is found in the text alone.
            self.secret.extend(source.secret_looking_places());
            if let Some(end) = self.after_secret {
                self.secret.push(end..source.text_len());
            }
        }
        for written in self.tree.written.values_mut() {
            *written = source.after_first_mark(written.clone());
        }
        self.secret.extend(self.secret_written.drain(..).map(|part| source.after_first_mark(part)));
        source.secret.append(&mut self.secret);
        Reading { tree: self.tree, findings: self.findings, to_the_end: !self.over }
    }

    pub(super) fn fatal(&mut self, span: Range<usize>, message: String) {
        self.found(span, message);
        self.over = true;
    }

    pub(super) fn syntax_error(&mut self, error: &ScanError, text: &str) {
        let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
        let (message, help) = syntax::explain(error.kind());
        self.syntax_error = true;
        // The same again: `*/5 *` in one value.
        self.over = self.findings.last().is_some_and(|finding| finding.message == message);
        if self.over {
            return;
        }
        self.fatal(at..at, message);
        if let Some(finding) = self.findings.last_mut() {
            finding.help = help.map(str::to_owned);
        }
    }

    fn found(&mut self, span: Range<usize>, message: String) {
        self.findings.push(Finding::error(span, message, None));
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fatal(span, "a second document begins here; a file holds one".to_owned());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, tag.as_deref(), span.clone());
                self.before = span.end;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", &span);
                self.begin(Collection::List(Vec::new()), anchor, tag.is_some(), span.clone());
                self.before = span.end;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", &span);
                let open = Collection::Map { entries: Vec::new(), merges: Vec::new(), next: Next::Key };
                self.begin(open, anchor, tag.is_some(), span.clone());
                self.before = span.end;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => {
                self.before = span.end;
                self.alias(id, span);
            }
            Event::UnresolvedAlias(name) => self.unresolved_alias(&name, span),
            _ => {}
        }
    }

    fn unresolved_alias(&mut self, name: &str, span: Range<usize>) {
        let (message, help) = syntax::unresolved_alias(name);
        let finding = Finding::error(span.clone(), message, help);
        self.findings.push(Finding { if_secret: Some(syntax::SECRET_ALIAS), ..finding });
        let node = self.node(NodeKind::Scalar(Value::Null), &span);
        if self.in_secret() {
            self.secret.push(span.clone());
            self.after_secret = Some(span.end);
        }
        self.before = span.end;
        self.place(node, Weight::default());
    }

    /// Remembers where the anchor and the tag of a node are, which are hidden with its value.
    fn written(&mut self, node: NodeId, secret: bool, span: &Range<usize>) {
        let written = self.before.min(span.start)..span.end;
        if secret {
            self.secret_written.push(written.clone());
        }
        self.tree.written.insert(node, written);
    }

    fn node(&mut self, kind: NodeKind, span: &Range<usize>) -> NodeId {
        let id = NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX);
        self.tree.nodes.push(YamlNode { span: narrow(span), kind });
        id
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, span: &Range<usize>) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(expected)
            && !tag::is_plain_tag(tag)
        {
            let message = ScalarError::UnknownTag(tag::tag_text(tag)).to_string();
            let finding = Finding::error(span.clone(), message, None);
            self.findings.push(Finding { if_secret: Some(syntax::SECRET_TAG), ..finding });
        }
    }

    /// Whether the value that comes next is secret.
    fn in_secret(&self) -> bool {
        self.stack.last().is_some_and(|frame| {
            frame.secret
                || matches!(frame.open, Collection::Map { next: Next::Value { secret: true, .. }, .. })
        })
    }

    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some(OpenNode { open: Collection::Map { next: Next::Key, .. }, .. }))
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Range<usize>,
    ) {
        let plain_style = style == ScalarStyle::Plain;
        let plain = plain_style && tag.is_none();
        if self.awaits_key() {
            if anchor != 0 {
                let node = self.node(NodeKind::Scalar(Value::String(text.clone().into_owned())), &span);
                let weight = Weight { values: 1, bytes: text.len() as u64, depth: 0 };
                self.anchors.insert(anchor, Anchor { node, weight: Some(weight) });
            }
            return self.key(&text, plain, &span);
        }
        let secret = self.in_secret();
        self.after_secret = secret.then_some(span.end);
        if secret && !is_reference(&text) {
            self.secret.push(span.clone());
        }
        let weight = Weight { values: 1, bytes: text.len() as u64, depth: 0 };
        let missing = plain_style && span.is_empty();
        if missing && anchor == 0 && tag.is_none() {
            self.key_without_value();
        }
        let value = tag::scalar_value(text, plain, tag, self.keeps_texts).unwrap_or_else(|error| {
            let finding = Finding::error(span.clone(), error.to_string(), None);
            self.findings.push(Finding { if_secret: Some(error.without_value(missing)), ..finding });
            Value::Null
        });
        let node = self.node(NodeKind::Scalar(value), &span);
        if anchor != 0 || tag.is_some() {
            self.written(node, secret, &span);
        }
        if secret && missing && anchor != 0 && tag.is_none() {
            self.findings.push(Finding::error(
                span,
                syntax::SECRET_ANCHOR.to_owned(),
                Some(syntax::QUOTE_SECRET),
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { node, weight: Some(weight) });
        }
        self.place(node, weight);
    }

    /// Hides the key that has no value in a map of secrets: `{hunter2}` is a text to the user who wrote it.
    fn key_without_value(&mut self) {
        if let Some(OpenNode {
            secret: true,
            open: Collection::Map { next: Next::Value { at, .. }, .. },
            ..
        }) = self.stack.last()
        {
            self.secret.push(at.start as usize..at.end as usize);
        }
    }

    fn key(&mut self, text: &str, plain: bool, span: &Range<usize>) {
        let next = if plain && text == "<<" {
            Next::Merge
        } else if plain && matches!(text, "" | "~") {
            self.found(span.clone(), "a key is missing before this `:`".to_owned());
            Next::Refused
        } else {
            Next::Value { key: text.into(), at: narrow(span), secret: is_secret_name(text) }
        };
        self.set_next(next);
        if let Some(frame) = self.stack.last_mut() {
            frame.weight.bytes = frame.weight.bytes.saturating_add(text.len() as u64);
        }
    }

    fn set_next(&mut self, to: Next) {
        if let Some(OpenNode { open: Collection::Map { next, .. }, .. }) = self.stack.last_mut() {
            *next = to;
        }
    }

    fn begin(&mut self, open: Collection, anchor: usize, tagged: bool, span: Range<usize>) {
        if self.stack.len() >= DEEPEST {
            return self.fatal(span, syntax::too_deep());
        }
        // People choose the names of a section's entries: a router called `refresh_token` is not a secret.
        let named_part = self.stack.len() == 2 && matches!(open, Collection::Map { .. });
        let secret = self.in_secret() && !named_part;
        let kind = match open {
            Collection::List(_) => NodeKind::List(Vec::new()),
            Collection::Map { .. } => NodeKind::Map { entries: Vec::new(), order: Vec::new() },
        };
        let node = self.node(kind, &span);
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { node, weight: None });
        }
        if anchor != 0 || tagged {
            self.written(node, secret, &span);
        }
        self.stack.push(OpenNode {
            node,
            anchor,
            secret,
            weight: Weight { values: 1, ..Weight::default() },
            open,
        });
    }

    fn end(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        let kind = match frame.open {
            Collection::List(items) => NodeKind::List(items),
            Collection::Map { entries, merges, .. } => {
                self.tree.shares |= !merges.is_empty();
                merge::finish(&self.tree, entries, &merges, &mut self.findings)
            }
        };
        if let Some(node) = self.tree.nodes.get_mut(frame.node as usize) {
            node.kind = kind;
        }
        if let Some(anchor) = self.anchors.get_mut(&frame.anchor) {
            anchor.weight = Some(frame.weight);
        }
        self.place(frame.node, frame.weight);
    }

    fn alias(&mut self, id: usize, span: Range<usize>) {
        let Some((target, weight)) = self.anchors.get(&id).map(|anchor| (anchor.node, anchor.weight)) else {
            return self.found(span, "unknown anchor: an anchor must come before its alias".to_owned());
        };
        if self.awaits_key() {
            match &self.tree.node(target).kind {
                NodeKind::Scalar(Value::String(text)) => {
                    let text = text.clone();
                    return self.key(&text, false, &span);
                }
                _ => {
                    self.found(span, "a key must be a string".to_owned());
                    return self.set_next(Next::Refused);
                }
            }
        }
        let Some(weight) = weight else {
            return self.fatal(span, "this alias is inside its own anchor and would never end".to_owned());
        };
        self.repeated.add(weight);
        if self.repeated.values > MOST_REPEATED || self.repeated.bytes > MOST_REPEATED_BYTES {
            return self.fatal(span, "with this alias, the aliases repeat more than can be held".to_owned());
        }
        if self.stack.len() + weight.depth > DEEPEST {
            return self.fatal(span, syntax::too_deep());
        }
        if self.in_secret() {
            let mut places = std::mem::take(&mut self.secret);
            self.tree.scalars(target, &mut places);
            places.push(span.clone());
            self.secret = places;
        }
        self.tree.shares = true;
        let node = self.node(NodeKind::Alias(target), &span);
        self.place(node, weight);
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, id: NodeId, weight: Weight) {
        let Some(frame) = self.stack.last_mut() else {
            self.tree.root = Some(id);
            return;
        };
        frame.weight.add(weight);
        match &mut frame.open {
            Collection::List(items) => items.push(id),
            Collection::Map { entries, merges, next } => match std::mem::replace(next, Next::Key) {
                Next::Value { key, at, .. } => entries.push(MapEntry { key, at, value: id }),
                Next::Merge => merges.push(id),
                Next::Refused => {}
                Next::Key => {
                    *next = Next::Refused;
                    let span = &self.tree.nodes[id as usize].span;
                    let span = span.start as usize..span.end as usize;
                    let message = "a key must be a string, not a list or a map".to_owned();
                    // `{{ … }}` without quotes is a map whose key is a map.
                    let is_map = matches!(self.tree.nodes[id as usize].kind, NodeKind::Map { .. });
                    let help = is_map.then_some("put a template in quotes:  '{{ … }}'");
                    self.findings.push(Finding::error(span, message, help));
                }
            },
        }
    }
}

fn narrow(span: &Range<usize>) -> Range<u32> {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    narrow(span.start)..narrow(span.end)
}

/// A reference names where a secret is and shows nothing of it.
fn is_reference(text: &str) -> bool {
    matches!(Reference::of(text), Some(Ok(_)))
}
