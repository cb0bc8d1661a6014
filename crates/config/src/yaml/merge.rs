//! The end of a map: its duplicate keys, and what `<<` merges into it.

use super::report::{Finding, SourceText};
use super::syntax;
use super::tree::{MapEntry, NodeId, NodeKind, Tree};
use crate::problem::Severity;

/// Up to so many entries, looking through a map is faster than sorting it.
const FEW: usize = 8;

/// Finds duplicates (the first one stays), and merges what `<<` names: a map's own keys win, then what is named first.
pub(super) fn finish(
    tree: &Tree,
    mut entries: Vec<MapEntry>,
    merges: &[NodeId],
    findings: &mut Vec<Finding>,
) -> NodeKind {
    let order = by_key(&entries);
    let mut unique = true;
    for (first, later) in repeats(&entries, &order) {
        unique = false;
        let (first, later) = (&entries[first as usize], &entries[later as usize]);
        findings.push(Finding {
            span: later.at.start as usize..later.at.end as usize,
            severity: Severity::Error,
            message: format!("duplicate key \"{}\"", later.key),
            if_secret: Some(syntax::SECRET_MAP),
            help: Some(SourceText::place_mark(first.at.start as usize)),
        });
    }
    if unique && merges.is_empty() {
        return NodeKind::Map { entries, order };
    }
    for merged in merges {
        merge(tree, *merged, &mut entries, findings);
    }
    let mut keep = vec![true; entries.len()];
    for (_, later) in repeats(&entries, &by_key(&entries)) {
        keep[later as usize] = false;
    }
    let mut keep = keep.into_iter();
    entries.retain(|_| keep.next().unwrap_or(true));
    let order = by_key(&entries);
    NodeKind::Map { entries, order }
}

/// Adds the entries of a map, or of each map of a list.
fn merge(tree: &Tree, id: NodeId, entries: &mut Vec<MapEntry>, findings: &mut Vec<Finding>) {
    match &tree.node(tree.target(id)).kind {
        NodeKind::Map { entries: more, .. } => entries.extend(more.iter().cloned()),
        NodeKind::List(items) => {
            for item in items {
                match &tree.node(tree.target(*item)).kind {
                    NodeKind::Map { entries: more, .. } => entries.extend(more.iter().cloned()),
                    _ => findings.push(refused(tree, *item)),
                }
            }
        }
        _ => findings.push(refused(tree, id)),
    }
}

fn refused(tree: &Tree, id: NodeId) -> Finding {
    let span = &tree.node(id).span;
    let span = span.start as usize..span.end as usize;
    Finding::error(span, "`<<` takes a map or a list of maps".to_owned(), None)
}

/// The places of the entries, sorted by key; equal keys in the order in which they were written. Empty for few.
fn by_key(entries: &[MapEntry]) -> Vec<u32> {
    if entries.len() <= FEW {
        return Vec::new();
    }
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by(|a, b| entries[*a as usize].key.cmp(&entries[*b as usize].key));
    order
}

/// Every entry whose key stood before, with the first one of that key.
fn repeats(entries: &[MapEntry], order: &[u32]) -> Vec<(u32, u32)> {
    let mut repeats = Vec::new();
    let Some(mut first) = order.first().copied() else {
        for (later, entry) in (0_u32..).zip(entries) {
            let before = entries[..later as usize].iter().position(|other| other.key == entry.key);
            repeats.extend(before.and_then(|first| u32::try_from(first).ok()).map(|first| (first, later)));
        }
        return repeats;
    };
    for &next in &order[1..] {
        if entries[first as usize].key == entries[next as usize].key {
            repeats.push((first, next));
        } else {
            first = next;
        }
    }
    repeats
}
