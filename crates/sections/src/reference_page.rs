//! A page of the reference for each component type, section, policy and internal trigger, and their chapters in the
//! book.

use std::fmt::Write as _;

use herald_config::spec::markdown::{component, options};
use herald_core::spec::Description;

use crate::reference_entry::ReferenceEntry;

/// What generated pages begin with.
pub(crate) const NOTE: &str = "<!-- Made from the descriptions of the component types; do not edit. -->";

/// The page of herald-runner's own configuration.
pub(crate) const HERALD_RUNNER: &str = "herald-runner.md";

/// The kinds of entries in their order, with the heading of each.
const KINDS: [(&str, &str); 7] = [
    ("Section", "Sections"),
    ("Policy", "Policies"),
    ("Trigger", "Triggers"),
    ("Internal trigger", "Internal triggers"),
    ("Selector", "Selectors"),
    ("Executor", "Executors"),
    ("Guide", "Guides"),
];

/// One page of the reference.
pub struct ReferencePage {
    /// Its path from `docs/reference`.
    pub path: String,
    /// Its text, as Markdown.
    pub text: String,
}

impl ReferenceEntry {
    /// Whether it has a page of its own. Sections that hold components or routers are described by the overview.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.kind != "Section" || !self.description.options.is_empty()
    }

    /// The path of its page from `docs/reference`. A colon, as in `app:deploy`, would make a link a URL.
    #[must_use]
    pub fn path(&self) -> String {
        let folder = self.kind.to_lowercase().replace(' ', "-");
        format!("{folder}/{}.md", self.name().replace(':', "-"))
    }
}

/// The entries that have pages, by the heading of their kind.
pub(crate) fn kinds(
    entries: &[ReferenceEntry],
) -> impl Iterator<Item = (&'static str, Vec<&ReferenceEntry>)> {
    KINDS.iter().map(|(kind, heading)| {
        (*heading, entries.iter().filter(|entry| entry.kind == *kind && entry.has_page()).collect())
    })
}

/// The pages of these entries, and that of the file of herald-runner.
#[must_use]
pub fn reference_pages(entries: &[ReferenceEntry], runner: &Description) -> Vec<ReferencePage> {
    let of_entries = entries.iter().filter(|entry| entry.has_page());
    let mut pages: Vec<ReferencePage> =
        of_entries.map(|entry| ReferencePage { path: entry.path(), text: page(entry) }).collect();
    pages.push(ReferencePage { path: HERALD_RUNNER.to_owned(), text: of_runner(runner) });
    pages
}

fn page(entry: &ReferenceEntry) -> String {
    let name = entry.name();
    let mut page = format!("# {} `{name}`\n\n{NOTE}\n", entry.kind);
    // Writing to a String cannot fail.
    if !entry.place.is_empty() {
        let _ = write!(page, "\n{}\n", entry.place);
    }
    component(&mut page, entry.params, &entry.description);
    let _ = write!(
        page,
        "\n`heraldd reference {name}` prints this in a terminal. [All components and sections](../configuration.md)\n"
    );
    page
}

/// The file of herald-runner.
fn of_runner(description: &Description) -> String {
    let mut page = format!(
        "# herald-runner\n\n{NOTE}\n\n{} Its configuration is a file of its own, `herald-runner -config FILE`, with these \
         options at the top. `herald-runner check FILE` validates it.\n\n",
        description.doc
    );
    options(&mut page, "option", &description.options);
    // Writing to a String cannot fail.
    let _ = write!(page, "\n```yaml\n{}\n```\n", description.example.trim());
    page
}

/// The chapters of the entries, as lines of the `SUMMARY.md` of a book; `folder` leads from it to the reference.
#[must_use]
pub fn chapters(entries: &[ReferenceEntry], folder: &str) -> String {
    let mut lines = String::new();
    for (heading, of_kind) in kinds(entries) {
        // Writing to a String cannot fail.
        let _ = write!(lines, "# {heading}\n\n");
        for entry in of_kind {
            let _ = writeln!(lines, "- [{}]({folder}/{})", entry.name(), entry.path());
        }
        lines.push('\n');
    }
    lines
}
