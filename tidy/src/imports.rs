//! Rule for imports between files of a crate: no loops.
//!
//! `mod x;` says where a file is and imports nothing; every path through `crate::`, `self::`, `super::` or a child
//! module does, `pub use` included. A path leads to the file of the deepest module that it names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::finding::Finding;
use crate::read::lexer::{Kind, Token};
use crate::read::rust::{RustFile, closing};

/// A path of module names from the root of the crate.
type ModulePath = Vec<String>;

/// One file of a crate imports another at a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// Who imports: a path from the root of the repository.
    pub from: String,
    /// What it imports.
    pub to: String,
    /// Where, in `from`.
    pub line: usize,
}

/// All imports between the files under one `src/`, outside test code, sorted.
#[must_use]
pub fn imports(src: &str, files: &[RustFile<'_>]) -> Vec<Import> {
    let modules: BTreeMap<ModulePath, &str> =
        files.iter().filter_map(|file| Some((module_path(src, file.path)?, file.path))).collect();
    let mut found = BTreeSet::new();
    for file in files {
        let Some(own) = module_of(src, file.path) else { continue };
        for (path, line) in paths(file, &own, &modules) {
            let target = (0..=path.len()).rev().find_map(|n| modules.get(&path[..n]));
            if let Some(target) = target.filter(|target| **target != file.path) {
                found.insert(Import { from: file.path.to_owned(), to: (*target).to_owned(), line });
            }
        }
    }
    found.into_iter().collect()
}

/// The module that a file is, if others can import it: `main.rs` nobody can.
fn module_path(src: &str, path: &str) -> Option<ModulePath> {
    if path.strip_prefix(src) == Some("main.rs") { None } else { module_of(src, path) }
}

fn module_of(src: &str, path: &str) -> Option<ModulePath> {
    let inside = path.strip_prefix(src)?.strip_suffix(".rs")?;
    let mut parts: ModulePath = inside.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    Some(parts)
}

/// Every path in the file that may lead to another file of the crate, from the root of the crate.
fn paths(
    file: &RustFile<'_>,
    own: &[String],
    modules: &BTreeMap<ModulePath, &str>,
) -> Vec<(ModulePath, usize)> {
    let inline = inline_modules(file);
    let mut found = Vec::new();
    let mut in_path_until = 0;
    for at in 0..file.code.len() {
        if !file.is_product(at) || !begins_path(&file.code, at) {
            continue;
        }
        let word = file.code[at].text;
        let is_use = at > 0 && file.code[at - 1].text == "use";
        let leads = matches!(word, "crate" | "self" | "super");
        let child = || modules.contains_key(&[own, &[word.to_owned()]].concat());
        if at < in_path_until || !(leads || child()) || (!is_use && !followed_by_path(&file.code, at)) {
            continue;
        }
        let mut module = own.to_vec();
        module.extend(
            inline.iter().filter(|(open, close, _)| *open < at && at < *close).map(|m| m.2.to_owned()),
        );
        let mut leaves = Vec::new();
        in_path_until = follow(&file.code, at, &module, &mut leaves);
        found.extend(leaves.into_iter().map(|path| (path, file.code[at].line)));
    }
    found
}

/// `mod name { … }`: indexes of the braces, and the name.
fn inline_modules<'a>(file: &RustFile<'a>) -> Vec<(usize, usize, &'a str)> {
    file.find(&["mod"])
        .filter(|&at| file.code.get(at + 2).is_some_and(|token| token.text == "{"))
        .filter_map(|at| Some((at + 2, closing(&file.code, at + 2)?, file.code[at + 1].text)))
        .collect()
}

fn begins_path(code: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |n| code[n].text);
    // In `pub(crate)` and `pub(super)` nothing follows the word; after `mod` it is declared; after `.` it is a field.
    code[at].kind == Kind::Word && !matches!(before, "::" | "." | "mod" | "fn" | "struct" | "enum" | "let")
}

fn followed_by_path(code: &[Token<'_>], at: usize) -> bool {
    code.get(at + 1).is_some_and(|token| token.text == "::")
}

/// Follows one path from `at`, through the braces of a `use`, and adds where each branch leads. Gives the index after
/// its last token.
fn follow(code: &[Token<'_>], at: usize, base: &[String], leaves: &mut Vec<ModulePath>) -> usize {
    let mut path = base.to_vec();
    let mut at = at;
    while let Some(token) = code.get(at) {
        match token.text {
            "crate" => path.clear(),
            "super" => {
                path.pop();
            }
            "self" | "*" => {}
            "{" => {
                let end = closing(code, at).unwrap_or(code.len() - 1);
                let mut branch = at + 1;
                while branch < end {
                    let after = follow(code, branch, &path, leaves);
                    // Past the comma; `as name` goes with it.
                    branch = (after..end).find(|&n| code[n].text == ",").unwrap_or(end) + 1;
                }
                return end + 1;
            }
            word if token.kind == Kind::Word => path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
        if code.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    leaves.push(path);
    at
}

/// Every loop of files that import each other, each once, as a finding at its first import.
#[must_use]
pub fn loops(imports: &[Import]) -> Vec<Finding> {
    let mut next: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    for import in imports {
        next.entry(&import.from).or_default().push(import);
    }
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for start in next.keys() {
        let Some(ring) = shortest_ring(&next, start) else { continue };
        let mut members: Vec<&str> = ring.iter().map(|import| import.from.as_str()).collect();
        members.sort_unstable();
        if told.insert(members) {
            let steps: Vec<String> =
                ring.iter().map(|i| format!("{}:{} -> {}", i.from, i.line, i.to)).collect();
            let what = format!(
                "files import each other in a loop: {}; move what both need into a file below them",
                steps.join(", ")
            );
            found.push(Finding::new(&ring[0].from, ring[0].line, what));
        }
    }
    found
}

fn shortest_ring<'a>(next: &BTreeMap<&str, Vec<&'a Import>>, start: &str) -> Option<Vec<&'a Import>> {
    let mut came_by: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for import in next.get(at).into_iter().flatten() {
            if came_by.contains_key(import.to.as_str()) {
                continue;
            }
            came_by.insert(&import.to, import);
            if import.to == start {
                let mut ring = vec![*import];
                while ring[ring.len() - 1].from != start {
                    ring.push(came_by[ring[ring.len() - 1].from.as_str()]);
                }
                ring.reverse();
                return Some(ring);
            }
            queue.push_back(&import.to);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let read: Vec<RustFile<'_>> = files.iter().map(|(path, text)| RustFile::read(path, text)).collect();
        let short = |path: &str| path.trim_start_matches("a/src/").to_owned();
        let mut found: Vec<_> =
            imports("a/src/", &read).iter().map(|i| (short(&i.from), short(&i.to))).collect();
        found.dedup();
        found
    }

    #[test]
    fn follows_every_kind_of_path() {
        let rest = [
            ("a/src/lib.rs", ""),
            ("a/src/b/mod.rs", ""),
            ("a/src/b/d.rs", ""),
            ("a/src/e.rs", ""),
            ("a/src/e/f.rs", ""),
        ];
        for (path, text, expected) in [
            ("a/src/x.rs", "use crate::b::d::Thing;", vec!["b/d.rs"]),
            ("a/src/x.rs", "use crate::b::Thing;", vec!["b/mod.rs"]),
            ("a/src/x.rs", "use crate::Thing;", vec!["lib.rs"]),
            (
                "a/src/x.rs",
                "use crate::{b::{self, d}, e::{f::*, G as H}};",
                vec!["b/d.rs", "b/mod.rs", "e.rs", "e/f.rs"],
            ),
            ("a/src/x.rs", "fn f() -> crate::e::f::T { super::b::d::new() }", vec!["b/d.rs", "e/f.rs"]),
            ("a/src/b/x.rs", "use super::{d::Y, Z};", vec!["b/d.rs", "b/mod.rs"]),
            ("a/src/b/x.rs", "use super::super::e;", vec!["e.rs"]),
            ("a/src/main.rs", "mod b; use b::d::X;", vec!["b/d.rs"]),
            ("a/src/x.rs", "mod b; pub(crate) fn f() { other::b::d(); x.b() }", vec![]),
            ("a/src/x.rs", "use b::d; #[cfg(test)] mod tests { use crate::e::f; }", vec![]),
            ("a/src/x.rs", "mod inner { use super::Y; use super::super::e::Z; }", vec!["e.rs"]),
            ("a/src/x.rs", "/// [`crate::e`]\nfn f(\"crate::e\") {}", vec![]),
            ("a/src/x.rs", "m! { a => crate::e::f::go() }", vec!["e/f.rs"]),
        ] {
            let mut files = rest.to_vec();
            files.push((path, text));
            let mut found: Vec<String> = edges(&files).into_iter().map(|(_, to)| to).collect();
            found.sort();
            found.dedup();
            assert_eq!(found, expected, "{path}: {text}");
        }
    }

    #[test]
    fn finds_loops_and_only_loops() {
        for (files, expected) in [
            (vec![("a/src/x.rs", "use crate::y::Y;"), ("a/src/y.rs", "")], 0),
            (vec![("a/src/x.rs", "use crate::y::Y;"), ("a/src/y.rs", "use super::x;")], 1),
            (vec![("a/src/x/mod.rs", "mod y; pub use y::Y;"), ("a/src/x/y.rs", "use super::Z;")], 1),
            (vec![("a/src/x/mod.rs", "mod y; pub use y::Y;"), ("a/src/x/y.rs", "")], 0),
            (vec![("a/src/x/mod.rs", "mod y;"), ("a/src/x/y.rs", "use super::Z;")], 0),
            (
                vec![
                    ("a/src/x.rs", "use crate::y;"),
                    ("a/src/y.rs", "use crate::z;"),
                    ("a/src/z.rs", "\nfn f() { crate::x::g() }"),
                ],
                1,
            ),
        ] {
            let read: Vec<RustFile<'_>> =
                files.iter().map(|(path, text)| RustFile::read(path, text)).collect();
            let found = loops(&imports("a/src/", &read));
            assert_eq!(found.len(), expected, "{files:?}: {found:?}");
        }
    }
}
