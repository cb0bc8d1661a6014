//! Boards: values out of the results of jobs as tiles. The section `board`, what a value is against its thresholds, and
//! where the points of a line are. Nothing here reads a history or makes HTML.

pub mod line;
pub mod number;
pub mod section;
pub mod settings;
pub mod state;
