//! A Rust file of the workspace: its tokens, and which of them are test code.

use crate::read::lexer::{Kind, Token, tokens};

/// The kind of code in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Part of a program or a library.
    Product,
    /// A file under `tests/` or `benches/`, the `tests.rs` of a module, or of the crates that only test or measure.
    Test,
}

/// Crates that only test or measure.
const TEST_CRATES: [&str; 4] = ["bench", "e2e", "fuzz", "tidy"];

/// A Rust file, read.
pub struct RustFile<'a> {
    /// Path from the root of the repository.
    pub path: &'a str,
    /// The kind of its code.
    pub role: Role,
    /// Tokens outside comments.
    pub code: Vec<Token<'a>>,
    /// Comments.
    pub comments: Vec<Token<'a>>,
    /// For each token of `code`: whether it belongs to an item under `#[cfg(test)]`.
    pub in_test: Vec<bool>,
    /// How many lines the file has.
    pub lines: usize,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Indexes into [`RustFile::code`], from `fn` to the closing brace, both included.
    pub first: usize,
    /// See `first`.
    pub last: usize,
}

impl<'a> RustFile<'a> {
    /// Reads a file's text.
    #[must_use]
    pub fn read(path: &'a str, text: &'a str) -> Self {
        let (comments, code): (Vec<_>, Vec<_>) =
            tokens(text).into_iter().partition(|token| token.kind == Kind::Comment);
        let in_test = test_items(&code);
        Self { path, role: role(path), code, comments, in_test, lines: text.lines().count() }
    }

    /// Whether the token at this place of `code` is part of a program, not of a test.
    #[must_use]
    pub fn is_product(&self, at: usize) -> bool {
        self.role == Role::Product && !self.in_test[at]
    }

    /// The places where these tokens follow each other.
    pub fn find<'p>(&'p self, pattern: &'p [&str]) -> impl Iterator<Item = usize> + 'p {
        (0..self.code.len()).filter(move |&at| self.matches(at, pattern))
    }

    /// Whether these tokens are at this place. Literals never match, so that no string is mistaken for code.
    #[must_use]
    pub fn matches(&self, at: usize, pattern: &[&str]) -> bool {
        self.code.len() >= at + pattern.len()
            && self.code[at..].iter().zip(pattern).all(|(t, p)| t.kind != Kind::Literal && t.text == *p)
    }

    /// The functions with a body, nested ones too.
    #[must_use]
    pub fn functions(&self) -> Vec<Function<'a>> {
        let mut found = Vec::new();
        for first in self.find(&["fn"]) {
            let Some(name) = self.code.get(first + 1).filter(|token| token.kind == Kind::Word) else {
                continue;
            };
            if let Some(last) = item_end(&self.code, first)
                && self.code[last].text == "}"
            {
                found.push(Function { name: name.text, first, last });
            }
        }
        found
    }

    /// The innermost function around this place.
    #[must_use]
    pub fn function_around(&self, at: usize) -> Option<Function<'a>> {
        self.functions().into_iter().filter(|f| f.first <= at && at <= f.last).max_by_key(|f| f.first)
    }

    /// The number of lines outside items under `#[cfg(test)]`.
    #[must_use]
    pub fn product_lines(&self) -> usize {
        let mut lines = vec![true; self.lines + 2];
        let mut at = 0;
        while at < self.code.len() {
            let end = (at..self.code.len())
                .find(|&n| self.in_test[n] != self.in_test[at])
                .unwrap_or(self.code.len());
            if self.in_test[at] {
                lines[self.code[at].line..=self.code[end - 1].line].fill(false);
            }
            at = end;
        }
        lines[1..=self.lines].iter().filter(|kept| **kept).count()
    }
}

fn role(path: &str) -> Role {
    let mut parts = path.split('/');
    let test_crate = parts.next().is_some_and(|first| TEST_CRATES.contains(&first));
    if test_crate || parts.any(|part| matches!(part, "tests" | "benches" | "tests.rs")) {
        Role::Test
    } else {
        Role::Product
    }
}

/// Marks what belongs to items under `#[cfg(test)]` (alone or in `all(…)`), attribute included.
fn test_items(code: &[Token<'_>]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut at = 0;
    while at < code.len() {
        let Some(end) = attribute_end(code, at) else {
            at += 1;
            continue;
        };
        if is_cfg_test(&code[at..=end]) {
            let inner = code[at + 1].text == "!";
            let last = if inner { code.len() - 1 } else { item_end(code, end + 1).unwrap_or(code.len() - 1) };
            marks[at..=last].fill(true);
            at = last + 1;
        } else {
            at = end + 1;
        }
    }
    marks
}

fn is_cfg_test(attribute: &[Token<'_>]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.kind == Kind::Word && token.text == word);
    has("cfg") && has("test") && !has("not") && !has("any")
}

/// The closing bracket of the attribute that begins here, if one does.
fn attribute_end(code: &[Token<'_>], at: usize) -> Option<usize> {
    let open = match (code.get(at)?.text, code.get(at + 1)?.text) {
        ("#", "[") => at + 1,
        ("#", "!") if code.get(at + 2)?.text == "[" => at + 2,
        _ => return None,
    };
    closing(code, open)
}

/// The mark that closes the bracket at this place.
#[must_use]
pub fn closing(code: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        match token.text {
            _ if token.kind != Kind::Mark => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Words that begin an item, whose commas (of generics, of bounds) do not end it.
const ITEM_WORDS: [&str; 14] = [
    "async", "const", "enum", "extern", "fn", "impl", "mod", "pub", "static", "struct", "trait", "type",
    "unsafe", "use",
];

/// The last token of the item that begins here: its closing brace, or its semicolon; for a field or an arm, its
/// comma.
fn item_end(code: &[Token<'_>], start: usize) -> Option<usize> {
    let mut at = start;
    while code.get(at)?.text == "#" {
        at = attribute_end(code, at)? + 1;
    }
    let comma_ends = !ITEM_WORDS.contains(&code.get(at)?.text);
    while at < code.len() {
        let token = &code[at];
        match token.text {
            ";" => return Some(at),
            "," if comma_ends => return Some(at),
            "{" => {
                let end = closing(code, at)?;
                // `use a::{b, c};` goes on after its braces.
                let goes_on =
                    code.get(end + 1).is_some_and(|next| next.text == ";") && code[start].text != "fn";
                return Some(if goes_on { end + 1 } else { end });
            }
            "(" | "[" => at = closing(code, at)? + 1,
            // The end of what surrounds the item: a field or an arm without a comma.
            "}" | ")" | "]" => return Some(at.saturating_sub(1)),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_test_code() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { c(\"}\") }\n}\nfn d() {}\n#[cfg(test)]\nuse x::{y, z};\n#[cfg(not(test))]\nfn e() {}\n";
        let file = RustFile::read("herald-core/src/x.rs", text);
        let tested: Vec<&str> = ["a", "b", "d", "y", "e"]
            .into_iter()
            .filter(|name| file.find(&[name]).any(|at| !file.is_product(at)))
            .collect();
        assert_eq!(tested, ["b", "y"]);
        assert_eq!(file.product_lines(), 4);
        for (path, expected) in [
            ("herald-core/src/tests_of_x.rs", Role::Product),
            ("herald-core/src/config/tests.rs", Role::Test),
            ("herald-core/tests/it/main.rs", Role::Test),
            ("bench/src/main.rs", Role::Test),
            ("plugins/hello/src/lib.rs", Role::Product),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
    }

    #[test]
    fn finds_functions_and_their_ends() {
        let text = "trait T { fn declared(&self) -> [u8; 2]; fn given(&self) { x } }\nfn long<T, U>(a: [u8; 3]) -> R where T: Fn(u8), U: X {\n let c = |x| { fn inner() {} x };\n}\n";
        let file = RustFile::read("a.rs", text);
        let names: Vec<&str> = file.functions().iter().map(|f| f.name).collect();
        assert_eq!(names, ["given", "long", "inner"]);
        let inner = file.find(&["inner"]).next().unwrap();
        assert_eq!(file.function_around(inner).unwrap().name, "inner");
        assert_eq!(file.functions()[1].last, file.code.len() - 1);
    }
}
