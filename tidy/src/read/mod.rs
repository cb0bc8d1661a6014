//! Reads the repository: its files, Rust as tokens, functions and types.

pub mod definitions;
pub mod lexer;
pub mod rust;
pub mod signature;
pub mod sources;
pub mod text;
pub mod tree;
