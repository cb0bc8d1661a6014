//! The selectors of the daemon, a file each.

pub mod all;
pub mod except_map;
pub mod expr;
pub mod external;
pub mod match_map;
pub mod skip;
