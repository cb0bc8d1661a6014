//! Splits Rust text into tokens, so that a rule never mistakes a comment or a string for code.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// `::`, or one other character of punctuation.
    Mark,
    /// A string, a character, a number or a lifetime. A string's text is kept as written.
    Literal,
    /// A comment, documentation included.
    Comment,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As written.
    pub text: &'a str,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Every token of a Rust text, comments included. Never fails: text that is not Rust becomes punctuation tokens.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut found = Vec::new();
    while let Some(token) = lexer.next_token() {
        found.push(token);
    }
    found
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.take(blank);
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = if rest.starts_with("//") {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, block_comment(rest))
        } else if let Some(length) = string(rest) {
            (Kind::Literal, length)
        } else if let Some(length) = character(rest) {
            (Kind::Literal, length)
        } else if first.is_alphabetic() || first == '_' {
            (Kind::Word, while_word(rest))
        } else if first.is_ascii_digit() {
            (Kind::Literal, while_word(rest))
        } else if rest.starts_with("::") {
            (Kind::Mark, 2)
        } else {
            (Kind::Mark, first.len_utf8())
        };
        let line = self.line;
        Some(Token { kind, text: self.take(length), line })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.text[self.at..self.at + length];
        self.line += taken.matches('\n').count();
        self.at += length;
        taken
    }
}

fn while_word(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string literal of any kind at the start of the text.
fn string(rest: &str) -> Option<usize> {
    let after_prefix = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = &rest[..rest.len() - after_prefix.len()];
    if prefix.contains('r') && prefix.len() <= 2 {
        let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
        let body = after_prefix[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |found| found + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    if prefix.len() > 1 || !after_prefix.starts_with('"') {
        return None;
    }
    Some(prefix.len() + quoted(after_prefix, '"'))
}

/// The length of a character literal or a lifetime at the start of the text.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('b').filter(|body| body.starts_with('\'')).unwrap_or(rest);
    let prefix = rest.len() - body.len();
    let inner = body.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' || inner[first.len_utf8()..].starts_with('\'') {
        return Some(prefix + quoted(body, '\''));
    }
    Some(prefix + 1 + while_word(inner))
}

/// From the opening quote to the closing one, with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_from_strings_and_comments() {
        for (text, expected) in [
            ("a::b", vec!["a", "::", "b"]),
            (r#"f("x // \" y")"#, vec!["f", "(", r#""x // \" y""#, ")"]),
            (r##"r#"a "quoted" b"# z"##, vec![r##"r#"a "quoted" b"#"##, "z"]),
            ("b\"x\" c\"y\" br\"z\"", vec!["b\"x\"", "c\"y\"", "br\"z\""]),
            ("/* a /* b */ c */ d", vec!["/* a /* b */ c */", "d"]),
            ("x // to the end\ny", vec!["x", "// to the end", "y"]),
            ("'a' '\\'' 'static b'{'", vec!["'a'", "'\\''", "'static", "b'{'"]),
            ("'{' &'a str", vec!["'{'", "&", "'a", "str"]),
            ("crate bar raw", vec!["crate", "bar", "raw"]),
            ("1_000u64..2", vec!["1_000u64", ".", ".", "2"]),
            ("\"never closed", vec!["\"never closed"]),
            ("é → ü", vec!["é", "→", "ü"]),
        ] {
            let found: Vec<&str> = tokens(text).iter().map(|token| token.text).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn counts_lines_through_everything() {
        let text = "a\n\"b\nb\"\n/*\n*/ c\n// d\ne";
        let lines: Vec<usize> = tokens(text).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7]);
    }
}
