//! Reads YAML 1.2 into JSON values and remembers where everything was, so that a problem found later can be shown
//! where the user wrote it.
//!
//! What is not plain YAML 1.2 (core schema):
//! - `<<` merges maps, as YAML 1.1 does.
//! - A key is always a text: `8080:` is the key `"8080"`.
//! - A number with a leading zero (`0755`) is a text, since it is octal to some readers and decimal to others; the
//!   digits arrive as they were written. `0o755` is octal.
//! - `.inf` and `.nan` are refused: JSON cannot hold them.

mod build;
mod events;
mod merge;
mod open_node;
mod report;
mod scalar;
mod syntax;
mod tag;
mod tree;

#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};

use serde_json::Value;

use crate::problem::{EntryPart, Path, Problem};
use build::{Builder, Reading};
use report::{Finding, SourceText};
pub use report::{LocatedProblem, Problems};
use tree::Tree;

/// One YAML document with the place of everything in it.
pub struct Document {
    source: SourceText,
    tree: Tree,
    value: Value,
    /// What is wrong with the text itself.
    findings: Vec<Finding>,
}

/// Where something is in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes of the text.
    pub span: Range<usize>,
}

impl Document {
    /// Reads one document. `file_name` is what problems begin with.
    ///
    /// The memory that it takes is bounded by the length of the text and the bound on what aliases may repeat.
    ///
    /// # Errors
    /// Everything that is wrong with the text as YAML, as far as it can be read.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Problems> {
        let document = Self::parse_as_far_as_possible(text, file_name)?;
        if document.findings.is_empty() { Ok(document) } else { Err(document.report(&[])) }
    }

    /// As [`Self::parse`], for a file that was not written for Herald: a plain scalar that looks like a number and is
    /// none that JSON can hold (`.inf`, a hexadecimal number of 20 digits) is a text.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_texts(text: &str, file_name: &str) -> Result<Self, Problems> {
        let document = Self::read(text, file_name, Builder::with_texts())?;
        if document.findings.is_empty() { Ok(document) } else { Err(document.report(&[])) }
    }

    /// As [`Self::parse`], but where the text could be read to its end although something is wrong with it (a
    /// duplicate key, say), the document is given all the same, so that what is wrong with its content can be
    /// reported with it. Every [`Self::report`] then holds what is wrong with the text: use the content only when a
    /// report has no errors.
    ///
    /// # Errors
    /// What keeps the text from being read to its end, and all that is wrong before.
    pub fn parse_as_far_as_possible(text: &str, file_name: &str) -> Result<Self, Problems> {
        Self::read(text, file_name, Builder::default())
    }

    fn read(text: &str, file_name: &str, builder: Builder) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut source = SourceText::new(file_name, text);
        let Reading { mut tree, findings, to_the_end } = read_tree(text, &mut source, builder);
        if !to_the_end {
            return Err(source.report(findings));
        }
        let value = tree.take_value();
        Ok(Self { source, tree, value, findings })
    }

    /// The whole document as JSON; an empty one is null.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Takes the value out; null remains. Places can still be looked up.
    pub fn take_value(&mut self) -> Value {
        self.value.take()
    }

    /// What is at a path, or the nearest thing above it that exists.
    #[must_use]
    pub fn locate(&self, path: &Path, part: EntryPart) -> Location {
        let span = self.tree.locate(path, part);
        let (line, column) = self.source.position(span.start);
        Location { line, column, span }
    }

    /// How the plain scalar at a path is written: `1e3`, say, whatever number that is. `None` for texts in quotes or
    /// over several lines, lists and maps.
    #[must_use]
    pub fn plain_text(&self, path: &Path) -> Option<&str> {
        let written = self.source.text(self.tree.scalar(path)?)?;
        let is_plain = !written.starts_with(['"', '\'', '|', '>']) && !written.contains('\n');
        is_plain.then_some(written)
    }

    /// Never shows the value at this path in a report, as if its name were secret.
    pub fn hide(&mut self, path: &Path) {
        self.tree.texts_below(path, &mut self.source.secret);
    }

    /// The place of a problem: of the part of the value that it is about, where that is in the text as it is.
    fn span_of(&self, problem: &Problem) -> Range<usize> {
        let span = self.tree.locate(&problem.path, problem.part);
        let excerpt = problem.excerpt.as_deref().filter(|excerpt| !excerpt.is_empty());
        let found = excerpt.and_then(|excerpt| {
            let at = span.start + self.source.text(span.clone())?.find(excerpt)?;
            Some(at..at + excerpt.len())
        });
        found.unwrap_or(span)
    }

    /// The problems as text for people: sorted by place, each as `file:line:col: what is wrong` with its line below
    /// and secret values hidden.
    #[must_use]
    pub fn report(&self, problems: &[Problem]) -> Problems {
        let findings = problems.iter().map(|problem| Finding {
            span: self.span_of(problem),
            severity: problem.severity,
            message: problem.message.clone(),
            help: problem.help.clone(),
            if_secret: None,
        });
        // What could not be read is not reported a second time as missing.
        let unread = |finding: &Finding| self.findings.iter().any(|own| own.span == finding.span);
        let findings = findings.filter(|finding| !unread(finding));
        self.source.report(self.findings.iter().cloned().chain(findings).collect())
    }
}

/// The tree as far as it could be read, and what is wrong.
fn read_tree(text: &str, source: &mut SourceText, mut builder: Builder) -> Reading {
    if u32::try_from(text.len()).is_err() {
        builder.fatal(0..0, "the file is larger than 4 GiB".to_owned());
        return builder.finish(source);
    }
    events::each(text, |found| {
        match found {
            Ok((event, place)) => builder.event(event, place),
            Err(error) => builder.syntax_error(&error, text),
        }
        if builder.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    builder.finish(source)
}
