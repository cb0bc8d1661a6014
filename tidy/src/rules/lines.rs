//! Rule for the width of comments and documents.

use std::collections::BTreeSet;

use crate::finding::{Counted, Finding};
use crate::read::rust::RustFile;
use crate::read::sources::{Sources, group};

/// Columns of a line of a comment or a document.
pub const COLUMNS: usize = 120;

/// Lines of comments and documents that are too long. Tables, a link across the border and code in Markdown are left
/// out, and so is `docs/reference`, which is generated.
#[must_use]
pub fn long(sources: &Sources<'_>) -> Vec<Counted> {
    let comments = sources
        .rust
        .iter()
        .flat_map(|file| long_comments(file, sources.tree.text(file.path).unwrap_or_default()));
    let documents = sources
        .tree
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".md") && !path.starts_with("docs/reference"))
        .flat_map(|(path, text)| long_prose(path, text));
    comments.chain(documents).collect()
}

fn too_long(path: &str, line: usize, width: usize) -> Counted {
    let what = format!("{width} columns: break the line at {COLUMNS}");
    Counted { key: group(path).to_owned(), finding: Finding::new(path, line, what) }
}

fn long_comments(file: &RustFile<'_>, text: &str) -> Vec<Counted> {
    let lines: Vec<&str> = text.lines().collect();
    let commented: BTreeSet<usize> = file
        .comments
        .iter()
        .flat_map(|comment| comment.line..=comment.line + comment.text.matches('\n').count())
        .collect();
    commented
        .into_iter()
        .filter_map(|n| Some((n, lines.get(n - 1)?)))
        .filter(|(_, line)| is_long(line) && !is_table_row(line))
        .map(|(n, line)| too_long(file.path, n, line.chars().count()))
        .collect()
}

/// Whether the line is a row of a table in a documentation comment.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    ["//! |", "/// |"].iter().any(|start| line.starts_with(start))
}

fn long_prose(path: &str, text: &str) -> Vec<Counted> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let left_out = fenced || line.starts_with("    ") || line.trim_start().starts_with('|');
        if !left_out && is_long(line) {
            found.push(too_long(path, n + 1, line.chars().count()));
        }
    }
    found
}

/// Whether the line is longer than the last column. One word with a link may be, because it cannot be broken.
fn is_long(line: &str) -> bool {
    let Some((border, _)) = line.char_indices().nth(COLUMNS) else { return false };
    let start = line[..border].rfind(' ').map_or(0, |at| at + 1);
    let word = line[start..].split(' ').next().unwrap_or("");
    let link = word.contains("://") || word.contains("](");
    !link || line[start..].contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_found() {
        let words = |columns: usize| "word ".repeat(columns / 5);
        let code = format!("fn f() {{ {} }}\n", "a();".repeat(40));
        for (text, expected) in [
            (format!("// {}x\n", words(115)), vec![]),
            (format!("// {}xxx\n", words(115)), vec![1]),
            (format!("{code}/// {}xxx\n", words(120)), vec![2]),
            (format!("/* a\n{}xxx */\n", words(120)), vec![2]),
            (format!("//! | {} |\n/// | {} |\n", words(120), words(120)), vec![]),
            (format!("// | {} |\n", words(120)), vec![1]),
            (code.clone(), vec![]),
            (format!("// see https://{}\n", "x".repeat(120)), vec![]),
        ] {
            let found = long_comments(&RustFile::read("a/src/x.rs", &text), &text);
            assert_eq!(found.iter().map(|c| c.finding.line).collect::<Vec<_>>(), expected, "{text}");
        }
        for (text, expected) in [
            (format!("{}x\n", words(120)), vec![1]),
            (format!("| {} |\n", words(120)), vec![]),
            (format!("    {}\n", words(120)), vec![]),
            (format!("```\n{}x\n```\n{}x\n", words(120), words(120)), vec![4]),
            (format!("{}[a](docs/{}.md)\n", words(100), "x".repeat(30)), vec![]),
            (format!("{}[a](docs/{}.md) and more\n", words(100), "x".repeat(30)), vec![1]),
        ] {
            let found = long_prose("README.md", &text);
            assert_eq!(found.iter().map(|c| c.finding.line).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
