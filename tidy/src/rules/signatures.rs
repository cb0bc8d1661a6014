//! Rules for signatures: errors that are strings, and parameters that are tuples.

use crate::finding::{Counted, Finding};
use crate::read::lexer::{Kind, Token};
use crate::read::rust::{RustFile, closing};
use crate::read::signature::{Signature, arguments_of, signatures, split};
use crate::read::sources::{Sources, group};

/// Words of a type that is a string, in whatever container.
const TEXT: [&str; 10] = ["String", "str", "Box", "Arc", "Rc", "Cow", "std", "string", "borrow", "sync"];

/// How many functions can fail, and how many of them with a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fallible {
    /// Functions whose output holds a `Result`.
    pub functions: usize,
    /// Those among them whose error is a text.
    pub with_text: usize,
}

/// Counts the functions of the product that can fail.
#[must_use]
pub fn fallible<'a>(files: impl Iterator<Item = &'a RustFile<'a>>) -> Fallible {
    let mut count = Fallible::default();
    for file in files {
        for signature in signatures(file) {
            count.functions += usize::from(signature.output.iter().any(|token| token.text == "Result"));
            count.with_text += usize::from(has_text_error(signature.output));
        }
    }
    count
}

/// Whether among these tokens is a `Result` whose error is a text.
fn has_text_error(tokens: &[Token<'_>]) -> bool {
    arguments_of(tokens, "Result").iter().any(|arguments| {
        arguments.get(1).is_some_and(|error| {
            let mut words = error.iter().filter(|token| token.kind == Kind::Word);
            error.iter().any(|token| matches!(token.text, "String" | "str"))
                && words.all(|token| TEXT.contains(&token.text))
        })
    })
}

/// Functions, aliases and fields with a `Result` whose error is a text.
#[must_use]
pub fn string_errors(sources: &Sources<'_>) -> Vec<Counted> {
    sources.product().flat_map(|file| text_errors(file, false)).collect()
}

/// The public ones.
#[must_use]
pub fn public_string_errors(sources: &Sources<'_>) -> Vec<Counted> {
    sources.product().flat_map(|file| text_errors(file, true)).collect()
}

fn text_errors(file: &RustFile<'_>, public: bool) -> Vec<Counted> {
    let what = |name: &str| {
        let what =
            format!("{name} has a text as its error: give it a type that says what, where and what to do");
        move |line| count(file, line, &what)
    };
    let all = signatures(file);
    let mut found: Vec<Counted> = all
        .iter()
        .filter(|signature| signature.public || !public)
        .filter(|signature| mentions_text_error(signature))
        .map(|signature| what(signature.name)(signature.line))
        .collect();
    if !public {
        let outside =
            |at: &usize| file.is_product(*at) && !all.iter().any(|s| (s.at..body_end(file, s)).contains(at));
        found.extend(
            file.find(&["Result", "<"])
                .filter(outside)
                .filter(|&at| has_text_error(&file.code[at..statement_end(file, at)]))
                .map(|at| what("this type")(file.code[at].line)),
        );
    }
    found
}

fn mentions_text_error(signature: &Signature<'_, '_>) -> bool {
    has_text_error(signature.output) || signature.parameters.iter().any(|tokens| has_text_error(tokens))
}

fn body_end(file: &RustFile<'_>, signature: &Signature<'_, '_>) -> usize {
    let body = (signature.end..file.code.len()).find(|&at| matches!(file.code[at].text, "{" | ";"));
    body.and_then(|at| closing(&file.code, at)).unwrap_or(signature.end)
}

fn statement_end(file: &RustFile<'_>, at: usize) -> usize {
    (at..file.code.len()).find(|&n| matches!(file.code[n].text, ";" | "{" | "}")).unwrap_or(file.code.len())
}

/// Parameters of functions that are tuples, or references to one, or that take a tuple apart. Closures do not count.
#[must_use]
pub fn tuple_parameters(sources: &Sources<'_>) -> Vec<Counted> {
    sources.product().flat_map(tuples).collect()
}

fn tuples(file: &RustFile<'_>) -> Vec<Counted> {
    let mut found = Vec::new();
    for signature in signatures(file) {
        for _ in signature.parameters.iter().filter(|parameter| has_tuple(parameter)) {
            let what = format!("{} takes a tuple: take a struct, or plain parameters", signature.name);
            found.push(count(file, signature.line, &what));
        }
    }
    found
}

fn has_tuple(parameter: &[Token<'_>]) -> bool {
    let colon = parameter.iter().position(|token| token.text == ":").map_or(0, |at| at + 1);
    let (pattern, kind) = parameter.split_at(colon);
    let is_tuple = |tokens: &[Token<'_>]| {
        let held = tokens
            .iter()
            .take_while(|t| t.text == "&" || t.text == "mut" || t.text.starts_with('\''))
            .count();
        tokens.get(held).is_some_and(|token| token.text == "(")
            && closing(tokens, held).is_some_and(|close| split(&tokens[held + 1..close]).len() > 1)
    };
    is_tuple(pattern) || is_tuple(kind)
}

fn count(file: &RustFile<'_>, line: usize, what: &str) -> Counted {
    Counted { key: group(file.path).to_owned(), finding: Finding::new(file.path, line, what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_errors_are_found() {
        for (text, all, public) in [
            ("fn f() -> Result<u8, String> {}", 1, 0),
            ("pub fn f() -> Result<HashMap<A, B>, String> {}", 1, 1),
            ("pub(crate) fn f() -> Result<u8, &'static str>;", 1, 0),
            ("pub trait T { fn f() -> Option<Result<u8, std::string::String>>; }", 1, 1),
            ("pub async fn f() -> Result<(), Cow<'static, str>> {}", 1, 1),
            ("fn f(g: impl Fn() -> Result<(), String>) {}", 1, 0),
            ("type Checked<T> = Result<T, String>;", 1, 0),
            ("struct S { f: fn(&str) -> Result<u8, String>, g: u8 }", 1, 0),
            ("pub fn f() -> Result<String, Error> {}", 0, 0),
            ("pub fn f() -> io::Result<String> {}", 0, 0),
            ("fn f() -> Result<u8, Located<String>> {}", 0, 0),
            ("fn f() { let x: Result<u8, String> = y; }", 0, 0),
            ("#[cfg(test)] mod tests { fn f() -> Result<u8, String> {} }", 0, 0),
        ] {
            let file = RustFile::read("a/src/x.rs", text);
            let found = [false, true].map(|public| text_errors(&file, public).len());
            assert_eq!(found, [all, public], "{text}");
        }
        let file = RustFile::read(
            "a/src/x.rs",
            "fn f() -> Result<u8, String> {} fn g() -> io::Result<u8> {} fn h() {}",
        );
        assert_eq!(fallible([&file].into_iter()), Fallible { functions: 2, with_text: 1 });
    }

    #[test]
    fn tuples_as_parameters_are_found() {
        for (text, expected) in [
            ("fn f((a, b): (A, B), c: C) {}", 1),
            ("fn f(a: (A, B), b: &(A, B)) {}", 2),
            ("fn f(a: &'a mut (A, B)) {}", 1),
            ("fn f(a: (), b: (dyn A), c: impl Fn((A, B)), d: &[(A, B)]) {}", 0),
            ("fn f() { g(|(a, b): (A, B)| a); }", 0),
            ("fn f(Pair(a, b): Pair) -> (A, B) {}", 0),
            ("#[cfg(test)] fn f(a: (A, B)) {}", 0),
        ] {
            assert_eq!(tuples(&RustFile::read("a/src/x.rs", text)).len(), expected, "{text}");
        }
    }
}
