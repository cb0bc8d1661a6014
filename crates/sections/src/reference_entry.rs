//! The reference by name, for the terminal: the same descriptions as those of the reference page.

use herald_config::spec::plain::component;
use herald_core::exe_done;
use herald_core::registry::{ComponentTypes, Registry};
use herald_core::spec::Description;
use herald_core::workflow::policy;

use crate::section::{Section, Shape};

/// The most characters of a summary.
const SUMMARY: usize = 64;

/// What the reference says of one name.
pub struct ReferenceEntry {
    /// What it is, with a capital letter: `Trigger`.
    pub kind: &'static str,
    /// What comes before its parameters.
    params: &'static str,
    description: Description,
}

impl ReferenceEntry {
    /// Its name, or its key in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.type_name
    }

    /// The beginning of what it does.
    #[must_use]
    pub fn summary(&self) -> String {
        let doc = &self.description.doc;
        let sentence = doc.split_once(". ").map_or(doc.as_str(), |(first, _)| first).trim_end_matches('.');
        if sentence.chars().count() <= SUMMARY {
            return sentence.to_owned();
        }
        let cut: String = sentence.chars().take(SUMMARY - 2).collect();
        format!("{} …", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
    }

    /// Adds its reference to a page.
    pub fn show(&self, page: &mut String) {
        component(page, self.params, &self.description);
    }
}

/// Every section, component type and internal trigger, in the order of the reference page.
#[must_use]
pub fn reference_entries(sections: &[&Section], registry: &Registry) -> Vec<ReferenceEntry> {
    let new = |kind, params, description| ReferenceEntry { kind, params, description };
    let mut entries: Vec<ReferenceEntry> =
        sections.iter().map(|section| new("Section", "", of_section(section))).collect();
    for description in [policy::description(), policy::retry_description(), policy::concurrency_description()]
    {
        entries.push(new("Policy", "", description));
    }
    fn of<C: ?Sized>(types: &ComponentTypes<C>) -> impl Iterator<Item = Description> {
        types.descriptions().cloned()
    }
    entries.extend(of(&registry.triggers).map(|found| new("Trigger", "trigger_param holds", found)));
    let internal = exe_done::descriptions().into_iter();
    entries.extend(internal.map(|found| new("Internal trigger", "trigger_param holds", found)));
    entries.extend(of(&registry.selectors).map(|found| new("Selector", "select_param holds", found)));
    entries.extend(of(&registry.executors).map(|found| new("Executor", "job_param holds", found)));
    entries
}

/// What a section holds; settings at the top of the file are the entry `top`.
fn of_section(section: &Section) -> Description {
    match section.shape {
        Shape::Options(describe) | Shape::Named(describe) => {
            Description { type_name: section.name.to_owned(), ..describe() }
        }
        Shape::Top(describe) => Description { type_name: "top".to_owned(), ..describe() },
        Shape::Other(_) => Description::new(section.name, &capitalized(section.holds)),
    }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
