//! Prose: the texts of comments, strings and documents, as words.

use super::lexer::{Kind, Token};
use super::rust::RustFile;

/// A stretch of prose: each line with its number.
pub type Passage = Vec<(usize, String)>;

/// A word of a passage.
#[derive(Debug)]
pub struct Word {
    /// In lower case.
    pub text: String,
    /// Its line.
    pub line: usize,
    /// What is between the word before and this one, without blanks.
    pub gap: String,
    /// What follows it, up to the next word, without blanks.
    pub after: String,
}

/// The comments of a file; comments on lines that follow each other are one passage.
#[must_use]
pub fn comments(file: &RustFile<'_>) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    for comment in &file.comments {
        let lines = comment.text.lines().enumerate().map(|(n, line)| {
            let line = line.trim().trim_start_matches(['/', '!', '*']).trim_end_matches("*/");
            (comment.line + n, line.to_owned())
        });
        match found.last_mut().filter(|passage| passage.last().is_some_and(|(n, _)| n + 1 == comment.line)) {
            Some(passage) => passage.extend(lines),
            None => found.push(lines.collect()),
        }
    }
    found
}

/// The strings in product code of a file, each a passage, without the names in `{…}`.
#[must_use]
pub fn strings(file: &RustFile<'_>) -> Vec<Passage> {
    let is_string = |token: &Token<'_>| token.kind == Kind::Literal && token.text.ends_with(['"', '#']);
    file.code
        .iter()
        .enumerate()
        .filter(|(at, token)| is_string(token) && file.is_product(*at))
        .map(|(_, token)| {
            let text = token.text.replace("\\n", " ").replace("\\t", " ").replace("\\\"", "\"");
            text.lines().enumerate().map(|(n, line)| (token.line + n, without_arguments(line))).collect()
        })
        .collect()
}

/// `{name}` and `{name:?}` become `{}`.
fn without_arguments(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line.trim_end_matches('\\');
    while let Some((before, after)) = rest.split_once('{') {
        kept.push_str(before);
        kept.push('{');
        let is_argument = |c: char| c.is_alphanumeric() || "_:.?#<>^$".contains(c);
        rest = after.trim_start_matches(is_argument);
        if !rest.starts_with('}') {
            rest = after;
        }
    }
    kept + rest
}

/// A document as one passage.
#[must_use]
pub fn document(text: &str) -> Passage {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim_start_matches(['#', '>', ' ']).to_owned()))
        .collect()
}

/// The words of a passage. A line ends a word and adds nothing to the gap; an empty one parts what is around it.
#[must_use]
pub fn words(passage: &Passage) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut gap = String::new();
    for (line, text) in passage {
        if text.trim().is_empty() {
            gap.push('\n');
        }
        let mut rest = text.as_str();
        while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
            rest = &rest[start..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end == 0 {
                let mark = rest.chars().next().unwrap_or(' ');
                gap.push(mark);
                rest = &rest[mark.len_utf8()..];
                continue;
            }
            if let Some(before) = found.last_mut() {
                before.after.clone_from(&gap);
            }
            found.push(Word {
                text: rest[..end].to_lowercase(),
                line: *line,
                gap: std::mem::take(&mut gap),
                after: String::new(),
            });
            rest = &rest[end..];
        }
    }
    if let Some(last) = found.last_mut() {
        last.after = gap;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(passages: &[Passage]) -> Vec<String> {
        passages
            .iter()
            .map(|passage| {
                words(passage).iter().map(|w| format!("{}{}", w.gap, w.text)).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    #[test]
    fn prose_is_found_where_it_is_written() {
        let source = "//! One\n//! passage.\n\n// Another\nfn f() { g(\"a {told:?} \\\"b\\\" {}\\n\\\n  c\", 'x', 12); }\n#[cfg(test)] fn h() { \"not\" }";
        let file = RustFile::read("a/src/x.rs", source);
        assert_eq!(joined(&comments(&file)), ["one passage", "another"]);
        assert_eq!(joined(&strings(&file)), ["\"a {}\"b \"{}c"]);
        assert_eq!(joined(&[document("# Head\n\nA, b\nc")]), ["head \na ,b c"]);
    }
}
