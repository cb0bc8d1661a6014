//! The rules of the house, held by `cargo test -p tidy`.
//!
//! Each rule reads the repository's own files as text and gives [`finding::Finding`]s: file, line, and what to do.
//! Each has a test on made-up text that shows that it can fail.

pub mod banned;
pub mod budget;
pub mod component;
pub mod crates;
pub mod finding;
pub mod imports;
pub mod lexer;
pub mod licence;
pub mod papers;
pub mod rust;
pub mod tree;
