//! The reference by name: what its pages, the manual page and the terminal show.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use herald_config::spec::plain::component;
use herald_core::exe_done;
use herald_core::problem::near_miss;
use herald_core::registry::{ComponentTypes, Registry};
use herald_core::spec::Description;
use herald_core::workflow::policy;

use crate::script;
use crate::section::{Section, Shape};

/// The most characters of a summary.
const SUMMARY: usize = 64;

/// What the reference says of one name.
pub struct ReferenceEntry {
    /// What it is, with a capital letter: `Trigger`.
    pub kind: &'static str,
    /// What comes before its parameters.
    pub(crate) params: &'static str,
    /// Where its options are written, as a sentence; empty for component types.
    pub(crate) place: String,
    pub(crate) description: Description,
}

impl ReferenceEntry {
    /// Its name, or its key in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.type_name
    }

    /// The first sentence of what it does, with its full stop.
    #[must_use]
    pub fn first_sentence(&self) -> String {
        let doc = &self.description.doc;
        let sentence = doc.split_once(". ").map_or(doc.as_str(), |(first, _)| first).trim_end_matches('.');
        format!("{sentence}.")
    }

    /// The beginning of what it does.
    #[must_use]
    pub fn summary(&self) -> String {
        let sentence = self.first_sentence();
        let sentence = sentence.trim_end_matches('.');
        if sentence.chars().count() <= SUMMARY {
            return sentence.to_owned();
        }
        let cut: String = sentence.chars().take(SUMMARY - 2).collect();
        format!("{} …", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
    }

    /// Adds its reference to a page.
    pub fn show(&self, page: &mut String) {
        component(page, &self.params.replace('`', ""), &self.description);
    }
}

/// Every section, component type, internal trigger and guide, in the order of the reference page.
#[must_use]
pub fn reference_entries(sections: &[&Section], registry: &Registry) -> Vec<ReferenceEntry> {
    let new = |kind, params, description| ReferenceEntry { kind, params, place: String::new(), description };
    let mut entries: Vec<ReferenceEntry> = sections.iter().map(|section| of_section(section)).collect();
    for (place, description) in [
        ("Under `policy` of a router or a task, the task's keys first.", policy::description()),
        ("Under `policy.retry`.", policy::retry_description()),
        ("Under `policy.concurrency`.", policy::concurrency_description()),
    ] {
        entries.push(ReferenceEntry { place: place.to_owned(), ..new("Policy", "", description) });
    }
    fn of<C: ?Sized>(types: &ComponentTypes<C>) -> impl Iterator<Item = Description> {
        types.descriptions().cloned()
    }
    entries.extend(of(&registry.triggers).map(|found| new("Trigger", "`trigger_param` holds", found)));
    let internal = exe_done::descriptions().into_iter();
    entries.extend(internal.map(|found| new("Internal trigger", "`trigger_param` holds", found)));
    entries.extend(of(&registry.selectors).map(|found| new("Selector", "`select_param` holds", found)));
    entries.extend(of(&registry.executors).map(|found| new("Executor", "`job_param` holds", found)));
    entries.push(new("Guide", "A script gets and gives", script::description()));
    entries
}

/// What a section holds; settings at the top of the file are the entry `top`.
fn of_section(section: &Section) -> ReferenceEntry {
    let name = section.name;
    let (place, description) = match section.shape {
        Shape::Options(describe) => {
            (format!("Under `{name}`."), Description { type_name: name.to_owned(), ..describe() })
        }
        Shape::Named(describe) => {
            (format!("Under `{name}.NAME`."), Description { type_name: name.to_owned(), ..describe() })
        }
        Shape::Top(describe) => {
            ("At the top of the file.".to_owned(), Description { type_name: "top".to_owned(), ..describe() })
        }
        Shape::Other(_) => (String::new(), Description::new(name, &capitalized(section.holds))),
    };
    ReferenceEntry { kind: "Section", params: "", place, description }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// A name that the reference does not have.
#[derive(Debug, thiserror::Error)]
pub enum UnknownName {
    /// It is misspelled, perhaps.
    #[error("heraldd: the reference has no \"{0}\"; did you mean \"{1}\"?")]
    Near(String, String),
    /// Nothing is like it.
    #[error("heraldd: the reference has no \"{0}\"; `heraldd reference` lists all names")]
    Other(String),
}

/// The names of these entries, each once, in order.
#[must_use]
pub fn entry_names(entries: &[ReferenceEntry]) -> Vec<String> {
    let names: BTreeSet<&str> = entries.iter().map(ReferenceEntry::name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Every entry with this name.
///
/// # Errors
/// There is none; the error says what may be meant.
pub fn entries_named(entries: &[ReferenceEntry], name: &str) -> Result<String, UnknownName> {
    let mut page = String::new();
    for entry in entries.iter().filter(|entry| entry.name() == name) {
        if !page.is_empty() {
            page.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{} {name}\n", entry.kind);
        entry.show(&mut page);
    }
    if !page.is_empty() {
        return Ok(page.trim_end().to_owned());
    }
    Err(match near_miss(name, entries.iter().map(ReferenceEntry::name)) {
        Some(meant) => UnknownName::Near(name.to_owned(), meant.to_owned()),
        None => UnknownName::Other(name.to_owned()),
    })
}
