//! Rule: a type name means one type in the whole workspace.
//!
//! What counts: structs, enums, unions, traits and type aliases in product code of every crate, private ones too.
//! Associated types, tests, and the crates that only test or measure (bench, e2e, tidy) are left out.

use std::collections::BTreeMap;

use crate::finding::{Counted, Finding};
use crate::read::definitions::types;
use crate::read::sources::Sources;

/// Names that several types may have, since Rust qualifies them by their module, and why. At most 15.
pub const ALLOWED: [(&str, &str); 2] = [
    ("Error", "the error of a module: Rust says io::Error, fmt::Error"),
    ("Options", "the options of a component, read beside its constructor; never leaves its module"),
];

/// Every definition of a name that more than one type has.
#[must_use]
pub fn shared(sources: &Sources<'_>) -> Vec<Counted> {
    shared_but(sources, &ALLOWED.map(|(name, _)| name))
}

fn shared_but(sources: &Sources<'_>, allowed: &[&str]) -> Vec<Counted> {
    by_name(sources)
        .into_iter()
        .filter(|(name, places)| places.len() > 1 && !allowed.contains(name))
        .flat_map(|(name, places)| places.into_iter().map(move |place| (name, place)))
        .map(|(name, place)| {
            let what =
                format!("{name} is the name of another type, too: merge them, or name each after what it is");
            Counted { key: name.to_owned(), finding: Finding::new(place.file, place.line, what) }
        })
        .collect()
}

/// Where a type is defined.
pub struct Place<'a> {
    /// Its file.
    pub file: &'a str,
    /// Its line.
    pub line: usize,
}

/// Every type name of the workspace with its definitions.
#[must_use]
pub fn by_name<'a>(sources: &Sources<'a>) -> BTreeMap<&'a str, Vec<Place<'a>>> {
    let mut found: BTreeMap<&str, Vec<Place<'_>>> = BTreeMap::new();
    for file in sources.product() {
        for defined in types(file) {
            found.entry(defined.name).or_default().push(Place { file: file.path, line: defined.line });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tree::Tree;

    #[test]
    fn names_of_several_types_are_found() {
        let files = [
            ("a/src/lib.rs", "struct Entry; struct Own; enum Error {}"),
            ("b/src/lib.rs", "enum Entry {} enum Error {} #[cfg(test)] mod tests { struct Own; }"),
            ("b/tests/it/main.rs", "struct Own;"),
            ("e2e/src/lib.rs", "struct Own;"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
        let tree = Tree { root: "/".into(), files };
        let found = shared_but(&Sources::read(&tree), &["Error"]);
        let found: Vec<(&str, &str)> =
            found.iter().map(|c| (c.key.as_str(), c.finding.file.as_str())).collect();
        assert_eq!(found, [("Entry", "a/src/lib.rs"), ("Entry", "b/src/lib.rs")]);
    }

    #[test]
    fn few_names_are_allowed_each_with_a_reason() {
        assert!(ALLOWED.len() <= 15);
        assert!(ALLOWED.iter().all(|(_, reason)| !reason.is_empty()));
    }
}
