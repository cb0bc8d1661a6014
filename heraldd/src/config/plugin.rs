//! The section `plugin`: shared libraries that add types.

use std::path::PathBuf;

use herald_config::include::Folders;
use herald_core::problem::{Path, Problem, kind_of};
use herald_core::spec::home;
use serde_json::{Value, json};

use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "plugin",
    holds: "shared libraries that add types: one path or a list; relative paths begin at the folder of the file",
    references: References::Nowhere,
    shape: Shape::Other(|_| {
        json!({
            "description": "Shared libraries that add types; relative paths begin at the folder of this file.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        })
    }),
};

/// The paths to open, from the value of `plugin`; none where the list is wrong.
pub(super) fn paths(value: &Value, folders: &Folders) -> Vec<PathBuf> {
    let folder = folders.of(&Path::top().key("plugin"));
    let paths = list(value).unwrap_or_default();
    paths.iter().filter_map(|path| home::path(path).ok()).map(|path| folder.join(path)).collect()
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Vec<PathBuf>, Invalid> {
    let Some(value) = reading.given("plugin") else { return Ok(Vec::new()) };
    match list(value) {
        Ok(_) => Ok(paths(value, reading.folders)),
        Err(problem) => Err(reading.wrong(problem)),
    }
}

/// One path or a list of them.
fn list(value: &Value) -> Result<Vec<&str>, Problem> {
    let at = Path::top().key("plugin");
    let path = |value: &'_ Value, at: Path| match value {
        Value::String(path) if !path.is_empty() => {
            home::path(path).map(drop).map_err(|why| Problem::error(at, why.to_string()))
        }
        other => Err(Problem::error(at, format!("expected the path of a plugin, found {}", describe(other)))),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => {
            list.iter().enumerate().try_for_each(|(n, item)| path(item, at.index(n)))?;
            Ok(list.iter().filter_map(Value::as_str).collect())
        }
        one => {
            path(one, at)?;
            Ok(one.as_str().into_iter().collect())
        }
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "an empty text",
        other => kind_of(other),
    }
}
