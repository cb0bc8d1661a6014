//! The rules of the repository, checked by `cargo nextest run -p tidy`.
//!
//! Each rule reads the repository's own files as text and returns [`finding::Finding`]s: file, line, and what to do.
//! Each has a test on made-up text that shows that it can fail. The rules in [`rules`] count: a count must be zero,
//! or at most the limit in `limits.toml`. `cargo run -p tidy --bin measure` prints the counts.

pub mod banned;
pub mod budget;
pub mod component;
pub mod crates;
pub mod docs;
pub mod finding;
pub mod imports;
pub mod licence;
pub mod limits;
pub mod read;
pub mod rules;
