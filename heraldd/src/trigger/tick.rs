//! tick.
