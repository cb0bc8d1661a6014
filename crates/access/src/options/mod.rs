//! The options of the section `access`: described once, for its check, its schema and its reference.

mod describe;
mod read;
mod resolve;
mod values;

pub use describe::description;
pub use read::{SectionOptions, read};
pub use resolve::resolve;
