//! Templates that make something new of a secret: `{{ select_param.tok[:12] }}`, `{{ select_param.tok | upper }}`.
//!
//! A copy of a secret is hidden by its value, wherever it is. What a template makes of one is known only here: where it
//! reads the secret, and what came of it.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use super::blocks::blocks;
use crate::value::param::Params;
use crate::value::secret::{MASKED, Mask, SHORTEST_WITHIN};

/// A block that is a variable and nothing else: what it gives is a copy.
static COPY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^[-+]?\s*\w+(\s*\.\s*\w+|\s*\[\s*('[^'\\]*'|"[^"\\]*")\s*\])*\s*[-+]?$"#).ok()
});
/// Where parameters of the selector are read, and the path below them.
static READ: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[^\w.])select_param\b((?:\s*\.\s*\w+|\s*\[\s*(?:'[^'\\]*'|"[^"\\]*")\s*\])*)"#).ok()
});
/// One step of such a path.
static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\w+|'([^']*)'|"([^"]*)""#).ok());

type ReadPath = Vec<Box<str>>;

/// What a text with templates makes of `select_param` other than copies. Rather one read too many: what only looks
/// like a read counts as one.
#[derive(Clone, Default)]
pub(super) struct DerivedReads(Option<Arc<DerivedText>>);

struct DerivedText {
    source: Box<str>,
    /// The paths that are read, by any block.
    paths: Vec<ReadPath>,
    /// Whether the text has statements: what of it came from where is not known then.
    has_statements: bool,
}

impl DerivedReads {
    /// Of a text that is one expression alone.
    pub(super) fn of_expression(inner: &str) -> Self {
        let paths = if is_copy(inner) { Vec::new() } else { paths(inner) };
        Self::new(inner, paths, true)
    }

    /// Of a text with templates in it.
    pub(super) fn of_text(text: &str) -> Self {
        let blocks = blocks(text);
        let derived = blocks.iter().filter(|block| block.is_statement || !is_copy(block.inside));
        let paths = derived.flat_map(|block| paths(block.inside)).collect();
        Self::new(text, paths, blocks.iter().any(|block| block.is_statement))
    }

    fn new(source: &str, paths: Vec<ReadPath>, has_statements: bool) -> Self {
        if paths.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new(DerivedText { source: source.into(), paths, has_statements })))
    }

    /// Whether there is anything that it makes of them.
    pub(super) fn are_some(&self) -> bool {
        self.0.is_some()
    }

    /// What of `made` must be hidden although the mask does not know it. `shown`: what everybody may see, the event.
    pub(super) fn secrets(
        &self,
        made: &Value,
        select_param: &Params,
        shown: &Params,
        mask: &Mask,
        found: &mut Vec<Value>,
    ) {
        let Some(text) = &self.0 else { return };
        if !text.paths.iter().any(|path| reads_secret(path, select_param, mask)) {
            return;
        }
        let is_open = |made: &Value, source: &str| {
            text.writes(made)
                || mask.by_value(made) == MASKED
                || (source.contains("trigger_param") && holds(shown, made))
                || (holds(select_param, made) && mask.by_value(made) == *made)
        };
        if is_open(made, &text.source) {
            return;
        }
        match text.pieces(made) {
            Some(pieces) => {
                let pieces = pieces.into_iter().map(|(piece, block)| (Value::from(piece), block));
                found.extend(pieces.filter(|(piece, block)| !is_open(piece, block)).map(|(piece, _)| piece));
            }
            None => found.push(made.clone()),
        }
    }
}

impl DerivedText {
    /// Whether the template itself holds this value.
    fn writes(&self, made: &Value) -> bool {
        match made {
            Value::String(made) => {
                ['\'', '"'].into_iter().any(|quote| self.source.contains(&format!("{quote}{made}{quote}")))
            }
            Value::Number(number) => self.source.contains(number.as_str()),
            _ => false,
        }
    }

    /// What the blocks gave that are no copies, and these blocks: what is between the texts around them. `None`: that
    /// cannot be said, since a text between two blocks may also be in what they gave, or a piece is so short that it is
    /// not hidden by itself.
    fn pieces<'a>(&'a self, made: &'a Value) -> Option<Vec<(&'a str, &'a str)>> {
        let mut rest = made.as_str().filter(|_| !self.has_statements)?;
        let (mut pieces, mut open, mut end) = (Vec::new(), None, 0);
        let blocks = blocks(&self.source);
        let ends = blocks.iter().map(Some).chain([None]);
        for block in ends {
            let until = block.map_or(self.source.len(), |block| block.start);
            let literal = self.source.get(end..until)?.trim();
            let (before, after) = match open {
                _ if block.is_none() && literal.is_empty() => (rest, ""),
                _ if block.is_none() => (rest.trim_end().strip_suffix(literal)?, ""),
                None => ("", rest.trim_start().strip_prefix(literal)?),
                // Two blocks side by side.
                Some(_) if literal.is_empty() || rest.matches(literal).nth(1).is_some() => return None,
                Some(_) => rest.split_once(literal)?,
            };
            if let Some(Some(block)) = open {
                pieces.push((before.trim(), block));
            }
            rest = after;
            end = block.map_or(until, |block| block.end);
            let derives = |inside: &&str| !is_copy(inside) && !paths(inside).is_empty();
            open = block.map(|block| Some(block.inside).filter(derives));
        }
        pieces.iter().all(|(piece, _)| piece.len() >= SHORTEST_WITHIN).then_some(pieces)
    }
}

fn is_copy(block: &str) -> bool {
    COPY.as_ref().is_some_and(|copy| copy.is_match(block))
}

fn reads_secret(path: &ReadPath, select_param: &Params, mask: &Mask) -> bool {
    let mut path = path.iter();
    let Some(mut read) = path.next().and_then(|first| select_param.get(&**first)) else {
        // All of it, or by a name that is not known here.
        return !mask.leaves_values_of(select_param);
    };
    for step in path {
        match read.as_object().and_then(|map| map.get(&**step)) {
            Some(below) => read = below,
            None => break,
        }
    }
    mask.by_value(read) != *read
}

/// Whether one of these is this value, or holds it.
fn holds(params: &Params, wanted: &Value) -> bool {
    let mut open: Vec<&Value> = params.values().collect();
    while let Some(value) = open.pop() {
        if value == wanted {
            return true;
        }
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    false
}

fn paths(block: &str) -> Vec<ReadPath> {
    let (Some(read), Some(step)) = (&*READ, &*STEP) else { return vec![Vec::new()] };
    let one = |found: regex::Captures<'_>| {
        found.iter().flatten().last().map_or_else(Box::default, |step| step.as_str().into())
    };
    let steps = |path: &str| step.captures_iter(path).map(one).collect();
    read.captures_iter(block).filter_map(|found| found.get(1)).map(|path| steps(path.as_str())).collect()
}
