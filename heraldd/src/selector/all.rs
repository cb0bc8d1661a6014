//! all.
