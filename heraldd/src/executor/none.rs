//! none.
