//! What the control API shows of a configuration as a whole: the calendar of what ran and what is due, the graph of the
//! routers, counts of jobs over time, and the values of boards.

pub mod calendar;
pub mod graph;
pub mod stats;
pub mod tiles;
