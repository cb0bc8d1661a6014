//! Sections of a configuration: what each is ([`Section`]), how it is read ([`SectionReader`]), and what follows from
//! the descriptions of all of them and of the component types: the reference (an overview, a page for each name, the
//! manual page heraldd.yml(5), and by name for the terminal), and the JSON Schema.

mod manual;
mod manual_text;
mod reference;
mod reference_entry;
mod reference_page;
mod schema;
mod script;
mod section;

pub use manual::{FILES, MANUAL, manual};
pub use reference::overview;
pub use reference_entry::{ReferenceEntry, UnknownName, entries_named, entry_names, reference_entries};
pub use reference_page::{ReferencePage, chapters, reference_pages};
pub use schema::schema;
pub use section::{
    Invalid, NamedOptions, References, Section, SectionReader, Shape, empty_names, names, resolve,
};
