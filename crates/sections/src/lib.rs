//! Sections of a configuration: what each is ([`Section`]), how it is read ([`SectionReader`]), and what follows from
//! the descriptions of all of them and of the component types: the reference, by page and by name, and the JSON Schema.

mod reference;
mod reference_entry;
mod schema;
mod section;

pub use reference::markdown;
pub use reference_entry::{ReferenceEntry, reference_entries};
pub use schema::schema;
pub use section::{Invalid, NamedOptions, References, Section, SectionReader, Shape, names, resolve};
