//! Types that a file defines.

use std::ops::Range;

use super::lexer::{Kind, Token};
use super::rust::{RustFile, closing};

/// A struct, enum, union, trait or type alias in product code.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeName<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is defined.
    pub line: usize,
}

/// Blocks of items that are no modules, as indexes into [`RustFile::code`].
pub struct Blocks {
    /// `impl … { … }` and `trait … { … }`: a `type` in them is associated.
    pub associated: Vec<Range<usize>>,
    /// `pub trait … { … }`.
    pub public_traits: Vec<Range<usize>>,
}

/// Finds those blocks.
#[must_use]
pub fn blocks(file: &RustFile<'_>) -> Blocks {
    let code = &file.code;
    let mut found = Blocks { associated: Vec::new(), public_traits: Vec::new() };
    for at in 0..code.len() {
        let is_trait = code[at].text == "trait";
        if code[at].kind != Kind::Word || !(is_trait || code[at].text == "impl") || !begins_item(code, at) {
            continue;
        }
        let open =
            (at..code.len()).find(|&n| matches!(code[n].text, "{" | ";")).filter(|&n| code[n].text == "{");
        let Some(close) = open.and_then(|open| closing(code, open)) else { continue };
        found.associated.push(at..close);
        if is_trait && code[..at].iter().rev().find(|t| t.text != "unsafe").is_some_and(|t| t.text == "pub") {
            found.public_traits.push(at..close);
        }
    }
    found
}

/// The types that product code of the file defines, associated ones left out.
#[must_use]
pub fn types<'a>(file: &RustFile<'a>) -> Vec<TypeName<'a>> {
    let associated = blocks(file).associated;
    let code = &file.code;
    (0..code.len().saturating_sub(1))
        .filter(|&at| code[at].kind == Kind::Word && file.is_product(at) && begins_item(code, at))
        .filter(|&at| match code[at].text {
            "struct" | "enum" | "trait" | "union" => true,
            "type" => !associated.iter().any(|block| block.contains(&at)),
            _ => false,
        })
        .filter(|&at| code[at + 1].kind == Kind::Word)
        .map(|at| TypeName { name: code[at + 1].text, line: code[at].line })
        .collect()
}

fn begins_item(code: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|n| &code[n]) else { return true };
    matches!(before.text, ";" | "}" | "{" | "]" | ")" | "pub" | "unsafe" | "auto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_types_and_only_types() {
        let source = "struct A; pub(crate) enum B {} #[derive(X)] pub trait C { type Item; fn f(&self); } \
                      type D = u8; impl C for A { type Item = u8; } fn f(x: impl C) -> impl C { struct E; x } \
                      macro_rules! m { ($n:ident) => { struct $n; } } #[cfg(test)] mod tests { struct F; } \
                      // struct G;\n const H: &str = \"struct I\";";
        let file = RustFile::read("a/src/x.rs", source);
        let names: Vec<&str> = types(&file).iter().map(|found| found.name).collect();
        assert_eq!(names, ["A", "B", "C", "D", "E"]);
        assert!(types(&RustFile::read("a/tests/x.rs", source)).is_empty());
    }
}
