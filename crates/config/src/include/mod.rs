//! `include`: one configuration in several files. Their sections are merged by name, and every problem is shown in the
//! file that it is in.

mod origins;
mod pattern;
mod reader;
mod written;

#[cfg(test)]
mod tests;

use std::path::Path as FilePath;

use serde_json::{Map, Value};

use crate::file::{self, ConfigurationFile, LARGEST, ReadError};
use crate::problem::{EntryPart, Path, Problem};
use crate::secret::Mask;
use crate::yaml::Problems;
pub use origins::Folders;
use origins::Origins;
pub use reader::INCLUDE;
use reader::IncludeReader;
use written::WrittenPlace;
pub use written::{WrittenConfiguration, WrittenEntry, WrittenValue};

/// What the keys begin with that are the user's own.
const OF_USER: &str = "x-";

/// A configuration file with the files that it includes; nothing more is known of them yet.
pub struct MergedConfiguration {
    /// The main file, then the included ones in the order in which they were read.
    files: Vec<ConfigurationFile>,
    value: Value,
    origins: Origins,
    /// What is wrong with the merge itself.
    clashes: Vec<FileProblem>,
}

/// A problem in one of the files.
struct FileProblem {
    /// Its place among the files.
    file: usize,
    problem: Problem,
}

/// Reads a configuration file and the files that it includes.
///
/// # Errors
/// When one of them cannot be read, is not text, or is not YAML: every problem at its place.
pub fn read(path: &FilePath) -> Result<MergedConfiguration, ReadError> {
    let (mut main, size) = file::read_within(path, LARGEST)?;
    let value = main.document.take_value();
    let mut merged =
        MergedConfiguration { files: vec![main], value, origins: Origins::default(), clashes: Vec::new() };
    let Value::Object(top) = &mut merged.value else { return Ok(merged) };
    let Some(named) = top.shift_remove(INCLUDE) else { return Ok(merged) };
    let included = IncludeReader::new(&merged.files[0], path, LARGEST - size).read(&named)?;
    merged.origins.add_main(top);
    for mut file in included {
        let value = file.document.take_value();
        merged.files.push(file);
        merged.add(value);
    }
    Ok(merged)
}

impl MergedConfiguration {
    /// The whole as JSON, without `include`; an empty one is null.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Takes the value out; null remains.
    pub fn take_value(&mut self) -> Value {
        self.value.take()
    }

    /// Differs where anything is written differently, but for comments and layout.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.written().digest
    }

    /// What is written, to be shown later.
    #[must_use]
    pub fn written(&self) -> WrittenValue {
        WrittenValue::new(self.files.iter().map(|file| &file.name), &self.value)
    }

    /// What was written, without what is at these places and what the mask hides.
    #[must_use]
    pub fn shown<'p>(
        &self,
        written: WrittenValue,
        secrets: impl Iterator<Item = &'p Path>,
        mask: &Mask,
    ) -> WrittenConfiguration {
        let place = |at: &Path| {
            let file = self.origins.file_of(at);
            let line = self.files.get(file).map(|file| file.document.locate(at, EntryPart::Key).line);
            WrittenPlace { file, line: line.unwrap_or(1) }
        };
        let digest = written.digest;
        let entries = written.entries(secrets, mask, place);
        let files = self.files.iter().map(|file| file.name.clone()).collect();
        WrittenConfiguration { files, entries, digest }
    }

    /// At which folder the relative paths begin that are written at a place: that of the file with this place.
    #[must_use]
    pub fn folders(&self) -> Folders {
        Folders::new(self.origins.clone(), self.files.iter().map(|file| file.folder.clone()).collect())
    }

    /// Never shows the value at this path in a report, as if its name were secret.
    pub fn hide(&mut self, path: &Path) {
        let file = self.origins.file_of(path);
        self.files[file].document.hide(path);
    }

    /// All problems in the order of the files, and what is doubtful about who has access to the files; `secrets` are
    /// the places of those that are written in them.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>, secrets: &[Path]) -> Problems {
        let mut of_files: Vec<Vec<Problem>> = self.files.iter().map(|_| Vec::new()).collect();
        for problem in problems {
            of_files[self.origins.file_of(&problem.path)].push(problem);
        }
        for clash in &self.clashes {
            of_files[clash.file].push(clash.problem.clone());
        }
        let reports = self.files.iter().zip(of_files).enumerate().map(|(n, (file, mut problems))| {
            let secret = secrets.iter().find(|path| self.origins.file_of(path) == n);
            problems.extend(file.warnings_of_access(secret));
            file.document.report(&problems)
        });
        reports.collect()
    }

    /// Merges the last file's sections into those before.
    fn add(&mut self, value: Value) {
        let more = match value {
            Value::Object(more) => more,
            Value::Null => return,
            _ => return self.clash(&Path::top(), "an included file is a map of sections", None),
        };
        for (section, value) in more {
            let at = Path::top().key(&section);
            if section == INCLUDE {
                let message = "an included file cannot include other files; list them in the main file";
                self.clash(&at, message, None);
            } else if !section.starts_with(OF_USER) {
                self.add_section(&section, value);
            }
        }
    }

    fn add_section(&mut self, section: &str, value: Value) {
        let last = self.files.len() - 1;
        let at = Path::top().key(section);
        let Value::Object(top) = &mut self.value else { return };
        match (top.get_mut(section), value) {
            (None | Some(Value::Null), value) => {
                top.insert(section.to_owned(), value);
                self.origins.add_section(section, last);
            }
            (Some(_), Value::Null) => {}
            (Some(Value::Object(into)), Value::Object(more)) => {
                let twice = add_entries(into, more, |name| self.origins.add_entry(section, name, last));
                for name in twice {
                    let message = format!("`{section}.{name}` is defined twice");
                    self.clash(&at.key(&name), &message, Some(&at.key(&name)));
                }
            }
            (Some(_), _) => self.clash(&at, &format!("`{section}` is defined twice"), Some(&at)),
        }
    }

    /// Notes what is wrong in the last file; `first` is what was there before.
    fn clash(&mut self, at: &Path, message: &str, first: Option<&Path>) {
        let problem = Problem::error(at.clone(), message).at_key().plain();
        let problem = match first {
            Some(first) => {
                let file = &self.files[self.origins.file_of(first)];
                let place = file.document.locate(first, EntryPart::Key);
                problem.help(format!("first defined in {}:{}:{}", file.name, place.line, place.column))
            }
            None => problem,
        };
        self.clashes.push(FileProblem { file: self.files.len() - 1, problem });
    }
}

/// Adds what is not there yet, and gives the names of what is.
fn add_entries(
    into: &mut Map<String, Value>,
    more: Map<String, Value>,
    mut added: impl FnMut(&str),
) -> Vec<String> {
    let mut twice = Vec::new();
    for (name, value) in more {
        if into.contains_key(&name) {
            twice.push(name);
        } else {
            added(&name);
            into.insert(name, value);
        }
    }
    twice
}
