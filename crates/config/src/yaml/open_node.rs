//! Collections whose end has not come yet, and what they weigh.

use std::ops::Range;

use super::tree::{MapEntry, NodeId};

/// How much a value is once its aliases are followed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Weight {
    pub(super) values: u64,
    pub(super) bytes: u64,
    pub(super) depth: usize,
}

impl Weight {
    pub(super) fn add(&mut self, inner: Self) {
        self.values = self.values.saturating_add(inner.values);
        self.bytes = self.bytes.saturating_add(inner.bytes);
        self.depth = self.depth.max(inner.depth + 1);
    }
}

pub(super) struct Anchor {
    pub(super) node: NodeId,
    /// `None` while the value is still open: an alias to it would contain itself.
    pub(super) weight: Option<Weight>,
}

/// A collection whose end has not come yet.
pub(super) struct OpenNode {
    pub(super) node: NodeId,
    pub(super) anchor: usize,
    /// Whether everything inside is secret.
    pub(super) secret: bool,
    pub(super) weight: Weight,
    pub(super) open: Collection,
}

pub(super) enum Collection {
    List(Vec<NodeId>),
    Map { entries: Vec<MapEntry>, merges: Vec<NodeId>, next: Next },
}

/// What the next node of a map is.
pub(super) enum Next {
    Key,
    Value {
        key: Box<str>,
        at: Range<u32>,
        secret: bool,
    },
    /// The value of `<<`.
    Merge,
    /// The value of a key that was refused.
    Refused,
}
