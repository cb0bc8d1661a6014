//! external.
