//! Words that are banned from messages, comments, documents and names, each with its replacement.
//!
//! A word between backticks is quoted, not used: this is how a document speaks of it.

use crate::finding::{Counted, Finding};
use crate::read::lexer::Kind;
use crate::read::rust::RustFile;
use crate::read::sources::{Sources, group};
use crate::read::text::{Passage, Word, comments, document, strings, words};

/// The banned words, and what to say instead.
pub const BANNED: [(&str, &str); 17] = [
    ("told", "reported, logged, shown, sent or passed"),
    ("tells", "reports, shows or says; a trigger fires"),
    ("anew", "again; re-created, reopened"),
    ("stands", "is; is defined in"),
    ("is no", "is not a valid …, is not a …"),
    ("may not be", "must not be, or cannot be"),
    ("turned away", "rejected"),
    ("earns", "gets"),
    ("in good order", "cleanly"),
    ("taken up", "resumed, recovered, applied or accepted"),
    ("what became of", "the status of, the result of"),
    ("whoever", "anyone who, the user who"),
    ("likewise", "also, in the same way"),
    ("mishap", "error, failure"),
    ("mishaps", "errors, failures"),
    ("stranger", "unauthenticated client, unknown host"),
    ("strangers", "unauthenticated clients, unknown hosts"),
];

/// After these words, `is no` is plain English, as in "no longer" and "no larger than".
const COMPARATIVES: [&str; 10] =
    ["longer", "more", "less", "larger", "greater", "smaller", "shorter", "later", "earlier", "different"];

/// Banned words in comments, in strings of product code, and in documents and examples.
#[must_use]
pub fn in_texts(sources: &Sources<'_>) -> Vec<Counted> {
    let rust = sources.rust.iter().flat_map(|file| {
        let passages = comments(file).into_iter().chain(strings(file));
        passages.flat_map(|passage| in_passage(file.path, &passage)).collect::<Vec<_>>()
    });
    let documents = sources
        .tree
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".md") || path.starts_with("examples/") && !path.ends_with(".rs"))
        .flat_map(|(path, text)| in_passage(path, &document(text)));
    rust.chain(documents).collect()
}

fn in_passage(path: &str, passage: &Passage) -> Vec<Counted> {
    let all = words(passage);
    let mut found = Vec::new();
    for at in 0..all.len() {
        for (banned, replacement) in BANNED {
            if used(&all, at, banned) {
                let key = format!("{}: {banned}", group(path));
                let what = format!("\"{banned}\" is a banned word; say: {replacement}");
                found.push(Counted { key, finding: Finding::new(path, all[at].line, what) });
            }
        }
    }
    found
}

/// Whether the words from here on are the banned ones, with nothing but blanks between them.
fn used(all: &[Word], at: usize, banned: &str) -> bool {
    let length = banned.split(' ').count();
    let Some(here) = all.get(at..at + length) else { return false };
    let same = here.iter().map(|word| word.text.as_str()).eq(banned.split(' '));
    let quoted = here[0].gap.ends_with('`') && here[length - 1].after.starts_with('`');
    same && !quoted
        && here[1..].iter().all(|word| word.gap.is_empty())
        && (banned != "is no" || denies_a_noun(all, at))
}

/// Whether a noun follows: "this `is no` duration". Without one ("the answer: no."), before a comparative, and after
/// "there", the words are plain English.
fn denies_a_noun(all: &[Word], at: usize) -> bool {
    let after = &all[at + 1].after;
    let goes_on = after.chars().all(|c| "`'\"{}<[*(".contains(c));
    let ends = after.is_empty() || after == "\"";
    let noun = match all.get(at + 2) {
        Some(next) => goes_on && !COMPARATIVES.contains(&next.text.as_str()),
        None => !ends && goes_on,
    };
    noun && !(at > 0 && all[at].gap.is_empty() && all[at - 1].text == "there")
}

/// Banned words that are part of the name of a function, a type, a module or a constant of the product.
#[must_use]
pub fn in_names(sources: &Sources<'_>) -> Vec<Counted> {
    sources.product().flat_map(names_of).collect()
}

fn names_of(file: &RustFile<'_>) -> Vec<Counted> {
    let mut found = Vec::new();
    for at in 1..file.code.len() {
        let token = &file.code[at];
        let defines = matches!(
            file.code[at - 1].text,
            "fn" | "struct" | "enum" | "trait" | "type" | "mod" | "const" | "static"
        );
        if !(defines && token.kind == Kind::Word && file.is_product(at)) {
            continue;
        }
        let parts = parts(token.text);
        for (banned, replacement) in BANNED {
            let phrase: Vec<&str> = banned.split(' ').collect();
            if parts.windows(phrase.len()).any(|window| window == phrase.as_slice()) {
                let what = format!("{} holds the banned word \"{banned}\"; say: {replacement}", token.text);
                let finding = Finding::new(file.path, token.line, what);
                found.push(Counted { key: group(file.path).to_owned(), finding });
            }
        }
    }
    found
}

/// The words of a name in snake or camel case, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || was_lower && c.is_uppercase() {
            found.push(String::new());
        }
        if c != '_'
            && let Some(last) = found.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tree::Tree;

    fn count(path: &str, text: &str) -> usize {
        let tree = Tree { root: "/".into(), files: vec![(path.to_owned(), text.to_owned())] };
        in_texts(&Sources::read(&tree)).len()
    }

    #[test]
    fn banned_words_are_found() {
        for (path, text, expected) in [
            ("a/src/x.rs", "/// What it tells: a JSON object", 1),
            ("a/src/x.rs", "// the event was turned\n// away", 1),
            ("a/src/x.rs", "// the event was turned.\n// Away", 0),
            ("a/src/x.rs", "fn f() { g(\"made anew, {told}, and Told\") }", 2),
            ("a/tests/x.rs", "fn f() { g(\"made anew\") } // told", 1),
            ("a/src/x.rs", "fn told() {} // retold, standstill, `told`, [`Told`]", 0),
            ("README.md", "It stands\nin good\norder. `whoever`", 2),
            ("README.md", "taken\n\nup", 0),
            ("examples/a.yml", "# likewise\n", 1),
            ("other/a.yml", "# likewise\n", 0),
        ] {
            assert_eq!(count(path, text), expected, "{text}");
        }
    }

    #[test]
    fn is_no_is_banned_before_a_noun() {
        for (text, expected) in [
            ("`x` is no duration", 1),
            ("this is no \"duration\"", 1),
            ("this is no {kind}", 1),
            ("this is no {}", 1),
            ("that is no longer so", 0),
            ("it is no larger than x", 0),
            ("there is no file", 0),
            ("so there: is no file", 1),
            ("the answer is no", 0),
            ("the answer is no. Then", 0),
            ("the answer is no, then", 0),
            ("it is not, it is none", 0),
            ("a value may not be empty; may not. Be", 1),
        ] {
            assert_eq!(count("README.md", text), expected, "{text}");
            let code = format!("fn f() {{ g({text:?}) }}");
            assert_eq!(count("a/src/x.rs", &code), expected, "{text}");
        }
    }

    #[test]
    fn names_with_banned_words_are_found() {
        for (text, expected) in [
            ("struct Stranger; fn is_told() {} mod anew {}", 3),
            ("struct RequestMishap; const TURNED_AWAY: u8 = 1;", 2),
            ("struct Strange; fn retold(told: u8) {}", 0),
            ("#[cfg(test)] mod tests { fn told() {} }", 0),
        ] {
            assert_eq!(names_of(&RustFile::read("a/src/x.rs", text)).len(), expected, "{text}");
        }
    }
}
