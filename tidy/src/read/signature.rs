//! Signatures of functions: parameters, output, whether they are public.

use super::definitions::{Blocks, blocks};
use super::lexer::{Kind, Token};
use super::rust::{RustFile, closing};

/// A function as it is declared.
pub struct Signature<'f, 'a> {
    /// Its name.
    pub name: &'a str,
    /// Index of `fn` in [`RustFile::code`].
    pub at: usize,
    /// The line of `fn`.
    pub line: usize,
    /// `pub`, or declared in a public trait. `pub(crate)` is not public.
    pub public: bool,
    /// The tokens of each parameter, pattern and type.
    pub parameters: Vec<&'f [Token<'a>]>,
    /// The tokens after `->`.
    pub output: &'f [Token<'a>],
    /// Index of the first token after the signature: `{`, `;` or `where`.
    pub end: usize,
}

/// Every function that product code of the file declares. Closures and `fn(…)` types are none.
#[must_use]
pub fn signatures<'f, 'a>(file: &'f RustFile<'a>) -> Vec<Signature<'f, 'a>> {
    let blocks = blocks(file);
    file.find(&["fn"])
        .filter(|&at| file.is_product(at))
        .filter_map(|at| signature(file, at, &blocks))
        .collect()
}

fn signature<'f, 'a>(file: &'f RustFile<'a>, at: usize, blocks: &Blocks) -> Option<Signature<'f, 'a>> {
    let code = &file.code;
    let name = code.get(at + 1).filter(|token| token.kind == Kind::Word)?;
    let open = if code.get(at + 2)?.text == "<" { angle_end(code, at + 2)? + 1 } else { at + 2 };
    if code.get(open)?.text != "(" {
        return None;
    }
    let close = closing(code, open)?;
    let arrow = code.get(close + 1)?.text == "-" && code.get(close + 2)?.text == ">";
    let output = if arrow { close + 3 } else { close + 1 };
    let mut end = output;
    while !matches!(code.get(end)?.text, "{" | ";" | "where" | "}") {
        end = if matches!(code[end].text, "(" | "[") { closing(code, end)? + 1 } else { end + 1 };
    }
    Some(Signature {
        name: name.text,
        at,
        line: code[at].line,
        public: is_public(code, at) || blocks.public_traits.iter().any(|block| block.contains(&at)),
        parameters: split(&code[open + 1..close]),
        output: if arrow { &code[output..end] } else { &[] },
        end,
    })
}

fn is_public(code: &[Token<'_>], at: usize) -> bool {
    let before = code[..at].iter().rev();
    let mut words = before.skip_while(|token| {
        token.kind == Kind::Literal || matches!(token.text, "async" | "const" | "unsafe" | "extern")
    });
    words.next().is_some_and(|token| token.text == "pub")
}

/// The `>` that closes the `<` at this place; the one of `->` closes nothing.
fn angle_end(code: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in open..code.len() {
        match code[at].text {
            "<" => depth += 1,
            ">" if !is_arrow(code, at) => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn is_arrow(code: &[Token<'_>], at: usize) -> bool {
    at > 0 && matches!(code[at - 1].text, "-" | "=")
}

/// The parts between the commas that are in no bracket.
#[must_use]
pub fn split<'f, 'a>(tokens: &'f [Token<'a>]) -> Vec<&'f [Token<'a>]> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Mark) {
        match token.text {
            "(" | "[" | "{" | "<" => depth += 1,
            ">" if is_arrow(tokens, at) => {}
            ")" | "]" | "}" | ">" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < tokens.len() {
        found.push(&tokens[start..]);
    }
    found
}

/// The arguments of every `name<…>` among these tokens.
#[must_use]
pub fn arguments_of<'f, 'a>(tokens: &'f [Token<'a>], name: &str) -> Vec<Vec<&'f [Token<'a>]>> {
    (1..tokens.len())
        .filter(|&at| tokens[at].text == "<" && tokens[at - 1].text == name)
        .filter_map(|at| Some(split(&tokens[at + 1..angle_end(tokens, at)?])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: &[Token<'_>]) -> String {
        tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn reads_parameters_and_output() {
        for (source, parameters, output) in [
            ("fn f() {}", vec![], ""),
            ("fn f(&self, a: B<C, D>) -> E where E: F {}", vec!["& self", "a : B < C , D >"], "E"),
            ("fn f<T: Fn(A) -> B>(t: T) -> [u8; 2];", vec!["t : T"], "[ u8 ; 2 ]"),
            ("fn f((a, b): (A, B),) {}", vec!["( a , b ) : ( A , B )"], ""),
            ("fn f(g: impl Fn(A) -> B, c: C) {}", vec!["g : impl Fn ( A ) - > B", "c : C"], ""),
        ] {
            let file = RustFile::read("a/src/x.rs", source);
            let found = &signatures(&file)[0];
            let list: Vec<String> = found.parameters.iter().map(|part| text(part)).collect();
            assert_eq!(
                (list, text(found.output)),
                (parameters.iter().map(ToString::to_string).collect(), output.to_owned())
            );
        }
    }

    #[test]
    fn knows_what_is_public() {
        let source = "pub fn a() {} pub(crate) fn b() {} fn c() {} pub async fn d() {} pub trait T { fn e(); } \
                      trait U { fn g(); } impl T for X { fn e() {} } const H: fn(u8) = i; \
                      #[cfg(test)] mod tests { pub fn k() {} }";
        let file = RustFile::read("a/src/x.rs", source);
        let public: Vec<&str> = signatures(&file).iter().filter(|s| s.public).map(|s| s.name).collect();
        assert_eq!(public, ["a", "d", "e"]);
        assert_eq!(signatures(&file).len(), 7);
    }
}
