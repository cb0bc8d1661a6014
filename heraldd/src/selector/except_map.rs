//! except_map.
