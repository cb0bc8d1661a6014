//! The key `include`: further files of the configuration. `herald_config::include` reads and merges them.

use herald_config::include::INCLUDE;
use serde_json::json;

use herald_sections::{References, Section, Shape};

pub(super) const SECTION: Section = Section {
    name: INCLUDE,
    holds: "further files, whose sections are merged by name: one path or a list; `*` and `?` in file names",
    references: References::Nowhere,
    shape: Shape::Other(|_| {
        json!({
            "description": "Further files, whose sections are merged by name; `*` and `?` are allowed in file names. \
                Relative paths begin at the folder of this file.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        })
    }),
};
