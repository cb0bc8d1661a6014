//! The document as it was written: a flat table of nodes with their places. An alias is one node more, not a copy.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::problem::{EntryPart, Path, PathStep};

/// The deepest nesting of maps and lists, aliases followed.
pub(super) use herald_base::depth::DEEPEST;

/// A place in [`Tree::nodes`].
pub(super) type NodeId = u32;

#[derive(Debug)]
pub(super) struct YamlNode {
    /// In bytes. The end of a collection is that of its first token.
    pub(super) span: Range<u32>,
    pub(super) kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Scalar(Value),
    List(Vec<NodeId>),
    Map {
        /// As written, then what was merged in.
        entries: Vec<MapEntry>,
        /// The same, by key; empty when there are so few that looking through them is faster.
        order: Vec<u32>,
    },
    Alias(NodeId),
}

#[derive(Debug, Clone)]
pub(super) struct MapEntry {
    pub(super) key: Box<str>,
    /// Where the key is, in bytes.
    pub(super) at: Range<u32>,
    pub(super) value: NodeId,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<YamlNode>,
    pub(super) root: Option<NodeId>,
    /// Where the nodes with an anchor or a tag are, together with these.
    pub(super) written: HashMap<NodeId, Range<usize>>,
    /// Whether some value is in more than one place.
    pub(super) shares: bool,
}

impl Tree {
    pub(super) fn node(&self, id: NodeId) -> &YamlNode {
        &self.nodes[id as usize]
    }

    /// The node itself, or what an alias refers to. Aliases of aliases do not exist.
    pub(super) fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            NodeKind::Alias(target) => target,
            _ => id,
        }
    }

    /// The whole as JSON; the places remain. The depth and what aliases repeat were bounded when the tree was built.
    pub(super) fn take_value(&mut self) -> Value {
        self.root.map_or(Value::Null, |root| self.value_of(root))
    }

    fn value_of(&mut self, id: NodeId) -> Value {
        let kind = match &mut self.nodes[id as usize].kind {
            NodeKind::Scalar(value) if self.shares => return value.clone(),
            NodeKind::Scalar(value) => return value.take(),
            NodeKind::Alias(target) => {
                let target = *target;
                return self.value_of(target);
            }
            // Lent, so that the nodes inside can be reached.
            kind => std::mem::replace(kind, NodeKind::Scalar(Value::Null)),
        };
        let value = match &kind {
            NodeKind::List(items) => Value::Array(items.iter().map(|item| self.value_of(*item)).collect()),
            NodeKind::Map { entries, .. } => {
                let mut map = Map::with_capacity(entries.len());
                for entry in entries {
                    map.insert(entry.key.to_string(), self.value_of(entry.value));
                }
                Value::Object(map)
            }
            NodeKind::Scalar(_) | NodeKind::Alias(_) => Value::Null,
        };
        self.nodes[id as usize].kind = kind;
        value
    }

    fn entry(&self, map: NodeId, key: &str) -> Option<&MapEntry> {
        let NodeKind::Map { entries, order } = &self.node(map).kind else { return None };
        if order.is_empty() {
            return entries.iter().find(|entry| *entry.key == *key);
        }
        let found = order.binary_search_by(|n| (*entries[*n as usize].key).cmp(key)).ok()?;
        Some(&entries[order[found] as usize])
    }

    /// The place of a key or value in bytes; of the nearest thing above where the path leads nowhere.
    pub(super) fn locate(&self, path: &Path, part: EntryPart) -> Range<usize> {
        let Some(mut at) = self.root else { return 0..0 };
        // Where the last key on the way is.
        let mut key = None;
        let mut whole = true;
        for step in path.steps() {
            let inside = self.target(at);
            let next = match step {
                PathStep::Key(name) => self.entry(inside, name).map(|entry| (entry.value, Some(&entry.at))),
                PathStep::Index(n) => match &self.node(inside).kind {
                    NodeKind::List(items) => items.get(*n).map(|item| (*item, None)),
                    _ => None,
                },
            };
            let Some((value, key_at)) = next else {
                whole = false;
                break;
            };
            at = value;
            key = key_at;
        }
        let value = &self.node(at).span;
        let span = match key {
            // What is missing inside a map is reported at the map's own name.
            Some(key) if part == EntryPart::Key || !whole || value.is_empty() => key,
            _ => value,
        };
        span.start as usize..span.end as usize
    }

    /// Adds the places of all scalars at and below a path, with their anchors and tags.
    pub(super) fn texts_below(&self, path: &Path, places: &mut Vec<Range<usize>>) {
        if let Some(at) = self.find(path) {
            self.scalars(at, places);
            places.extend(self.written.get(&at).cloned());
        }
    }

    /// The place of the scalar at a path, aliases followed; `None` when it is something else.
    pub(super) fn scalar(&self, path: &Path) -> Option<Range<usize>> {
        let node = self.node(self.target(self.find(path)?));
        matches!(node.kind, NodeKind::Scalar(_)).then(|| node.span.start as usize..node.span.end as usize)
    }

    fn find(&self, path: &Path) -> Option<NodeId> {
        path.steps().into_iter().try_fold(self.root?, |at, step| {
            let inside = self.target(at);
            match (step, &self.node(inside).kind) {
                (PathStep::Key(name), _) => self.entry(inside, name).map(|entry| entry.value),
                (PathStep::Index(n), NodeKind::List(items)) => items.get(*n).copied(),
                _ => None,
            }
        })
    }

    pub(super) fn scalars(&self, id: NodeId, places: &mut Vec<Range<usize>>) {
        // A set, since aliases may repeat what they name many times over.
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = self.node(id);
            match &node.kind {
                NodeKind::Scalar(_) => places.push(node.span.start as usize..node.span.end as usize),
                NodeKind::List(items) => open.extend(items),
                NodeKind::Map { entries, .. } => open.extend(entries.iter().map(|entry| entry.value)),
                NodeKind::Alias(target) => open.push(*target),
            }
        }
    }
}
