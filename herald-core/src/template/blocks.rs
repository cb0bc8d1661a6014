//! Where the blocks of a text with templates are.

use std::sync::LazyLock;

use regex::Regex;

/// `{{ … }}` or `{% … %}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// Where it begins, and where what follows it does, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) inside: &'a str,
    pub(super) is_statement: bool,
}

/// The blocks of a text. As to MiniJinja, braces in quotes end nothing, nor do those of a map within an expression.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut end) = (Vec::new(), 0);
    while let Some(start) = next(text, end) {
        let is_statement = text[start..].starts_with("{%");
        let inside = &text[start + 2..];
        let length = length(inside, is_statement);
        end = (start + 2 + length + 2).min(text.len());
        blocks.push(Block { start, end, inside: &inside[..length], is_statement });
    }
    blocks
}

fn next(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    ["{{", "{%"].into_iter().filter_map(|begin| rest.find(begin)).min().map(|at| from + at)
}

/// How long the inside of a block is.
fn length(inside: &str, is_statement: bool) -> usize {
    let (mut quote, mut escaped, mut depth) = (None, false, 0_usize);
    let close = if is_statement { "%}" } else { "}}" };
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, _) if depth == 0 && inside[at..].starts_with(close) => return at,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    inside.len()
}

/// Slices without brackets or quotes in them.
static SLICE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\[[^\[\]'"{}]*:[^\[\]'"{}]*\]"#).ok());

/// A text without its slices, if it has some: MiniJinja's list of the variables of a template leaves out what a slice
/// is taken of.
pub(super) fn without_slices(text: &str) -> Option<String> {
    let slices = SLICE.as_ref()?;
    slices.is_match(text).then(|| slices.replace_all(text, "").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_minijinja_ends_them() {
        for (text, inside) in [
            ("no block", vec![]),
            ("a {{ b }} c {% if d %}", vec![" b ", " if d "]),
            ("{{ {'a': {'b': c}, 'd': e} }} f {{ g }}", vec![" {'a': {'b': c}, 'd': e} ", " g "]),
            (r"{{ 'it\'s }}' ~ a }}{{ b }}", vec![r" 'it\'s }}' ~ a ", " b "]),
            ("{{ \"ä'}}\" }}é{{ 'ö' }}", vec![" \"ä'}}\" ", " 'ö' "]),
            ("{{ open", vec![" open"]),
            ("{{", vec![""]),
            ("x {{ a }", vec![" a }"]),
        ] {
            let found: Vec<&str> = blocks(text).iter().map(|block| block.inside).collect();
            assert_eq!(found, inside, "{text}");
        }
        let text = "ä{{ b }}c";
        assert_eq!(blocks(text), [Block { start: 2, end: 9, inside: " b ", is_statement: false }]);
    }

    #[test]
    fn slices_are_taken_out() {
        for (text, without) in [
            ("{{ a.b[:8] }}", Some("{{ a.b }}")),
            ("{{ a['x'][1:2] | upper }}", Some("{{ a['x'] | upper }}")),
            ("{{ a[1] }}", None),
            ("{{ [{'a': 1}] }}", None),
        ] {
            assert_eq!(without_slices(text).as_deref(), without, "{text}");
        }
    }
}
