//! Templates that make something new of a secret: `{{ select_param.tok[:12] }}`, `{{ select_param.tok | upper }}`.
//!
//! A copy of a secret is hidden by its value, wherever it is. What a template makes of one is known only here: where it
//! reads the secret, and what came of it.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use crate::value::param::Params;
use crate::value::secret::{MASKED, Mask};

/// A block that is a variable and nothing else: what it gives is a copy.
static COPY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^[-+]?\s*\w+(\s*\.\s*\w+|\s*\[\s*('[^'\\]*'|"[^"\\]*")\s*\])*\s*[-+]?$"#).ok()
});
/// Where parameters of the selector are read, and the path below them.
static READ: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[^\w.])select_param\b((?:\s*\.\s*\w+|\s*\[\s*(?:'[^'\\]*'|"[^"\\]*")\s*\])*)"#).ok()
});
/// One step of such a path.
static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\w+|'[^']*'|"[^"]*""#).ok());

/// The paths below `select_param` of which a text with templates makes something new. Rather one too many: what only
/// looks like a read counts as one.
#[derive(Clone, Default)]
pub(super) struct DerivedReads(Option<Arc<DerivedText>>);

struct DerivedText {
    paths: Vec<Vec<Box<str>>>,
    source: Box<str>,
}

impl DerivedReads {
    pub(super) fn of(text: &str) -> Self {
        let is_copy = |block: &&str| COPY.as_ref().is_some_and(|copy| copy.is_match(block));
        let paths: Vec<_> =
            blocks(text).iter().filter(|block| !is_copy(block)).flat_map(|block| paths(block)).collect();
        if paths.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new(DerivedText { paths, source: text.into() })))
    }

    /// Whether what came of it must be hidden although the mask does not know it.
    pub(super) fn is_secret(&self, made: &Value, select_param: &Params, mask: &Mask) -> bool {
        let Some(text) = &self.0 else { return false };
        let reads_secret = |path: &Vec<Box<str>>| {
            let mut path = path.iter();
            let Some(mut read) = path.next().map(|first| select_param.get(&**first)) else {
                return !mask.leaves_values_of(select_param);
            };
            for step in path {
                match read {
                    Some(Value::Object(map)) => read = map.get(&**step),
                    _ => break,
                }
            }
            read.is_some_and(|read| mask.by_value(read) != *read)
        };
        let is_written = |made: &str| {
            ['\'', '"'].into_iter().any(|quote| text.source.contains(&format!("{quote}{made}{quote}")))
        };
        let is_known = made.as_str().is_some_and(is_written) || mask.by_value(made) == MASKED;
        !is_known && text.paths.iter().any(reads_secret)
    }
}

/// What is between the braces of a text. A brace within quotes ends nothing.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let inside = rest.get(start + 2..).unwrap_or_default();
        let mut quote = None;
        let ends = inside.char_indices().find(|(at, c)| {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(*c),
                (Some(open), c) if open == *c => quote = None,
                _ => {}
            }
            quote.is_none() && ["}}", "%}"].iter().any(|end| inside[*at..].starts_with(end))
        });
        let end = ends.map_or(inside.len(), |(at, _)| at);
        blocks.push(&inside[..end]);
        rest = inside.get(end + 2..).unwrap_or_default();
    }
    blocks
}

fn paths(block: &str) -> Vec<Vec<Box<str>>> {
    let (Some(read), Some(step)) = (&*READ, &*STEP) else { return vec![Vec::new()] };
    let steps = |path: &str| {
        step.find_iter(path).map(|step| step.as_str().trim_matches(['\'', '"']).into()).collect()
    };
    read.captures_iter(block).filter_map(|found| found.get(1)).map(|path| steps(path.as_str())).collect()
}
