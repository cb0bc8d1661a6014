//! Rule for the number of files directly in a crate's `src`.

use std::collections::BTreeMap;

use crate::finding::{Counted, Finding};
use crate::read::sources::{Sources, area};

/// How many a crate may have without an exception; `lib.rs` and `main.rs` count.
pub const LOOSE_FILES: usize = 10;

/// The crates with their loose files, each.
#[must_use]
pub fn by_crate<'a>(sources: &'a Sources<'_>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &sources.rust {
        let krate = area(file.path);
        let inside = file.path.strip_prefix(krate).and_then(|rest| rest.strip_prefix("/src/"));
        if let Some(name) = inside {
            let files = found.entry(krate).or_default();
            if !name.contains('/') {
                files.push(file.path);
            }
        }
    }
    found
}

/// The loose files of crates that have too many.
#[must_use]
pub fn loose(sources: &Sources<'_>) -> Vec<Counted> {
    let what = format!(
        "a crate has at most {LOOSE_FILES} loose files: put it into a folder named after its subject"
    );
    by_crate(sources)
        .into_iter()
        .filter(|(_, files)| files.len() > LOOSE_FILES)
        .flat_map(|(krate, files)| files.into_iter().map(move |file| (krate, file)))
        .map(|(krate, file)| Counted { key: krate.to_owned(), finding: Finding::new(file, 0, what.as_str()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tree::Tree;

    #[test]
    fn eleven_are_too_many() {
        for (folder, count, expected) in [
            ("a/src/", 10, 0),
            ("a/src/", 11, 11),
            ("crates/a/src/", 12, 12),
            ("a/src/b/", 11, 0),
            ("a/tests/", 11, 0),
        ] {
            let mut files: Vec<(String, String)> =
                (10..10 + count).map(|n| (format!("{folder}x{n}.rs"), String::new())).collect();
            files.push(("a/src/b/c.rs".to_owned(), String::new()));
            let tree = Tree { root: "/".into(), files };
            assert_eq!(loose(&Sources::read(&tree)).len(), expected, "{folder} {count}");
        }
    }
}
