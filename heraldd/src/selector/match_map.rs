//! match_map.
