//! All files of the repository, with the Rust ones read.

use super::rust::RustFile;
use super::tree::Tree;

/// The input of the counting rules.
pub struct Sources<'a> {
    /// Every text file.
    pub tree: &'a Tree,
    /// The Rust files.
    pub rust: Vec<RustFile<'a>>,
}

impl<'a> Sources<'a> {
    /// Reads the Rust files of a tree.
    #[must_use]
    pub fn read(tree: &'a Tree) -> Self {
        Self { tree, rust: tree.rust().map(|(path, text)| RustFile::read(path, text)).collect() }
    }

    /// The Rust files that hold product code.
    pub fn product(&self) -> impl Iterator<Item = &RustFile<'a>> {
        self.rust.iter().filter(|file| file.role == super::rust::Role::Product)
    }
}

/// The part of the repository that a file belongs to: its crate, `docs/decisions`, or, at the root, the file itself.
#[must_use]
pub fn area(path: &str) -> &str {
    let depth =
        if ["crates/", "plugins/", "docs/"].iter().any(|folder| path.starts_with(folder)) { 2 } else { 1 };
    path.match_indices('/').nth(depth - 1).map_or(path, |(at, _)| &path[..at])
}

/// What a file counts with: `product` for every crate that is shipped, so that code may move between crates; `tools`
/// for those that test and measure; otherwise its [`area`].
#[must_use]
pub fn group(path: &str) -> &str {
    match area(path) {
        "bench" | "e2e" | "fuzz" | "tidy" => "tools",
        "herald-core" | "heraldd" | "herald-runner" => "product",
        folder if folder.starts_with("crates/") || folder.starts_with("plugins/") => "product",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_count_together() {
        for (path, expected) in [
            ("crates/net/src/lib.rs", "product"),
            ("heraldd/src/main.rs", "product"),
            ("plugins/hello/README.md", "product"),
            ("tidy/src/lib.rs", "tools"),
            ("docs/plugins.md", "docs/plugins.md"),
            ("README.md", "README.md"),
        ] {
            assert_eq!(group(path), expected);
        }
    }

    #[test]
    fn a_file_belongs_to_one_area() {
        for (path, expected) in [
            ("heraldd/src/cli/mod.rs", "heraldd"),
            ("crates/base/src/lib.rs", "crates/base"),
            ("plugins/hello/README.md", "plugins/hello"),
            ("docs/decisions/0001-x.md", "docs/decisions"),
            ("docs/plugins.md", "docs/plugins.md"),
            ("README.md", "README.md"),
        ] {
            assert_eq!(area(path), expected);
        }
    }
}
