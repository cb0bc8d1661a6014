//! Names: which of the known ones was meant, and which of them a pattern means.

pub mod name_pattern;
pub mod near_miss;
