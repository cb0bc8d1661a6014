//! Rules that count. A count should be zero; a count that is not zero yet has a limit in `tidy/limits.toml`.

pub mod files;
pub mod lines;
pub mod report;
pub mod signatures;
pub mod type_names;
pub mod words;

use crate::finding::Counted;
use crate::read::sources::Sources;

/// A rule that counts.
pub struct Rule {
    /// Its section in `limits.toml`.
    pub name: &'static str,
    /// What it counts, and by what.
    pub about: &'static str,
    /// Counts.
    pub measure: fn(&Sources<'_>) -> Vec<Counted>,
}

/// All rules that count.
pub const RULES: [Rule; 8] = [
    Rule {
        name: "loose_files",
        about: "Rust files at the root of a crate's src, where they are more than 10; by crate",
        measure: files::loose,
    },
    Rule {
        name: "type_names",
        about: "definitions of a type name that more than one type of the workspace has; by name",
        measure: type_names::shared,
    },
    Rule {
        name: "string_errors",
        about: "functions and types with a text as the error of a Result; by group of crates",
        measure: signatures::string_errors,
    },
    Rule {
        name: "public_string_errors",
        about: "those among them that are public; by group of crates",
        measure: signatures::public_string_errors,
    },
    Rule {
        name: "tuple_parameters",
        about: "parameters that are tuples; by group of crates",
        measure: signatures::tuple_parameters,
    },
    Rule {
        name: "long_lines",
        about: "lines of comments and documents over 120 columns; by group of crates or document",
        measure: lines::long,
    },
    Rule {
        name: "words",
        about: "banned words in messages, comments, documents and examples; by group of crates or document, and word",
        measure: words::in_texts,
    },
    Rule {
        name: "words_in_names",
        about: "banned words in the names of product code; by group of crates",
        measure: words::in_names,
    },
];
