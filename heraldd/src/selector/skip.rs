//! skip.
