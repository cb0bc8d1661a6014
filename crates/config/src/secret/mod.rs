//! Secrets in a configuration: the references that name them, how they are resolved, and the mask that hides them.

mod encoded;
mod mask;
mod reference;
mod resolve;
mod shown;

pub use mask::{Mask, REQUEST, SHORTEST_WITHIN};
pub use reference::{FileError, Lookup, Reference, ReferenceError, escaped};
pub use resolve::{LazyPath, Resolved, SecretResolver};
pub use shown::shown;
