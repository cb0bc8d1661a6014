//! The tests of the parsers.

#[cfg(test)]
mod corpora;
